// Rules about storage that a schema cannot say: of each part by itself, of what applies to a node, and between nodes.

import type { Diagnostic } from '../model/diagnostic.ts';
import { describeDevice } from '../model/storage.ts';
import { textAt } from './draft.ts';
import { finding, scalarText } from './findings.ts';
import type { LocatedMapping } from './located.ts';
import {
  initiatorNameOf,
  lunsOf,
  type NodeStorage,
  nodeStorages,
  storageParts,
  type WrittenLun,
  writtenAt,
} from './node-storage.ts';
import { parsePortal } from './portal.ts';
import { checkNodeStorages, nodesText } from './storage-node-checks.ts';
import { checkStoragePart, portalTexts } from './storage-part-checks.ts';

/** Names of portals and disks, secrets, what is missing from a node's storage, and what nodes must not share. */
export function checkStorage(tree: LocatedMapping): Diagnostic[] {
  const storages = nodeStorages(tree);
  const cluster = textAt(tree, ['cluster'])?.text ?? '';
  return [
    ...storageParts(tree).flatMap((part) => checkStoragePart(tree, part)),
    ...checkNodeStorages(tree, storages, cluster),
    ...sharedNames(storages, cluster),
    ...sharedLuns(storages),
  ];
}

function sharedNames(storages: readonly NodeStorage[], cluster: string): Diagnostic[] {
  const named = storages.flatMap((storage) => {
    const name = initiatorNameOf(cluster, storage)?.name.toLowerCase();
    return name === undefined ? [] : [{ storage, name }];
  });
  return alike(named, ({ name }) => name).flatMap((same) => {
    const places = same.flatMap(({ storage }) => writtenAt(storage, ['iscsi', 'initiatorName']) ?? []);
    const last = places.at(-1);
    if (same.length < 2 || last === undefined) return [];
    return [
      finding({
        at: last.entry.value.at,
        path: last.path,
        value: scalarText(last.entry.value),
        rule: 'initiator-name-shared',
        message: `${nodesText(same.map(({ storage }) => storage.node))} have one initiator name: the target takes the login of one for the return of another and ends its session`,
        remedy: 'remove it: each node then gets a name of its own; or name each under nodes.<name>.storage.iscsi',
      }),
    ];
  });
}

/** Values in groups of those with the same key, in the order of the first of each. */
function alike<T>(values: readonly T[], keyOf: (value: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return [...groups.values()];
}

/** One LUN in the volume groups of several nodes: each would write to it as if it were alone. */
function sharedLuns(storages: readonly NodeStorage[]): Diagnostic[] {
  const users = storages.flatMap((storage) => {
    const target = textAt(storage.tree, ['iscsi', 'target'])?.text.toLowerCase() ?? null;
    if (target === null) return [];
    const portals = portalTexts({ node: storage.node, tree: storage.tree, path: [] }).flatMap(({ text }) => {
      const portal = parsePortal(text);
      return portal.kind === 'portal' ? [portal.text] : [];
    });
    return lunsOf(storage).flatMap((lun) =>
      portals.map((portal) => ({ node: storage.node, lun, disk: `${target} ${portal} ${lun.lun}` })),
    );
  });
  const warnings = new Map<string, Diagnostic>();
  for (const same of alike(users, ({ disk }) => disk)) {
    const nodes = [...new Set(same.map(({ node }) => node))];
    const last = same.at(-1);
    if (nodes.length < 2 || last === undefined) continue;
    const { lun } = last;
    // Several portals of one target are no further warning.
    warnings.set(`${lun.lun} ${nodes.join(' ')}`, sharedLun(nodes, lun));
  }
  return [...warnings.values()];
}

function sharedLun(nodes: readonly string[], { at, path, text, lun }: WrittenLun): Diagnostic {
  return finding({
    severity: 'warning',
    at,
    path,
    value: text,
    rule: 'lun-shared',
    message: `${nodesText(nodes)} are to make a volume group on ${describeDevice({ kind: 'iscsi', lun })} of one target, and each node needs a LUN of its own`,
    remedy:
      'unless the target shows every initiator another LUN, give each node its own target under nodes.<name>.storage.iscsi, or its own LUN under nodes.<name>.storage.docker',
  });
}

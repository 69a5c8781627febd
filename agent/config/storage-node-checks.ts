// Rules about what applies to one node, its own storage laid over that of all: what is missing, and what cannot be made.

import { clusterSchema } from '../model/cluster-schema.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { initiatorNameFault } from '../render/initiator-name.ts';
import { draftNodes, textAt } from './draft.ts';
import { type Finding, finding } from './findings.ts';
import { entryAt, type KeyPath, type LocatedMapping, valueAt } from './located.ts';
import { initiatorNameOf, lunsOf, type NodeStorage, passwordFiles, writtenAt } from './node-storage.ts';
import { isGivenOtherwise } from './relevant-errors.ts';
import { asPart, keysOf, missingWords, type SchemaPart } from './schema-words.ts';

/** Keys that neither part has, LUNs without a target, equal secrets, and names that cannot be made. */
export function checkNodeStorages(
  tree: LocatedMapping,
  storages: readonly NodeStorage[],
  cluster: string,
): Diagnostic[] {
  return grouped(storages, draftNodes(tree).length, (storage) => [
    ...missingKeys(storage),
    ...lunsWithoutTarget(storage),
    ...equalSecrets(storage),
    ...derivedName(storage, cluster),
  ]);
}

/** A finding about the storage of a node; `who` is empty when it is true of all nodes alike. */
interface NodeFinding extends Omit<Finding, 'message'> {
  readonly message: (who: string) => string;
}

/** One finding where several nodes have it for the same reason: from the part that they share. */
function grouped(
  storages: readonly NodeStorage[],
  total: number,
  check: (storage: NodeStorage) => readonly NodeFinding[],
): Diagnostic[] {
  const groups = new Map<string, { readonly first: NodeFinding; readonly nodes: string[] }>();
  for (const storage of storages) {
    for (const found of check(storage)) {
      const key = JSON.stringify([found.at, found.path, found.rule]);
      const group = groups.get(key) ?? { first: found, nodes: [] };
      group.nodes.push(storage.node);
      groups.set(key, group);
    }
  }
  return [...groups.values()].map(({ first, nodes }) => {
    const isShared = first.path[0] !== 'nodes';
    const who = isShared && nodes.length === total ? '' : ` of ${nodesText(nodes)}`;
    return finding({ ...first, message: first.message(who) });
  });
}

/** `node a1`, `nodes a1 and a2`, `nodes a1, a2, a3, a4 and 7 more`. */
export function nodesText(nodes: readonly string[]): string {
  const [first = '', ...others] = nodes;
  if (others.length === 0) return `node ${first}`;
  const last = nodes.length > 5 ? `${nodes.length - 4} more` : (nodes.at(-1) ?? '');
  return `nodes ${nodes.slice(0, nodes.length > 5 ? 4 : -1).join(', ')} and ${last}`;
}

const storageSchema: SchemaPart = clusterSchema.properties.storage;

const required: readonly { readonly path: KeyPath; readonly keys: readonly string[] }[] = [
  { path: ['iscsi'], keys: ['portal', 'target'] },
  { path: ['iscsi', 'chap'], keys: ['username', 'passwordFile'] },
  { path: ['iscsi', 'chap', 'mutual'], keys: ['username', 'passwordFile'] },
  { path: ['docker'], keys: ['volumeGroup', 'devices'] },
];

function missingKeys(storage: NodeStorage): NodeFinding[] {
  return required.flatMap(({ path, keys }) => {
    const owner = valueAt(storage.tree, path);
    const written = writtenAt(storage, path);
    if (owner?.kind !== 'mapping' || written === null) return [];
    const known = keysOf(path.reduce((part, key) => asPart(asPart(part['properties'])[key]), storageSchema));
    return keys.flatMap((key): NodeFinding[] => {
      const given = [...owner.entries.keys()];
      if (given.includes(key) || (key === 'portal' && given.includes('portals'))) return [];
      if (isGivenOtherwise(owner, key, known)) return [];
      const place = ['storage', ...path].join('.');
      const words = missingWords(place, key, `${place}.${key}`);
      return [
        {
          at: written.entry.keyAt,
          path: [...written.path, key],
          value: null,
          ...words,
          message: (who) => missingWords(`${place}${who}`, key, `${place}.${key}`).message,
        },
      ];
    });
  });
}

function lunsWithoutTarget(storage: NodeStorage): NodeFinding[] {
  if (entryAt(storage.tree, ['iscsi']) !== null) return [];
  return lunsOf(storage).map(({ at, path, text }) => ({
    at,
    path,
    value: text,
    rule: 'lun-without-target',
    message: (who) => `this is a LUN of an iSCSI target, and storage${who} has no iscsi`,
    remedy: `add the target, for example iscsi: { portal: 10.34.102.54:3260, target: iqn.2009-02.com.example:part }`,
  }));
}

function equalSecrets(storage: NodeStorage): NodeFinding[] {
  const [ours, theirs] = passwordFiles.map((path) => textAt(storage.tree, path));
  if (!ours || !theirs || ours.text !== theirs.text) return [];
  // Where the node brings one of both, the mistake is there.
  const places = passwordFiles.map((path) => writtenAt(storage, path));
  const written = places.findLast((place) => place?.node !== null) ?? places.at(-1) ?? null;
  if (written === null) return [];
  return [
    {
      at: written.entry.value.at,
      path: written.path,
      value: null,
      rule: 'secrets-equal',
      message: (who) =>
        `storage.iscsi.chap${who} and its mutual have one passwordFile: a target refuses equal secrets, since whoever can ask for one could answer with it`,
      remedy: 'put the secret of the target in a file of its own, for example /etc/diyc-agent/chap-mutual',
    },
  ];
}

const iscsiSchema = clusterSchema.properties.storage.properties.iscsi.properties;

/** The name that is made for a node where the file gives none; made from malformed parts it is not looked at. */
function derivedName(storage: NodeStorage, cluster: string): NodeFinding[] {
  const target = textAt(storage.tree, ['iscsi', 'target']);
  const prefix = textAt(storage.tree, ['iscsi', 'initiatorNamePrefix']);
  if (!new RegExp(clusterSchema.properties.cluster.pattern).test(cluster)) return [];
  if (target === null || !new RegExp(iscsiSchema.target.pattern).test(target.text)) return [];
  if (prefix !== null && !new RegExp(iscsiSchema.initiatorNamePrefix.pattern).test(prefix.text)) return [];
  const name = initiatorNameOf(cluster, storage);
  const from = name?.from ?? 'target';
  const written = writtenAt(storage, ['iscsi', from]);
  if (from === 'initiatorName' || written === null) return [];
  const base = { at: written.entry.value.at, path: written.path, rule: 'initiator-name' };
  const value = textAt(storage.tree, ['iscsi', from])?.text ?? null;
  const byHand = `give each node a name of its own: nodes.${storage.node}.storage.iscsi.initiatorName`;
  if (name === null) {
    return [
      {
        ...base,
        value,
        message: (who) =>
          `the name of this target has no naming authority from which the initiator name${who || ' of each node'} could be made`,
        remedy: `add initiatorNamePrefix: iqn.2009-02.com.example, with year and domain of your own; or ${byHand}`,
      },
    ];
  }
  const fault = initiatorNameFault(name.name);
  if (fault === null) return [];
  return [
    {
      ...base,
      value: name.name,
      message: () => `no initiator name can be made for node ${storage.node}: ${fault}`,
      remedy: `add a shorter initiatorNamePrefix, or ${byHand}`,
    },
  ];
}

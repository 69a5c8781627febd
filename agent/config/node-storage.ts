// What storage applies to one node: that of all nodes with the node's own laid over it, each value still traceable.

import type { ClusterFile } from '../model/cluster-config.ts';
import { clusterSchema } from '../model/cluster-schema.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { ChapConfig, DockerStorageConfig, IscsiConfig, StorageConfig } from '../model/storage.ts';
import { initiatorNameFor, targetAuthority } from '../render/initiator-name.ts';
import { parseDevice } from './device-names.ts';
import { type DraftText, draftNodes, itemsAt, textAt } from './draft.ts';
import { entryAt, type KeyPath, type LocatedEntry, type LocatedMapping, toPlain, valueAt } from './located.ts';
import { mergeMappings } from './merge.ts';
import { parsePortal } from './portal.ts';

export type WrittenStorage = NonNullable<ClusterFile['storage']>;

/** One mapping of storage where it was written: for all nodes, or for one. */
export interface StoragePart {
  /** Null for the storage of all nodes. */
  readonly node: string | null;
  readonly tree: LocatedMapping;
  readonly path: KeyPath;
}

export interface NodeStorage {
  readonly node: string;
  /** The node's own laid over that of all; paths in it begin with `iscsi` or `docker`. */
  readonly tree: LocatedMapping;
  /** From the strongest. */
  readonly parts: readonly StoragePart[];
}

/** Every mapping of storage in the file. */
export function storageParts(tree: LocatedMapping): StoragePart[] {
  const nodes = draftNodes(tree).map(({ name }) => partAt(tree, name, ['nodes', name, 'storage']));
  return [partAt(tree, null, ['storage']), ...nodes].filter((part) => part !== null);
}

function partAt(tree: LocatedMapping, node: string | null, path: KeyPath): StoragePart | null {
  const value = valueAt(tree, path);
  return value?.kind === 'mapping' ? { node, tree: value, path } : null;
}

/** The storage of each node that has any, in the order of the nodes. */
export function nodeStorages(tree: LocatedMapping): NodeStorage[] {
  const parts = storageParts(tree);
  const shared = parts.find((part) => part.node === null);
  return draftNodes(tree).flatMap(({ name }) => {
    const own = parts.find((part) => part.node === name);
    const applying = [own, shared].filter((part) => part !== undefined);
    if (applying.length === 0) return [];
    const merged =
      own === undefined || shared === undefined
        ? (applying[0]?.tree ?? null)
        : mergeMappings(shared.tree, own.tree, ['storage']);
    return merged === null ? [] : [{ node: name, tree: merged, parts: applying }];
  });
}

/** Where a value of a node's storage was written; null where it has none. */
export function writtenAt(
  storage: NodeStorage,
  path: KeyPath,
): { readonly entry: LocatedEntry; readonly path: KeyPath; readonly node: string | null } | null {
  if (entryAt(storage.tree, path) === null) return null;
  for (const part of storage.parts) {
    const entry = entryAt(part.tree, path);
    if (entry !== null) return { entry, path: [...part.path, ...path], node: part.node };
  }
  return null;
}

/** A LUN among the disks of a node, where it was written. */
export interface WrittenLun extends DraftText {
  readonly lun: number;
}

/** The LUNs among the disks of a node. */
export function lunsOf(storage: NodeStorage): WrittenLun[] {
  return itemsAt(storage.tree, ['docker', 'devices']).flatMap((_, i) => {
    const path = ['docker', 'devices', i];
    const text = textAt(storage.tree, path);
    const device = text === null ? null : parseDevice(text.text);
    if (text === null || device?.kind !== 'iscsi') return [];
    return [{ ...text, path: writtenAt(storage, path)?.path ?? path, lun: device.lun }];
  });
}

/** Where the files with secrets are named, within storage: the node's, and the target's. */
export const passwordFiles: readonly KeyPath[] = [
  ['iscsi', 'chap', 'passwordFile'],
  ['iscsi', 'chap', 'mutual', 'passwordFile'],
];

const schema = clusterSchema.properties.storage.properties;

export const storageDefaults = {
  discovery: schema.iscsi.properties.discovery.default,
  replacementTimeoutSecs: schema.iscsi.properties.replacementTimeoutSecs.default,
  driver: schema.docker.properties.driver.default,
  filesystem: schema.docker.properties.filesystem.default,
  wipe: [],
} as const;

/** Fill in the defaults of a node's storage that has passed all checks; null when it declares nothing. */
export function storageConfig(cluster: string, storage: NodeStorage): StorageConfig | null {
  const written = toPlain(storage.tree) as WrittenStorage;
  const iscsi = written.iscsi === undefined ? null : iscsiConfig(written.iscsi, cluster, storage);
  const docker = written.docker === undefined ? null : dockerConfig(written.docker);
  return iscsi === null && docker === null ? null : { iscsi, docker };
}

function iscsiConfig(
  written: NonNullable<WrittenStorage['iscsi']>,
  cluster: string,
  storage: NodeStorage,
): IscsiConfig {
  return {
    portals: portalsOf(written),
    target: written.target ?? '',
    initiatorName: initiatorNameOf(cluster, storage)?.name ?? '',
    discovery: written.discovery ?? storageDefaults.discovery,
    chap: chapConfig(written.chap),
    mutualChap: chapConfig(written.chap?.mutual),
    replacementTimeoutSecs: written.replacementTimeoutSecs ?? storageDefaults.replacementTimeoutSecs,
  };
}

/** The portals as sessions report them, whichever of both keys they stand under. */
export function portalsOf(written: { readonly portal?: string; readonly portals?: readonly string[] }): string[] {
  const texts = written.portals ?? (written.portal === undefined ? [] : [written.portal]);
  return texts.map((text) => {
    const portal = parsePortal(text);
    return portal.kind === 'portal' ? portal.text : text;
  });
}

function chapConfig(
  written: { readonly username?: string; readonly passwordFile?: string } | undefined,
): ChapConfig | null {
  if (written === undefined) return null;
  return { username: written.username ?? '', passwordFile: (written.passwordFile ?? '/') as AbsolutePath };
}

function dockerConfig(written: NonNullable<WrittenStorage['docker']>): DockerStorageConfig {
  return {
    volumeGroup: written.volumeGroup ?? '',
    devices: (written.devices ?? []).map(parseDevice).filter((device) => device.kind !== 'refused'),
    driver: written.driver ?? storageDefaults.driver,
    filesystem: written.filesystem ?? storageDefaults.filesystem,
    wipe: written.wipe ?? storageDefaults.wipe,
  };
}

/** The key by which a node gets its initiator name, and the name; null where neither a name nor a prefix can be found. */
export function initiatorNameOf(
  cluster: string,
  { node, tree }: NodeStorage,
): { readonly name: string; readonly from: 'initiatorName' | 'initiatorNamePrefix' | 'target' } | null {
  const given = (key: string): string | null => textAt(tree, ['iscsi', key])?.text ?? null;
  const own = given('initiatorName');
  if (own !== null) return { name: own, from: 'initiatorName' };
  const prefix = given('initiatorNamePrefix');
  if (prefix !== null) return { name: initiatorNameFor(prefix, cluster, node), from: 'initiatorNamePrefix' };
  const target = given('target');
  const authority = target === null ? null : targetAuthority(target);
  return authority === null ? null : { name: initiatorNameFor(authority, cluster, node), from: 'target' };
}

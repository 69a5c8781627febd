// Documents to one ClusterConfig: parse all, merge, validate, cross-check, and fill in the defaults.

import type { ClusterConfig, ClusterFile, FlannelBackend } from '../model/cluster-config.ts';
import { clusterSchema } from '../model/cluster-schema.ts';
import { type Diagnostic, hasErrors } from '../model/diagnostic.ts';
import { defaultSubnetLen, parseNetwork } from '../model/network-address.ts';
import { crossCheck } from './cross-checks.ts';
import { type ClusterDocument, documentDirectories, orderDocuments } from './documents.ts';
import { defaults } from './draft.ts';
import { defaultMembers } from './etcd-checks.ts';
import { type LocatedMapping, toPlain, valueAt } from './located.ts';
import { mergeTrees, type Origin, originsOf } from './merge.ts';
import { nodeStorages, storageConfig } from './node-storage.ts';
import { type ParsedDocument, parseClusterDocument } from './parse.ts';
import { upgradePolicy } from './upgrade-groups.ts';
import { validateTree } from './validate.ts';

export interface Resolution {
  /** Null when any diagnostic is an error. */
  readonly config: ClusterConfig | null;
  /** All findings in the order of the documents, then of their lines. */
  readonly diagnostics: readonly Diagnostic[];
  /** Where each given value comes from; what is not here is a default. */
  readonly origins: readonly Origin[];
  /** The documents that were merged, from the weakest to the strongest. */
  readonly documents: readonly ClusterDocument[];
  /** The merged documents before defaults; null when one of them could not be read. */
  readonly raw: LocatedMapping | null;
}

/**
 * Resolve all documents of a host, given in any order.
 *
 * @param searched the places that were looked at, named when there was no document in any of them
 */
export function resolveCluster(documents: readonly ClusterDocument[], searched: readonly string[] = []): Resolution {
  const ordered = orderDocuments(documents);
  const merged = ordered.documents;
  const parsed = merged.map(parseClusterDocument);
  const early = [...ordered.diagnostics, ...parsed.flatMap(diagnosticsOf)];
  const trees = parsed.flatMap((p) => (p.kind === 'parsed' ? [p.tree] : []));
  // With one document unreadable, whatever the others lack may stand in it.
  const raw = parsed.some((p) => p.kind === 'broken') ? null : mergeTrees(trees);
  if (raw === null) {
    const nothing = parsed.every((p) => p.kind === 'absent') ? [noClusterFile(searched)] : [];
    const diagnostics = inOrder([...early, ...nothing], merged);
    return { config: null, diagnostics, origins: [], documents: merged, raw: null };
  }
  const found = [...early, ...validateTree(raw), ...crossCheck(raw)];
  const diagnostics = inOrder(found, merged);
  const config = hasErrors(diagnostics) ? null : withDefaults(raw);
  return { config, diagnostics, origins: originsOf(raw), documents: merged, raw };
}

function diagnosticsOf(parsed: ParsedDocument): readonly Diagnostic[] {
  return parsed.kind === 'absent' ? [] : parsed.diagnostics;
}

function inOrder(diagnostics: readonly Diagnostic[], documents: readonly ClusterDocument[]): Diagnostic[] {
  const files = documents.map((d) => d.file);
  return diagnostics.toSorted(
    (a, b) =>
      files.indexOf(a.file) - files.indexOf(b.file) ||
      (a.line ?? 0) - (b.line ?? 0) ||
      (a.column ?? 0) - (b.column ?? 0),
  );
}

function noClusterFile(searched: readonly string[]): Diagnostic {
  const place = documentDirectories.at(-1)?.clusterFile ?? 'cluster.yaml';
  const looked = searched.length === 0 ? '' : `; looked for ${searched.join(', ')}`;
  return {
    severity: 'error',
    file: place,
    line: null,
    column: null,
    path: '',
    value: null,
    rule: 'no-cluster-file',
    message: `there is no cluster file on this host${looked}`,
    remedy: `write the cluster file to ${place}, or give it as the key diyc: of the cloud-config user-data`,
  };
}

const properties = clusterSchema.properties;

/** Fill in the defaults of a tree that has passed all checks. */
function withDefaults(raw: LocatedMapping): ClusterConfig {
  const file = toPlain(raw) as ClusterFile;
  const names = nodeNames(raw);
  const members = file.etcd?.members ?? defaultMembers(names) ?? [];
  const storages = new Map(nodeStorages(raw).map((storage) => [storage.node, storageConfig(file.cluster, storage)]));
  return {
    cluster: file.cluster,
    nodes: names.map((name) => {
      const node = file.nodes[name];
      const storage = storages.get(name) ?? null;
      return { name, address: node?.address ?? '', metadata: { ...node?.metadata }, storage };
    }),
    etcd: {
      members: names.filter((name) => members.includes(name)),
      peerPort: file.etcd?.peerPort ?? defaults.peerPort,
      clientPort: file.etcd?.clientPort ?? defaults.clientPort,
      ...given('heartbeatIntervalMs', file.etcd?.heartbeatIntervalMs),
      ...given('electionTimeoutMs', file.etcd?.electionTimeoutMs),
    },
    flannel: flannelWithDefaults(file.flannel),
    docker: {
      group: {
        name: file.docker?.group?.name ?? properties.docker.properties.group.properties.name.default,
        members: file.docker?.group?.members ?? [],
      },
      addressPools: file.docker?.addressPools?.map(({ base, size }) => ({ base, size })) ?? null,
    },
    firstBoot: { reboot: file.firstBoot?.reboot ?? properties.firstBoot.properties.reboot.default },
    upgrade: upgradePolicy(raw),
  };
}

function nodeNames(raw: LocatedMapping): string[] {
  const nodes = valueAt(raw, ['nodes']);
  return nodes?.kind === 'mapping' ? [...nodes.entries.keys()] : [];
}

function flannelWithDefaults(flannel: ClusterFile['flannel']): ClusterConfig['flannel'] {
  const schema = properties.flannel.properties;
  return {
    prefix: flannel.prefix ?? schema.prefix.default,
    network: flannel.network,
    subnetLen: flannel.subnetLen ?? defaultSubnetLen(parseNetwork(flannel.network)?.prefixLength ?? 0),
    ...given('subnetMin', flannel.subnetMin),
    ...given('subnetMax', flannel.subnetMax),
    // Explicit always: flanneld takes udp where its configuration names no backend.
    backend: { ...((flannel.backend ?? { type: 'vxlan' }) as FlannelBackend) },
    etcdApi: flannel.etcdApi ?? schema.etcdApi.default,
  };
}

/** A property only where there is a value: the optional fields of ClusterConfig are absent, never undefined. */
function given<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}

// ClusterConfig: the operator's validated wishes with every default filled in; only config/ makes one.

import type { FromSchema } from 'json-schema-to-ts';
import type { clusterSchema } from './cluster-schema.ts';
import type { StorageConfig } from './storage.ts';
import type { UpgradeGroup, UpgradePolicy } from './upgrade.ts';

/** The cluster file as written, after validation and before defaults. */
export type ClusterFile = FromSchema<typeof clusterSchema>;

export interface ClusterNode {
  readonly name: string;
  readonly address: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** What is declared for all nodes with what is declared for this one laid over it; null when nothing is. */
  readonly storage: StorageConfig | null;
}

export type FlannelBackend =
  | {
      readonly type: 'vxlan';
      readonly vni?: number;
      readonly port?: number;
      readonly mtu?: number;
      readonly gbp?: boolean;
      readonly directRouting?: boolean;
    }
  | { readonly type: 'host-gw' }
  | { readonly type: 'udp'; readonly port?: number }
  | {
      readonly type: 'wireguard';
      readonly pskFile?: string;
      readonly listenPort?: number;
      readonly mtu?: number;
      readonly persistentKeepaliveSecs?: number;
    };

export type FlannelBackendType = FlannelBackend['type'];

export type EtcdApi = 'v2' | 'v3';

export interface AddressPool {
  /** CIDR of the pool. */
  readonly base: string;
  /** Prefix length of each network taken from it. */
  readonly size: number;
}

export interface ClusterConfig {
  readonly cluster: string;
  /** In the order of the file. */
  readonly nodes: readonly ClusterNode[];
  readonly etcd: {
    /** Names of nodes, in the order of `nodes`. */
    readonly members: readonly string[];
    readonly peerPort: number;
    readonly clientPort: number;
    readonly heartbeatIntervalMs?: number;
    readonly electionTimeoutMs?: number;
  };
  readonly flannel: {
    readonly prefix: string;
    readonly network: string;
    readonly subnetLen: number;
    readonly subnetMin?: string;
    readonly subnetMax?: string;
    readonly backend: FlannelBackend;
    readonly etcdApi: EtcdApi | 'auto';
  };
  readonly docker: {
    readonly group: { readonly name: string; readonly members: readonly string[] };
    /** Null: choose from docker's own pools what collides with nothing. */
    readonly addressPools: readonly AddressPool[] | null;
  };
  readonly firstBoot: { readonly reboot: 'never' | 'always' };
  /** Null when the file does not speak of upgrades: then nothing happens by itself. */
  readonly upgrade: UpgradePolicy | null;
}

/** The members as nodes, in the order of the file. */
export function memberNodes(config: ClusterConfig): ClusterNode[] {
  return config.nodes.filter((n) => config.etcd.members.includes(n.name));
}

/** Client URLs of all members, for nodes and tools that are not on a member. */
export function memberClientUrls(config: ClusterConfig): string[] {
  return memberNodes(config).map((n) => `http://${n.address}:${config.etcd.clientPort}`);
}

/**
 * Where programs on one node reach etcd: a member asks its own loopback listener first, as seed A does,
 * and falls back to the other members; everybody else asks the members.
 */
export function etcdEndpoints(config: ClusterConfig, nodeName: string): string[] {
  const others = memberNodes(config)
    .filter((n) => n.name !== nodeName)
    .map((n) => `http://${n.address}:${config.etcd.clientPort}`);
  return config.etcd.members.includes(nodeName) ? [`http://127.0.0.1:${config.etcd.clientPort}`, ...others] : others;
}

/** The storage declared for one node; null when none is. */
export function storageOf(config: ClusterConfig, nodeName: string): StorageConfig | null {
  return config.nodes.find((n) => n.name === nodeName)?.storage ?? null;
}

/** What holds where nothing is declared, and for nodes of no other group. */
export const defaultUpgradeGroup: UpgradeGroup = {
  name: 'default',
  strategy: 'semaphore',
  slots: 1,
  windows: [],
  timeZone: 'UTC',
  automatic: 'stage',
  canary: [],
  checkEverySecs: 6 * 3600,
  soakSecs: 300,
  readyWithinSecs: 1200,
  loggedInUsers: 'wait',
  snapshotMaxAgeSecs: 3600,
  probes: [],
  fleetLockUrl: null,
};

/** How one node is upgraded; where the file does not speak of it, nothing happens by itself. */
export function upgradeOf(config: ClusterConfig, nodeName: string): UpgradeGroup {
  if (config.upgrade === null) return { ...defaultUpgradeGroup, automatic: 'off' };
  return config.upgrade.groups.find((g) => g.nodes.includes(nodeName)) ?? defaultUpgradeGroup;
}

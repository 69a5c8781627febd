// What the coordinator of one node works with: its host, its place in the cluster, and ways to look at both.

import type { ClusterConfig } from '../model/cluster-config.ts';
import { memberNodes } from '../model/cluster-config.ts';
import type { Condition } from '../model/condition.ts';
import type { NodeIdentity } from '../model/node-identity.ts';
import type { ReadinessRecord } from '../model/readiness.ts';
import type { UpgradeGroup } from '../model/upgrade.ts';
import type { Host } from '../ports/host.ts';
import type { Reporter } from '../ports/reporter.ts';
import type { SwapStore } from '../ports/store.ts';

export interface Coordination {
  readonly host: Host;
  readonly reporter: Reporter;
  readonly config: ClusterConfig;
  readonly node: NodeIdentity;
  readonly group: UpgradeGroup;
  readonly store: SwapStore;
  /** A root from the network cannot be upgraded in place. */
  readonly isLiveRoot: boolean;
  /** URLs that this host was booted or seeded from. */
  readonly bootUrls: readonly string[];
  readonly signal: AbortSignal;
  /** How this host is now. Never throws for a probe that fails: that is Unknown. */
  conditions(): Promise<readonly Condition[]>;
  /** Records of all nodes that report, by name. @throws AgentError `unavailable` */
  records(): Promise<ReadonlyMap<string, ReadinessRecord>>;
}

/** Every group that has a semaphore in this cluster; the one of nodes that no group names is always among them. */
export function groupNames(config: ClusterConfig): string[] {
  return [...new Set(['default', ...(config.upgrade?.groups ?? []).map((g) => g.name)])];
}

export function isMember({ config, node }: Pick<Coordination, 'config' | 'node'>): boolean {
  return memberNodes(config).some((n) => n.name === node.name);
}

/** How many members of that many may be away without taking the quorum with them. */
export function memberLimit(members: number): number {
  return Math.floor((members - 1) / 2);
}

// The readiness record: what a node publishes about itself under its lease. Additive only: other versions read it.

import type { Condition, Summary } from './condition.ts';
import type { UpgradeView } from './upgrade.ts';

export interface ReadinessRecord {
  readonly schema: 1;
  readonly node: string;
  readonly address: string;
  readonly etcdRole: 'member' | 'client';
  readonly metadata: Readonly<Record<string, string>>;
  readonly summary: Summary;
  readonly conditions: readonly Condition[];
  readonly versions: Readonly<Record<string, string>>;
  /** Changes at each boot. */
  readonly bootId: string;
  readonly machineId: string | null;
  /** ISO 8601, UTC. */
  readonly reportedAt: string;
  /** Since when the summary has been what it is. */
  readonly since: string;
  /** The overlay subnet this node holds, `172.18.34.1/24`; null without a lease. */
  readonly subnet: string | null;
  /** Absent from agents that know of no upgrades. */
  readonly upgrade?: UpgradeView;
}

/** The node's own document behind `status --json`; versioned, additive only. */
export interface StatusReport {
  readonly schema: 1;
  readonly agent: string;
  /** Null while the host is not identified; the Identified condition says why. */
  readonly node: string | null;
  readonly cluster: string | null;
  readonly address: string | null;
  readonly etcdRole: 'member' | 'client' | null;
  readonly identitySource: string | null;
  readonly summary: Summary;
  /** Since when no condition has changed; null before the first report of a boot. */
  readonly summarySince: string | null;
  readonly conditions: readonly Condition[];
  readonly observedAt: string;
  readonly bootId: string;
  /** What is deployed and where this node's upgrade stands; absent where nothing is known of it. */
  readonly upgrade?: UpgradeView;
}

// A condition is one claim about this node, as in Kubernetes: type, status, reason, message, and what to do.

export type ConditionStatus = 'True' | 'False' | 'Unknown';

/**
 * How bad a condition that is not True is: `failed` needs a person, `degraded` heals itself or can wait,
 * `waiting` is the normal course of a boot, `info` never makes a node unready.
 */
export type Severity = 'failed' | 'degraded' | 'waiting' | 'info';

/** Names are in logs, in etcd and in other nodes' memories: add to this list, never rename. */
export const conditionTypes = [
  'Identified',
  'Configured',
  'AddressPresent',
  'LiveOverlay',
  'LivePulls',
  'IscsiInstalled',
  'IscsiSession',
  'StorageInstalled',
  'StorageAttached',
  'StorageSpace',
  'EtcdStorage',
  'EtcdInstalled',
  'EtcdRunning',
  'EtcdHealthy',
  'FlannelInstalled',
  'FlannelSeeded',
  'FlannelRunning',
  'FlannelLease',
  'DockerInstalled',
  'DockerStorage',
  'DockerRunning',
  'DockerNetwork',
  'Forwarding',
  'Published',
  'Deployment',
  'Upgrade',
] as const;

export type ConditionType = (typeof conditionTypes)[number];

export interface Condition {
  readonly type: ConditionType;
  readonly status: ConditionStatus;
  /** One CamelCase word, stable, for programs. */
  readonly reason: string;
  /** One sentence for people, with the values involved. */
  readonly message: string;
  /** What the operator can do; absent where nothing is to be done. */
  readonly hint?: string;
  readonly severity: Severity;
  /** Since when the status has been what it is, ISO 8601 in UTC; absent before it was first recorded. */
  readonly since?: string;
}

/** The one-word summary of a node. */
export type Summary = 'ready' | 'waiting' | 'degraded' | 'failed';

const rank: Record<Summary, number> = { failed: 0, degraded: 1, waiting: 2, ready: 3 };

function summaryOf(condition: Condition): Summary {
  if (condition.status === 'True' || condition.severity === 'info') return 'ready';
  return condition.severity;
}

/** The worst of all conditions; a node without conditions is not known to be ready, so it is `waiting`. */
export function summarize(conditions: readonly Condition[]): Summary {
  if (conditions.length === 0) return 'waiting';
  return conditions.map(summaryOf).reduce((worst, next) => (rank[next] < rank[worst] ? next : worst), 'ready');
}

/** Worst first, then in the order of a boot (the order of `conditionTypes`). */
export function worstFirst(conditions: readonly Condition[]): Condition[] {
  const place = (c: Condition): number => conditionTypes.indexOf(c.type);
  return [...conditions].sort((a, b) => rank[summaryOf(a)] - rank[summaryOf(b)] || place(a) - place(b));
}

/** The exit code of `status`: 0 ready, 1 failed, 2 degraded, 3 waiting. */
export function statusExitCode(summary: Summary): 0 | 1 | 2 | 3 {
  return ({ ready: 0, failed: 1, degraded: 2, waiting: 3 } as const)[summary];
}

/**
 * Carry `since` over from an earlier observation: it moves only when the status itself changed.
 *
 * @param now ISO 8601 time of this observation
 */
export function withSince(conditions: readonly Condition[], earlier: readonly Condition[], now: string): Condition[] {
  const before = new Map(earlier.map((c) => [c.type, c]));
  return conditions.map((c) => {
    const old = before.get(c.type);
    return { ...c, since: old?.status === c.status && old.since !== undefined ? old.since : now };
  });
}

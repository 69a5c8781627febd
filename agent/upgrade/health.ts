// Whether a host is as good as it was before its reboot, which is all that a reboot can be blamed for.

import type { Condition } from '../model/condition.ts';
import type { Baseline } from '../model/upgrade.ts';

export interface Health {
  readonly isGood: boolean;
  /** For people: what is missing, or that nothing is. */
  readonly message: string;
}

/** How a host is before its reboot. */
export function baselineOf(conditions: readonly Condition[]): Baseline {
  const counted = conditions.filter((c) => c.severity !== 'info');
  return {
    met: counted.filter((c) => c.status === 'True').map((c) => c.type),
    unmet: counted.filter((c) => c.status !== 'True').map((c) => c.type),
  };
}

/**
 * Everything that was met is met again, and nothing has failed that the host did not know before. Without a baseline (a
 * host that remembers nothing) everything has to be met. A condition that is not there any more counts as not met.
 */
export function healthOf(conditions: readonly Condition[], baseline: Baseline | null): Health {
  if (conditions.length === 0) return { isGood: false, message: 'nothing is known of this host yet' };
  const gone = (baseline?.met ?? []).filter((type) => !conditions.some((c) => c.type === type));
  const unmet = conditions.filter((c) => c.status !== 'True' && c.severity !== 'info' && counts(c, baseline));
  const missing = [
    ...unmet.map((c) => `${c.type} ${c.status === 'Unknown' ? 'is unknown' : 'is not met'}: ${c.message}`),
    ...(gone.length === 0 ? [] : [`nothing is known of ${gone.join(', ')}`]),
  ];
  if (missing.length > 0) return { isGood: false, message: missing.join('; ') };
  return { isGood: true, message: 'everything that was well before is well again' };
}

function counts(condition: Condition, baseline: Baseline | null): boolean {
  if (baseline === null || baseline.met.includes(condition.type)) return true;
  return condition.severity === 'failed' && !baseline.unmet.includes(condition.type);
}

// Whether a holder that does not report is dead, on its way, or lost: only the first frees its slot for others.

import type { Holder } from '../model/semaphore.ts';
import type { BootInstant, UpgradeMemory } from '../model/upgrade.ts';

/** A lease is gone after a minute; a host that hangs for a while must not be taken for dead. */
export const deadAfterMs = 5 * 60_000;

/** Servers with much memory and many disks take ten minutes from order to login (field notes, P60). */
export const backWithinMs = 30 * 60_000;

export type HolderVerdict =
  | { readonly kind: 'reports' }
  /** Not long enough to know anything. */
  | { readonly kind: 'missed'; readonly forMs: number }
  /** It does not report because it reboots. */
  | { readonly kind: 'rebooting'; readonly forMs: number }
  /** It rebooted and did not come back: what it rebooted into is suspect, so nobody follows. */
  | { readonly kind: 'lost'; readonly forMs: number; readonly message: string; readonly hint: string }
  /** It took the slot, and died before it rebooted. */
  | { readonly kind: 'dead'; readonly forMs: number; readonly evidence: string }
  /** Nothing is known of hosts that come by FleetLock. */
  | { readonly kind: 'foreign' };

/** One absence as this node has seen it: no clock but its own kernel's is in it. */
export type Missed = UpgradeMemory['missed'][number];

/** The absence of that holder since that slot was taken; the one of an earlier boot of it is another. */
export function missOf(holder: Holder, missed: readonly Missed[]): Missed | null {
  return missed.find((m) => m.holder === holder.id && m.bootId === holder.bootId) ?? null;
}

/** @param missed when this node first missed it, null when it has just been looked for */
export function judgeHolder(holder: Holder, reports: boolean, missed: Missed | null, now: BootInstant): HolderVerdict {
  if (holder.kind === 'fleetlock') return { kind: 'foreign' };
  if (reports) return { kind: 'reports' };
  const forMs = missed === null || missed.since.bootId !== now.bootId ? 0 : now.uptimeMs - missed.since.uptimeMs;
  const minutes = Math.floor(forMs / 60_000);
  if (holder.stage === 'rebooting') {
    if (forMs < backWithinMs) return { kind: 'rebooting', forMs };
    return {
      kind: 'lost',
      forMs,
      message: `${holder.id} was rebooted (${holder.reason}) and has not reported for ${minutes} min`,
      hint: `look at its console; once it is known why, diyc-agent reboot release ${holder.id} --yes frees its slot (with --group, where that is not your own)`,
    };
  }
  if (forMs < deadAfterMs) return { kind: 'missed', forMs };
  return {
    kind: 'dead',
    forMs,
    evidence: `${holder.id} took the slot and never asked for its reboot; its lease ran out, and it has not reported for ${minutes} min`,
  };
}

/** Carry the list of missed holders on: who reports again, or holds no slot any more, is taken off it. */
export function missedNow(
  holders: readonly Holder[],
  reporting: ReadonlySet<string>,
  before: readonly Missed[],
  now: BootInstant,
): Missed[] {
  return holders
    .filter((h) => h.kind === 'node' && !reporting.has(h.id))
    .map((h) => {
      const known = before.find((m) => m.holder === h.id && m.bootId === h.bootId && m.since.bootId === now.bootId);
      return known ?? { holder: h.id, bootId: h.bootId, since: now };
    });
}

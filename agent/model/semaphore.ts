// The reboot semaphore as it stands in etcd: who holds a slot, since when and why, and what happened to it lately.

import type { Baseline } from './upgrade.ts';

export interface Holder {
  /** A node's name; for hosts that come by FleetLock what they call themselves. */
  readonly id: string;
  /** `node`: an agent of this cluster. `fleetlock`: any other host, of which nothing else is known. */
  readonly kind: 'node' | 'fleetlock';
  /** The boot in which the slot was taken; null for FleetLock. */
  readonly bootId: string | null;
  /** It is an etcd member: its absence counts against the quorum. */
  readonly isMember: boolean;
  /** `upgrade to 41.2`, `reboot: new kernel arguments`. */
  readonly reason: string;
  /** Id of the release it goes to; null for a plain reboot and for FleetLock. */
  readonly release: string | null;
  /** ISO 8601, by the holder's own clock: shown, and never computed with. */
  readonly since: string;
  /** `preparing` until the instant of the reboot: a holder that dies before it is dead and not rebooting. */
  readonly stage: 'preparing' | 'rebooting';
  /** How the host was before its reboot: a host that lost its memory, as live ones do at each boot, finds it here. */
  readonly baseline?: Baseline;
}

export interface SlotEvent {
  readonly at: string;
  readonly what: 'taken' | 'rebooting' | 'released' | 'taken over' | 'released by hand';
  readonly holder: string;
  /** Who did it: the holder itself, another node, an operator. */
  readonly by: string;
  readonly why: string;
}

export interface Semaphore {
  readonly schema: 1;
  readonly group: string;
  readonly slots: number;
  /** Sorted by id. */
  readonly holders: readonly Holder[];
  /** Newest last, bounded. */
  readonly log: readonly SlotEvent[];
}

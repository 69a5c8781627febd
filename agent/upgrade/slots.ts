// Taking and releasing slots for real: the semaphore's value in etcd, changed by compare-and-swap only.

import { AgentError } from '../model/errors.ts';
import { semaphoreKey } from '../model/keys.ts';
import type { Holder, Semaphore } from '../model/semaphore.ts';
import type { Clock } from '../ports/clock.ts';
import type { SwapStore, VersionedValue } from '../ports/store.ts';
import { emptySemaphore, markRebooting, parseSemaphore, releaseSlot, takeSlot } from './semaphore.ts';

/** A holder whose slot may be taken over, as it was when it was judged. */
export interface Takeover {
  readonly holder: Holder;
  readonly evidence: string;
}

export interface SlotRequest {
  readonly holder: Holder;
  /** How many of the group may hold one. */
  readonly slots: number;
  /** How many etcd members may be away at once. */
  readonly memberLimit: number;
  readonly takeOver: readonly Takeover[];
}

export type SlotAnswer = { readonly held: true } | { readonly held: false; readonly message: string };

/** Where slots come from: etcd, or a FleetLock server. */
export interface SlotKeeper {
  /** Take a slot or keep the one that is held. @throws AgentError `unavailable` when nobody answers: then nothing is held */
  take(request: SlotRequest): Promise<SlotAnswer>;
  /** The reboot is about to happen. @throws AgentError `tempfail` when the slot is not held any more */
  markRebooting(id: string): Promise<void>;
  /** Give it back; not holding one is success. */
  release(id: string, by: string, why: string): Promise<void>;
}

export interface EtcdSlotsOptions {
  readonly store: SwapStore;
  readonly clock: Clock;
  readonly cluster: string;
  readonly group: string;
  /** Every group of the cluster: an etcd member that is away counts in all of them. */
  readonly groups: readonly string[];
}

/** More rivals than nodes in any fleet; each round one of them wins. */
const attempts = 50;
const longestPauseMs = 250;

/** Slots in etcd. */
export function etcdSlots({ store, clock, cluster, group, groups }: EtcdSlotsOptions): SlotKeeper {
  const key = semaphoreKey(cluster, group);
  const keys = [key, ...groups.filter((g) => g !== group).map((g) => semaphoreKey(cluster, g))];

  /** Read, decide, write if nothing has changed meanwhile; null from `decide` means that nothing is to be written. */
  async function change(
    attempted: string,
    watched: readonly string[],
    decide: (own: Semaphore, others: readonly Semaphore[]) => Semaphore | null,
  ): Promise<void> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const found = await store.readVersioned(watched);
      const [own, ...others] = found.map((value) => semaphoreOf(value, groupOf(value.key)));
      if (own === undefined) break;
      const next = decide(own, others);
      if (next === null) return;
      const guards = found.map(({ key: guarded, revision }) => ({ key: guarded, revision }));
      if (await store.swap({ key, value: JSON.stringify(next) }, guards)) return;
      await clock.sleep(clock.random() * longestPauseMs);
    }
    throw new AgentError('tempfail', `cannot ${attempted}: other nodes changed ${key} ${attempts} times meanwhile`, {
      hint: 'it is tried again by itself',
    });
  }

  return {
    async take(request) {
      let answer: SlotAnswer = { held: true };
      await change(`take a slot of group ${group}`, keys, (found, others) => {
        const own = request.takeOver.reduce((semaphore, one) => withoutDead(semaphore, one, request.holder), found);
        const membersElsewhere = others.flatMap((s) =>
          s.holders.filter((h) => h.isMember && h.id !== request.holder.id).map((h) => h.id),
        );
        const { slots, memberLimit } = request;
        const taking = takeSlot(own, request.holder, { slots, memberLimit, membersElsewhere });
        answer = taking.outcome === 'held' ? { held: true } : { held: false, message: taking.message };
        return taking.outcome === 'held' ? taking.semaphore : null;
      });
      return answer;
    },

    async markRebooting(id) {
      await change(`note that ${id} reboots`, [key], (own) => {
        const marked = markRebooting(own, id, clock.timestamp());
        if (marked !== null) return marked;
        throw new AgentError('tempfail', `cannot reboot ${id}: it does not hold its slot of group ${group} any more`, {
          hint: 'diyc-agent reboot status says who took it over and why; it is taken anew by itself',
        });
      });
    },

    async release(id, by, why) {
      await change(`release the slot of ${id}`, [key], (own) => {
        const what = by === id ? 'released' : 'released by hand';
        const next = releaseSlot(own, id, { at: clock.timestamp(), what, by, why });
        return next === own ? null : next;
      });
    },
  };

  function groupOf(ofKey: string): string {
    return groups.find((g) => semaphoreKey(cluster, g) === ofKey) ?? group;
  }
}

/** @throws AgentError `data` for a value that is no semaphore: what nobody understands nobody overwrites */
export function semaphoreOf({ key, value }: VersionedValue, group: string): Semaphore {
  if (value === null) return emptySemaphore(group, 1);
  const semaphore = parseSemaphore(value);
  if (semaphore !== null) return semaphore;
  throw new AgentError('data', `cannot read the reboot semaphore: the value of ${key} in etcd is none`, {
    hint: `look at it with etcdctl get ${key}; when no node is rebooting, etcdctl del ${key} starts anew`,
  });
}

/** Only as it was judged: a holder that has moved on since is not dead. */
function withoutDead(semaphore: Semaphore, { holder, evidence }: Takeover, by: Holder): Semaphore {
  const current = semaphore.holders.find((h) => h.id === holder.id);
  if (current === undefined || current.stage !== 'preparing') return semaphore;
  // Taken anew in the same boot shows in `since`, kept for another errand in `reason`.
  const isAsJudged =
    current.bootId === holder.bootId && current.since === holder.since && current.reason === holder.reason;
  if (!isAsJudged) return semaphore;
  return releaseSlot(semaphore, holder.id, { at: by.since, what: 'taken over', by: by.id, why: evidence });
}

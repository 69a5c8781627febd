// The semaphore as a value: taking, marking and releasing a slot are functions from one value to the next.

import { parseJsonObject } from '../model/json-object.ts';
import type { Holder, Semaphore, SlotEvent } from '../model/semaphore.ts';

/** As many as tell the story of one roll-out through a large group; the key stays below some 16 KiB. */
const keptEvents = 40;

export function emptySemaphore(group: string, slots: number): Semaphore {
  return { schema: 1, group, slots, holders: [], log: [] };
}

export interface Limits {
  /** How many of the group may hold a slot at once. */
  readonly slots: number;
  /** How many etcd members may be away at once without taking the quorum with them, in all groups together. */
  readonly memberLimit: number;
  /** Members that hold slots of other groups. */
  readonly membersElsewhere: readonly string[];
}

export type Taking =
  | { readonly outcome: 'held'; readonly semaphore: Semaphore; readonly isNew: boolean }
  | { readonly outcome: 'full'; readonly message: string; readonly holders: readonly Holder[] };

/**
 * Take a slot, or keep the one that is held: recursive for its owner (FleetLock's RecursiveLock), who may take it for
 * another reason or from another boot; `since` stays.
 */
export function takeSlot(semaphore: Semaphore, holder: Holder, limits: Limits): Taking {
  const others = semaphore.holders.filter((h) => h.id !== holder.id);
  const own = semaphore.holders.find((h) => h.id === holder.id);
  if (own !== undefined) {
    // Marked in this very boot: it may be on its way down, and must not look as if it had died before its reboot.
    const stage = own.bootId === holder.bootId ? own.stage : holder.stage;
    const kept = { ...holder, since: own.since, stage };
    return { outcome: 'held', isNew: false, semaphore: { ...semaphore, holders: sorted([...others, kept]) } };
  }
  if (others.length >= limits.slots) {
    const all = limits.slots === 1 ? 'the one slot' : `all ${limits.slots} slots`;
    return {
      outcome: 'full',
      message: `${all} of group ${semaphore.group} taken: ${namesOf(others)}`,
      holders: others,
    };
  }
  const away = [...others.filter((h) => h.isMember).map((h) => h.id), ...limits.membersElsewhere];
  if (holder.isMember && away.length >= limits.memberLimit) {
    const message =
      limits.memberLimit === 0
        ? 'etcd has too few members for any of them to be away'
        : `etcd can do without ${limits.memberLimit} of its members at a time, and on their way are already: ${away.join(', ')}`;
    return { outcome: 'full', message, holders: others.filter((h) => h.isMember) };
  }
  return {
    outcome: 'held',
    isNew: true,
    semaphore: logged(
      { ...semaphore, slots: limits.slots, holders: sorted([...others, holder]) },
      { at: holder.since, what: 'taken', holder: holder.id, by: holder.id, why: holder.reason },
    ),
  };
}

/** From now on its absence means that it reboots. @returns null when it holds no slot */
export function markRebooting(semaphore: Semaphore, id: string, at: string): Semaphore | null {
  const own = semaphore.holders.find((h) => h.id === id);
  if (own === undefined) return null;
  const holders = semaphore.holders.map((h): Holder => (h.id === id ? { ...h, stage: 'rebooting' } : h));
  return logged({ ...semaphore, holders }, { at, what: 'rebooting', holder: id, by: id, why: own.reason });
}

/** Release the slot if it is held (FleetLock's UnlockIfHeld); what is not held stays as it is. */
export function releaseSlot(semaphore: Semaphore, id: string, event: Omit<SlotEvent, 'holder'>): Semaphore {
  if (!semaphore.holders.some((h) => h.id === id)) return semaphore;
  const holders = semaphore.holders.filter((h) => h.id !== id);
  return logged({ ...semaphore, holders }, { ...event, holder: id });
}

/** The semaphore in a key's value. @returns null for what is none that this version understands */
export function parseSemaphore(text: string): Semaphore | null {
  const s = parseJsonObject<Semaphore>(text);
  if (s === null) return null;
  if (s.schema !== 1 || typeof s.group !== 'string' || typeof s.slots !== 'number') return null;
  if (!Array.isArray(s.holders) || !s.holders.every(isHolder)) return null;
  return {
    schema: 1,
    group: s.group,
    slots: s.slots,
    holders: s.holders,
    log: Array.isArray(s.log) ? s.log.filter(isSlotEvent) : [],
  };
}

/** `a2 (upgrade to 41.2)` */
export function namesOf(holders: readonly Holder[]): string {
  return holders.map((h) => `${h.id} (${h.reason})`).join(', ');
}

function isHolder(value: unknown): value is Holder {
  if (typeof value !== 'object' || value === null) return false;
  const h = value as Partial<Holder>;
  return (
    typeof h.id === 'string' &&
    (h.kind === 'node' || h.kind === 'fleetlock') &&
    typeof h.reason === 'string' &&
    typeof h.since === 'string' &&
    typeof h.isMember === 'boolean' &&
    isTextOrNull(h.bootId) &&
    isTextOrNull(h.release) &&
    (h.stage === 'preparing' || h.stage === 'rebooting')
  );
}

/** The log is for people only: what is none of it is passed over. */
function isSlotEvent(value: unknown): value is SlotEvent {
  if (typeof value !== 'object' || value === null) return false;
  const e = value as Partial<Record<keyof SlotEvent, unknown>>;
  return [e.at, e.what, e.holder, e.by, e.why].every((text) => typeof text === 'string');
}

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string';
}

function logged(semaphore: Semaphore, event: SlotEvent): Semaphore {
  return { ...semaphore, log: [...semaphore.log, event].slice(-keptEvents) };
}

function sorted(holders: readonly Holder[]): Holder[] {
  return [...holders].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

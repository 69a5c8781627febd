// What may happen to a fleet: worlds and lists of events, both from a seed.

import type { Ask, UpgradeGroup } from '../../agent/model/upgrade.ts';
import { parseWeeklyWindow } from '../../agent/model/weekly-window.ts';
import type { Behaviour } from '../support/upgrade-fleet.ts';
import { type Chance, chance } from './random.ts';

export type Happening =
  | { readonly kind: 'partition'; readonly side: readonly string[]; readonly forMs: number }
  /** Calls of one node on the store fail, or do what they are to and fail all the same. */
  | { readonly kind: 'loss'; readonly node: string; readonly forMs: number }
  | { readonly kind: 'power-cut'; readonly node: string; readonly forMs: number }
  /** The same at the worst instant: the next time it has just taken its slot. */
  | { readonly kind: 'trap'; readonly node: string; readonly forMs: number }
  | { readonly kind: 'kill'; readonly node: string }
  | { readonly kind: 'two-runs'; readonly node: string }
  | { readonly kind: 'clock'; readonly node: string; readonly aheadMs: number; readonly forMs: number }
  | { readonly kind: 'ill'; readonly node: string; readonly forMs: number }
  | { readonly kind: 'login'; readonly node: string; readonly forMs: number }
  | { readonly kind: 'publish'; readonly version: string; readonly bad: Readonly<Record<string, Behaviour>> }
  | { readonly kind: 'hold' | 'resume'; readonly group: string }
  /** Null: none any more; `newest`: the version that was published last. */
  | { readonly kind: 'target'; readonly group: string; readonly release: 'latest' | 'newest' | null }
  | { readonly kind: 'ask'; readonly node: string; readonly ask: Ask['kind']; readonly deny: boolean }
  | { readonly kind: 'cancel'; readonly node: string }
  | { readonly kind: 'allow'; readonly group: string }
  /** An operator frees the slot of a host that is down. */
  | { readonly kind: 'release'; readonly group: string };

export type SimEvent = Happening & { readonly atMs: number };

export interface World {
  readonly nodes: number;
  readonly members: number;
  readonly groups: readonly (Partial<UpgradeGroup> & { readonly name: string; readonly nodes: readonly string[] })[];
}

const minute = 60_000;
/** So long things happen; then everything is put right. */
export const eventfulMs = 150 * minute;

export function worldOf(seed: number): World {
  const dice = chance(seed * 2 + 1);
  const nodes = dice.whole(3, 7);
  const members = dice.is(0.7) ? 3 : dice.whole(3, Math.min(5, nodes));
  const names = Array.from({ length: nodes }, (_, i) => `a${i + 1}`);
  const count = dice.whole(1, Math.min(3, nodes));
  const parts: string[][] = Array.from({ length: count }, () => []);
  for (const [i, name] of names.entries()) parts[i < count ? i : dice.whole(0, count - 1)]?.push(name);
  return { nodes, members, groups: parts.map((part, i) => groupOf(dice, `g${i + 1}`, part)) };
}

function groupOf(dice: Chance, name: string, nodes: readonly string[]): World['groups'][number] {
  const isWindowed = dice.is(0.25);
  const from = dice.whole(0, 2);
  const window = parseWeeklyWindow(`daily 0${from}:00-0${from + 2}:00`);
  if (typeof window === 'string') throw new Error(window);
  return {
    name,
    nodes,
    strategy: isWindowed ? 'window' : dice.is(0.15) ? 'immediate' : 'semaphore',
    windows: isWindowed ? [window] : [],
    slots: dice.is(0.6) ? 1 : dice.whole(1, 3),
    automatic: dice.one(['off', 'check', 'stage', 'apply', 'apply']),
    canary: nodes.length > 1 && dice.is(0.3) ? [dice.one(nodes)] : [],
    checkEverySecs: dice.one([600, 1_800]),
    soakSecs: dice.one([60, 120, 300]),
    readyWithinSecs: dice.one([300, 600]),
    loggedInUsers: dice.is(0.3) ? 'ignore' : 'wait',
    snapshotMaxAgeSecs: dice.is(0.3) ? 0 : 3_600,
  };
}

export function eventsOf(seed: number, world: World): SimEvent[] {
  const dice = chance(seed * 2);
  const names = Array.from({ length: world.nodes }, (_, i) => `a${i + 1}`);
  const groups = world.groups.map((g) => g.name);
  const events: SimEvent[] = [{ atMs: dice.whole(1, 8) * minute, ...published(dice, 2, names) }];
  let versions = 2;
  const count = dice.whole(8, 32);
  for (let i = 0; i < count; i++) {
    const atMs = Math.floor(dice.next() * eventfulMs);
    events.push({ atMs, ...happening(dice, names, groups, () => ++versions) });
  }
  for (const group of groups) {
    if (dice.is(0.7))
      events.push({ atMs: dice.whole(5, 40) * minute, kind: 'target', group, release: dice.one(['latest', 'newest']) });
  }
  return events.sort((a, b) => a.atMs - b.atMs);
}

function happening(
  dice: Chance,
  names: readonly string[],
  groups: readonly string[],
  version: () => number,
): Happening {
  const node = dice.one(names);
  const group = dice.one(groups);
  const forMs = dice.one([5_000, 30_000, 2 * minute, 8 * minute, 40 * minute]);
  switch (dice.whole(0, 19)) {
    case 0:
    case 1:
      return { kind: 'partition', side: names.filter(() => dice.is(0.4)), forMs };
    case 2:
    case 3:
      return { kind: 'loss', node, forMs };
    case 4:
    case 5:
    case 6:
      return { kind: 'power-cut', node, forMs: Math.max(30_000, forMs) };
    case 7:
      return { kind: 'kill', node };
    case 17:
    case 18:
      return { kind: 'trap', node, forMs: dice.one([2, 20, 45]) * minute };
    case 8:
      return { kind: 'two-runs', node };
    case 9:
      return { kind: 'clock', node, aheadMs: dice.one([-1, 1]) * dice.one([1, 10, 60, 600]) * minute, forMs };
    case 10:
      return { kind: 'ill', node, forMs };
    case 11:
      return { kind: 'login', node, forMs };
    case 12:
      return published(dice, version(), names);
    case 13:
      return { kind: dice.is(0.5) ? 'hold' : 'resume', group };
    case 14:
      return { kind: 'target', group, release: dice.one(['latest', 'newest', null]) };
    case 15:
    case 16:
      return { kind: 'ask', node, ask: dice.one(['upgrade', 'upgrade', 'reboot', 'rollback']), deny: dice.is(0.6) };
    default:
      return dice.is(0.5) ? { kind: 'cancel', node } : { kind: dice.is(0.5) ? 'allow' : 'release', group };
  }
}

function published(dice: Chance, number: number, names: readonly string[]): Extract<Happening, { kind: 'publish' }> {
  const bad: Record<string, Behaviour> = {};
  if (dice.is(0.5)) {
    const behaviour = dice.one(['unready', 'unready', 'unbootable', 'dead'] as const);
    for (const name of names) if (dice.is(0.6)) bad[name] = behaviour;
  }
  return { kind: 'publish', version: `41.${number}`, bad };
}

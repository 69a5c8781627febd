// What a group has in etcd about its upgrades: read as of one instant, changed only as it was read.

import { AgentError } from '../model/errors.ts';
import { parseJsonObject } from '../model/json-object.ts';
import { deniedKey, holdKey, semaphoreKey, targetKey } from '../model/keys.ts';
import { isCalled, type Release } from '../model/release.ts';
import type { Holder, Semaphore } from '../model/semaphore.ts';
import type { Denial, DeniedReleases, Hold, UpgradeTarget } from '../model/upgrade.ts';
import type { Clock } from '../ports/clock.ts';
import type { SwapStore, VersionedValue } from '../ports/store.ts';
import { semaphoreOf } from './slots.ts';

export interface FleetState {
  readonly hold: Hold | null;
  readonly target: UpgradeTarget | null;
  /** In any group: what one node found red is not tried by the others either. */
  readonly denied: readonly Denial[];
  /** Of this group. */
  readonly semaphore: Semaphore;
  /** Of the other groups. */
  readonly elsewhere: readonly Semaphore[];
}

/** Who holds a slot in any group: a node may have been moved to another one while it was away. */
export function holdersAnywhere({ semaphore, elsewhere }: Pick<FleetState, 'semaphore' | 'elsewhere'>): Holder[] {
  return [semaphore, ...elsewhere].flatMap((s) => s.holders);
}

/** More than releases that anybody would deny while they can still be had. */
const keptDenials = 50;
const attempts = 20;

/**
 * @param groups every group of the cluster
 * @throws AgentError `unavailable`; `data` for a value that nobody understands: unknown means stop
 */
export async function readFleetState(
  store: SwapStore,
  cluster: string,
  group: string,
  groups: readonly string[],
): Promise<FleetState> {
  const others = groups.filter((g) => g !== group);
  const [hold, target, denied, semaphore, ...elsewhere] = await store.readVersioned([
    holdKey(cluster, group),
    targetKey(cluster, group),
    deniedKey(cluster, group),
    semaphoreKey(cluster, group),
    ...others.map((g) => semaphoreKey(cluster, g)),
    ...others.map((g) => deniedKey(cluster, g)),
  ]);
  const deniedElsewhere = elsewhere.splice(others.length);
  if (hold === undefined || target === undefined || denied === undefined || semaphore === undefined) {
    throw new AgentError('bug', 'the store answered fewer keys than it was asked for', { hint: 'report this' });
  }
  return {
    hold: understood<Hold>(hold, isHold),
    target: understood<UpgradeTarget>(target, isTarget),
    denied: [denied, ...deniedElsewhere].flatMap((value) => understood<DeniedReleases>(value, isDenied)?.denied ?? []),
    semaphore: semaphoreOf(semaphore, group),
    elsewhere: elsewhere.map((value, index) => semaphoreOf(value, others[index] ?? '')),
  };
}

/** Put a release on the list; the same release again replaces what was said of it. */
export async function denyRelease(at: FleetPlace, denial: Denial): Promise<void> {
  await change(at, deniedKey(at.cluster, at.group), isDenied, (found: DeniedReleases | null) => {
    const others = (found?.denied ?? []).filter((d) => d.release.id !== denial.release.id);
    return { schema: 1 as const, denied: [...others, denial].slice(-keptDenials) };
  });
}

/**
 * Take a release off the lists of these groups.
 *
 * @returns what was taken off; empty when nothing is called so
 */
export async function allowRelease(
  at: FleetPlace,
  word: string,
  groups: readonly string[] = [at.group],
): Promise<readonly Denial[]> {
  const gone: Denial[] = [];
  for (const group of groups) gone.push(...(await takeOff({ ...at, group }, word)));
  return gone;
}

async function takeOff(at: FleetPlace, word: string): Promise<readonly Denial[]> {
  let gone: readonly Denial[] = [];
  await change(at, deniedKey(at.cluster, at.group), isDenied, (found: DeniedReleases | null) => {
    const isMeant = (d: Denial): boolean => isNamed(d.release, word);
    gone = (found?.denied ?? []).filter(isMeant);
    return gone.length === 0
      ? undefined
      : { schema: 1 as const, denied: (found?.denied ?? []).filter((d) => !isMeant(d)) };
  });
  return gone;
}

/** Whether a release that is known by id and text only is called so. */
export function isNamed(release: Release, word: string): boolean {
  return release.text === word || isCalled(release, release.text.split(' ')[0] ?? null, word);
}

/** @param hold null: let the group go on */
export async function setHold(at: FleetPlace, hold: Hold | null): Promise<Hold | null> {
  let before: Hold | null = null;
  await change(at, holdKey(at.cluster, at.group), isHold, (found: Hold | null) => {
    before = found;
    return hold === null && found === null ? undefined : hold;
  });
  return before;
}

/** @param target null: each node does again what it does by itself */
export async function setTarget(at: FleetPlace, target: UpgradeTarget | null): Promise<UpgradeTarget | null> {
  let before: UpgradeTarget | null = null;
  await change(at, targetKey(at.cluster, at.group), isTarget, (found: UpgradeTarget | null) => {
    before = found;
    return target === null && found === null ? undefined : target;
  });
  return before;
}

export interface FleetPlace {
  readonly store: SwapStore;
  readonly clock: Clock;
  readonly cluster: string;
  readonly group: string;
}

/** Read, decide, write as it was read; `undefined` from `decide` writes nothing, null removes the key. */
async function change<T>(
  { store, clock }: FleetPlace,
  key: string,
  isValid: (value: Partial<Record<string, unknown>>) => boolean,
  decide: (found: T | null) => T | null | undefined,
): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const [found] = await store.readVersioned([key]);
    if (found === undefined) break;
    const next = decide(understood<T & object>(found, isValid));
    if (next === undefined) return;
    const value = next === null ? null : JSON.stringify(next);
    if (await store.swap({ key, value }, [{ key, revision: found.revision }])) return;
    await clock.sleep(clock.random() * 250);
  }
  throw new AgentError('tempfail', `cannot change ${key} in etcd: others changed it ${attempts} times meanwhile`, {
    hint: 'run it again',
  });
}

function understood<T extends object>(
  { key, value }: VersionedValue,
  isValid: (value: Partial<Record<string, unknown>>) => boolean,
): T | null {
  if (value === null) return null;
  const parsed = parseJsonObject<Record<string, unknown>>(value);
  if (parsed !== null && parsed['schema'] === 1 && isValid(parsed)) return parsed as T;
  throw new AgentError('data', `cannot understand what stands under ${key} in etcd`, {
    hint: `look at it with etcdctl get ${key}; etcdctl del ${key} starts anew`,
  });
}

function isHold(value: Partial<Record<string, unknown>>): boolean {
  return ['reason', 'by', 'at'].every((part) => typeof value[part] === 'string');
}

function isTarget(value: Partial<Record<string, unknown>>): boolean {
  return ['release', 'by', 'at'].every((part) => typeof value[part] === 'string');
}

function isDenied(value: Partial<Record<string, unknown>>): boolean {
  return Array.isArray(value['denied']) && value['denied'].every(isDenial);
}

function isDenial(value: unknown): value is Denial {
  if (typeof value !== 'object' || value === null) return false;
  const { release, reason, by, at } = value as Partial<Record<keyof Denial, unknown>>;
  if (typeof release !== 'object' || release === null) return false;
  const { id, text } = release as Partial<Record<keyof Release, unknown>>;
  return [id, text, reason, by, at].every((part) => typeof part === 'string');
}

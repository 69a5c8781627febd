// The state machine of one node's upgrade: what it remembers and what it sees give the next act. Pure.
//
//   steady ──▶ ready-to-go ──▶ rebooting ──▶ verifying ──▶ steady
//                  ▲               │             │ red
//                  └── lost ───────┘             ▼
//                            recovering ◀── rolling-back
//
// Besides: ready-to-go → steady, when nobody wants it any more; rebooting → recovering, when the host came back in what it
// left; verifying → recovering, when there is no way back; steady → recovering, with a slot that nobody remembers taking.
//
// The memory it returns is written down before the act is carried out: after a crash in between the same sight leads to
// the same act again, and every act may be repeated.

import type { Condition } from '../model/condition.ts';
import type { Candidate, Deployment, OsState } from '../model/deployment.ts';
import { bootedOf, pendingOf, rollbackOf } from '../model/deployment.ts';
import type { Known } from '../model/known.ts';
import { isCalled, meets, type Release } from '../model/release.ts';
import type {
  Ask,
  Baseline,
  BootInstant,
  Denial,
  Errand,
  Hold,
  UpgradeGroup,
  UpgradeMemory,
  UpgradePhase,
  UpgradeTarget,
} from '../model/upgrade.ts';
import { healthOf } from './health.ts';
import type { Permit } from './strategies/strategy.ts';

/** systemd gives each service 90 s to stop and ostree's finalisation five minutes; a host still up then is told again. */
export const shutdownWithinMs = 15 * 60_000;
/** So often a reboot may come back without having tried the new deployment, before a person has to look. */
export const maxLostReboots = 3;

/** So often a host may reboot by itself in a new release, as greenboot gives a deployment three boots. */
const maxRestarts = 3;

/** So many times longer a host may take to become ready while etcd does not answer. */
const patienceWithoutStore = 3;

/** While something is under way. */
const soonMs = 15_000;
/** While something stands in the way that takes its time. */
const laterMs = 60_000;
/** While nothing is under way: as often as the timer. */
export const idleMs = 600_000;
/** How long after boot etcd may be about to come up. */
const comingUpMs = 15 * 60_000;

/** The trees of this host, or why there are none to speak of. */
export type OsSight =
  | { readonly kind: 'tree'; readonly state: OsState; readonly releases: ReadonlyMap<string, Release> }
  /** Not a host that is upgraded by deployments: it can be rebooted all the same. */
  | { readonly kind: 'none'; readonly why: string; readonly hint: string }
  | { readonly kind: 'unknown'; readonly why: string; readonly hint: string };

/** What the store says of this group. */
export interface FleetSight {
  readonly hold: Hold | null;
  readonly target: UpgradeTarget | null;
  readonly denied: readonly Denial[];
  /** Whether this node holds a slot, the boot it took it in, and how it was then. */
  readonly slot: { readonly bootId: string | null; readonly baseline?: Baseline } | null;
  /** Canaries that are not yet verified in the release, by name with how they are; empty: go on. */
  readonly canariesToWaitFor: (release: Release) => readonly string[];
}

export interface Sight {
  /** ISO 8601, UTC. */
  readonly now: string;
  readonly instant: BootInstant;
  readonly node: string;
  readonly group: UpgradeGroup;
  readonly os: OsSight;
  readonly fleet: Known<FleetSight>;
  readonly conditions: readonly Condition[];
  /** `absent`: no greenboot here. */
  readonly greenboot: 'absent' | 'running' | 'green' | 'red';
  readonly permit: Permit;
}

export type Act =
  | { readonly act: 'rest' }
  /** Ask the origin whether there is something newer. */
  | { readonly act: 'check'; readonly thenStage: boolean }
  | { readonly act: 'stage'; readonly release: string | null }
  | { readonly act: 'discard'; readonly why: string }
  /** Take the slot, prove, and reboot; what stands in the way is put into the memory's `waiting`. */
  | { readonly act: 'go'; readonly errand: Errand }
  /** Tell the fleet that a release is not to be tried again. */
  | { readonly act: 'deny'; readonly denial: Denial }
  /** Make the earlier deployment the default and reboot; the slot is held since the reboot that went wrong. */
  | { readonly act: 'fall-back'; readonly errand: Errand }
  /** After a fallback of the boot loader: make what is booted the default, so that no later boot tries the other again. */
  | { readonly act: 'keep-booted'; readonly checksum: string }
  | { readonly act: 'release-slot'; readonly why: string };

export interface Move {
  readonly memory: UpgradeMemory;
  readonly act: Act;
}

/** A host that has never been upgraded. */
export function freshMemory(now: string, instant: BootInstant): UpgradeMemory {
  return {
    schema: 1,
    phase: 'steady',
    since: now,
    began: instant,
    errand: null,
    ask: null,
    cameFrom: null,
    baseline: null,
    goodSince: null,
    lost: null,
    restarts: 0,
    untoldDenial: null,
    verified: null,
    proof: null,
    waiting: null,
    missed: [],
    foreignSlot: false,
    checkedAt: null,
    stagedAt: null,
    lookAgain: null,
  };
}

/** The next act. */
export function nextMove(memory: UpgradeMemory, sight: Sight): Move {
  // A verdict about a release comes before everything else: others may be about to boot it.
  // The way back tells it by itself, and does not wait for a store that takes no writes.
  if (memory.untoldDenial !== null && sight.fleet.known && memory.phase !== 'rolling-back') {
    return { memory, act: { act: 'deny', denial: memory.untoldDenial } };
  }
  const kept = fallenBackTo(memory, sight);
  if (kept !== null) return { memory, act: { act: 'keep-booted', checksum: kept } };
  switch (memory.phase) {
    case 'steady':
      return fromSteady(memory, sight);
    case 'ready-to-go':
      return fromReadyToGo(memory, sight);
    case 'rebooting':
    case 'rolling-back':
      return memory.began.bootId === sight.instant.bootId
        ? whileShuttingDown(memory, sight)
        : afterReboot(memory, sight, memory.phase === 'rolling-back');
    case 'verifying':
    case 'recovering':
      return whileVerifying(memory, sight);
  }
}

/**
 * The booted deployment, where the default of the next boot is another one that is denied: greenboot or the boot loader
 * fell back, and has not said so to ostree. While this host goes somewhere itself the default is its own business.
 */
function fallenBackTo(memory: UpgradeMemory, sight: Sight): string | null {
  if (sight.os.kind !== 'tree' || (memory.phase !== 'steady' && memory.phase !== 'recovering')) return null;
  const { state, releases } = sight.os;
  const booted = bootedOf(state);
  const next = state.deployments.find((d) => !d.staged);
  if (booted === null || next === undefined || next.booted || state.transaction !== null) return null;
  const release = releases.get(next.checksum);
  return release !== undefined && denialOf(memory, sight, release) !== null ? booted.checksum : null;
}

function fromSteady(remembered: UpgradeMemory, sight: Sight): Move {
  const memory = provenByTime(remembered, sight);
  if (sight.fleet.known && sight.fleet.value.slot !== null) {
    if (sight.fleet.value.slot.bootId === sight.instant.bootId) {
      // Taken in this very boot, so nothing was rebooted: it could not be given back when this node stood still.
      return { memory, act: { act: 'release-slot', why: 'nothing is under way here' } };
    }
    // It could not be given back once the host was ready, or the memory is gone, and what was before the reboot with it.
    return enter(
      { ...memory, baseline: memory.baseline ?? sight.fleet.value.slot.baseline ?? null },
      sight,
      'recovering',
    );
  }
  const { ask } = memory;
  if (ask?.kind === 'reboot') return rebootAsked(memory, sight, ask);
  if (ask?.kind === 'rollback') return rollbackAsked(memory, sight, ask);
  if (sight.os.kind !== 'tree') {
    const { fleet } = sight;
    return fleet.known ? rest(memory, sight, null, idleMs) : whileWithoutStore(memory, sight, fleet);
  }
  return towardsUpgrade(memory, sight, sight.os.state, sight.os.releases);
}

/** A slot of an earlier boot may be held: looked for soon while etcd may be coming up, and then now and then. */
function whileWithoutStore(memory: UpgradeMemory, sight: Sight, { why, hint }: { why: string; hint: string }): Move {
  return rest(memory, sight, { reason: why, hint }, sight.instant.uptimeMs < comingUpMs ? laterMs : idleMs);
}

/** A host that came into its deployment by another way (installed, rebooted by hand) is verified in it by being well. */
function provenByTime(memory: UpgradeMemory, sight: Sight): UpgradeMemory {
  if (sight.os.kind !== 'tree') return memory;
  const booted = bootedOf(sight.os.state);
  const release = booted === null ? undefined : sight.os.releases.get(booted.checksum);
  if (release === undefined || release.id === memory.verified?.id) return memory;
  if (!healthOf(sight.conditions, null).isGood) return { ...memory, goodSince: null };
  const goodSince = sameBoot(memory.goodSince, sight) ?? sight.instant;
  const isProven = sight.instant.uptimeMs - goodSince.uptimeMs >= sight.group.soakSecs * 1_000;
  return isProven ? { ...memory, verified: release, goodSince: null } : { ...memory, goodSince };
}

function rebootAsked(memory: UpgradeMemory, sight: Sight, ask: Ask): Move {
  const inTheWay = bootedByAnyReboot(sight);
  if (inTheWay === null) return goFor(memory, sight, { kind: 'reboot', reason: ask.reason });
  return rest({ ...memory, ask: null }, sight, inTheWay, laterMs);
}

/** A plain reboot would be an upgrade without its proof: what is pending, unless it is locked. */
function bootedByAnyReboot({ os }: Sight): { reason: string; hint: string } | null {
  const pending = os.kind === 'tree' ? pendingOf(os.state) : null;
  if (pending === null || pending.locked || os.kind !== 'tree') return null;
  const drop = os.state.driver === 'bootc' ? 'ostree admin undeploy 0' : 'rpm-ostree cleanup -p';
  return {
    reason: `${nameOf(pending)} is staged, and any reboot would boot it`,
    hint: `diyc-agent upgrade apply boots it and verifies it; ${drop} drops it`,
  };
}

/** Something may be staged, or ought to be. */
function towardsUpgrade(
  memory: UpgradeMemory,
  sight: Sight,
  state: OsState,
  releases: ReadonlyMap<string, Release>,
): Move {
  const wish = wishOf(memory, sight);
  if (state.transaction !== null) {
    return rest(memory, sight, { reason: `another client has a transaction under way: ${state.transaction}` }, soonMs);
  }
  const staged = upNext(memory, state);
  if (staged !== null) {
    const release = releases.get(staged.checksum);
    if (release === undefined) return rest(memory, sight, { reason: 'nobody knows what is staged' }, laterMs);
    const denial = denialOf(memory, sight, release);
    // More packages on the denied base that runs are somebody's repair of it: what is dropped is what leads into it.
    const isRepair = staged.base === bootedOf(state)?.base && denial?.release.id !== release.id;
    if (denial !== null && !isRepair) {
      const why = `${release.text} is staged and denied: ${denial.reason} (${denial.by})`;
      if (state.driver === 'bootc') return besideDenied(memory, sight, state, wish, why);
      return { memory: { ...memory, ask: null }, act: { act: 'discard', why } };
    }
    // What is staged for another target is left alone until the wanted one takes its place.
    if (wish.release === null || isCalled(release, staged.version, wish.release)) {
      if (wish.apply && memory.lost?.release === release.id && memory.lost.times >= maxLostReboots) {
        return rest(memory, sight, tooOftenLost(release, memory.lost.times), idleMs);
      }
      if (wish.apply) return goFor(memory, sight, { kind: 'upgrade', release, checksum: staged.checksum });
      return rest(memory, sight, notByItself(release, sight), idleMs);
    }
  }
  const booted = bootedOf(state);
  const bootedRelease = booted === null ? undefined : releases.get(booted.checksum);
  if (wish.release !== null && booted !== null && bootedRelease !== undefined) {
    if (isCalled(bootedRelease, booted.version, wish.release)) {
      const told = memory.ask === null ? null : { reason: `this host is in ${bootedRelease.text} already` };
      return rest({ ...memory, ask: null }, sight, told, idleMs);
    }
  }
  return towardsStaged(memory, sight, state, wish);
}

/** bootc cannot drop what is staged: only something newer takes its place, or a person. */
function besideDenied(memory: UpgradeMemory, sight: Sight, state: OsState, wish: Wish, why: string): Move {
  const move = towardsStaged(memory, sight, state, wish);
  if (move.act.act !== 'rest') return move;
  const hint = 'any reboot would boot it: ostree admin undeploy 0 drops it';
  return rest({ ...move.memory, ask: null }, sight, { reason: why, hint }, idleMs);
}

/** Nothing that is wanted is staged: it is looked for, and staged when it is there. */
function towardsStaged(memory: UpgradeMemory, sight: Sight, state: OsState, wish: Wish): Move {
  const candidate = state.cachedUpdate;
  const denial = sight.fleet.known ? deniedOffer(sight.fleet.value.denied, wish, candidate) : null;
  if (denial !== null) {
    const reason = `${denial.release.text} is denied: ${denial.reason} (${denial.by})`;
    const hint = `diyc-agent upgrade allow ${shortName(denial.release)} takes it off the list`;
    return rest({ ...memory, ask: null }, sight, { reason, hint }, idleMs);
  }
  const every = sight.group.checkEverySecs * 1_000;
  const isKnown = wish.word !== null || candidate !== null;
  const what = `${wish.word ?? 'latest'} ${candidate?.base ?? candidate?.version ?? ''}`;
  if (wish.stage && isKnown) {
    const blocking = state.conflicts.find((c) => c.blocks);
    if (blocking !== undefined) return rest(memory, sight, { reason: blocking.message, hint: blocking.hint }, idleMs);
    const again = memory.ask === null ? every : laterMs;
    if (memory.stagedAt?.what !== what || hasPassed(memory.stagedAt.at, again, sight)) {
      const attempted = { ...memory, stagedAt: { what, at: sight.instant }, waiting: null };
      return { memory: attempted, act: { act: 'stage', release: wish.release } };
    }
  }
  if (wish.check && wish.release === null && hasPassed(memory.checkedAt, every, sight)) {
    return { memory: { ...memory, checkedAt: sight.instant }, act: { act: 'check', thenStage: wish.stage } };
  }
  // Nobody knows yet whether a slot of an earlier boot is held: looked at again soon, and otherwise there is time.
  if (!sight.fleet.known) return whileWithoutStore(memory, sight, sight.fleet);
  return rest(memory, sight, null, idleMs);
}

/** The denial that meets what would be staged, as far as it can be known before. */
function deniedOffer(denied: readonly Denial[], wish: Wish, candidate: Candidate | null): Denial | null {
  const { release } = wish;
  if (release !== null) return denied.find((d) => isCalled(d.release, shortName(d.release), release)) ?? null;
  // With layered packages another set of them on the same base is another release: that shows once it is staged.
  return candidate?.base == null ? null : (denied.find((d) => d.release.id === candidate.base) ?? null);
}

function shortName(release: Release): string {
  return release.text.split(' ')[0] ?? release.text;
}

function hasPassed(since: BootInstant | null, ms: number, sight: Sight): boolean {
  return since === null || since.bootId !== sight.instant.bootId || sight.instant.uptimeMs - since.uptimeMs >= ms;
}

/** What a reboot would bring, unless that is only the way back from the last upgrade. */
function upNext(memory: UpgradeMemory, state: OsState): Deployment | null {
  const pending = pendingOf(state);
  return pending !== null && (pending.staged || pending.checksum !== memory.cameFrom?.checksum) ? pending : null;
}

interface Wish {
  /** As the operator calls it; null: what the origin offers. */
  readonly release: string | null;
  /** Whose word it is, and when it was given: a new word is followed at once. Null: nobody's. */
  readonly word: string | null;
  readonly check: boolean;
  readonly stage: boolean;
  readonly apply: boolean;
}

/** What this node is to do: an operator's word on it, one for its group, or what it does by itself. */
function wishOf(memory: UpgradeMemory, sight: Sight): Wish {
  const all = { check: true, stage: true, apply: true };
  const { ask } = memory;
  if (ask?.kind === 'upgrade') return { release: ask.release, word: `${ask.release ?? 'latest'} ${ask.at}`, ...all };
  const target = sight.fleet.known ? sight.fleet.value.target : null;
  if (target !== null) {
    const release = target.release === 'latest' ? null : target.release;
    return { release, word: `${target.release} ${target.at}`, ...all };
  }
  const level = { off: 0, check: 1, stage: 2, apply: 3 }[sight.group.automatic];
  return { release: null, word: null, check: level >= 1, stage: level >= 2, apply: level >= 3 };
}

function notByItself(release: Release, sight: Sight): { reason: string; hint: string } {
  return {
    reason: `${release.text} is staged`,
    hint: `diyc-agent upgrade apply boots it on this node, diyc-agent upgrade target on all of group ${sight.group.name}`,
  };
}

function tooOftenLost(release: Release, times: number): { reason: string; hint: string } {
  return {
    reason: `${times} reboots for ${release.text} came back without having tried it`,
    hint: 'journalctl -b -1 -u ostree-finalize-staged.service may say why; diyc-agent upgrade apply tries again',
  };
}

function denialOf(memory: UpgradeMemory, sight: Sight, release: Release): Denial | null {
  if (memory.untoldDenial?.release.id === release.id) return memory.untoldDenial;
  if (!sight.fleet.known) return null;
  return sight.fleet.value.denied.find((d) => meets(d.release, release)) ?? null;
}

function rollbackAsked(memory: UpgradeMemory, sight: Sight, ask: Ask): Move {
  if (sight.os.kind !== 'tree') {
    return rest({ ...memory, ask: null }, sight, { reason: sight.os.why, hint: sight.os.hint }, laterMs);
  }
  const { state, releases } = sight.os;
  const earlier = rollbackOf(state);
  const release = earlier === null ? undefined : releases.get(earlier.checksum);
  if (earlier === null || release === undefined) {
    const waiting = {
      reason: 'there is no earlier deployment on this host',
      hint: 'rpm-ostree deploy <version> brings one back',
    };
    return rest({ ...memory, ask: null }, sight, waiting, laterMs);
  }
  if (memory.lost?.release === release.id && memory.lost.times >= maxLostReboots) {
    return rest({ ...memory, ask: null }, sight, rollbackLost(release, nameOf(bootedOf(state))), laterMs);
  }
  return goFor(memory, sight, { kind: 'rollback', release, checksum: earlier.checksum, reason: ask.reason });
}

function goFor(memory: UpgradeMemory, sight: Sight, errand: Errand): Move {
  return fromReadyToGo({ ...inPhase(memory, sight, 'ready-to-go'), errand, waiting: null }, sight);
}

function fromReadyToGo(memory: UpgradeMemory, sight: Sight): Move {
  const { errand } = memory;
  if (errand === null) return enter(memory, sight, 'steady');
  const gone = whyGone(errand, sight, memory);
  if (gone !== null) {
    const steady = { ...inPhase(memory, sight, 'steady'), errand: null, waiting: gone };
    return { memory: steady, act: releaseIfHeld(sight, gone.reason) };
  }
  // What has been cleared out of the way since, or has come into it, is looked at here; the slot and the proof by the act.
  const obstacle = obstacleOf(memory, sight, errand);
  if (obstacle !== null) {
    const newer = towardsNewer(memory, sight, errand);
    if (newer !== null) return newer;
    const waiting = { reason: obstacle.reason, ...(obstacle.hint === undefined ? {} : { hint: obstacle.hint }) };
    const resting = rest(memory, sight, waiting, obstacle.againMs);
    return { memory: resting.memory, act: releaseIfHeld(sight, obstacle.reason) };
  }
  // What was waited for stays told until the act has looked again: otherwise it would come and go with every look.
  return { memory, act: { act: 'go', errand } };
}

/** Something newer takes the place of what waits: else it would wait for ever for canaries that went on to the newer one. */
function towardsNewer(memory: UpgradeMemory, sight: Sight, errand: Errand): Move | null {
  if (errand.kind !== 'upgrade' || sight.os.kind !== 'tree' || !sight.fleet.known || sight.fleet.value.slot !== null)
    return null;
  const wish = wishOf(memory, sight);
  const { state } = sight.os;
  if (wish.release !== null || !wish.stage || state.transaction !== null) return null;
  const every = sight.group.checkEverySecs * 1_000;
  const candidate = state.cachedUpdate;
  const isNewer = candidate?.base != null && candidate.base !== upNext(memory, state)?.base;
  if (isNewer && deniedOffer(sight.fleet.value.denied, wish, candidate) === null) {
    const what = `${wish.word ?? 'latest'} ${candidate.base}`;
    if (memory.stagedAt?.what !== what || hasPassed(memory.stagedAt.at, every, sight)) {
      return { memory: { ...memory, stagedAt: { what, at: sight.instant } }, act: { act: 'stage', release: null } };
    }
  }
  if (!hasPassed(memory.checkedAt ?? memory.began, every, sight)) return null;
  return { memory: { ...memory, checkedAt: sight.instant }, act: { act: 'check', thenStage: false } };
}

/** Nobody wants it any more, or the deployment that was to be booted is gone or not to be booted any more. */
function whyGone(errand: Errand, sight: Sight, memory: UpgradeMemory): { reason: string; hint?: string } | null {
  if (errand.kind !== 'upgrade' && memory.ask?.kind !== errand.kind) {
    return { reason: `the ${errand.kind} was taken back` };
  }
  // What a node does by itself stands back for the operator's word on it, and takes nothing of it, as no window, along.
  if (memory.ask !== null && memory.ask.kind !== errand.kind)
    return { reason: `a ${memory.ask.kind} is asked for now` };
  if (errand.kind === 'reboot') return bootedByAnyReboot(sight);
  if (sight.os.kind === 'none') return { reason: sight.os.why, hint: sight.os.hint };
  if (sight.os.kind === 'unknown') return null;
  if (errand.kind === 'upgrade') {
    const denial = denialOf(memory, sight, errand.release);
    if (denial !== null) return { reason: `${errand.release.text} is denied: ${denial.reason} (${denial.by})` };
    const staged = upNext(memory, sight.os.state);
    if (staged?.checksum !== errand.checksum) {
      return { reason: `${errand.release.text} is not staged any more` };
    }
    // Whether the group has a target is not known either then: that stands in the way, and nothing is over.
    if (!sight.fleet.known) return null;
    const wish = wishOf(memory, sight);
    if (!wish.apply) return { reason: `nobody asks for ${errand.release.text} any more` };
    if (wish.release !== null && !isCalled(errand.release, staged?.version ?? null, wish.release)) {
      return { reason: `${wish.release} is wanted now, not ${errand.release.text}` };
    }
    return null;
  }
  return rollbackOf(sight.os.state)?.checksum === errand.checksum
    ? null
    : { reason: `${errand.release.text} is not what a rollback leads to any more` };
}

interface Obstacle {
  readonly reason: string;
  readonly hint?: string;
  readonly againMs: number;
}

function obstacleOf(memory: UpgradeMemory, sight: Sight, errand: Errand): Obstacle | null {
  if (sight.os.kind === 'unknown') return { reason: sight.os.why, hint: sight.os.hint, againMs: laterMs };
  if (!sight.fleet.known) return { reason: sight.fleet.why, hint: sight.fleet.hint, againMs: laterMs };
  const { hold } = sight.fleet.value;
  if (hold !== null) {
    return {
      reason: `group ${sight.group.name} is on hold: ${hold.reason} (${hold.by})`,
      hint: `diyc-agent upgrade resume --group ${sight.group.name} lets it go on`,
      againMs: laterMs,
    };
  }
  const health = healthOf(sight.conditions, null);
  const settledMs = sight.group.readyWithinSecs * 1_000;
  if (!health.isGood && sight.instant.uptimeMs < settledMs) {
    // What is not met before the reboot is not asked for after it: a release that breaks it would pass.
    return {
      reason: `this host is still coming up: ${health.message}`,
      hint: `it goes as it is ${Math.round(settledMs / 60_000)} min after it was booted`,
      againMs: soonMs,
    };
  }
  const failed = failedNow(sight);
  if (errand.kind === 'upgrade' && memory.ask === null && failed !== null) {
    return {
      reason: `this host is failed itself: ${failed}`,
      hint: 'repair it first; diyc-agent upgrade apply on it upgrades it all the same',
      againMs: laterMs,
    };
  }
  if (errand.kind === 'upgrade' && !sight.group.canary.includes(sight.node)) {
    const waitFor = sight.fleet.value.canariesToWaitFor(errand.release);
    if (waitFor.length > 0) {
      return {
        reason: `canaries go first: ${waitFor.join('; ')}`,
        hint: 'diyc-agent upgrade status shows how far they are; canary: in the cluster file says who they are',
        againMs: laterMs,
      };
    }
  }
  if (!sight.permit.go && memory.ask?.outsideWindow !== true) {
    return {
      reason: sight.permit.message,
      hint: `diyc-agent ${errand.kind === 'upgrade' ? 'upgrade apply' : errand.kind} --outside-window does not wait for it`,
      againMs: laterMs,
    };
  }
  return null;
}

function whileShuttingDown(memory: UpgradeMemory, sight: Sight): Move {
  const forMs = sight.instant.uptimeMs - memory.began.uptimeMs;
  if (forMs < shutdownWithinMs) {
    return rest(memory, sight, memory.waiting ?? { reason: 'the host is on its way down' }, soonMs);
  }
  // Killed between the note and the reboot, or a shutdown that hangs: it is told again, with a new proof.
  const { errand } = memory;
  if (memory.phase === 'rolling-back' && errand !== null) {
    return { memory: { ...memory, began: sight.instant }, act: { act: 'fall-back', errand } };
  }
  return enter(memory, sight, 'ready-to-go');
}

/** Whatever was booted cannot say what it is: past the deadline that is red enough for the others not to follow. */
function whileUnknown(
  memory: UpgradeMemory,
  sight: Sight,
  os: Extract<OsSight, { kind: 'unknown' }>,
  isWayBack: boolean,
): Move {
  const { errand } = memory;
  const isLate = sight.instant.uptimeMs >= sight.group.readyWithinSecs * 1_000;
  if (errand?.kind !== 'upgrade' || isWayBack || !isLate || denialOf(memory, sight, errand.release) !== null) {
    return rest(memory, sight, { reason: os.why, hint: os.hint }, soonMs);
  }
  const denial = denialNow(sight, errand.release, `after booting it ${sight.node} cannot tell what it runs: ${os.why}`);
  const red = rest({ ...memory, untoldDenial: denial, ask: null }, sight, { reason: os.why, hint: os.hint }, soonMs);
  return sight.fleet.known ? { memory: red.memory, act: { act: 'deny', denial } } : red;
}

/** The first look in a new boot. @param isWayBack the host was on its way back to the earlier deployment, or there already */
function afterReboot(memory: UpgradeMemory, sight: Sight, isWayBack: boolean): Move {
  const { errand } = memory;
  if (errand === null || errand.kind === 'reboot') return enter(memory, sight, isWayBack ? 'recovering' : 'verifying');
  if (sight.os.kind === 'unknown') return whileUnknown(memory, sight, sight.os, isWayBack);
  const state = sight.os.kind === 'tree' ? sight.os.state : null;
  const booted = state === null ? null : bootedOf(state);
  if (booted?.checksum === errand.checksum) {
    return enter(memory, sight, isWayBack || errand.kind === 'rollback' ? 'recovering' : 'verifying');
  }
  if (errand.kind === 'rollback') return afterLostRollback(memory, sight, errand, booted);
  // Another reboot while it recovered: not one for that release, so nothing follows for it.
  if (isWayBack) return enter(memory, sight, 'recovering');
  const isBack = booted !== null && booted.checksum === memory.cameFrom?.checksum;
  const written = state?.deployments.filter((d) => !d.staged) ?? [];
  const wasThere = memory.cameFrom?.beside?.includes(errand.checksum) === true;
  const isThere = wasThere
    ? written[0]?.checksum === errand.checksum
    : written.some((d) => d.checksum === errand.checksum);
  const wasTried = isBack && isThere;
  if (wasTried) {
    // greenboot or the boot loader went back: what they saw was enough for them.
    const denial = denialNow(sight, errand.release, 'it was booted and the host fell back to the deployment before it');
    return enter({ ...memory, untoldDenial: denial, ask: null }, sight, 'recovering');
  }
  // A staged deployment that was never written down: power was cut, or the reboot was forced.
  const times = memory.lost?.release === errand.release.id ? memory.lost.times + 1 : 1;
  return enter({ ...memory, stagedAt: null, lost: { release: errand.release.id, times } }, sight, 'recovering');
}

/** Power was cut before it was written down, or the boot loader would not have it: it is tried again, but not for ever. */
function afterLostRollback(
  memory: UpgradeMemory,
  sight: Sight,
  errand: Exclude<Errand, { kind: 'reboot' }>,
  booted: Deployment | null,
): Move {
  const times = memory.lost?.release === errand.release.id ? memory.lost.times + 1 : 1;
  const counted = { ...memory, lost: { release: errand.release.id, times } };
  const isThere = sight.os.kind === 'tree' && rollbackOf(sight.os.state)?.checksum === errand.checksum;
  if (memory.phase === 'rolling-back' && memory.ask === null && isThere && times < maxLostReboots) {
    // What is booted was found red before; what an operator asked for is proven anew once the host is well.
    return { memory: inPhase(counted, sight, 'rolling-back'), act: { act: 'fall-back', errand } };
  }
  return rest(inPhase(counted, sight, 'recovering'), sight, rollbackLost(errand.release, nameOf(booted)), laterMs);
}

function rollbackLost(release: Release, booted: string): { reason: string; hint: string } {
  return {
    reason: `the rollback to ${release.text} did not take: the host is in ${booted} again`,
    hint: 'rpm-ostree status shows what is deployed; rpm-ostree rollback --reboot tries again',
  };
}

function whileVerifying(memory: UpgradeMemory, sight: Sight): Move {
  if (memory.began.bootId !== sight.instant.bootId) {
    // Another reboot in between, by whomever: what is booted now has to prove itself from the beginning.
    if (sight.os.kind === 'unknown' && memory.errand !== null && memory.errand.kind !== 'reboot') {
      // Not a reboot more with every look: it is counted once what was booted can tell its name.
      return whileUnknown(memory, sight, sight.os, memory.phase === 'recovering');
    }
    const again = { ...memory, restarts: memory.restarts + 1 };
    return afterReboot(again, sight, memory.phase === 'recovering');
  }
  if (memory.restarts >= maxRestarts && memory.phase === 'verifying' && memory.errand?.kind === 'upgrade') {
    // Each boot begins the deadline anew: a release that crashes the host again and again would never be red.
    return notReadyInTime(
      memory,
      sight,
      `the host rebooted ${memory.restarts} times by itself before it had proven itself`,
    );
  }
  const health = healthOf(sight.conditions, memory.baseline);
  const isRed = sight.greenboot === 'red';
  const isGood = health.isGood && !isRed && sight.greenboot !== 'running';
  const goodSince = isGood ? (sameBoot(memory.goodSince, sight) ?? sight.instant) : null;
  const looked = { ...memory, goodSince, ...(sight.fleet.known ? {} : { withoutStoreAt: sight.instant }) };
  const soakMs = sight.group.soakSecs * 1_000;
  if (goodSince !== null && sight.instant.uptimeMs - goodSince.uptimeMs >= soakMs) return verified(looked, sight);
  if (goodSince !== null) {
    const left = Math.ceil((soakMs - (sight.instant.uptimeMs - goodSince.uptimeMs)) / 1_000);
    return rest(
      looked,
      sight,
      { reason: `ready again; it has to stay so for ${left} s more` },
      Math.min(soonMs, left * 1_000),
    );
  }
  const why = isRed
    ? "greenboot's checks are red"
    : sight.greenboot === 'running'
      ? "greenboot's checks are still running"
      : health.message;
  // Once the store is back, what hangs on it gets its time again.
  const since = Math.max(memory.began.uptimeMs, sameBoot(memory.withoutStoreAt ?? null, sight)?.uptimeMs ?? 0);
  const forMs = sight.instant.uptimeMs - (sight.fleet.known ? since : memory.began.uptimeMs);
  // Without a store most of what is missing may be the others' fault; a release that breaks this host's network is red all
  // the same, only later.
  const withinMs = sight.group.readyWithinSecs * 1_000 * (sight.fleet.known ? 1 : patienceWithoutStore);
  if (forMs < withinMs) return rest(looked, sight, { reason: `not ready yet since the reboot: ${why}` }, soonMs);
  return notReadyInTime(looked, sight, why);
}

function notReadyInTime(memory: UpgradeMemory, sight: Sight, why: string): Move {
  const { errand } = memory;
  const times = sight.fleet.known ? 1 : patienceWithoutStore;
  const within = `${Math.round((sight.group.readyWithinSecs * times) / 60)} min`;
  if (memory.phase === 'verifying' && errand?.kind === 'upgrade') {
    const denial = denialNow(
      sight,
      errand.release,
      memory.restarts >= maxRestarts
        ? `${sight.node}: ${why}`
        : `${sight.node} was not ready within ${within} after booting it: ${why}`,
    );
    const back = memory.cameFrom;
    if (back !== null && sight.os.kind === 'tree' && rollbackOf(sight.os.state)?.checksum === back.checksum) {
      const reason = `${errand.release.text} is red: ${why}`;
      const next = inPhase({ ...memory, untoldDenial: denial, ask: null, waiting: null }, sight, 'rolling-back');
      const to: Errand = { kind: 'rollback', release: back.release, checksum: back.checksum, reason };
      // The fleet is told first if it can be; if it cannot, the slot stays taken until it could.
      return { memory: { ...next, errand: to }, act: { act: 'fall-back', errand: to } };
    }
    const waiting = {
      reason: `${errand.release.text} is red, and the deployment before it is not there any more: ${why}`,
      hint: 'rpm-ostree status shows what can be booted; the slot is kept, so nobody follows',
    };
    const red = rest(
      inPhase({ ...memory, untoldDenial: denial, ask: null }, sight, 'recovering'),
      sight,
      waiting,
      laterMs,
    );
    return sight.fleet.known ? { memory: red.memory, act: { act: 'deny', denial } } : red;
  }
  return rest(
    memory,
    sight,
    {
      reason: `not ready for ${within} since the reboot: ${why}`,
      hint: 'diyc-agent status says what is missing; the slot is kept until this host is ready, so nobody else reboots',
    },
    laterMs,
  );
}

/** Ready, and held: the slot is free for the next one. */
function verified(memory: UpgradeMemory, sight: Sight): Move {
  if (!sight.fleet.known) {
    return rest(
      memory,
      sight,
      { reason: `ready again; the slot cannot be given back: ${sight.fleet.why}`, hint: sight.fleet.hint },
      soonMs,
    );
  }
  const { errand } = memory;
  const booted = sight.os.kind === 'tree' ? bootedOf(sight.os.state) : null;
  const release = booted === null || sight.os.kind !== 'tree' ? null : (sight.os.releases.get(booted.checksum) ?? null);
  const isDone = memory.phase === 'verifying' || (errand?.kind === 'rollback' && booted?.checksum === errand.checksum);
  const steady: UpgradeMemory = {
    ...inPhase(memory, sight, 'steady'),
    errand: null,
    ask: isDone ? null : memory.ask,
    // What is failed now may have been so before; the others follow a canary that is well, not one that is no worse.
    verified: failedNow(sight) === null ? (release ?? memory.verified) : memory.verified,
    goodSince: null,
    waiting: null,
    lost: isDone ? null : memory.lost,
    restarts: 0,
    lookAgain: null,
  };
  const booting = release?.text ?? 'what is booted';
  const why = isDone ? `ready in ${booting} for ${sight.group.soakSecs} s` : `back and ready in ${booting}`;
  return { memory: steady, act: releaseIfHeld(sight, why) };
}

/** What makes this host red by itself, for people; null when nothing does. */
function failedNow({ conditions }: Sight): string | null {
  const failed = conditions.filter((c) => c.status !== 'True' && c.severity === 'failed');
  return failed.length === 0 ? null : failed.map((c) => `${c.type}: ${c.message}`).join('; ');
}

function releaseIfHeld(sight: Sight, why: string): Act {
  return sight.fleet.known && sight.fleet.value.slot !== null ? { act: 'release-slot', why } : { act: 'rest' };
}

function denialNow(sight: Sight, release: Release, reason: string): Denial {
  return { release, reason, by: sight.node, at: sight.now };
}

function sameBoot(instant: BootInstant | null, sight: Sight): BootInstant | null {
  return instant !== null && instant.bootId === sight.instant.bootId ? instant : null;
}

function nameOf(deployment: Deployment | null): string {
  return deployment === null ? 'no deployment that is known' : (deployment.version ?? deployment.base.slice(0, 12));
}

/** Change of phase, with its time; the same phase again keeps it. */
function inPhase(memory: UpgradeMemory, sight: Sight, phase: UpgradePhase): UpgradeMemory {
  return memory.phase === phase && memory.began.bootId === sight.instant.bootId
    ? memory
    : { ...memory, phase, since: sight.now, began: sight.instant, goodSince: null };
}

/** Change of phase and another look, at once. */
function enter(memory: UpgradeMemory, sight: Sight, phase: UpgradePhase): Move {
  return nextMove(
    { ...inPhase(memory, sight, phase), waiting: null, ...(phase === 'steady' ? { errand: null } : {}) },
    sight,
  );
}

function rest(
  memory: UpgradeMemory,
  sight: Sight,
  waiting: { reason: string; hint?: string } | null,
  againMs: number,
): Move {
  const lookAgain = { bootId: sight.instant.bootId, uptimeMs: sight.instant.uptimeMs + againMs };
  return { memory: { ...memory, waiting, lookAgain }, act: { act: 'rest' } };
}

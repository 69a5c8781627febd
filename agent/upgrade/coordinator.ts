// Drives one node's upgrade: look, decide, write down, act; again until there is nothing to do but wait.

import { etcdEndpoints, memberClientUrls, memberNodes } from '../model/cluster-config.ts';
import { bootedOf } from '../model/deployment.ts';
import { AgentError, isAgentError } from '../model/errors.ts';
import { noteFormats, parseLedger } from '../model/format-ledger.ts';
import { proofKey } from '../model/keys.ts';
import { formatLedgerFile, snapshotDirectory } from '../model/paths.ts';
import { objections, type Proof, type ProofItem, type ProofQuestion } from '../model/proof.ts';
import type { Holder } from '../model/semaphore.ts';
import type { Denial, Errand, UpgradeMemory } from '../model/upgrade.ts';
import { type Coordination, groupNames, isMember, memberLimit } from './coordination.ts';
import { formatsOf, gatherProof, snapshotOf } from './evidence.ts';
import { fleetLockSlots } from './fleet-lock-slots.ts';
import { denyRelease, holdersAnywhere } from './fleet-state.ts';
import { baselineOf } from './health.ts';
import { type Act, freshMemory, idleMs, nextMove, shutdownWithinMs } from './machine.ts';
import { readMemory, writeMemory } from './memory.ts';
import { bootedRelease, bootInstant, type Look, look } from './sight.ts';
import { etcdSlots, type SlotKeeper, type Takeover } from './slots.ts';
import { strategyOf } from './strategies/registry.ts';
import { judgeHolder, missedNow, missOf } from './takeover.ts';
import { leaveView } from './view.ts';

/** A run does at most so many things: check, stage, deny, discard, go. What is left is done by the next one. */
const mostRounds = 12;
/** After an act that failed: as long as a person takes to read why. */
const afterFailureMs = 60_000;
const keptSnapshots = 3;
const reportUnit = 'diyc-agent-report.service';

export interface Outcome {
  readonly memory: UpgradeMemory;
  /** The host has been told to reboot: nothing more is to be done in this boot. */
  readonly isGoingDown: boolean;
}

/**
 * Do what is to be done now.
 *
 * @throws what reading or writing the memory throws; everything else that fails is told in the memory's `waiting`
 */
export async function coordinate(coordination: Coordination): Promise<Outcome> {
  const { host, reporter, signal } = coordination;
  const slots = slotKeeper(coordination);
  let failures = 0;
  let isNews = false;
  for (let round = 0; ; round++) {
    signal.throwIfAborted();
    const remembered = await readMemory(host.files);
    const seen = await look(coordination, remembered.memory?.foreignSlot === true);
    const before = remembered.memory ?? freshMemory(seen.sight.now, seen.sight.instant);
    const move = nextMove(before, seen.sight);
    const memory = { ...move.memory, missed: missedHolders(before, seen) };
    try {
      await writeMemory(host.files, memory, remembered.text);
    } catch (error) {
      // An operator asked for something between the look and the note: look again, at that as well.
      if (!isAgentError(error) || error.kind !== 'tempfail' || ++failures > 5) throw error;
      continue;
    }
    isNews = (await leaveView(coordination, memory, seen.sight.os)) || isNews;
    const isThrough = before.phase !== 'steady' && memory.phase === 'steady';
    if (isThrough || memory.verified?.id !== before.verified?.id) await noteDataFormats(coordination, seen);
    if (memory.phase !== before.phase) {
      reporter.emit({ event: 'upgrade.phase', phase: memory.phase, from: before.phase, about: aboutOf(memory) });
    }
    if (move.act.act === 'rest' || round >= mostRounds) {
      if (memory.waiting !== null && memory.waiting.reason !== before.waiting?.reason) {
        reporter.emit({ event: 'upgrade.waiting', phase: memory.phase, ...memory.waiting });
      }
      const isGoingDown = memory.phase === 'rebooting' || memory.phase === 'rolling-back';
      return await ended(coordination, { memory, isGoingDown }, isNews);
    }
    const done = await carryOut(coordination, slots, move.act, memory, seen);
    if (done === null) continue;
    // What the act came upon is news: who has the slot, what the proof says, why staging failed.
    isNews = (await leaveView(coordination, done.memory, seen.sight.os)) || isNews;
    return await ended(coordination, done, isNews);
  }
}

/** The other nodes need not wait for the report's next turn to see what is new here; canaries are waited for by it. */
async function ended({ host }: Coordination, outcome: Outcome, isNews: boolean): Promise<Outcome> {
  if (!isNews || outcome.isGoingDown) return outcome;
  try {
    await host.units.queueStart([reportUnit]);
  } catch (error) {
    if (!isAgentError(error)) throw error;
  }
  return outcome;
}

function slotKeeper(coordination: Coordination): SlotKeeper {
  const { host, store, config, group } = coordination;
  const { clock } = host;
  const slots = etcdSlots({ store, clock, cluster: config.cluster, group: group.name, groups: groupNames(config) });
  return group.fleetLockUrl === null ? slots : foreignSlots(coordination, slots, group.fleetLockUrl);
}

/**
 * Slots of a FleetLock server, each with one in etcd beside it: the server knows nothing of etcd's quorum, and only etcd
 * shows who is on the way. There the server alone decides how many, so etcd's slots never run out, but for members.
 */
function foreignSlots(coordination: Coordination, inEtcd: SlotKeeper, url: string): SlotKeeper {
  const { host, group, node, config } = coordination;
  const foreign = fleetLockSlots({ client: host.fleetLock, url, group: group.name });
  return {
    async take(request) {
      const shown = await inEtcd.take({ ...request, slots: config.nodes.length });
      if (!shown.held) return shown;
      // The server is not asked what it has given: the memory says so before it is asked for it.
      await note(coordination, (now) => ({ ...now, foreignSlot: true }));
      const answer = await foreign.take(request);
      if (!answer.held) await inEtcd.release(node.name, node.name, answer.message);
      return answer;
    },
    async markRebooting(id) {
      await foreign.markRebooting(id);
      await inEtcd.markRebooting(id);
    },
    async release(id, by, why) {
      await foreign.release(id, by, why);
      await inEtcd.release(id, by, why);
      await note(coordination, (now) => ({ ...now, foreignSlot: false }));
    },
  };
}

/** @returns an outcome when the run is over, null when there is more to look at */
async function carryOut(
  coordination: Coordination,
  slots: SlotKeeper,
  act: Exclude<Act, { act: 'rest' }>,
  memory: UpgradeMemory,
  seen: Look,
): Promise<Outcome | null> {
  try {
    switch (act.act) {
      case 'go':
        return await go(coordination, slots, act.errand, memory, seen);
      case 'fall-back':
        return await fallBack(coordination, slots, act.errand, memory, seen);
      case 'keep-booted':
        await coordination.host.osTree.rollBack(act.checksum);
        return null;
      case 'check':
        return await check(coordination, act.thenStage, memory, seen);
      case 'stage':
        return await stage(coordination, act.release, memory);
      case 'discard':
        coordination.reporter.emit({ event: 'upgrade.discarded', why: act.why });
        await coordination.host.osTree.discardStaged();
        return null;
      case 'deny':
        await tell(coordination, act.denial);
        return null;
      case 'release-slot':
        await releaseEverywhere(coordination, slots, act.why, seen);
        coordination.reporter.emit({ event: 'upgrade.released', group: coordination.group.name, why: act.why });
        return memory.phase === 'steady' && memory.waiting === null ? null : { memory, isGoingDown: false };
    }
  } catch (error) {
    if (!isAgentError(error) || error.kind === 'bug') throw error;
    return { memory: await noteFailure(coordination, error), isGoingDown: false };
  }
}

/** Take the slot, prove, reboot; or say what stands in the way, without keeping a slot that others could use. */
async function go(
  coordination: Coordination,
  slots: SlotKeeper,
  errand: Errand,
  memory: UpgradeMemory,
  seen: Look,
): Promise<Outcome> {
  const { node } = coordination;
  const needsSlot = slotIsNeeded(coordination);
  // Before the slot is taken: a node that may not go anyway does not keep others from going, and takes no snapshots.
  const untaken: Parameters<typeof gatherProof>[4] = needsSlot
    ? { known: true, value: { isHeld: true, message: 'to be taken once everything else is right' } }
    : null;
  const first = await gatherProof(coordination, seen, errand, memory.ask, untaken, memory.missed);
  const others = objections(first).filter((item) => item.question !== 'SnapshotFresh');
  if (others.length > 0) return await standStill(coordination, slots, first, needsSlot, others);
  try {
    await freshSnapshot(coordination, seen, errand);
  } catch (error) {
    // A slot from an attempt that was ended is of use to others meanwhile.
    if (needsSlot && isAgentError(error)) await giveBack(coordination, slots, error.message);
    throw error;
  }
  if (needsSlot) {
    const answer = await slots.take({
      holder: holderOf(coordination, errand, seen),
      slots: coordination.group.slots,
      memberLimit: limitOf(coordination, memory),
      takeOver: deadHolders(memory, seen),
    });
    if (!answer.held) {
      const slot = { known: true as const, value: { isHeld: false, message: answer.message } };
      return await standStill(
        coordination,
        slots,
        await gatherProof(coordination, seen, errand, memory.ask, slot, memory.missed),
        false,
      );
    }
  }
  // The very instant: everything is asked again, now that nobody else may go.
  const again = await look(coordination, false);
  const proof = await gatherProof(
    coordination,
    again,
    errand,
    memory.ask,
    needsSlot ? slotNow(coordination, again) : null,
    memory.missed,
  );
  if (objections(proof).length > 0) return await standStill(coordination, slots, proof, needsSlot);

  const { sight } = again;
  const state = sight.os.kind === 'tree' ? bootedOf(sight.os.state) : null;
  const release = bootedRelease(sight.os);
  const leaving = await note(coordination, (now) => ({
    ...asAsked(now, memory),
    phase: 'rebooting',
    since: sight.now,
    began: sight.instant,
    cameFrom:
      state === null || release === null ? null : { release, checksum: state.checksum, beside: besideOf(sight.os) },
    baseline: baselineOf(sight.conditions),
    goodSince: null,
    restarts: 0,
    proof,
    waiting: null,
    // What an operator leaves is not to be tried again by the others either.
    untoldDenial:
      errand.kind === 'rollback' && now.ask?.deny === true && release !== null
        ? { release, reason: errand.reason, by: now.ask.by, at: sight.now }
        : now.untoldDenial,
  }));
  try {
    await tellInTime(coordination, leaving.untoldDenial);
    await publishProof(coordination, proof);
    if (needsSlot) await slots.markRebooting(node.name);
    coordination.reporter.emit({ event: 'upgrade.rebooting', about: aboutOf(leaving) });
    await reboot(coordination, errand);
  } catch (error) {
    if (!isAgentError(error) || error.kind === 'bug') throw error;
    // The client is ended by the very shutdown that it asked for: the slot given back now would let the next node go too.
    if (await mayBeGoingDown(coordination)) return { memory: leaving, isGoingDown: true };
    await note(coordination, (now) => ({ ...now, phase: 'ready-to-go' }));
    if (needsSlot) await giveBack(coordination, slots, error.message);
    return { memory: await noteFailure(coordination, error), isGoingDown: false };
  }
  return { memory: leaving, isGoingDown: true };
}

/** @throws AgentError `tempfail` when an operator took it back, or wants something else, since it was decided */
function asAsked(now: UpgradeMemory, decided: UpgradeMemory): UpgradeMemory {
  const isSame = now.ask?.at === decided.ask?.at && now.ask?.kind === decided.ask?.kind;
  // In another phase it is another run of the agent on this host that is further.
  if (isSame && now.phase === decided.phase) return now;
  throw new AgentError('tempfail', 'will not reboot this host: something else is asked of it than a moment ago', {
    hint: 'diyc-agent upgrade status shows what it does now',
  });
}

/**
 * Whether a reboot may be under way although asking for it failed. Nobody who knows counts as yes: should the host stay
 * up, it is told again after `shutdownWithinMs`, and the slot is held meanwhile.
 */
async function mayBeGoingDown({ host }: Coordination): Promise<boolean> {
  try {
    const [target] = await host.units.states(['reboot.target']);
    if (target === undefined || target.jobQueued || target.active !== 'inactive') return true;
    // rpm-ostree's daemon goes on with what its client was ended in: it finalises, and then asks for the reboot itself.
    const state = await host.osTree.state();
    return state !== null && state.transaction !== null;
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return true;
  }
}

/** Put the verdict on the fleet's list. */
async function tell(coordination: Coordination, denial: Denial): Promise<void> {
  const { store, config, group, host, reporter } = coordination;
  await denyRelease({ store, clock: host.clock, cluster: config.cluster, group: group.name }, denial);
  reporter.emit({ event: 'upgrade.denied', release: denial.release.text, reason: denial.reason });
  await note(coordination, (now) => ({ ...now, untoldDenial: null }));
}

/** Before a reboot that takes minutes, in which others may go; a store that is gone keeps nobody in a red release. */
async function tellInTime(coordination: Coordination, denial: Denial | null): Promise<void> {
  if (denial === null) return;
  try {
    await tell(coordination, denial);
  } catch (error) {
    if (!isAgentError(error) || error.kind === 'bug') throw error;
    // It stays untold, and is told first of all after the reboot.
  }
}

/** What a way back has to answer where the store can be asked: a red host is no reason to take the quorum down. */
const askedOfTheWayBack: readonly ProofQuestion[] = ['NotHeld', 'SlotHeld', 'Quorum', 'FormatsAllow'];
/** And where it cannot: nobody else is asked then, but data that the earlier deployment cannot read stay what they are. */
const askedWithoutStore: readonly ProofQuestion[] = ['FormatsAllow'];

/**
 * Back to the deployment before. The slot is held since the reboot that went wrong, unless somebody released it by hand:
 * then it is taken again first.
 */
async function fallBack(
  coordination: Coordination,
  slots: SlotKeeper,
  errand: Errand,
  memory: UpgradeMemory,
  seen: Look,
): Promise<Outcome> {
  await tellInTime(coordination, memory.untoldDenial);
  try {
    const slot = await slotForTheWayBack(coordination, slots, errand, memory, seen);
    const proof = await gatherProof(coordination, seen, errand, memory.ask, slot, memory.missed);
    const asked = seen.fleet.known ? askedOfTheWayBack : askedWithoutStore;
    // A cluster that cannot do without any member has been without this one on the way there: that was accepted.
    const isAccepted = memberLimit(memberNodes(coordination.config).length) === 0;
    const against = objections(proof).filter(
      (item) => asked.includes(item.question) && !(isAccepted && item.question === 'Quorum'),
    );
    const [first] = against;
    if (first !== undefined) {
      throw new AgentError(
        'tempfail',
        `cannot go back from the red release: ${against.map(objectionText).join('; ')}`,
        {
          hint: first.hint ?? 'diyc-agent reboot status shows who is on the way',
        },
      );
    }
    coordination.reporter.emit({ event: 'upgrade.rebooting', about: reasonOf(errand) });
    await reboot(coordination, errand);
    return { memory, isGoingDown: true };
  } catch (error) {
    // As if the shutdown had hung for nearly as long as it may: tried again in a minute.
    const { bootId, uptimeMs } = seen.sight.instant;
    const began = { bootId, uptimeMs: uptimeMs - shutdownWithinMs + afterFailureMs };
    await note(coordination, (now) => ({ ...now, began }));
    throw error;
  }
}

async function slotForTheWayBack(
  coordination: Coordination,
  slots: SlotKeeper,
  errand: Errand,
  memory: UpgradeMemory,
  seen: Look,
): Promise<Parameters<typeof gatherProof>[4]> {
  if (!slotIsNeeded(coordination) || !seen.fleet.known) return null;
  // Left as it is: taken anew it would look like one that was never used, whose holder others may take for dead.
  if (seen.sight.fleet.known && seen.sight.fleet.value.slot !== null) {
    return { known: true, value: { isHeld: true, message: 'held since the reboot that went wrong' } };
  }
  const answer = await slots.take({
    // How it is now is not what it has to be again.
    holder: {
      ...holderOf(coordination, errand, seen),
      ...(memory.baseline === null ? {} : { baseline: memory.baseline }),
    },
    slots: coordination.group.slots,
    memberLimit: limitOf(coordination, memory),
    takeOver: deadHolders(memory, seen),
  });
  if (!answer.held) return { known: true, value: { isHeld: false, message: answer.message } };
  await slots.markRebooting(coordination.node.name);
  return { known: true, value: { isHeld: true, message: 'taken anew: somebody had released it' } };
}

/** Whether the slot is really ours at this instant; a FleetLock server was asked a moment ago, and tells nothing more. */
function slotNow({ node, group }: Coordination, { fleet }: Look): Parameters<typeof gatherProof>[4] {
  if (group.fleetLockUrl !== null) {
    return { known: true, value: { isHeld: true, message: `granted by the FleetLock server ${group.fleetLockUrl}` } };
  }
  if (!fleet.known) return fleet;
  const own = fleet.value.semaphore.holders.find((h) => h.id === node.name);
  const message =
    own === undefined
      ? `${node.name} holds no slot of group ${group.name}`
      : `slot of group ${group.name} held since ${own.since}`;
  return { known: true, value: { isHeld: own !== undefined, message } };
}

/** Say what stands in the way, keep the proof for whoever asks, and give the slot back. */
async function standStill(
  coordination: Coordination,
  slots: SlotKeeper,
  proof: Proof,
  mayHold: boolean,
  against: readonly ProofItem[] = objections(proof),
): Promise<Outcome> {
  const reason = against.map(objectionText).join('; ');
  let isNews = false;
  const hint = against.find((item) => item.hint !== undefined)?.hint;
  const { memory: now } = await readMemory(coordination.host.files);
  // Another run on this host may have got further, and reboots it with this very slot.
  if (mayHold && now?.phase === 'ready-to-go') await giveBack(coordination, slots, reason);
  const { uptimeMs, bootId } = await bootInstant(coordination.host);
  const memory = await note(coordination, (now) => {
    isNews = now.waiting?.reason !== reason;
    const waiting = { reason, ...(hint === undefined ? {} : { hint }) };
    return { ...now, proof, waiting, lookAgain: { bootId, uptimeMs: uptimeMs + (isNews ? 15_000 : 60_000) } };
  });
  if (isNews) {
    coordination.reporter.emit({
      event: 'upgrade.waiting',
      phase: memory.phase,
      reason,
      ...(hint === undefined ? {} : { hint }),
    });
  }
  return { memory, isGoingDown: false };
}

/** The slot may not be ours, or the store may be gone: neither changes why this node stands still. */
async function giveBack({ node }: Coordination, slots: SlotKeeper, why: string): Promise<void> {
  try {
    await slots.release(node.name, node.name, why);
  } catch (error) {
    if (!isAgentError(error)) throw error;
  }
}

/** `no quorum: 1 of 3 voters …` */
export function objectionText(item: ProofItem): string {
  return item.answer === 'unknown' ? `unknown: ${item.message}` : item.message;
}

/** Finalise, roll back, or just reboot: always in order, never by force, which would lose a staged deployment. */
async function reboot({ host }: Coordination, errand: Errand): Promise<void> {
  if (errand.kind === 'upgrade') {
    await host.osTree.finalize(errand.checksum);
    return;
  }
  if (errand.kind === 'rollback') await host.osTree.rollBack(errand.checksum);
  await host.units.reboot();
}

/** An rpm-ostree of 2016 finds something and does not say what: then staging it is the way to know. */
async function check(
  coordination: Coordination,
  thenStage: boolean,
  memory: UpgradeMemory,
  { sight }: Look,
): Promise<Outcome | null> {
  const { osTree } = coordination.host;
  const found = await osTree.check(coordination.signal);
  const isTold = sight.os.kind === 'tree' && (await osTree.state())?.cachedUpdate != null;
  return found === null || isTold || !thenStage ? null : await stage(coordination, null, memory);
}

/** This node's slot, wherever it is: it may have been moved to another group while it was away. */
async function releaseEverywhere(
  coordination: Coordination,
  slots: SlotKeeper,
  why: string,
  { fleet }: Look,
): Promise<void> {
  const { host, store, config, node } = coordination;
  await slots.release(node.name, node.name, why);
  if (coordination.group.fleetLockUrl === null) await forgetForeignSlot(coordination);
  const others = fleet.known ? fleet.value.elsewhere : [];
  for (const { group } of others.filter((s) => s.holders.some((h) => h.id === node.name))) {
    const there = etcdSlots({ store, clock: host.clock, cluster: config.cluster, group, groups: groupNames(config) });
    await there.release(node.name, node.name, `${why}; the node is in group ${coordination.group.name} now`);
  }
}

/** The group that the node is in now has no FleetLock server: nobody here knows any more where the slot was. */
async function forgetForeignSlot(coordination: Coordination): Promise<void> {
  const { memory } = await readMemory(coordination.host.files);
  if (memory?.foreignSlot !== true) return;
  await note(coordination, (now) => ({ ...now, foreignSlot: false }));
  coordination.reporter.emit({
    event: 'upgrade.failed',
    message: 'a slot of the FleetLock server that this node used before may still be held',
    hint: `have the server release the slot of ${coordination.node.name}`,
  });
}

async function stage(
  coordination: Coordination,
  release: string | null,
  memory: UpgradeMemory,
): Promise<Outcome | null> {
  const { host, reporter, signal } = coordination;
  reporter.emit({ event: 'upgrade.staging', release: release ?? 'the newest' });
  if (await host.osTree.stage(release, signal)) return null;
  const waiting = { reason: release === null ? 'the origin has nothing newer' : `this host is in ${release} already` };
  const next = await note(coordination, (now) => ({ ...now, ask: null, waiting }));
  return memory.ask === null ? null : { memory: next, isGoingDown: false };
}

/** Take a snapshot when the last good one is too old, or when what comes cannot be undone. */
async function freshSnapshot(coordination: Coordination, { sight }: Look, errand: Errand): Promise<void> {
  const { host, group, config, node, signal } = coordination;
  const present = await snapshotOf(coordination);
  if (present === null) return;
  const formats = await formatsOf(coordination, sight.os, errand);
  const crosses = formats.known && formats.value.crossings.length > 0;
  const maxAgeMs = group.snapshotMaxAgeSecs * 1_000;
  const ageMs = present.known && present.value !== null ? present.value.ageMs : Number.POSITIVE_INFINITY;
  // Half of the age: the slot may be long in coming, and a snapshot that grows old meanwhile would be taken in vain.
  if (ageMs >= 0 && ageMs <= (crosses ? Math.min(maxAgeMs, 10 * 60_000) : maxAgeMs) / 2) return;
  const [endpoint] = etcdEndpoints(config, node.name);
  if (endpoint === undefined) return;
  const snapshot = await host.snapshots.take({ endpoint, directory: snapshotDirectory, keep: keptSnapshots }, signal);
  coordination.reporter.emit({
    event: 'upgrade.snapshot',
    path: snapshot.path,
    revision: snapshot.revision,
    verifiedBy: snapshot.verifiedBy,
  });
}

function holderOf(coordination: Coordination, errand: Errand, { sight }: Look): Holder {
  return {
    id: coordination.node.name,
    kind: 'node',
    bootId: sight.instant.bootId,
    isMember: isMember(coordination),
    reason: reasonOf(errand),
    release: errand.kind === 'reboot' ? null : errand.release.id,
    since: sight.now,
    stage: 'preparing',
    baseline: baselineOf(sight.conditions),
  };
}

/** `upgrade to 41.2`, `reboot: new kernel arguments`. */
export function reasonOf(errand: Errand): string {
  if (errand.kind === 'reboot') return `reboot: ${errand.reason}`;
  return errand.kind === 'upgrade'
    ? `upgrade to ${errand.release.text}`
    : `rollback to ${errand.release.text}: ${errand.reason}`;
}

/** What could be booted besides, as checksums. */
function besideOf(os: Look['sight']['os']): string[] {
  return os.kind === 'tree' ? os.state.deployments.filter((d) => !d.booted && !d.staged).map((d) => d.checksum) : [];
}

/** Members of etcd take a slot whatever the strategy says: the quorum is everybody's. */
function slotIsNeeded(coordination: Coordination): boolean {
  return isMember(coordination) || strategyOf(coordination.group.strategy).takesSlot;
}

function aboutOf({ errand }: UpgradeMemory): string {
  return errand === null ? '' : reasonOf(errand);
}

function limitOf({ config }: Coordination, { ask }: UpgradeMemory): number {
  const limit = memberLimit(memberNodes(config).length);
  return ask?.acceptOutage === true ? Math.max(1, limit) : limit;
}

function missedHolders(memory: UpgradeMemory, { sight, fleet }: Look): UpgradeMemory['missed'] {
  // An absence that nobody watched is none: five minutes without the store say nothing about a holder.
  if (!fleet.known) return [];
  const reporting = new Set(fleet.value.records.keys());
  return missedNow(holdersAnywhere(fleet.value), reporting, memory.missed, sight.instant);
}

/** Holders that died before they rebooted, as this node has seen it over minutes. */
function deadHolders(memory: UpgradeMemory, { sight, fleet }: Look): Takeover[] {
  if (!fleet.known) return [];
  const { semaphore, records } = fleet.value;
  return semaphore.holders.flatMap((holder) => {
    if (holder.id === sight.node) return [];
    const verdict = judgeHolder(holder, records.has(holder.id), missOf(holder, memory.missed), sight.instant);
    return verdict.kind === 'dead' ? [{ holder, evidence: verdict.evidence }] : [];
  });
}

/** Where others can read it; the one in the memory counts, so a store that is gone is no reason to stop here. */
async function publishProof({ store, config, group, node }: Coordination, proof: Proof): Promise<void> {
  const key = proofKey(config.cluster, group.name, node.name);
  const [found] = await store.readVersioned([key]);
  if (found === undefined) return;
  await store.swap({ key, value: JSON.stringify(proof) }, [{ key, revision: found.revision }]);
}

/** What the data of this host are written in, once a release has proven itself. */
async function noteDataFormats(coordination: Coordination, { sight }: Look): Promise<void> {
  const { host, config } = coordination;
  const text = await host.files.readText(formatLedgerFile);
  const ledger = parseLedger(text);
  // One that is not understood is left for a person: an upgrade that needs it says so.
  if (ledger === null) return;
  const [surveyed, engine] = await Promise.all([
    host.etcd.survey(memberClientUrls(config), 5_000),
    engineFacts(coordination),
  ]);
  const versions = surveyed.flatMap((s) => (s.view === null ? [] : [s.view.version]));
  const next = noteFormats(ledger, {
    release: bootedRelease(sight.os)?.text ?? null,
    etcdVersions: versions.length === surveyed.length ? versions : [],
    docker: engine?.version ?? null,
    dockerDriver: engine?.storageDriver ?? null,
    at: sight.now,
  });
  if (JSON.stringify(next) === JSON.stringify(ledger)) return;
  await host.files.replace(formatLedgerFile, `${JSON.stringify(next)}\n`, { mode: 0o644, owner: null }, text);
}

async function engineFacts({ host }: Coordination): Promise<{ version: string; storageDriver: string } | null> {
  try {
    return await host.engine.facts();
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return null;
  }
}

/** Change the memory as it stands now; an operator's word that came meanwhile is kept. */
async function note({ host }: Coordination, change: (memory: UpgradeMemory) => UpgradeMemory): Promise<UpgradeMemory> {
  for (let attempt = 0; ; attempt++) {
    const { memory, text } = await readMemory(host.files);
    if (memory === null) {
      throw new AgentError('data', 'the memory of the upgrade is gone while it is under way', {
        hint: 'it is begun anew by itself; find out who removes files below /var/lib/diyc-agent',
      });
    }
    const next = change(memory);
    try {
      await writeMemory(host.files, next, text);
      return next;
    } catch (error) {
      if (!isAgentError(error) || error.kind !== 'tempfail' || attempt >= 5) throw error;
    }
  }
}

async function noteFailure(coordination: Coordination, error: AgentError): Promise<UpgradeMemory> {
  const { bootId, uptimeMs } = await bootInstant(coordination.host);
  // What cannot ever succeed is not tried again for ever: the operator asked for something that is not there.
  const isFinal = error.kind === 'data' || error.kind === 'noperm' || error.kind === 'config' || error.kind === 'usage';
  let isNews = false;
  const memory = await note(coordination, (now) => {
    isNews = now.waiting?.reason !== error.message;
    return {
      ...now,
      ask: isFinal && now.phase === 'steady' ? null : now.ask,
      waiting: { reason: error.message, hint: error.hint },
      // An origin that does not answer is asked again by the next look, not when the next check is due.
      ...(error.retryable ? { checkedAt: null, stagedAt: null } : {}),
      // Nobody waits for what a steady node does by itself.
      lookAgain: {
        bootId,
        uptimeMs: uptimeMs + (now.phase === 'steady' && now.ask === null ? idleMs : afterFailureMs),
      },
    };
  });
  // What fails in the same way every minute is told once.
  if (isNews) coordination.reporter.emit({ event: 'upgrade.failed', message: error.message, hint: error.hint });
  return memory;
}

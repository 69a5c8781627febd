// The proof before a reboot: every question has its own function from what was seen to an answer. Unknown means no.

import type { Known } from '../model/known.ts';
import type { Proof, ProofItem, ProofQuestion } from '../model/proof.ts';
import type { ReadinessRecord } from '../model/readiness.ts';
import { meets } from '../model/release.ts';
import type { BootInstant, Denial, Errand, Hold, UpgradeGroup } from '../model/upgrade.ts';
import type { LoginSession, Reached, Surveyed } from '../ports/survey.ts';
import type { FormatVerdict } from './formats.ts';
import { judgeQuorum } from './quorum.ts';
import type { Permit } from './strategies/strategy.ts';

/** Everything the proof is made from, as seen at one instant. */
export interface ProofSight {
  readonly node: string;
  readonly instant: BootInstant;
  /** ISO 8601, UTC. */
  readonly now: string;
  readonly errand: Errand;
  readonly group: UpgradeGroup;
  /** An operator does not want to wait for the window. */
  readonly outsideWindow: boolean;
  readonly acceptOutage: boolean;
  readonly permit: Permit;
  readonly fleet: Known<{ readonly hold: Hold | null; readonly denied: readonly Denial[] }>;
  /** What a plain reboot would boot instead of what runs; null: nothing else. */
  readonly wouldBoot: string | null;
  /** Null: no slot is needed by this group's strategy. */
  readonly slot: Known<{ readonly isHeld: boolean; readonly message: string }> | null;
  readonly isMember: boolean;
  readonly members: readonly { readonly node: string; readonly surveyed: Surveyed }[];
  /** Nodes that hold slots besides this one: they may go away at any instant. */
  readonly onTheirWay: readonly string[];
  /** Every other node of the cluster file with its record; null: it does not report. */
  readonly others: Known<readonly Other[]>;
  readonly people: Known<readonly LoginSession[]>;
  /** Null: none is asked for. */
  readonly snapshot: Known<{ readonly ageMs: number; readonly text: string } | null> | null;
  readonly bootServers: readonly { readonly url: string; readonly reached: Reached }[];
  readonly portals: readonly { readonly portal: string; readonly reached: Reached }[];
  readonly formats: Known<FormatVerdict>;
}

export interface Other {
  readonly node: string;
  readonly record: ReadinessRecord | null;
  /** How old its record is by this host's clock, milliseconds; negative when it comes from the future. */
  readonly reportAgeMs: number;
  /** It was rebooted and has not come back: what is to be said of that. */
  readonly lost?: { readonly message: string; readonly hint: string };
}

/** Records are written every 20 s; a clock that is two minutes off would open a window at the wrong time. */
const allowedSkewMs = 120_000;

/** Ask every question. */
export function prove(sight: ProofSight): Proof {
  const items = [
    notHeld(sight),
    releaseAllowed(sight),
    windowOpen(sight),
    slotHeld(sight),
    judgeQuorum(sight),
    nobodyRed(sight),
    clockAgrees(sight),
    nobodyLoggedIn(sight),
    snapshotFresh(sight),
    bootServerReachable(sight),
    storageReachable(sight),
    formatsAllow(sight),
  ];
  return { schema: 1, node: sight.node, bootId: sight.instant.bootId, at: sight.now, items };
}

function yes(question: ProofQuestion, message: string): ProofItem {
  return { question, answer: 'yes', message };
}

function no(question: ProofQuestion, message: string, hint: string): ProofItem {
  return { question, answer: 'no', message, hint };
}

function unknown(question: ProofQuestion, message: string, hint: string): ProofItem {
  return { question, answer: 'unknown', message, hint };
}

function answers(asked: readonly unknown[]): string {
  return asked.length === 1 ? 'answers' : 'answer';
}

function notHeld({ fleet, group }: ProofSight): ProofItem {
  if (!fleet.known) return unknown('NotHeld', fleet.why, fleet.hint);
  const { hold } = fleet.value;
  if (hold === null) return yes('NotHeld', `group ${group.name} is not on hold`);
  return no('NotHeld', `group ${group.name} is on hold: ${hold.reason} (${hold.by})`, 'diyc-agent upgrade resume');
}

function releaseAllowed({ fleet, errand, wouldBoot }: ProofSight): ProofItem {
  if (errand.kind === 'reboot' && wouldBoot !== null) {
    const hint = 'diyc-agent upgrade apply boots it and verifies it';
    return no('ReleaseAllowed', `a plain reboot would boot ${wouldBoot}, which is staged`, hint);
  }
  if (errand.kind === 'reboot') return yes('ReleaseAllowed', 'the deployment stays what it is');
  if (!fleet.known) return unknown('ReleaseAllowed', fleet.why, fleet.hint);
  const denial = fleet.value.denied.find((d) => meets(d.release, errand.release));
  if (denial === undefined || errand.kind === 'rollback') {
    return yes('ReleaseAllowed', `${errand.release.text} is not denied`);
  }
  return no(
    'ReleaseAllowed',
    `${errand.release.text} is denied: ${denial.reason} (${denial.by})`,
    'diyc-agent upgrade allow takes a release off the list',
  );
}

function windowOpen({ permit, outsideWindow, group }: ProofSight): ProofItem {
  if (permit.go) return yes('WindowOpen', permit.message);
  if (outsideWindow) return yes('WindowOpen', `${permit.message}; an operator does not wait for it`);
  return no('WindowOpen', permit.message, `the windows of group ${group.name} are in the cluster file`);
}

function slotHeld({ slot, group }: ProofSight): ProofItem {
  if (slot === null) return yes('SlotHeld', `strategy ${group.strategy} needs none on a node that is no etcd member`);
  if (!slot.known) return unknown('SlotHeld', slot.why, slot.hint);
  if (slot.value.isHeld) return yes('SlotHeld', slot.value.message);
  return no('SlotHeld', slot.value.message, 'diyc-agent reboot status shows who holds it since when and why');
}

function nobodyRed({ others, onTheirWay }: ProofSight): ProofItem {
  const question = 'NobodyRed';
  if (!others.known) return unknown(question, others.why, others.hint);
  const red = others.value
    .filter(({ node, record }) => !(record === null && onTheirWay.includes(node)))
    .filter(({ record }) => record === null || record.summary === 'failed' || record.summary === 'waiting');
  if (red.length === 0) {
    const degraded = others.value.filter(({ record }) => record?.summary === 'degraded').map(({ node }) => node);
    const note = degraded.length === 0 ? '' : ` (degraded: ${degraded.join(', ')})`;
    return yes(question, `no other node is red${note}`);
  }
  const [lost] = red.flatMap((other) => other.lost ?? []);
  if (lost !== undefined) return no(question, lost.message, lost.hint);
  const told = red.map(({ node, record }) => `${node} ${record === null ? 'does not report' : `is ${record.summary}`}`);
  return no(
    question,
    told.join(', '),
    'diyc-agent nodes shows the fleet; a host that is gone for good is taken out of the cluster file',
  );
}

function clockAgrees({ others }: ProofSight): ProofItem {
  const question = 'ClockAgrees';
  if (!others.known) return unknown(question, others.why, others.hint);
  const told = others.value
    .filter(({ record, reportAgeMs }) => record !== null && !Number.isNaN(reportAgeMs))
    .map(({ node, reportAgeMs }) => ({ node, skewMs: reportAgeMs }));
  if (told.length === 0) return yes(question, 'no other node reports a time to compare with');
  const off = told.filter(({ skewMs }) => Math.abs(skewMs) > allowedSkewMs);
  // This host's own clock is one of them: two of three that agree are right.
  if ((told.length - off.length + 1) * 2 > told.length + 1) {
    const whose = off.length === 0 ? '' : ` (not with that of ${off.map((o) => o.node).join(', ')})`;
    return yes(question, `this host's clock agrees with the other nodes'${whose}`);
  }
  const how = off.map(
    ({ node, skewMs }) => `${Math.round(Math.abs(skewMs) / 1_000)} s ${skewMs > 0 ? 'ahead of' : 'behind'} ${node}`,
  );
  const answer = off.length === told.length && told.length > 1 ? no : unknown;
  return answer(
    question,
    `this host's clock is ${how.join(', ')}`,
    'timedatectl shows whether the clock is synchronised',
  );
}

function nobodyLoggedIn({ people, group }: ProofSight): ProofItem {
  const question = 'NobodyLoggedIn';
  if (group.loggedInUsers === 'ignore')
    return yes(question, 'logged-in users are not waited for (loggedInUsers: ignore)');
  if (!people.known) return unknown(question, people.why, people.hint);
  const others = people.value.filter((s) => !s.isOwn);
  if (others.length === 0) return yes(question, 'nobody else is logged in');
  const who = others.map((s) => `${s.user}${s.where === '' ? '' : ` on ${s.where}`}`).join(', ');
  return no(question, `logged in: ${who}`, 'loginctl list-sessions shows them; the reboot waits until they are gone');
}

function snapshotFresh({ snapshot, group }: ProofSight): ProofItem {
  const question = 'SnapshotFresh';
  if (snapshot === null) return yes(question, 'no snapshot is asked for');
  if (!snapshot.known) return unknown(question, snapshot.why, snapshot.hint);
  const hint = 'diyc-agent takes one before each reboot; its own error says why it could not';
  if (snapshot.value === null) return no(question, 'there is no snapshot of etcd that was restored aside', hint);
  const { ageMs, text } = snapshot.value;
  if (ageMs >= 0 && ageMs <= group.snapshotMaxAgeSecs * 1_000) return yes(question, text);
  if (ageMs < 0) return no(question, `${text}: by this host's clock it was taken in the future`, hint);
  return no(question, `${text}, older than snapshotMaxAge allows`, hint);
}

function bootServerReachable({ bootServers }: ProofSight): ProofItem {
  const question = 'BootServerReachable';
  if (bootServers.length === 0) return yes(question, 'this host boots from its own disk, and no probes are declared');
  const away = bootServers.filter(({ reached }) => !reached.ok);
  if (away.length === 0) return yes(question, `${bootServers.map((b) => b.url).join(', ')} ${answers(bootServers)}`);
  return no(
    question,
    away.map(({ url, reached }) => `${url} ${reached.detail}`).join('; '),
    'the host might not come up again without it: start it first',
  );
}

function storageReachable({ portals }: ProofSight): ProofItem {
  const question = 'StorageReachable';
  if (portals.length === 0) return yes(question, 'no iSCSI storage is declared for this node');
  const away = portals.filter(({ reached }) => !reached.ok);
  if (away.length === 0)
    return yes(
      question,
      `the iSCSI ${portals.length === 1 ? 'portal' : 'portals'} ${portals.map((p) => p.portal).join(', ')} ${answers(portals)}`,
    );
  return no(
    question,
    away.map(({ portal, reached }) => `the iSCSI portal ${portal} ${reached.detail}`).join('; '),
    "docker's disk would not come back: start the target first",
  );
}

function formatsAllow({ formats }: ProofSight): ProofItem {
  if (!formats.known) return unknown('FormatsAllow', formats.why, formats.hint);
  const { refusal, message } = formats.value;
  return refusal === null ? yes('FormatsAllow', message) : no('FormatsAllow', refusal.message, refusal.hint);
}

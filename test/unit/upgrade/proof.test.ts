// The proof: every question answered yes, no and unknown; what is unknown never passes, and every objection has a remedy.

import { describe, expect, test } from 'bun:test';
import { known } from '../../../agent/model/known.ts';
import { objections, type ProofItem, type ProofQuestion, proofQuestions } from '../../../agent/model/proof.ts';
import { type ProofSight, prove } from '../../../agent/upgrade/proof.ts';
import { seededRandom } from '../../support/random-text.ts';
import {
  denialOfVersion,
  memberView,
  other,
  plainReboot,
  proofSight,
  rollbackTo,
  someHold,
  surveyedAs,
  unknownFleet,
  upgradeGroup,
} from '../../support/upgrade-builders.ts';

function itemOf(question: ProofQuestion, overrides: Partial<ProofSight> = {}): ProofItem {
  const item = prove(proofSight(overrides)).items.find((i) => i.question === question);
  if (item === undefined) throw new Error(`nobody asks ${question}`);
  return item;
}

const dark = { known: false, why: 'logind does not answer', hint: 'systemctl status systemd-logind' } as const;
const noFleet = { fleet: unknownFleet };
const away = { ok: false, detail: 'refused the connection' };
const here = { ok: true, detail: '200' };
const closed = { go: false, message: 'the window opens Sat 02:00', opensMs: null } as const;
const hour = 3_600_000;

describe('a host with nothing in its way', () => {
  test('is asked every question once, in their order, and all answers are yes', () => {
    const proof = prove(proofSight());
    expect(proof.items.map((i) => i.question)).toEqual([...proofQuestions]);
    expect(objections(proof)).toEqual([]);
    expect(proof).toMatchObject({ schema: 1, node: 'a1', bootId: 'boot-2', at: '2026-01-01T00:00:00.000Z' });
  });
});

describe('each question', () => {
  test.each<[ProofQuestion, Partial<ProofSight>, ProofItem['answer'], string]>([
    ['NotHeld', {}, 'yes', 'group default is not on hold'],
    [
      'NotHeld',
      { fleet: known({ hold: someHold, denied: [] }) },
      'no',
      'group default is on hold: sale (operator on a2)',
    ],
    ['NotHeld', noFleet, 'unknown', 'etcd does not answer'],
    ['ReleaseAllowed', {}, 'yes', '41.2 is not denied'],
    [
      'ReleaseAllowed',
      { fleet: known({ hold: null, denied: [denialOfVersion('41.2')] }) },
      'no',
      '41.2 is denied: etcd did not start (a2)',
    ],
    ['ReleaseAllowed', { errand: plainReboot, ...noFleet }, 'yes', 'the deployment stays what it is'],
    ['ReleaseAllowed', noFleet, 'unknown', 'etcd does not answer'],
    ['WindowOpen', {}, 'yes', 'no window is declared, any time is right'],
    ['WindowOpen', { permit: closed }, 'no', 'the window opens Sat 02:00'],
    [
      'WindowOpen',
      { permit: closed, outsideWindow: true },
      'yes',
      'the window opens Sat 02:00; an operator does not wait for it',
    ],
    [
      'SlotHeld',
      { slot: null, group: upgradeGroup({ strategy: 'immediate' }) },
      'yes',
      'strategy immediate needs none on a node that is no etcd member',
    ],
    [
      'SlotHeld',
      { slot: known({ isHeld: false, message: 'the one slot of group default taken: a2 (upgrade to 41.2)' }) },
      'no',
      'the one slot of group default taken: a2 (upgrade to 41.2)',
    ],
    ['SlotHeld', { slot: unknownFleet }, 'unknown', 'etcd does not answer'],
    [
      'Quorum',
      { members: [surveyedAs('a2', memberView('a2')), surveyedAs('a3', null)] },
      'no',
      '1 of 3 voters are well without a1: a2; 2 are needed (not counted: a3 did not answer within 5000 ms)',
    ],
    ['NobodyRed', {}, 'yes', 'no other node is red'],
    [
      'NobodyRed',
      { others: known([other('a2', { summary: 'degraded' })]) },
      'yes',
      'no other node is red (degraded: a2)',
    ],
    [
      'NobodyRed',
      { others: known([other('a2', { summary: 'failed' }), other('a3', null)]) },
      'no',
      'a2 is failed, a3 does not report',
    ],
    ['NobodyRed', { others: known([other('a2', { summary: 'waiting' })]) }, 'no', 'a2 is waiting'],
    ['NobodyRed', { others: known([other('a2', null)]), onTheirWay: ['a2'] }, 'yes', 'no other node is red'],
    ['NobodyRed', { others: known([other('a2', { summary: 'failed' })]), onTheirWay: ['a2'] }, 'no', 'a2 is failed'],
    ['NobodyRed', { others: dark }, 'unknown', 'logind does not answer'],
    ['ClockAgrees', {}, 'yes', "this host's clock agrees with the other nodes'"],
    ['ClockAgrees', { others: known([]) }, 'yes', 'no other node reports a time to compare with'],
    [
      'ClockAgrees',
      { others: known([other('a2', {}, 120_000), other('a3', {}, -120_000)]) },
      'yes',
      "this host's clock agrees with the other nodes'",
    ],
    [
      'ClockAgrees',
      { others: known([other('a2', {}, 120_001), other('a3')]) },
      'yes',
      "this host's clock agrees with the other nodes' (not with that of a2)",
    ],
    [
      'ClockAgrees',
      { others: known([other('a2', {}, 120_001), other('a3'), other('a4', {}, -900_000)]) },
      'unknown',
      "this host's clock is 120 s ahead of a2, 900 s behind a4",
    ],
    [
      'ClockAgrees',
      { others: known([other('a2', {}, -500_000), other('a3'), other('a4')]) },
      'yes',
      "this host's clock agrees with the other nodes' (not with that of a2)",
    ],
    [
      'ClockAgrees',
      { others: known([other('a2', {}, -500_000), other('a3', {}, -500_000)]) },
      'no',
      "this host's clock is 500 s behind a2, 500 s behind a3",
    ],
    ['ClockAgrees', { others: known([other('a2', {}, 500_000)]) }, 'unknown', "this host's clock is 500 s ahead of a2"],
    ['ClockAgrees', { others: dark }, 'unknown', 'logind does not answer'],
    ['NobodyLoggedIn', {}, 'yes', 'nobody else is logged in'],
    [
      'NobodyLoggedIn',
      { people: known([{ id: '1', user: 'ann', where: 'pts/0', isOwn: true }]) },
      'yes',
      'nobody else is logged in',
    ],
    [
      'NobodyLoggedIn',
      {
        people: known([
          { id: '1', user: 'ann', where: 'pts/0', isOwn: false },
          { id: '2', user: 'bob', where: '', isOwn: false },
        ]),
      },
      'no',
      'logged in: ann on pts/0, bob',
    ],
    ['NobodyLoggedIn', { people: dark }, 'unknown', 'logind does not answer'],
    [
      'NobodyLoggedIn',
      { people: dark, group: upgradeGroup({ loggedInUsers: 'ignore' }) },
      'yes',
      'logged-in users are not waited for (loggedInUsers: ignore)',
    ],
    ['SnapshotFresh', { snapshot: null }, 'yes', 'no snapshot is asked for'],
    ['SnapshotFresh', {}, 'yes', 'snapshot of revision 12, 1 min old, restored aside'],
    ['SnapshotFresh', { snapshot: known(null) }, 'no', 'there is no snapshot of etcd that was restored aside'],
    ['SnapshotFresh', { snapshot: known({ ageMs: hour, text: 'S' }) }, 'yes', 'S'],
    ['SnapshotFresh', { snapshot: known({ ageMs: hour + 1, text: 'S' }) }, 'no', 'S, older than snapshotMaxAge allows'],
    [
      'SnapshotFresh',
      { snapshot: known({ ageMs: -60_000, text: 'S' }) },
      'no',
      "S: by this host's clock it was taken in the future",
    ],
    ['SnapshotFresh', { snapshot: dark }, 'unknown', 'logind does not answer'],
    ['BootServerReachable', {}, 'yes', 'this host boots from its own disk, and no probes are declared'],
    ['BootServerReachable', { bootServers: [{ url: 'http://b/x', reached: here }] }, 'yes', 'http://b/x answers'],
    [
      'BootServerReachable',
      {
        bootServers: [
          { url: 'http://b/x', reached: here },
          { url: 'http://c', reached: here },
        ],
      },
      'yes',
      'http://b/x, http://c answer',
    ],
    [
      'BootServerReachable',
      {
        bootServers: [
          { url: 'http://b/x', reached: here },
          { url: 'http://c', reached: away },
        ],
      },
      'no',
      'http://c refused the connection',
    ],
    ['StorageReachable', {}, 'yes', 'no iSCSI storage is declared for this node'],
    [
      'StorageReachable',
      { portals: [{ portal: '10.0.0.1:3260', reached: here }] },
      'yes',
      'the iSCSI portal 10.0.0.1:3260 answers',
    ],
    [
      'StorageReachable',
      {
        portals: [
          { portal: '10.0.0.1:3260', reached: here },
          { portal: '10.0.0.2:3260', reached: here },
        ],
      },
      'yes',
      'the iSCSI portals 10.0.0.1:3260, 10.0.0.2:3260 answer',
    ],
    [
      'StorageReachable',
      {
        portals: [
          { portal: '10.0.0.1:3260', reached: here },
          { portal: '10.0.0.2:3260', reached: away },
        ],
      },
      'no',
      'the iSCSI portal 10.0.0.2:3260 refused the connection',
    ],
    ['FormatsAllow', {}, 'yes', 'no data format changes for good'],
    [
      'FormatsAllow',
      { formats: known({ message: 'm', crossings: [], refusal: { message: 'not back', hint: 'h' } }) },
      'no',
      'not back',
    ],
    ['FormatsAllow', { formats: dark }, 'unknown', 'logind does not answer'],
  ])('%s', (question, overrides, answer, message) => {
    const item = itemOf(question, overrides);
    expect([item.answer, item.message]).toEqual([answer, message]);
  });

  test('an operator may roll back to a release that is denied, and may not be upgraded to it', () => {
    const fleet = known({ hold: null, denied: [denialOfVersion('41.1')] });
    expect(itemOf('ReleaseAllowed', { fleet, errand: rollbackTo('41.1') }).answer).toBe('yes');
  });
});

test('over six hundred sights: unknown never passes, every objection has one line and one remedy, every yes has none', () => {
  const random = seededRandom(5);
  const pick = <T>(...values: readonly T[]): T => {
    const value = values[Math.floor(random() * values.length)];
    if (value === undefined) throw new Error('nothing to pick from');
    return value;
  };
  const met = new Set<string>();
  for (let round = 0; round < 600; round++) {
    const fleet = pick<ProofSight['fleet']>(
      known({ hold: null, denied: [] }),
      known({ hold: someHold, denied: [denialOfVersion('41.2')] }),
      dark,
    );
    const sight = proofSight({
      fleet,
      slot: pick<ProofSight['slot']>(
        null,
        known({ isHeld: true, message: 'held' }),
        known({ isHeld: false, message: 'taken' }),
        dark,
      ),
      permit: pick<ProofSight['permit']>(closed, { go: true, message: 'any time' }),
      others: pick<ProofSight['others']>(
        known([other('a2')]),
        known([other('a2', null), other('a3', {}, 999_999)]),
        known([other('a2', {}, 999_999)]),
        known([other('a2', {}, -999_999), other('a3', {}, -999_999)]),
        dark,
      ),
      people: pick<ProofSight['people']>(known([]), known([{ id: '1', user: 'u', where: '', isOwn: false }]), dark),
      snapshot: pick<ProofSight['snapshot']>(null, known(null), known({ ageMs: 0, text: 'S' }), dark),
      formats: pick<ProofSight['formats']>(
        dark,
        known({ message: 'm', crossings: [], refusal: null }),
        known({ message: 'm', crossings: [], refusal: { message: 'no', hint: 'h' } }),
      ),
      members: pick(
        [surveyedAs('a2', memberView('a2')), surveyedAs('a3', memberView('a3'))],
        [surveyedAs('a2', null)],
        [],
      ),
      bootServers: [{ url: 'http://b', reached: pick(here, away) }],
      portals: [{ portal: 'p', reached: pick(here, away) }],
    });
    const proof = prove(sight);
    const unknowns = [sight.fleet, sight.slot, sight.others, sight.people, sight.snapshot, sight.formats].filter(
      (k) => k?.known === false,
    );
    if (unknowns.length > 0) expect(objections(proof).some((i) => i.answer === 'unknown')).toBe(true);
    for (const item of proof.items) {
      met.add(`${item.question} ${item.answer}`);
      expect(item.message).toMatch(/^[^\n]+$/);
      if (item.answer === 'yes') expect(item.hint).toBeUndefined();
      else expect(item.hint).toMatch(/^[^\n]+$/);
    }
  }
  expect(proofQuestions.filter((q) => !met.has(`${q} yes`) || !met.has(`${q} no`))).toEqual([]);
});

// Whether etcd keeps its quorum without this node: every size, partitions, stale views, and one law over random clusters.

import { describe, expect, test } from 'bun:test';
import type { MemberView } from '../../../agent/ports/survey.ts';
import { judgeQuorum } from '../../../agent/upgrade/quorum.ts';
import { seededRandom } from '../../support/random-text.ts';
import { listedMember, memberView, surveyedAs } from '../../support/upgrade-builders.ts';

type Sight = Parameters<typeof judgeQuorum>[0];

/** a1 asks; the others answer well, or as told: null is no answer. */
function asked(
  voters: number,
  told: Readonly<Record<string, Partial<MemberView> | null>> = {},
  more: Partial<Sight> = {},
): Sight {
  const names = Array.from({ length: voters - 1 }, (_, i) => `a${i + 2}`);
  return {
    node: 'a1',
    isMember: true,
    members: names.map((name) => surveyedAs(name, told[name] === null ? null : memberView(name, voters, told[name]))),
    onTheirWay: [],
    acceptOutage: false,
    ...more,
  };
}

const learner = { isLearner: true, members: [], canCommit: false } as const;
const cutOff = { canCommit: false, leaderId: '0' } as const;

describe('the count', () => {
  test.each([
    [1, 'no'],
    [2, 'no'],
    [3, 'yes'],
    [4, 'yes'],
    [5, 'yes'],
    [6, 'yes'],
    [7, 'yes'],
  ])('of %d members, all of them well: %s', (voters, answer) => {
    expect(judgeQuorum(asked(voters)).answer).toBe(answer as 'yes' | 'no');
  });

  test.each<[string, Sight, 'yes' | 'no' | 'unknown', string]>([
    ['three', asked(3), 'yes', '2 of 3 voters are well without a1: a2, a3; 2 are needed'],
    ['two', asked(2), 'no', '1 of 2 voters are well without a1: a2; 2 are needed'],
    [
      'one of three silent',
      asked(3, { a3: null }),
      'no',
      '1 of 3 voters are well without a1: a2; 2 are needed (not counted: a3 did not answer within 5000 ms)',
    ],
    [
      'one of five silent',
      asked(5, { a3: null }),
      'yes',
      '3 of 5 voters are well without a1: a2, a4, a5; 3 are needed (not counted: a3 did not answer within 5000 ms)',
    ],
    [
      'two of five silent',
      asked(5, { a3: null, a4: null }),
      'no',
      '2 of 5 voters are well without a1: a2, a5; 3 are needed (not counted: a3 did not answer within 5000 ms, a4 did not answer within 5000 ms)',
    ],
    [
      'nobody answers',
      asked(3, { a2: null, a3: null }),
      'unknown',
      'no other member answers: a2 did not answer within 5000 ms, a3 did not answer within 5000 ms',
    ],
    [
      'one knows no leader',
      asked(3, { a3: { leaderId: '0' } }),
      'no',
      '1 of 3 voters are well without a1: a2; 2 are needed (not counted: a3 knows of no leader)',
    ],
    [
      'one is cut off and remembers its leader',
      asked(3, { a3: { canCommit: false } }),
      'no',
      '1 of 3 voters are well without a1: a2; 2 are needed (not counted: a3 cannot reach a majority)',
    ],
    [
      'alarms',
      asked(3, { a3: { alarms: ['NOSPACE'] } }),
      'no',
      '1 of 3 voters are well without a1: a2; 2 are needed (not counted: a3 has an alarm: NOSPACE)',
    ],
    [
      'behind by as much as may be',
      asked(3, { a3: { raftAppliedIndex: '4000' } }),
      'yes',
      '2 of 3 voters are well without a1: a2, a3; 2 are needed',
    ],
    [
      'further behind',
      asked(3, { a3: { raftAppliedIndex: '3999' } }),
      'no',
      '1 of 3 voters are well without a1: a2; 2 are needed (not counted: a3 is 1001 entries behind)',
    ],
    [
      'old ones that do not say how far they are',
      asked(3, { a2: { raftAppliedIndex: '0' }, a3: { raftAppliedIndex: '0' } }),
      'yes',
      '2 of 3 voters are well without a1: a2, a3; 2 are needed',
    ],
    [
      'indexes beyond what a number holds',
      asked(3, {
        a2: { raftIndex: '9223372036854775807', raftAppliedIndex: '9223372036854775807' },
        a3: { raftAppliedIndex: '9223372036854774806' },
      }),
      'no',
      '1 of 3 voters are well without a1: a2; 2 are needed (not counted: a3 is 1001 entries behind)',
    ],
    [
      'another member on its way',
      asked(3, {}, { onTheirWay: ['a3'] }),
      'no',
      '1 of 3 voters are well without a1: a2; 2 are needed (not counted: a3 is on its way)',
    ],
    [
      'all others on their way',
      asked(3, {}, { onTheirWay: ['a2', 'a3'] }),
      'no',
      'every other member is on its way: a2, a3',
    ],
    [
      'a client asks',
      asked(4, {}, { node: 'w1', isMember: false }),
      'yes',
      '3 of 4 voters are well as it is: a2, a3, a4; 3 are needed',
    ],
    [
      'a client asks of one',
      asked(2, { a2: { members: [listedMember('a2')] } }, { node: 'w1', isMember: false }),
      'yes',
      '1 of 1 voters are well as it is: a2; 1 are needed',
    ],
  ])('%s', (_name, sight, answer, message) => {
    const item = judgeQuorum(sight);
    expect([item.answer, item.message]).toEqual([answer, message]);
    expect(item.hint === undefined).toBe(answer === 'yes');
  });
});

describe('who counts', () => {
  test('learners count neither as voters nor among the well', () => {
    const members = [...['a1', 'a2', 'a3'].map((n) => listedMember(n)), listedMember('a4', true)];
    const told = { a2: { members }, a3: { members }, a4: learner };
    expect(judgeQuorum(asked(4, told)).message).toBe(
      '2 of 3 voters are well without a1: a2, a3; 2 are needed (not counted: a4 is a learner and has no vote)',
    );
    expect(judgeQuorum(asked(2, { a2: learner })).answer).toBe('unknown');
  });

  test('a member that was added and has not started counts as a voter', () => {
    const members = [...['a1', 'a2', 'a3'].map((n) => listedMember(n)), { ...listedMember('a4'), name: '' }];
    expect(judgeQuorum(asked(3, { a2: { members }, a3: { members } })).message).toContain('2 of 4 voters are well');
  });

  test('two answers of one member are one vote', () => {
    const twice = asked(3, { a3: { memberId: '102' } });
    expect(judgeQuorum(twice)).toMatchObject({
      answer: 'no',
      message: '1 of 3 voters are well without a1: a2; 2 are needed (not counted: a3 is the same member as a2)',
    });
  });

  test('one that is not among the voters it lists has no vote', () => {
    expect(judgeQuorum(asked(3, { a3: { memberId: '999' } })).message).toContain(
      'a3 is not among the voters that it lists',
    );
  });

  test('this node itself is never asked', () => {
    const sight = asked(3);
    const own = { ...sight, members: [surveyedAs('a1', memberView('a1')), ...sight.members.slice(0, 1)] };
    expect(judgeQuorum(own).message).toContain('1 of 3 voters');
  });
});

describe('what they do not agree on', () => {
  test.each<[string, Sight, string]>([
    [
      'clusters',
      asked(3, { a3: { clusterId: '7' } }),
      'the members are of 2 clusters: a2 of 14841639068965178418, a3 of 7',
    ],
    [
      'members',
      asked(3, { a3: { members: ['a1', 'a2', 'a3', 'a4'].map((n) => listedMember(n)) } }),
      'the members do not list the same members: a2 against a3',
    ],
    [
      'who learns',
      asked(3, { a3: { members: ['a1', 'a2'].map((n) => listedMember(n)).concat(listedMember('a3', true)) } }),
      'the members do not list the same members: a2 against a3',
    ],
    [
      'members, one of them stale and cut off',
      asked(5, { a5: { ...cutOff, members: [listedMember('a5')] } }),
      'the members do not list the same members: a2, a3, a4 against a5',
    ],
  ])('%s is unknown', (_name, sight, message) => {
    expect(judgeQuorum(sight)).toMatchObject({ answer: 'unknown', message });
  });

  test('the same members in another order are the same', () => {
    const members = ['a3', 'a1', 'a2'].map((n) => listedMember(n));
    expect(judgeQuorum(asked(3, { a3: { members } })).answer).toBe('yes');
  });
});

describe('an operator accepts that etcd is away', () => {
  const accepted = { acceptOutage: true };
  test.each<[string, Sight, 'yes' | 'no' | 'unknown']>([
    ['of one', asked(1, {}, accepted), 'yes'],
    ['of two', asked(2, {}, accepted), 'yes'],
    ['of two, the other of them silent', asked(2, { a2: null }, accepted), 'unknown'],
    ['of two, the other of them ill', asked(2, { a2: { alarms: ['CORRUPT'] } }, accepted), 'no'],
    ['of two, the other on its way', asked(2, {}, { ...accepted, onTheirWay: ['a2'] }), 'no'],
    ['of three, one of them silent', asked(3, { a2: null }, accepted), 'no'],
    ['of three, both on their way', asked(3, {}, { ...accepted, onTheirWay: ['a2', 'a3'] }), 'no'],
  ])('%s', (_name, sight, answer) => {
    expect(judgeQuorum(sight).answer).toBe(answer);
  });

  test('the hint names the option where it would help', () => {
    expect(judgeQuorum(asked(2)).hint).toMatch(/^--accept-outage/);
    expect(judgeQuorum(asked(1)).hint).toMatch(/^--accept-outage/);
    expect(judgeQuorum(asked(3, { a2: null })).hint).not.toContain('--accept-outage');
  });
});

test('over three thousand random clusters: yes only if the survivors have a majority that can commit without this node', () => {
  const random = seededRandom(99);
  const chance = (p: number): boolean => random() < p;
  let yes = 0;
  for (let round = 0; round < 3_000; round++) {
    const voters = 1 + Math.floor(random() * 7);
    const told: Record<string, Partial<MemberView> | null> = {};
    const onTheirWay: string[] = [];
    for (let i = 2; i <= voters; i++) {
      if (chance(0.1)) onTheirWay.push(`a${i}`);
      told[`a${i}`] = chance(0.1)
        ? null
        : {
            ...(chance(0.1) ? { canCommit: false } : {}),
            ...(chance(0.05) ? { leaderId: '0' } : {}),
            ...(chance(0.05) ? { memberId: '102' } : {}),
            ...(chance(0.05) ? { alarms: ['NOSPACE'] } : {}),
            ...(chance(0.05) ? { clusterId: '7' } : {}),
            ...(chance(0.03) ? { raftAppliedIndex: '1' } : {}),
            ...(chance(0.03) ? learner : {}),
          };
    }
    const sight = asked(voters, told, { onTheirWay, acceptOutage: chance(0.2) });
    const { answer, hint } = judgeQuorum(sight);
    expect(hint === undefined).toBe(answer === 'yes');
    if (answer !== 'yes') continue;
    yes++;
    const able = sight.members.flatMap(({ node, surveyed: { view } }) =>
      view !== null && !onTheirWay.includes(node) && view.canCommit && view.leaderId !== '0' && view.alarms.length === 0
        ? [view]
        : [],
    );
    const votes = new Set(able.map((v) => v.memberId)).size;
    const isMajority = votes >= Math.floor(voters / 2) + 1 && new Set(able.map((v) => v.clusterId)).size === 1;
    if (!isMajority) {
      expect(sight.acceptOutage && voters <= 2 && able.length === voters - 1).toBe(true);
    }
  }
  expect(yes).toBeGreaterThan(300);
});

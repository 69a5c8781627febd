// The semaphore as a value: limits, recursion, the log, and what stands in the key when somebody else wrote it.

import { describe, expect, test } from 'bun:test';
import type { Semaphore } from '../../../agent/model/semaphore.ts';
import { memberLimit } from '../../../agent/upgrade/coordination.ts';
import {
  emptySemaphore,
  type Limits,
  markRebooting,
  parseSemaphore,
  releaseSlot,
  takeSlot,
} from '../../../agent/upgrade/semaphore.ts';
import { randomTexts, seededRandom } from '../../support/random-text.ts';
import { holder, semaphoreWith, someTime } from '../../support/upgrade-builders.ts';

const limits: Limits = { slots: 2, memberLimit: 1, membersElsewhere: [] };
const noMember = { isMember: false };

function taken(semaphore: Semaphore, id: string, more = noMember, within = limits): Semaphore {
  const taking = takeSlot(semaphore, holder(id, more), within);
  if (taking.outcome !== 'held') throw new Error(taking.message);
  return taking.semaphore;
}

describe('taking a slot', () => {
  test('writes down who, since when and why', () => {
    const next = taken(emptySemaphore('default', 1), 'a2');
    expect(next).toEqual({
      schema: 1,
      group: 'default',
      slots: 2,
      holders: [holder('a2', noMember)],
      log: [{ at: someTime, what: 'taken', holder: 'a2', by: 'a2', why: 'upgrade to 41.2' }],
    });
  });

  test('holders are sorted by id', () => {
    const next = taken(
      taken(taken(emptySemaphore('g', 3), 'b1', noMember, { ...limits, slots: 3 }), 'a9', noMember, {
        ...limits,
        slots: 3,
      }),
      'a10',
      noMember,
      { ...limits, slots: 3 },
    );
    expect(next.holders.map((h) => h.id)).toEqual(['a10', 'a9', 'b1']);
  });

  test.each([
    [1, 'the one slot of group default taken: a2 (upgrade to 41.2)'],
    [2, 'all 2 slots of group default taken: a2 (upgrade to 41.2), a3 (upgrade to 41.2)'],
  ])('with %d slots, all of them taken', (slots, message) => {
    const holders = ['a2', 'a3'].slice(0, slots).map((id) => holder(id, noMember));
    const taking = takeSlot(semaphoreWith(holders), holder('a1', noMember), { ...limits, slots });
    expect(taking).toEqual({ outcome: 'full', message, holders });
  });

  test('etcd members are limited over all groups, others are not', () => {
    const elsewhere = { ...limits, membersElsewhere: ['a9'] };
    expect(takeSlot(emptySemaphore('g', 2), holder('a1'), elsewhere)).toEqual({
      outcome: 'full',
      message: 'etcd can do without 1 of its members at a time, and on their way are already: a9',
      holders: [],
    });
    expect(takeSlot(emptySemaphore('g', 2), holder('a1', noMember), elsewhere).outcome).toBe('held');
    expect(takeSlot(semaphoreWith([holder('a2')]), holder('a1'), limits).outcome).toBe('full');
    expect(takeSlot(semaphoreWith([holder('a2', noMember)]), holder('a1'), limits).outcome).toBe('held');
    expect(takeSlot(emptySemaphore('g', 2), holder('a1'), { ...limits, memberLimit: 0 })).toMatchObject({
      message: 'etcd has too few members for any of them to be away',
    });
  });

  test('one that was marked in this very boot stays marked: it may be on its way down', () => {
    const before = semaphoreWith([holder('a1', { stage: 'rebooting' })]);
    const taking = takeSlot(before, holder('a1'), limits);
    expect(taking.outcome === 'held' && taking.semaphore.holders.map((h) => h.stage)).toEqual(['rebooting']);
  });

  test('who holds one keeps it with its time, for another errand and from another boot, whatever the limits are now', () => {
    const before = semaphoreWith([holder('a1', { since: '2025-12-31T00:00:00Z', stage: 'rebooting' }), holder('a2')]);
    const again = holder('a1', { bootId: 'boot-9', reason: 'reboot: x', release: null });
    const taking = takeSlot(before, again, { slots: 1, memberLimit: 0, membersElsewhere: ['a9'] });
    expect(taking).toEqual({
      outcome: 'held',
      isNew: false,
      semaphore: { ...before, holders: [{ ...again, since: '2025-12-31T00:00:00Z' }, holder('a2')] },
    });
  });
});

test.each([
  [1, 0],
  [2, 0],
  [3, 1],
  [4, 1],
  [5, 2],
  [6, 2],
  [7, 3],
])('of %d members %d may be away', (members, away) => {
  expect(memberLimit(members)).toBe(away);
});

describe('marking and releasing', () => {
  test('a holder marks itself, nobody else, and only while it holds', () => {
    const before = semaphoreWith([holder('a1'), holder('a2')]);
    expect(markRebooting(before, 'a1', someTime)?.holders.map((h) => h.stage)).toEqual(['rebooting', 'preparing']);
    expect(markRebooting(before, 'a3', someTime)).toBeNull();
  });

  test('a release takes away that holder alone; without one nothing changes', () => {
    const before = semaphoreWith([holder('a1'), holder('a2')]);
    const event = { at: someTime, what: 'released', by: 'a1', why: 'ready' } as const;
    const next = releaseSlot(before, 'a1', event);
    expect([next.holders, next.log]).toEqual([[holder('a2')], [{ ...event, holder: 'a1' }]]);
    expect(releaseSlot(before, 'a3', event)).toBe(before);
  });

  test('the log keeps the last forty events, newest last', () => {
    let semaphore = emptySemaphore('g', 1);
    for (let i = 0; i < 100; i++) {
      semaphore = taken(semaphore, `n${i}`, noMember, { ...limits, slots: 1 });
      semaphore = releaseSlot(semaphore, `n${i}`, { at: String(i), what: 'released', by: `n${i}`, why: 'ready' });
    }
    expect(semaphore.log.length).toBe(40);
    expect(semaphore.log.at(-1)).toMatchObject({ at: '99', what: 'released', holder: 'n99' });
  });
});

describe('what stands in the key', () => {
  const whole = semaphoreWith(
    [holder('a1'), holder('fleetlock/x', { kind: 'fleetlock', bootId: null, release: null })],
    {
      log: [{ at: someTime, what: 'taken', holder: 'a1', by: 'a1', why: 'w' }],
    },
  );

  test('is read as it was written', () => {
    expect(parseSemaphore(JSON.stringify(whole))).toEqual(whole);
  });

  test.each<[string, unknown]>([
    ['another schema', { ...whole, schema: 2 }],
    ['no group', { ...whole, group: undefined }],
    ['slots as text', { ...whole, slots: '1' }],
    ['no holders', { ...whole, holders: undefined }],
    ['holders as an object', { ...whole, holders: {} }],
    ['a holder that is null', { ...whole, holders: [null] }],
    ['a holder without a name', { ...whole, holders: [{ ...holder('a1'), id: undefined }] }],
    ['a holder of another kind', { ...whole, holders: [{ ...holder('a1'), kind: 'vm' }] }],
    ['a holder at another stage', { ...whole, holders: [{ ...holder('a1'), stage: 'gone' }] }],
    ['a boot that is a number', { ...whole, holders: [{ ...holder('a1'), bootId: 7 }] }],
    ['a release that is an object', { ...whole, holders: [{ ...holder('a1'), release: {} }] }],
    ['nobody says whether it is a member', { ...whole, holders: [{ ...holder('a1'), isMember: undefined }] }],
    ['a list', [whole]],
    ['null', null],
    ['a text', 'semaphore'],
  ])('is nothing that is understood: %s', (_name, value) => {
    expect(parseSemaphore(JSON.stringify(value))).toBeNull();
  });

  test('events that nobody understands are passed over: the log is for people', () => {
    const strange = { ...whole, log: [null, 'x', { at: 1 }, ...whole.log] };
    expect(parseSemaphore(JSON.stringify(strange))).toEqual(whole);
    expect(parseSemaphore(JSON.stringify({ ...whole, log: 'x' }))?.log).toEqual([]);
  });

  test('no text does any harm', () => {
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      '"schema":1',
      ',',
      '"holders":',
      '"group":"g"',
      '"slots":1',
      'null',
      '"id":"a"',
    ];
    for (const text of randomTexts(3_000, 7, pieces)) {
      const parsed = parseSemaphore(text);
      if (parsed !== null) expect(parseSemaphore(JSON.stringify(parsed))).toEqual(parsed);
    }
  });
});

test('over two thousand random operations nobody goes beyond a limit, and nobody touches the slot of another', () => {
  const random = seededRandom(12);
  const ids = ['a1', 'a2', 'a3', 'b1', 'b2', 'fleetlock/x'];
  let semaphore = emptySemaphore('default', 2);
  for (let step = 0; step < 2_000; step++) {
    const id = ids[Math.floor(random() * ids.length)] ?? 'a1';
    const isMember = id.startsWith('a');
    const others = semaphore.holders.filter((h) => h.id !== id);
    const own = semaphore.holders.find((h) => h.id === id);
    const chance = random();
    if (chance < 0.5) {
      const taking = takeSlot(
        semaphore,
        holder(id, { isMember, since: String(step), bootId: `boot-${step % 3}` }),
        limits,
      );
      if (taking.outcome === 'held') {
        semaphore = taking.semaphore;
        if (own !== undefined) expect(semaphore.holders.find((h) => h.id === id)?.since).toBe(own.since);
      } else {
        expect(own).toBeUndefined();
        expect(others.length === 2 || (isMember && others.some((h) => h.isMember))).toBe(true);
      }
    } else if (chance < 0.7) {
      semaphore = markRebooting(semaphore, id, String(step)) ?? semaphore;
    } else {
      semaphore = releaseSlot(semaphore, id, { at: String(step), what: 'released', by: id, why: 'ready' });
      expect(semaphore.holders.some((h) => h.id === id)).toBe(false);
    }
    expect(semaphore.holders.filter((h) => h.id !== id)).toEqual(others);
    expect(semaphore.holders.length).toBeLessThanOrEqual(2);
    expect(semaphore.holders.filter((h) => h.isMember).length).toBeLessThanOrEqual(1);
    expect(semaphore.log.length).toBeLessThanOrEqual(40);
    expect(parseSemaphore(JSON.stringify(semaphore))).toEqual(semaphore);
  }
});

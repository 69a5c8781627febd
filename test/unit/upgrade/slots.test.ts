// Slots in etcd under rivals: many clients at once, two groups and one member slot, takeovers of exactly who was judged.

import { describe, expect, test } from 'bun:test';
import { semaphoreKey } from '../../../agent/model/keys.ts';
import type { Holder, Semaphore } from '../../../agent/model/semaphore.ts';
import type { SwapStore } from '../../../agent/ports/store.ts';
import { parseSemaphore } from '../../../agent/upgrade/semaphore.ts';
import { etcdSlots, type SlotKeeper } from '../../../agent/upgrade/slots.ts';
import { effectLog } from '../../support/effect-log.ts';
import { fakeEtcd } from '../../support/fake-etcd.ts';
import { seededRandom } from '../../support/random-text.ts';
import { refusal } from '../../support/refusal.ts';
import { holder, semaphoreWith, someTime } from '../../support/upgrade-builders.ts';
import { virtualClock } from '../../support/virtual-clock.ts';

const address = '192.168.99.51';
const groups = ['default', 'workers'];

async function cluster(seed = 1) {
  const clock = virtualClock({ seed });
  const etcd = fakeEtcd({ members: [address], clock });
  const store = await etcd.clientFor(address, effectLog()).leases([`http://${address}:2379`]);
  /** Between a read and a write others get their turn. */
  const slow: SwapStore = {
    ...store,
    async readVersioned(keys) {
      const found = await store.readVersioned(keys);
      await clock.sleep(clock.random() * 20);
      return found;
    },
  };
  return {
    clock,
    etcd,
    slots: (group: string): SlotKeeper => etcdSlots({ store: slow, clock, cluster: 'c', group, groups }),
    semaphore(group: string): Semaphore {
      const text = etcd.keys('v3').get(semaphoreKey('c', group))?.value;
      const parsed = text === undefined ? null : parseSemaphore(text);
      return parsed ?? semaphoreWith([], { group });
    },
    put: (group: string, value: unknown) =>
      etcd.put('v3', semaphoreKey('c', group), typeof value === 'string' ? value : JSON.stringify(value)),
  };
}

function request(who: Holder, more: Partial<Parameters<SlotKeeper['take']>[0]> = {}) {
  return { holder: who, slots: 1, memberLimit: 1, takeOver: [], ...more };
}

describe('one after the other', () => {
  test('taken, marked, released; releasing what is not held is success and writes nothing', async () => {
    const { slots, semaphore, etcd } = await cluster();
    const keeper = slots('default');
    expect(await keeper.take(request(holder('a1')))).toEqual({ held: true });
    expect(await keeper.take(request(holder('a2')))).toEqual({
      held: false,
      message: 'the one slot of group default taken: a1 (upgrade to 41.2)',
    });
    await keeper.markRebooting('a1');
    expect(semaphore('default').holders).toEqual([holder('a1', { stage: 'rebooting' })]);
    await keeper.release('a1', 'a1', 'ready');
    const { revision } = etcd;
    await keeper.release('a1', 'a1', 'ready');
    expect([semaphore('default').holders, etcd.revision]).toEqual([[], revision]);
    expect(semaphore('default').log.map((e) => e.what)).toEqual(['taken', 'rebooting', 'released']);
  });

  test('whoever lost its slot may not reboot', async () => {
    const { slots } = await cluster();
    expect(await refusal(() => slots('default').markRebooting('a1'))).toMatchObject({ kind: 'tempfail' });
  });

  test('a release by somebody else is told as one by hand', async () => {
    const { slots, semaphore } = await cluster();
    await slots('default').take(request(holder('a1')));
    await slots('default').release('a1', 'operator on a2', 'board is dead');
    expect(semaphore('default').log.at(-1)).toMatchObject({
      what: 'released by hand',
      by: 'operator on a2',
      holder: 'a1',
    });
  });

  test.each(['', 'x', '{}', '{"schema":2}', '[]'])(
    'what nobody understands (%s) nobody overwrites, whichever group it is in',
    async (text) => {
      const { slots, put, etcd } = await cluster();
      put('workers', text);
      for (const group of groups) {
        expect(await refusal(() => slots(group).take(request(holder('a1'))))).toMatchObject({ kind: 'data' });
      }
      expect(etcd.keys('v3').get(semaphoreKey('c', 'workers'))?.value).toBe(text);
    },
  );

  test('a member that is away in another group counts; it does not count against itself', async () => {
    const { slots, put } = await cluster();
    put('workers', semaphoreWith([holder('a2'), holder('w1', { isMember: false })], { group: 'workers', slots: 2 }));
    expect(await slots('default').take(request(holder('a1')))).toMatchObject({ held: false });
    expect(await slots('default').take(request(holder('a2')))).toEqual({ held: true });
  });
});

describe('taking over', () => {
  const dead = holder('a2');
  const evidence = 'a2 has not reported for 6 min';

  test('the slot of a dead holder, with its evidence in the log', async () => {
    const { slots, semaphore, put } = await cluster();
    put('default', semaphoreWith([dead]));
    const takeOver = [{ holder: dead, evidence }];
    expect(await slots('default').take(request(holder('a1'), { takeOver }))).toEqual({ held: true });
    expect(semaphore('default').holders).toEqual([holder('a1')]);
    expect(semaphore('default').log[0]).toEqual({
      at: someTime,
      what: 'taken over',
      holder: 'a2',
      by: 'a1',
      why: evidence,
    });
  });

  test.each<[string, Holder]>([
    ['it reboots by now', { ...dead, stage: 'rebooting' }],
    ['it is in another boot', { ...dead, bootId: 'other' }],
    ['it gave the slot back and took it anew', { ...dead, since: '2026-01-01T00:06:00.000Z' }],
    ['it kept the slot for something else', { ...dead, reason: 'reboot: x' }],
    ['it is another host', holder('a3')],
  ])('not when %s', async (_name, now) => {
    const { slots, semaphore, put } = await cluster();
    put('default', semaphoreWith([now]));
    const answer = await slots('default').take(request(holder('a1'), { takeOver: [{ holder: dead, evidence }] }));
    expect(answer).toMatchObject({ held: false });
    expect(semaphore('default').holders).toEqual([now]);
  });

  test('nobody is removed by one who then gets no slot itself', async () => {
    const { slots, semaphore, put } = await cluster();
    put('default', semaphoreWith([dead, holder('a3')], { slots: 2 }));
    await slots('default').take(request(holder('a1'), { slots: 1, takeOver: [{ holder: dead, evidence }] }));
    expect(semaphore('default').holders).toEqual([dead, holder('a3')]);
  });
});

describe('at once', () => {
  test('of two groups that race for the last member slot one wins, whoever comes first', async () => {
    const winners = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const { slots, semaphore } = await cluster(seed);
      const answers = await Promise.all([
        slots('default').take(request(holder('a1'))),
        slots('workers').take(request(holder('a2'))),
      ]);
      const holders = groups.flatMap((group) => semaphore(group).holders.map((h) => h.id));
      expect([answers.filter((a) => a.held).length, holders.length]).toEqual([1, 1]);
      winners.add(holders[0] ?? '');
    }
    expect([...winners].sort()).toEqual(['a1', 'a2']);
  });

  test.each([1, 2, 3])(
    'twelve clients with %d slots: never more holders than slots, members never beyond their limit',
    async (slotsOfGroup) => {
      const { clock, slots, semaphore } = await cluster(slotsOfGroup);
      const random = seededRandom(slotsOfGroup);
      const held = new Map<string, string>();
      const clients = Array.from({ length: 12 }, (_, i) => ({
        id: i < 5 ? `a${i}` : `w${i}`,
        isMember: i < 5,
        group: i % 2 === 0 ? 'default' : 'workers',
      }));
      await Promise.all(
        clients.map(async ({ id, isMember, group }) => {
          const keeper = slots(group);
          for (let turn = 0; turn < 8; turn++) {
            const who = holder(id, { isMember, since: clock.timestamp() });
            const answer = await keeper.take(request(who, { slots: slotsOfGroup, memberLimit: 2 }));
            if (!answer.held) {
              await clock.sleep(random() * 100);
              continue;
            }
            held.set(id, group);
            expect([...held.values()].filter((g) => g === group).length).toBeLessThanOrEqual(slotsOfGroup);
            expect([...held.keys()].filter((h) => h.startsWith('a')).length).toBeLessThanOrEqual(2);
            expect(semaphore(group).holders.map((h) => h.id)).toContain(id);
            await keeper.markRebooting(id);
            await clock.sleep(random() * 50);
            held.delete(id);
            await keeper.release(id, id, 'ready');
          }
        }),
      );
      expect(groups.flatMap((group) => semaphore(group).holders)).toEqual([]);
      expect(groups.every((group) => semaphore(group).log.length <= 40)).toBe(true);
    },
  );
});

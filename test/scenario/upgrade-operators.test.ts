// Operators and policy: hold, windows, users, asks that meet each other, cancel, rollback, plain reboots, FleetLock.

import { describe, expect, test } from 'bun:test';
import type { WeeklyWindow } from '../../agent/model/upgrade.ts';
import { parseWeeklyWindow } from '../../agent/model/weekly-window.ts';
import { setHold, setTarget } from '../../agent/upgrade/fleet-state.ts';
import { type FakeAnswer, slotServer } from '../support/fake-fleet-lock.ts';
import { targetOf } from '../support/upgrade-builders.ts';
import { type Fleet, type FleetOptions, upgradeFleet } from '../support/upgrade-fleet.ts';

const minute = 60_000;
const hour = 60 * minute;
const all = ['a1', 'a2', 'a3'];

const isVerified = (fleet: Fleet, version: string): boolean =>
  fleet.nodes.every(
    (n) => fleet.memory(n.name)?.verified?.text === version && fleet.memory(n.name)?.phase === 'steady',
  );
const held = (fleet: Fleet): string[] => fleet.semaphore().holders.map((h) => `${h.id} ${h.stage}`);
const waiting = (fleet: Fleet, name: string): string => fleet.memory(name)?.waiting?.reason ?? '';
const hold = { schema: 1, reason: 'the audit', by: 'operator on a3', at: '2026-01-01T00:00:00Z' } as const;

async function started(options: FleetOptions = {}): Promise<Fleet> {
  const fleet = upgradeFleet(options);
  await fleet.run(5 * minute);
  return fleet;
}

function window(text: string): WeeklyWindow {
  const parsed = parseWeeklyWindow(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
}

describe('hold', () => {
  test('stops who waits for the slot, lets who has rebooted come back, and resume lets them go on', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    await setTarget(fleet.place(), targetOf('41.2'));
    await fleet.runUntil(() => fleet.nodes.some((n) => fleet.memory(n.name)?.phase === 'verifying'), hour);
    await setHold(fleet.place(), hold);
    await fleet.run(2 * hour);
    expect([fleet.orders.length, held(fleet)]).toEqual([1, []]);
    const [first = ''] = fleet.orders.map((o) => o.node);
    expect([fleet.memory(first)?.phase, fleet.memory(first)?.verified?.text]).toEqual(['steady', '41.2']);
    for (const name of all.filter((n) => n !== first)) {
      expect(waiting(fleet, name)).toBe('group default is on hold: the audit (operator on a3)');
    }
    await setHold(fleet.place(), null);
    expect(await fleet.runUntil(() => isVerified(fleet, '41.2'), 2 * hour)).toBe(true);
  });

  test('keeps a red host where it is, denied and with its slot, and it goes back once it may', async () => {
    const fleet = await started();
    fleet.publish('41.2', 'unready');
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.runUntil(() => fleet.memory('a1')?.phase === 'verifying', hour);
    await setHold(fleet.place(), hold);
    await fleet.run(hour);
    expect([fleet.booted('a1').version, fleet.denied(), held(fleet)]).toEqual(['41.2', ['41.2'], ['a1 rebooting']]);
    expect(waiting(fleet, 'a1')).toContain('is on hold');
    await setHold(fleet.place(), null);
    await fleet.run(hour);
    expect([fleet.booted('a1').version, fleet.denied(), held(fleet)]).toEqual(['41.1', ['41.2'], []]);
  });

  test('and target at once, from two operators: both stand, and nothing moves', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    await Promise.all([setTarget(fleet.place(), targetOf('41.2')), setHold(fleet.place(), hold)]);
    await fleet.run(hour);
    expect(fleet.orders).toEqual([]);
    expect(fleet.nodes.every((n) => fleet.state(n.name)?.deployments[0]?.version === '41.2')).toBe(true);
  });
});

describe('the window', () => {
  test('closes while a node waits for the slot: the slot that comes free then is not used', async () => {
    const fleet = await started({
      groups: [{ nodes: all, strategy: 'window', windows: [window('daily 00:00-00:15')], soakSecs: 600 }],
    });
    fleet.publish('41.2');
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.ask('a2', { kind: 'upgrade' });
    await fleet.run(5 * minute);
    const [first = ''] = fleet.orders.map((o) => o.node);
    const second = first === 'a1' ? 'a2' : 'a1';
    await fleet.run(2 * hour);
    expect([fleet.orders.length, held(fleet), fleet.memory(first)?.verified?.text]).toEqual([1, [], '41.2']);
    expect(waiting(fleet, second)).toContain('00:00-00:15');
    // The next day it opens again.
    expect(await fleet.runUntil(() => fleet.orders.length === 2, 23 * hour)).toBe(true);
    expect(new Date(fleet.time.now()).getUTCHours()).toBe(0);
    await fleet.ask('a3', { kind: 'reboot', outsideWindow: true });
    expect(await fleet.runUntil(() => fleet.memory('a3')?.ask === null && fleet.orders.length === 3, hour)).toBe(true);
  });
});

describe('people', () => {
  test('who are logged in are waited for, and it goes when they leave', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    const { sessions } = fleet.node('a1').host;
    sessions.set([{ id: '7', user: 'sonja', where: 'pts/0', isOwn: false }]);
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.run(hour);
    expect([fleet.orders.length, held(fleet), waiting(fleet, 'a1')]).toEqual([0, [], 'logged in: sonja on pts/0']);
    sessions.set([]);
    expect(await fleet.runUntil(() => fleet.orders.length === 1, 2 * minute)).toBe(true);
  });

  test('whom nobody can tell count as there', async () => {
    const fleet = await started();
    fleet.node('a1').host.sessions.set('unknown');
    await fleet.ask('a1', { kind: 'reboot' });
    await fleet.run(hour);
    expect([fleet.orders.length, held(fleet)]).toEqual([0, []]);
    expect(waiting(fleet, 'a1')).toStartWith('unknown: cannot find out who is logged in');
  });
});

describe('asks', () => {
  test('of two operators on two nodes: one goes after the other', async () => {
    const fleet = await started();
    await Promise.all([fleet.ask('a1', { kind: 'reboot' }), fleet.ask('a2', { kind: 'reboot' })]);
    let most = 0;
    fleet.watch({
      step: () => {
        most = Math.max(most, fleet.semaphore().holders.length);
      },
    });
    expect(await fleet.runUntil(() => fleet.orders.length === 2 && held(fleet).length === 0, hour)).toBe(true);
    expect([most, fleet.leastUp, fleet.lostQuorum]).toEqual([1, 2, false]);
  });

  test('while another one is under way on the node are refused', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    fleet.node('a3').isIll = true;
    await fleet.run(minute);
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.run(minute);
    await expect(fleet.ask('a1', { kind: 'reboot' })).rejects.toThrow(
      'cannot ask this node for a reboot: an upgrade is asked for already',
    );
    fleet.node('a3').isIll = false;
    await fleet.runUntil(() => fleet.memory('a1')?.phase === 'verifying', hour);
    await expect(fleet.ask('a1', { kind: 'rollback' })).rejects.toThrow('is asked for already');
  });

  for (const kind of ['upgrade', 'reboot', 'rollback'] as const) {
    test(`for ${kind} that are taken back while they wait are not carried out`, async () => {
      const fleet = await started();
      fleet.publish('41.2');
      if (kind === 'rollback') {
        await fleet.ask('a1', { kind: 'upgrade' });
        expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.2', hour)).toBe(true);
      }
      const before = fleet.orders.length;
      fleet.node('a3').isIll = true;
      await fleet.run(minute);
      await fleet.ask('a1', { kind });
      await fleet.run(3 * minute);
      expect(fleet.memory('a1')?.phase).toBe('ready-to-go');
      expect(await fleet.cancel('a1')).toBe(true);
      fleet.node('a3').isIll = false;
      await fleet.run(hour);
      expect([fleet.orders.length, fleet.memory('a1')?.phase, held(fleet)]).toEqual([before, 'steady', []]);
      expect(fleet.denied()).toEqual([]);
    });
  }

  test('that are taken back at the last moment are not carried out either', async () => {
    const fleet: Fleet = await started({
      between: (node, coordination) => {
        if (node.name !== 'a1') return coordination;
        const { store } = coordination;
        const swap: typeof store.swap = async (write, guards) => {
          const answer = await store.swap(write, guards);
          if (write.value?.includes('"stage":"preparing"') === true) expect(await fleet.cancel('a1')).toBe(true);
          return answer;
        };
        const watched = new Proxy(store, { get: (of, key) => (key === 'swap' ? swap : Reflect.get(of, key)) });
        return { ...coordination, store: watched };
      },
    });
    await fleet.ask('a1', { kind: 'reboot' });
    await fleet.run(30 * minute);
    expect([fleet.orders.length, fleet.memory('a1')?.phase, held(fleet)]).toEqual([0, 'steady', []]);
  });

  test('with two coordinators at once: one order, one slot, nothing is forgotten', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    await fleet.ask('a1', { kind: 'upgrade' });
    for (let i = 0; i < 3; i++) fleet.start('a1', true);
    await fleet.runUntil(() => fleet.orders.length > 0, 5 * minute);
    expect([held(fleet), fleet.memory('a1')?.phase]).toEqual([['a1 rebooting'], 'rebooting']);
    expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.2', hour)).toBe(true);
    expect([fleet.orders.length, held(fleet), fleet.denied()]).toEqual([1, [], []]);
  });
});

describe('rollback', () => {
  async function upgraded(): Promise<Fleet> {
    const fleet = await started();
    fleet.publish('41.2');
    await setTarget(fleet.place(), targetOf('41.2'));
    expect(await fleet.runUntil(() => isVerified(fleet, '41.2'), 2 * hour)).toBe(true);
    await setTarget(fleet.place(), null);
    return fleet;
  }

  test('denies what is left, with the reason; the host is verified where it was before', async () => {
    const fleet = await upgraded();
    await fleet.ask('a1', { kind: 'rollback', reason: 'it is slow' });
    expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.1', hour)).toBe(true);
    expect([fleet.denied(), held(fleet), fleet.memory('a1')?.ask]).toEqual([['41.2'], [], null]);
    expect(fleet.state('a1')?.deployments.map((d) => [d.version, d.booted])).toEqual([
      ['41.1', true],
      ['41.2', false],
    ]);
    await setTarget(fleet.place(), targetOf('41.2'));
    await fleet.run(3 * hour);
    expect(fleet.booted('a1').version).toBe('41.1');
  });

  test('denies nothing when it is told so, and the same release can be had again, power cut and all', async () => {
    const fleet = await upgraded();
    await fleet.ask('a1', { kind: 'rollback', deny: false });
    expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.1', hour)).toBe(true);
    expect(fleet.denied()).toEqual([]);
    await fleet.ask('a1', { kind: 'upgrade', release: '41.2' });
    const before = fleet.orders.length;
    await fleet.runUntil(() => fleet.orders.length > before, hour);
    fleet.powerOff('a1');
    expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.2', hour)).toBe(true);
    expect(fleet.denied()).toEqual([]);
  });
});

describe('a host without deployments', () => {
  test('is rebooted with slot and proof, one after the other, and does nothing else', async () => {
    const fleet = await started({ version: null });
    for (const name of all) await fleet.ask(name, { kind: 'reboot', reason: 'new kernel' });
    expect(await fleet.runUntil(() => fleet.orders.length === 3 && held(fleet).length === 0, 2 * hour)).toBe(true);
    expect([fleet.leastUp, fleet.lostQuorum]).toEqual([2, false]);
    expect(fleet.nodes.map((n) => [fleet.memory(n.name)?.phase, fleet.memory(n.name)?.ask])).toEqual(
      all.map(() => ['steady', null]),
    );
    await fleet.ask('a1', { kind: 'rollback' });
    await fleet.run(10 * minute);
    expect([fleet.orders.length, fleet.memory('a1')?.ask]).toEqual([3, null]);
    expect(waiting(fleet, 'a1')).toContain('not upgraded by deployments');
  });
});

describe('FleetLock', () => {
  const url = 'http://192.168.99.9:3333';
  const groups = [{ nodes: all, fleetLockUrl: url }];
  const no: FakeAnswer = async () => ({ status: 409, json: { kind: 'failed_lock', value: 'somebody else has it' } });

  test('a server that says yes: the slot is taken, and given back once the host is verified', async () => {
    const fleet = await started({ groups, fleetLockServers: { [url]: slotServer(1) } });
    fleet.publish('41.2');
    await setTarget(fleet.place(), targetOf('41.2'));
    expect(await fleet.runUntil(() => isVerified(fleet, '41.2'), 3 * hour)).toBe(true);
    expect([fleet.leastUp, fleet.lostQuorum, fleet.orders.length]).toEqual([2, false, 3]);
    for (const { name, host } of fleet.nodes) expect(host.fleetLock.asked.at(-1)).toBe(`steady-state ${name} default`);
  });

  test('a server that says no, or dies: nobody reboots, and it goes on when it says yes', async () => {
    const fleet = await started({ groups, fleetLockServers: { [url]: no } });
    fleet.publish('41.2');
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.run(hour);
    expect([fleet.orders.length, waiting(fleet, 'a1')]).toEqual([
      0,
      'the FleetLock server says no: somebody else has it',
    ]);
    for (const { host } of fleet.nodes) host.fleetLock.set(url, null);
    await fleet.run(hour);
    expect([fleet.orders.length, waiting(fleet, 'a1')]).toEqual([0, expect.stringContaining('refuses connections')]);
    const server = slotServer(1);
    for (const { host } of fleet.nodes) host.fleetLock.set(url, server);
    expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.2', hour)).toBe(true);
  });

  test('a server that gives a slot to everybody: members go one at a time all the same, and etcd shows who is on the way', async () => {
    const fleet = await started({ groups, fleetLockServers: { [url]: slotServer(3) } });
    fleet.publish('41.2');
    await setTarget(fleet.place(), targetOf('41.2'));
    expect(await fleet.runUntil(() => isVerified(fleet, '41.2'), 3 * hour)).toBe(true);
    expect([fleet.leastUp, fleet.lostQuorum, fleet.orders.length]).toEqual([2, false, 3]);
    const { log, holders } = fleet.semaphore();
    expect([log.filter((e) => e.what === 'taken').length >= 3, holders]).toEqual([true, []]);
  });

  test('a server that dies while the slot is held: it is given back once the server is there again', async () => {
    const server = slotServer(1);
    const fleet = await started({ groups, fleetLockServers: { [url]: server } });
    fleet.publish('41.2');
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.runUntil(() => fleet.booted('a1').version === '41.2', hour);
    for (const { host } of fleet.nodes) host.fleetLock.set(url, null);
    await fleet.run(hour);
    for (const { host } of fleet.nodes) host.fleetLock.set(url, server);
    await fleet.ask('a2', { kind: 'upgrade' });
    expect(await fleet.runUntil(() => fleet.memory('a2')?.verified?.text === '41.2', hour)).toBe(true);
    expect(fleet.memory('a1')?.phase).toBe('steady');
  });
});

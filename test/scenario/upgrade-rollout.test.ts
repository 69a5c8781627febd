// Releases on their way through a fleet: good ones one node at a time, bad ones no further than the first.

import { describe, expect, test } from 'bun:test';
import { allowRelease, setTarget } from '../../agent/upgrade/fleet-state.ts';
import { targetOf } from '../support/upgrade-builders.ts';
import { type Fleet, upgradeFleet } from '../support/upgrade-fleet.ts';

const minute = 60_000;
const hour = 60 * minute;

const versions = (fleet: Fleet): string[] => fleet.nodes.map((n) => fleet.booted(n.name).version ?? '');
const isVerified = (fleet: Fleet, version: string): boolean =>
  fleet.nodes.every(
    (n) => fleet.memory(n.name)?.verified?.text === version && fleet.memory(n.name)?.phase === 'steady',
  );

/** Who took, rebooted with and released the slot, in order: `a1 taken`. */
const told = (fleet: Fleet, group?: string): string[] => fleet.semaphore(group).log.map((e) => `${e.holder} ${e.what}`);

async function started(...args: Parameters<typeof upgradeFleet>): Promise<Fleet> {
  const fleet = upgradeFleet(...args);
  await fleet.run(5 * minute);
  return fleet;
}

describe('a good release', () => {
  test('rolls through three members one at a time, canary first, and etcd never loses its quorum', async () => {
    const fleet = await started({ groups: [{ nodes: ['a1', 'a2', 'a3'], canary: ['a2'] }] });
    let mostHolders = 0;
    fleet.watch({
      step: () => {
        mostHolders = Math.max(mostHolders, fleet.semaphore().holders.length);
      },
    });
    fleet.publish('41.2');
    await setTarget(fleet.place(), targetOf('41.2'));
    expect(await fleet.runUntil(() => isVerified(fleet, '41.2'), 2 * hour)).toBe(true);
    expect(versions(fleet)).toEqual(['41.2', '41.2', '41.2']);
    expect([fleet.leastUp, fleet.lostQuorum, mostHolders]).toEqual([2, false, 1]);
    expect(fleet.orders.map((o) => o.node)[0]).toBe('a2');
    expect(told(fleet)).toEqual(
      fleet.orders.flatMap(({ node }) => [`${node} taken`, `${node} rebooting`, `${node} released`]),
    );
    expect([fleet.orders.length, fleet.semaphore().holders, fleet.denied(), fleet.failures]).toEqual([3, [], [], []]);
  });

  test('goes by itself where the group says so, clients two at a time and members one', async () => {
    const fleet = await started({
      nodes: 7,
      members: 3,
      groups: [
        { name: 'members', nodes: ['a1', 'a2', 'a3'], automatic: 'apply', checkEverySecs: 1_800, slots: 2 },
        { name: 'clients', nodes: ['a4', 'a5', 'a6', 'a7'], automatic: 'apply', checkEverySecs: 1_800, slots: 2 },
      ],
    });
    const most = { members: 0, clients: 0 };
    fleet.watch({
      step: () => {
        for (const group of ['members', 'clients'] as const) {
          most[group] = Math.max(most[group], fleet.semaphore(group).holders.length);
        }
      },
    });
    fleet.publish('41.2');
    expect(await fleet.runUntil(() => isVerified(fleet, '41.2'), 6 * hour)).toBe(true);
    // Two slots, but three members can do without one only.
    expect(most).toEqual({ members: 1, clients: 2 });
    expect(fleet.lostQuorum).toBe(false);
  });

  test('the strategy immediate takes clients without a slot, and members one after the other all the same', async () => {
    const fleet = await started({
      nodes: 5,
      members: 3,
      groups: [{ nodes: ['a1', 'a2', 'a3', 'a4', 'a5'], strategy: 'immediate' }],
    });
    fleet.publish('41.2');
    await setTarget(fleet.place(), targetOf('latest'));
    expect(await fleet.runUntil(() => isVerified(fleet, '41.2'), 3 * hour)).toBe(true);
    expect(fleet.lostQuorum).toBe(false);
    expect(new Set(fleet.semaphore().log.map((e) => e.holder))).toEqual(new Set(['a1', 'a2', 'a3']));
  });

  test('which crosses a data format is preceded by a snapshot, however fresh the last one is', async () => {
    const fleet = await started();
    fleet.publish('41.2', 'good', { etcd: 'etcd-3.5.9-1.x86_64' });
    await fleet.ask('a1', { kind: 'reboot' });
    await fleet.runUntil(() => fleet.memory('a1')?.ask === null, hour);
    const snapshots = (): string[] => fleet.node('a1').host.effects.filter((e) => e.startsWith('keep etcd snapshot'));
    expect(snapshots().length).toBe(1);
    await fleet.run(12 * minute);
    await fleet.ask('a1', { kind: 'upgrade' });
    expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.2', hour)).toBe(true);
    expect(snapshots().length).toBe(2);
    const { effects } = fleet.node('a1').host;
    expect(effects.findLastIndex((e) => e.startsWith('keep etcd'))).toBeLessThan(effects.indexOf('finalize 41.2'));
  });

  test('superseded while its canary is verified, it does not leave the others waiting for ever', async () => {
    const fleet = await started({
      groups: [{ nodes: ['a1', 'a2', 'a3'], canary: ['a2'], automatic: 'apply', checkEverySecs: 1_800 }],
    });
    fleet.publish('41.2');
    await fleet.runUntil(() => fleet.nodes.every((n) => fleet.state(n.name)?.deployments[0]?.version === '41.2'), hour);
    fleet.publish('41.3');
    await fleet.ask('a2', { kind: 'upgrade', release: '41.3' }).catch(() => undefined);
    expect(await fleet.runUntil(() => isVerified(fleet, '41.3'), 6 * hour)).toBe(true);
  });
});

describe('a bad release', () => {
  for (const behaviour of ['unready', 'greenboot-red'] as const) {
    test(`(${behaviour}) stops after one node, is rolled back, and is denied with the reason`, async () => {
      const fleet = await started({ greenboot: true });
      fleet.publish('41.2', behaviour);
      await setTarget(fleet.place(), targetOf('41.2'));
      await fleet.run(3 * hour);
      expect(versions(fleet)).toEqual(['41.1', '41.1', '41.1']);
      const [first] = fleet.orders;
      expect(fleet.orders.map((o) => [o.node, o.errand?.kind])).toEqual([
        [first?.node, 'upgrade'],
        [first?.node, 'rollback'],
      ]);
      expect([fleet.denied(), fleet.semaphore().holders, fleet.leastUp]).toEqual([['41.2'], [], 2]);
      for (const { name } of fleet.nodes) {
        const memory = fleet.memory(name);
        expect([name, memory?.phase, memory?.waiting?.reason]).toEqual([
          name,
          'steady',
          expect.stringContaining(`41.2 is denied: ${first?.node} was not ready within 10 min after booting it:`),
        ]);
      }
      // Not by itself, however long it takes; and tried again once somebody allows it.
      await fleet.run(24 * hour);
      expect(fleet.orders.length).toBe(2);
      fleet.publish('41.2', 'good');
      await allowRelease(fleet.place(), '41.2');
      expect(await fleet.runUntil(() => isVerified(fleet, '41.2'), 3 * hour)).toBe(true);
      expect(fleet.denied()).toEqual([]);
    });
  }

  test('the others hear of it before the node that found it goes down', async () => {
    const fleet = await started();
    fleet.publish('41.2', 'unready');
    await setTarget(fleet.place(), targetOf('41.2'));
    const known: (readonly string[])[] = [];
    fleet.watch({ ordered: ({ errand }) => void (errand?.kind === 'rollback' && known.push(fleet.denied())) });
    await fleet.runUntil(() => known.length > 0, 3 * hour);
    expect(known).toEqual([['41.2']]);
  });

  test('from which the boot loader falls back is denied, and the next boot is what is booted', async () => {
    const fleet = await started();
    fleet.publish('41.2', 'unbootable');
    await setTarget(fleet.place(), targetOf('41.2'));
    await fleet.run(3 * hour);
    expect(versions(fleet)).toEqual(['41.1', '41.1', '41.1']);
    expect([fleet.orders.length, fleet.denied(), fleet.semaphore().holders]).toEqual([1, ['41.2'], []]);
    const [tried] = fleet.orders.map((o) => o.node);
    expect(fleet.state(tried ?? '')?.deployments.map((d) => [d.version, d.booted])).toEqual([
      ['41.1', true],
      ['41.2', false],
    ]);
    // Any reboot leads to where the host is.
    fleet.powerOff(tried ?? '');
    await fleet.run(10 * minute);
    expect(fleet.booted(tried ?? '').version).toBe('41.1');
    expect(fleet.memory(tried ?? '')?.phase).toBe('steady');
  });

  test('from which a host never comes back halts the fleet, with two slots too', async () => {
    for (const slots of [1, 2]) {
      const fleet = await started({
        nodes: 6,
        members: 3,
        groups: [
          { name: 'members', nodes: ['a1', 'a2', 'a3'] },
          { name: 'clients', nodes: ['a4', 'a5', 'a6'], slots },
        ],
      });
      fleet.publish('41.2', (node) => (node === 'a4' ? 'dead' : 'good'));
      await fleet.ask('a4', { kind: 'upgrade' });
      expect(await fleet.runUntil(() => fleet.node('a4').state === 'down', hour)).toBe(true);
      await fleet.run(hour);
      await setTarget(fleet.place('clients'), targetOf('41.2'));
      await fleet.run(6 * hour);
      expect([slots, fleet.orders.map((o) => o.node)]).toEqual([slots, ['a4']]);
      expect(fleet.semaphore('clients').holders.map((h) => [h.id, h.stage])).toEqual([['a4', 'rebooting']]);
      expect(fleet.memory('a5')?.waiting?.reason).toContain('a4');
      expect(fleet.memory('a5')?.waiting?.hint).toBeDefined();
    }
  });
});

test('two groups: what one denies the other does not try; slots are its own, and members count in both', async () => {
  const fleet = await started({
    nodes: 5,
    members: 5,
    groups: [
      { name: 'blue', nodes: ['a1', 'a2'], slots: 2 },
      { name: 'green', nodes: ['a3', 'a4', 'a5'], slots: 3 },
    ],
  });
  fleet.publish('41.2', (node) => (node === 'a1' || node === 'a2' ? 'unready' : 'good'));
  let most = 0;
  fleet.watch({
    step: () => {
      most = Math.max(most, fleet.semaphore('blue').holders.length + fleet.semaphore('green').holders.length);
    },
  });
  await setTarget(fleet.place('blue'), targetOf('41.2'));
  await fleet.run(5 * hour);
  await setTarget(fleet.place('green'), targetOf('41.2'));
  await fleet.run(5 * hour);
  expect([fleet.denied('blue'), fleet.denied('green')]).toEqual([['41.2'], []]);
  expect(versions(fleet)).toEqual(['41.1', '41.1', '41.1', '41.1', '41.1']);
  await setTarget(fleet.place('blue'), null);
  await allowRelease(fleet.place('green'), '41.2', ['blue', 'green']);
  await fleet.run(5 * hour);
  expect(versions(fleet)).toEqual(['41.1', '41.1', '41.2', '41.2', '41.2']);
  expect([fleet.lostQuorum, most <= 2]).toEqual([false, true]);
});

// Upgrades while things go wrong: etcd without a quorum, power cuts, holders that die, clocks that jump, files that are gone.

import { describe, expect, test } from 'bun:test';
import { AgentError } from '../../agent/model/errors.ts';
import { upgradeFile } from '../../agent/model/paths.ts';
import { setTarget } from '../../agent/upgrade/fleet-state.ts';
import { targetOf } from '../support/upgrade-builders.ts';
import { type Fleet, type FleetOptions, upgradeFleet } from '../support/upgrade-fleet.ts';

const minute = 60_000;
const hour = 60 * minute;

const versions = (fleet: Fleet): string[] => fleet.nodes.map((n) => fleet.booted(n.name).version ?? '');
const isVerified = (fleet: Fleet, version: string): boolean =>
  fleet.nodes.every(
    (n) => fleet.memory(n.name)?.verified?.text === version && fleet.memory(n.name)?.phase === 'steady',
  );
const held = (fleet: Fleet): string[] => fleet.semaphore().holders.map((h) => `${h.id} ${h.stage}`);
const audit = (fleet: Fleet): string[] => fleet.semaphore().log.map((e) => `${e.holder} ${e.what}`);
const unavailable = new AgentError('unavailable', 'etcd does not answer', { hint: 'wait' });

async function started(options: FleetOptions = {}): Promise<Fleet> {
  const fleet = upgradeFleet(options);
  await fleet.run(5 * minute);
  return fleet;
}

/** Everybody goes to 41.2 and is well there. */
async function toTheEnd(fleet: Fleet, version = '41.2'): Promise<void> {
  expect(await fleet.runUntil(() => isVerified(fleet, version), 5 * hour)).toBe(true);
  expect([versions(fleet), fleet.denied(), held(fleet)]).toEqual([fleet.nodes.map(() => version), [], []]);
}

describe('etcd loses its quorum', () => {
  test('before the slot is taken: nobody reboots, and it goes on later', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    await setTarget(fleet.place(), targetOf('41.2'));
    fleet.etcd.partition(['192.168.99.51'], ['192.168.99.52'], ['192.168.99.53']);
    await fleet.run(hour);
    expect([fleet.orders.length, versions(fleet)]).toEqual([0, ['41.1', '41.1', '41.1']]);
    fleet.etcd.heal();
    await toTheEnd(fleet);
  });

  for (const [what, line] of [
    ['while the slot is being taken', 'etcd v3 swap /diyc/diy-cluster/upgrade/default/semaphore'],
    ['while the proof is being published', 'etcd v3 swap /diyc/diy-cluster/upgrade/default/proofs/a1'],
  ] as const) {
    test(`${what}: nobody reboots, and it goes on later`, async () => {
      const fleet = await started();
      const a1 = fleet.node('a1');
      fleet.publish('41.2');
      a1.host.log.failOn(line, unavailable);
      await fleet.ask('a1', { kind: 'upgrade' });
      await fleet.run(20_000);
      fleet.etcd.partition(['192.168.99.51'], ['192.168.99.52'], ['192.168.99.53']);
      await fleet.run(hour);
      expect([fleet.orders.length, a1.state, fleet.booted('a1').version]).toEqual([0, 'up', '41.1']);
      expect(fleet.memory('a1')?.phase).toBe('ready-to-go');
      fleet.etcd.heal();
      expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.2', hour)).toBe(true);
      expect([fleet.orders.length, held(fleet), fleet.denied()]).toEqual([1, [], []]);
    });
  }

  test('while the slot is to be released: it is kept, nobody follows, and it is released later', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    await setTarget(fleet.place(), targetOf('41.2'));
    await fleet.runUntil(() => fleet.nodes.some((n) => fleet.booted(n.name).version === '41.2'), 2 * hour);
    const [first] = fleet.orders.map((o) => o.node);
    fleet.etcd.partition(['192.168.99.51'], ['192.168.99.52'], ['192.168.99.53']);
    await fleet.run(8 * minute);
    expect([held(fleet), fleet.orders.length]).toEqual([[`${first} rebooting`], 1]);
    fleet.etcd.heal();
    await toTheEnd(fleet);
    expect(fleet.leastUp).toBe(2);
  });

  test('while a release is to be denied: nothing of it is lost, and nobody else boots it', async () => {
    const fleet = await started();
    fleet.publish('41.2', 'unready');
    await setTarget(fleet.place(), targetOf('41.2'));
    await fleet.runUntil(() => fleet.nodes.some((n) => fleet.booted(n.name).version === '41.2'), 2 * hour);
    await fleet.run(5 * minute);
    fleet.etcd.partition(['192.168.99.51'], ['192.168.99.52'], ['192.168.99.53']);
    await fleet.run(hour);
    expect(versions(fleet)).toEqual(['41.1', '41.1', '41.1']);
    const [first = ''] = fleet.orders.map((o) => o.node);
    expect(fleet.memory(first)?.untoldDenial?.release.text).toBe('41.2');
    fleet.etcd.heal();
    await fleet.run(3 * hour);
    expect([fleet.denied(), versions(fleet), held(fleet)]).toEqual([['41.2'], ['41.1', '41.1', '41.1'], []]);
    expect(fleet.orders.map((o) => o.node)).toEqual([first, first]);
  });

  test('with an answer that is lost: what was written all the same is found again', async () => {
    for (let lost = 0; lost < 6; lost++) {
      let swaps = 0;
      const fleet = await started({
        between: (node, coordination) => {
          if (node.name !== 'a1') return coordination;
          const { store } = coordination;
          const swap: typeof store.swap = async (write, guards) => {
            const isDone = await store.swap(write, guards);
            if (swaps++ === lost) throw unavailable;
            return isDone;
          };
          const heard = new Proxy(store, { get: (of, key) => (key === 'swap' ? swap : Reflect.get(of, key)) });
          return { ...coordination, store: heard };
        },
      });
      fleet.publish('41.2');
      await setTarget(fleet.place(), targetOf('41.2'));
      await toTheEnd(fleet);
      expect([lost, fleet.leastUp, fleet.lostQuorum]).toEqual([lost, 2, false]);
    }
  });
});

/** Do something once, right after the node has written something that has this text. */
function afterSwap(name: string, text: string, act: () => void): NonNullable<FleetOptions['between']> {
  let isDone = false;
  return (node, coordination) => {
    if (node.name !== name) return coordination;
    const { store } = coordination;
    const swap: typeof store.swap = async (write, guards) => {
      const answer = await store.swap(write, guards);
      if (answer && !isDone && write.value?.includes(text) === true) {
        isDone = true;
        act();
      }
      return answer;
    };
    return {
      ...coordination,
      store: new Proxy(store, { get: (of, key) => (key === 'swap' ? swap : Reflect.get(of, key)) }),
    };
  };
}

const preparing = '"stage":"preparing"';
const fleetOfFive = { nodes: 5, members: 3 } as const;

describe('a holder that dies', () => {
  test('while it prepares is taken over on evidence, not before five minutes, with an entry that says so', async () => {
    const fleet: Fleet = await started({
      ...fleetOfFive,
      between: afterSwap('a4', preparing, () => fleet.powerOff('a4', 'power-cut', null)),
    });
    fleet.publish('41.2');
    await fleet.ask('a4', { kind: 'upgrade' });
    await fleet.runUntil(() => fleet.node('a4').state === 'down', minute);
    expect(held(fleet)).toEqual(['a4 preparing']);
    const diedMs = fleet.time.monotonicMs();
    await fleet.ask('a5', { kind: 'reboot', reason: 'new kernel arguments' });
    await fleet.run(5 * minute);
    expect([held(fleet), fleet.memory('a5')?.waiting?.reason]).toEqual([
      ['a4 preparing'],
      'the one slot of group default taken: a4 (upgrade to 41.2)',
    ]);
    expect(await fleet.runUntil(() => audit(fleet).includes('a4 taken over'), 5 * minute)).toBe(true);
    expect(fleet.time.monotonicMs() - diedMs).toBeGreaterThan(5.5 * minute);
    expect(fleet.semaphore().log.find((e) => e.what === 'taken over')).toMatchObject({
      holder: 'a4',
      by: 'a5',
      why: expect.stringContaining('a4 took the slot and never asked for its reboot; its lease ran out'),
    });
    // The slot is free; but a node that does not report is reason enough to stay.
    await fleet.run(30 * minute);
    expect([held(fleet), fleet.orders.length]).toEqual([[], 0]);
    expect(fleet.memory('a5')?.waiting?.reason).toBe('a4 does not report');
    fleet.powerOn('a4');
    expect(await fleet.runUntil(() => fleet.memory('a5')?.ask === null, hour)).toBe(true);
    expect(await fleet.runUntil(() => fleet.memory('a4')?.verified?.text === '41.2', hour)).toBe(true);
    expect([held(fleet), fleet.denied(), fleet.lostQuorum]).toEqual([[], [], false]);
  });

  test('is not taken over while it reboots, however long that takes, and goes on when it is back', async () => {
    const fleet = await started(fleetOfFive);
    fleet.publish('41.2');
    fleet.node('a4').bootMs = 3 * hour;
    await fleet.ask('a4', { kind: 'upgrade' });
    await fleet.runUntil(() => fleet.node('a4').state === 'down', hour);
    await fleet.ask('a5', { kind: 'reboot', reason: 'new kernel arguments' });
    await fleet.run(2 * hour);
    expect([held(fleet), audit(fleet), fleet.orders.length]).toEqual([
      ['a4 rebooting'],
      ['a4 taken', 'a4 rebooting'],
      1,
    ]);
    expect(
      await fleet.runUntil(() => fleet.memory('a5')?.verified !== null && held(fleet).length === 0, 3 * hour),
    ).toBe(true);
    expect(fleet.booted('a4').version).toBe('41.2');
  });

  test('is not taken over while it is cut off and alive: it finds its slot again', async () => {
    const fleet: Fleet = await started({
      ...fleetOfFive,
      between: afterSwap('a4', preparing, () => {
        fleet.kill('a4');
        fleet.etcd.partition(['192.168.99.54'], ['192.168.99.51', '192.168.99.52', '192.168.99.53', '192.168.99.55']);
      }),
    });
    fleet.publish('41.2');
    await fleet.ask('a4', { kind: 'upgrade' });
    await fleet.run(4 * minute);
    fleet.etcd.heal();
    expect(await fleet.runUntil(() => fleet.memory('a4')?.verified?.text === '41.2', hour)).toBe(true);
    expect([audit(fleet), held(fleet)]).toEqual([['a4 taken', 'a4 rebooting', 'a4 released'], []]);
  });
});

describe('power is cut', () => {
  test('while staging: nothing is staged, and it is tried again', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.runUntil(() => fleet.node('a1').host.effects.some((e) => e.includes('/var/lib/diyc-agent/upgrade')), 0);
    fleet.powerOff('a1');
    expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.2', hour)).toBe(true);
    expect([fleet.orders.length, held(fleet), fleet.denied()]).toEqual([1, [], []]);
  });

  test('after staging, while it waits: it is staged anew', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    fleet.node('a3').isIll = true;
    await fleet.run(minute);
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.run(2 * minute);
    expect(fleet.state('a1')?.deployments.map((d) => [d.version, d.staged])).toEqual([
      ['41.2', true],
      ['41.1', false],
    ]);
    fleet.powerOff('a1');
    await fleet.run(5 * minute);
    fleet.node('a3').isIll = false;
    expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.2', hour)).toBe(true);
    expect([fleet.orders.length, held(fleet), fleet.denied()]).toEqual([1, [], []]);
  });

  test('during the shutdown: what was staged is lost, the slot is given back, and it goes again', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.runUntil(() => fleet.orders.length === 1, hour);
    fleet.powerOff('a1');
    await fleet.run(3 * minute);
    expect([fleet.memory('a1')?.phase, fleet.memory('a1')?.lost?.times]).toEqual(['recovering', 1]);
    expect(held(fleet)).toEqual(['a1 rebooting']);
    expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.2', hour)).toBe(true);
    expect([fleet.orders.length, held(fleet), fleet.denied()]).toEqual([2, [], []]);
    expect(fleet.memory('a1')?.lost).toBeNull();
  });

  test('three times during the shutdown: it stops by itself, and goes when it is asked again', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    let cuts = 3;
    fleet.watch({
      step: () => {
        if (fleet.node('a1').state === 'stopping' && cuts > 0) {
          cuts--;
          fleet.powerOff('a1');
        }
      },
    });
    await setTarget(fleet.place(), targetOf('41.2'));
    await fleet.run(6 * hour);
    expect(fleet.orders.filter((o) => o.node === 'a1').length).toBe(3);
    expect(fleet.memory('a1')?.waiting?.reason).toBe('3 reboots for 41.2 came back without having tried it');
    expect([fleet.memory('a1')?.phase, held(fleet), fleet.denied()]).toEqual(['steady', [], []]);
    expect(versions(fleet)).toEqual(['41.1', '41.2', '41.2']);
    await fleet.ask('a1', { kind: 'upgrade' });
    await toTheEnd(fleet);
  });

  test('while it recovers from a lost reboot: that is no further try', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.runUntil(() => fleet.orders.length === 1, hour);
    fleet.powerOff('a1');
    for (let i = 0; i < 3; i++) {
      await fleet.runUntil(() => fleet.memory('a1')?.phase === 'recovering' && fleet.node('a1').state === 'up', hour);
      await fleet.run(30_000);
      fleet.powerOff('a1');
      await fleet.run(minute);
    }
    expect(fleet.memory('a1')?.lost?.times).toBe(1);
    expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.2', 2 * hour)).toBe(true);
  });

  test('while it verifies: what is booted has to prove itself from the beginning', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.runUntil(
      () => fleet.memory('a1')?.goodSince != null && fleet.memory('a1')?.phase === 'verifying',
      hour,
    );
    await fleet.run(30_000);
    fleet.powerOff('a1');
    const cutMs = fleet.time.monotonicMs();
    expect(await fleet.runUntil(() => held(fleet).length === 0, hour)).toBe(true);
    // Away, warm, and well for all of the 60 s.
    expect(fleet.time.monotonicMs() - cutMs).toBeGreaterThanOrEqual(90_000 + 30_000 + 60_000);
    expect([fleet.booted('a1').version, fleet.memory('a1')?.verified?.text, fleet.denied()]).toEqual([
      '41.2',
      '41.2',
      [],
    ]);
  });
});

describe('a release that is denied by a fallback and allowed again', () => {
  test('is not denied once more by a power cut that has nothing to do with it', async () => {
    const fleet = await started();
    fleet.publish('41.2', 'unbootable');
    await fleet.ask('a1', { kind: 'upgrade' });
    expect(await fleet.runUntil(() => fleet.denied().length === 1, hour)).toBe(true);
    await fleet.run(20_000);
    expect(fleet.memory('a1')?.phase).toBe('recovering');
    fleet.etcd.remove('v3', '/diyc/diy-cluster/upgrade/default/denied');
    fleet.powerOff('a1');
    await fleet.run(30 * minute);
    expect([fleet.denied(), held(fleet), fleet.memory('a1')?.phase]).toEqual([[], [], 'steady']);
  });
});

describe('clocks', () => {
  test('a node an hour ahead does not reboot, and says why; put right, it goes', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    const { clock } = fleet.node('a1');
    clock.setWallClock(clock.now() + hour);
    await fleet.run(minute);
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.run(20 * minute);
    expect(fleet.orders).toEqual([]);
    expect(fleet.memory('a1')?.waiting?.reason).toMatch(
      /^this host's clock is 3\d{3} s ahead of a2, 3\d{3} s ahead of a3$/,
    );
    clock.setWallClock(fleet.time.now());
    expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.2', hour)).toBe(true);
  });

  test('a jump, back or forward, neither cuts the soak short nor prolongs it', async () => {
    const tooks: number[] = [];
    for (const jumpMs of [0, -hour, hour]) {
      const fleet = await started({ groups: [{ nodes: ['a1', 'a2', 'a3'], soakSecs: 600 }] });
      fleet.publish('41.2');
      await fleet.ask('a1', { kind: 'upgrade' });
      await fleet.runUntil(() => fleet.booted('a1').version === '41.2' && fleet.memory('a1')?.goodSince != null, hour);
      const sinceMs = fleet.time.monotonicMs();
      await fleet.run(5 * minute);
      const { clock } = fleet.node('a1');
      clock.setWallClock(clock.now() + jumpMs);
      expect(await fleet.runUntil(() => held(fleet).length === 0, hour)).toBe(true);
      tooks.push(fleet.time.monotonicMs() - sinceMs);
    }
    expect(tooks[0]).toBeGreaterThanOrEqual(590_000);
    expect(tooks).toEqual([tooks[0] ?? 0, tooks[0] ?? 0, tooks[0] ?? 0]);
  });
});

describe('the memory', () => {
  async function withoutMemory(change: (fleet: Fleet) => void): Promise<Fleet> {
    const fleet = await started();
    fleet.publish('41.2');
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.runUntil(() => fleet.booted('a1').version === '41.2' && fleet.memory('a1')?.goodSince != null, hour);
    expect(held(fleet)).toEqual(['a1 rebooting']);
    change(fleet);
    return fleet;
  }

  test('is lost while the slot is held: the slot goes back once the host is known to be well', async () => {
    const fleet = await withoutMemory(({ node }) => node('a1').host.files.drop(upgradeFile));
    await fleet.run(30_000);
    expect(held(fleet)).toEqual(['a1 rebooting']);
    expect(await fleet.runUntil(() => held(fleet).length === 0, hour)).toBe(true);
    expect([fleet.memory('a1')?.phase, fleet.memory('a1')?.verified?.text]).toEqual(['steady', '41.2']);
  });

  test('is garbage while the slot is held: nothing is done, nobody follows, and a person hears of it', async () => {
    const fleet = await withoutMemory(({ node }) => node('a1').host.files.put({ [upgradeFile]: '{"schema":1,' }));
    await setTarget(fleet.place(), targetOf('41.2'));
    await fleet.run(2 * hour);
    expect([held(fleet), fleet.orders.length, versions(fleet)]).toEqual([
      ['a1 rebooting'],
      1,
      ['41.2', '41.1', '41.1'],
    ]);
    expect(fleet.failures.every((f) => f.node === 'a1' && (f.error as AgentError).kind === 'data')).toBe(true);
    expect(fleet.failures.length).toBeGreaterThan(0);
    fleet.node('a1').host.files.drop(upgradeFile);
    await toTheEnd(fleet);
  });
});

describe('the snapshot', () => {
  test('fails: the host does not reboot and says why; once it can be taken, it goes', async () => {
    const fleet = await started();
    fleet.publish('41.2');
    fleet.node('a1').host.snapshots.setTool(null);
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.run(20 * minute);
    expect([fleet.orders.length, held(fleet)]).toEqual([0, []]);
    expect(fleet.memory('a1')?.waiting?.reason).toContain('etcdctl is not installed');
    fleet.node('a1').host.snapshots.setTool('etcdutl 3.5.16');
    expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.2', hour)).toBe(true);
  });

  test('fails with the slot in the hand: others are not kept from going', async () => {
    const fleet: Fleet = await started({
      groups: [{ nodes: ['a1', 'a2', 'a3'], snapshotMaxAgeSecs: 600 }],
      between: afterSwap('a1', preparing, () => fleet.kill('a1')),
    });
    fleet.publish('41.2');
    await fleet.ask('a1', { kind: 'upgrade' });
    await fleet.runUntil(() => held(fleet).length > 0, minute);
    fleet.node('a1').host.snapshots.setTool(null);
    fleet.node('a1').host.files.drop('/var/lib/diyc-agent/snapshots');
    await fleet.run(5 * minute);
    expect([fleet.orders.length, held(fleet)]).toEqual([0, []]);
  });
});

test('a transaction of somebody else is waited for, not fought', async () => {
  const fleet = await started();
  fleet.publish('41.2');
  const { osTree } = fleet.node('a1').host;
  osTree.hold('install (from :1.42)');
  await fleet.ask('a1', { kind: 'upgrade' });
  await fleet.run(10 * minute);
  expect([fleet.orders.length, fleet.memory('a1')?.waiting?.reason]).toEqual([
    0,
    'another client has a transaction under way: install (from :1.42)',
  ]);
  expect(fleet.node('a1').host.effects.some((e) => e.startsWith('stage'))).toBe(false);
  osTree.hold(null);
  expect(await fleet.runUntil(() => fleet.memory('a1')?.verified?.text === '41.2', hour)).toBe(true);
});

// One run of the coordinator where the pure parts meet the host: the verdict told before the way back, formats as they are now.

import { describe, expect, test } from 'bun:test';
import { deniedKey, holdKey, semaphoreKey } from '../../../agent/model/keys.ts';
import { formatLedgerFile, upgradeFile } from '../../../agent/model/paths.ts';
import type { UpgradeMemory } from '../../../agent/model/upgrade.ts';
import type { Coordination } from '../../../agent/upgrade/coordination.ts';
import { coordinate } from '../../../agent/upgrade/coordinator.ts';
import { formatsOf } from '../../../agent/upgrade/evidence.ts';
import { osSight } from '../../../agent/upgrade/sight.ts';
import { clusterConfig, nodeIdentity } from '../../support/builders.ts';
import { type FakeEtcd, fakeEtcd } from '../../support/fake-etcd.ts';
import { fakeHost } from '../../support/fake-host.ts';
import {
  checksumOf,
  holder,
  memory,
  met,
  readinessRecord,
  releaseNamed,
  rollbackTo,
  semaphoreWith,
  someHold,
  unmet,
  upgradeGroup,
  upgradeTo,
  upgradeView,
} from '../../support/upgrade-builders.ts';
import { virtualClock } from '../../support/virtual-clock.ts';

const addresses = ['192.168.99.51', '192.168.99.52', '192.168.99.53'];

/** a1 in 41.2 (etcd 3.6), where it came from 41.1 (etcd 3.5). */
async function upgraded(files: Readonly<Record<string, string>> = {}) {
  const clock = virtualClock({ monotonicMs: 2_000_000 });
  const etcd = fakeEtcd({ members: addresses, clock });
  const release = (version: string, etcdVersion: string) => ({
    version,
    checksum: checksumOf(version),
    packages: { etcd: `etcd-${etcdVersion}-1.x86_64` },
  });
  const releases = [release('41.1', '3.5.16'), release('41.2', '3.6.1')];
  const machine = { bootId: 'boot-2' };
  const host = fakeHost({ clock, etcd, files, engine: 'down', machine, osTree: { releases, locks: false } });
  await host.osTree.stage(null);
  host.osTree.boot('orderly');
  const coordination: Coordination = {
    host,
    reporter: { emit: () => undefined },
    config: clusterConfig(),
    node: nodeIdentity(),
    group: upgradeGroup(),
    store: await host.etcd.leases([`http://${addresses[0]}:2379`]),
    isLiveRoot: false,
    bootUrls: [],
    signal: new AbortController().signal,
    conditions: async () => [unmet('EtcdHealthy')],
    records: async () => new Map([['a2', readinessRecord('a2', { upgrade: upgradeView() })]]),
  };
  return { etcd, host, coordination };
}

const verifying: UpgradeMemory = memory({
  phase: 'verifying',
  errand: upgradeTo('41.2'),
  began: { bootId: 'boot-2', uptimeMs: 1_000_000 },
  cameFrom: { release: releaseNamed('41.1'), checksum: checksumOf('41.1') },
  baseline: { met: ['EtcdHealthy'], unmet: [] },
});

describe('a red release', () => {
  const held = JSON.stringify(semaphoreWith([holder('a1', { bootId: 'boot-1', stage: 'rebooting' })]));

  async function red(files: Readonly<Record<string, string>> = {}) {
    const found = await upgraded({ [upgradeFile]: JSON.stringify(verifying), ...files });
    found.etcd.put('v3', semaphoreKey('diy-cluster', 'default'), held);
    return found;
  }

  test('is denied for the fleet before the host goes back: others may go meanwhile', async () => {
    const { etcd, host, coordination } = await red();
    const { memory: then, isGoingDown } = await coordinate(coordination);
    expect([isGoingDown, then.phase]).toEqual([true, 'rolling-back']);
    expect(JSON.parse(etcd.keys('v3').get(deniedKey('diy-cluster', 'default'))?.value ?? '{}')).toMatchObject({
      denied: [{ release: { text: '41.2' }, by: 'a1' }],
    });
    const [first] = (await host.osTree.state())?.deployments ?? [];
    expect(first?.version).toBe('41.1');
    expect(JSON.parse((await host.files.readText(upgradeFile)) ?? '{}')).toMatchObject({ untoldDenial: null });
    // The slot is still its own, for the way back now.
    expect(JSON.parse(etcd.keys('v3').get(semaphoreKey('diy-cluster', 'default'))?.value ?? '{}')).toMatchObject({
      holders: [{ id: 'a1', stage: 'rebooting', since: '2026-01-01T00:00:00.000Z' }],
    });
  });

  test('is left all the same when the store stays away, only later, and what is untold is not forgotten', async () => {
    // That the data are still of the version which the way back can read is known from the ledger alone then.
    const ledger = JSON.stringify({ schema: 1, etcdCluster: '3.5', dockerDriver: null, entries: [] });
    const { etcd, host, coordination } = await red({ [formatLedgerFile]: ledger });
    etcd.setAll('refused');
    expect((await coordinate(coordination)).memory.phase).toBe('verifying');
    await host.clock.advance(3_600_000);
    const { isGoingDown } = await coordinate(coordination);
    expect(isGoingDown).toBe(true);
    const [first] = (await host.osTree.state())?.deployments ?? [];
    expect(first?.version).toBe('41.1');
    expect(JSON.parse((await host.files.readText(upgradeFile)) ?? '{}')).toMatchObject({
      phase: 'rolling-back',
      untoldDenial: { release: { text: '41.2' } },
    });
  });
});

describe('what a rollback would do to the data', () => {
  const ledger = JSON.stringify({ schema: 1, etcdCluster: '3.5', dockerDriver: null, entries: [] });

  async function verdict(versions: readonly string[], isAway: readonly string[] = []) {
    const { etcd, host, coordination } = await upgraded({ [formatLedgerFile]: ledger });
    for (const [i, version] of versions.entries()) etcd.describe(addresses[i] ?? '', { version });
    for (const address of isAway) etcd.setMember(address, 'refused');
    const found = await formatsOf(coordination, await osSight(host.osTree, false), rollbackTo('41.1'));
    return found.known ? (found.value.refusal?.message ?? 'allowed') : 'unknown';
  }

  test('is judged by what the members run now, not by what was noted when this node was the first of them', async () => {
    const refused = "etcd's data are of 3.6, and the earlier deployment has etcd 3.5.16, which would not start on them";
    expect(await verdict(['3.6.1', '3.5.16', '3.5.16'])).toBe('allowed');
    expect(await verdict(['3.6.1', '3.6.1', '3.5.16'])).toBe('allowed');
    expect(await verdict(['3.6.1', '3.6.1', '3.6.1'])).toBe(refused);
    expect(await verdict(['3.6.1', '3.6.1', '3.5.16'], [addresses[2] ?? ''])).toBe(refused);
  });
});

describe('the way back', () => {
  const store = (etcd: FakeEtcd, key: string, value: unknown): void => etcd.put('v3', key, JSON.stringify(value));
  const slotOf = (id: string) =>
    semaphoreWith([holder(id, { bootId: 'boot-1', stage: 'rebooting', isMember: true, reason: 'upgrade to 41.2' })]);

  test('is not gone where the earlier deployment could not read the data, and says so with the steps', async () => {
    const { etcd, host, coordination } = await upgraded({ [upgradeFile]: JSON.stringify(verifying) });
    for (const address of addresses) etcd.describe(address, { version: '3.6.1' });
    store(etcd, semaphoreKey('diy-cluster', 'default'), slotOf('a1'));
    const { memory: then, isGoingDown } = await coordinate(coordination);
    expect([isGoingDown, host.osTree.isRebooting]).toEqual([false, false]);
    expect(then.waiting?.reason).toContain("etcd's data are of 3.6");
    expect(then.waiting?.hint).toContain('etcdctl downgrade enable 3.5.0');
    // The fleet knows all the same, and the slot stays taken.
    expect(etcd.keys('v3').get(deniedKey('diy-cluster', 'default'))?.value).toContain('41.2');
    expect(etcd.keys('v3').get(semaphoreKey('diy-cluster', 'default'))?.value).toContain('"id":"a1"');
  });

  test('waits while another member has the slot that somebody took from this one, and while the group is on hold', async () => {
    const { etcd, host, coordination } = await upgraded({ [upgradeFile]: JSON.stringify(verifying) });
    store(etcd, semaphoreKey('diy-cluster', 'default'), slotOf('a2'));
    expect((await coordinate(coordination)).memory.waiting?.reason).toContain('taken: a2 (upgrade to 41.2)');
    store(etcd, semaphoreKey('diy-cluster', 'default'), slotOf('a1'));
    store(etcd, holdKey('diy-cluster', 'default'), someHold);
    await host.clock.advance(70_000);
    expect((await coordinate(coordination)).memory.waiting?.reason).toContain('on hold: sale');
    etcd.remove('v3', holdKey('diy-cluster', 'default'));
    await host.clock.advance(70_000);
    expect((await coordinate(coordination)).isGoingDown).toBe(true);
  });
});

describe('the way back of a cluster that cannot do without any member', () => {
  test('is gone: it was accepted that etcd is away meanwhile', async () => {
    const { etcd, coordination } = await upgraded({ [upgradeFile]: JSON.stringify(verifying) });
    const ledger = { schema: 1, etcdCluster: '3.5', dockerDriver: null, entries: [] };
    await coordination.host.files.replace(formatLedgerFile, JSON.stringify(ledger), { mode: 0o644, owner: null });
    const key = semaphoreKey('diy-cluster', 'default');
    etcd.put('v3', key, JSON.stringify(semaphoreWith([holder('a1', { bootId: 'boot-1', stage: 'rebooting' })])));
    const { etcd: declared, ...config } = clusterConfig();
    const alone = { ...coordination, config: { ...config, etcd: { ...declared, members: ['a1'] } } };
    expect((await coordinate(alone)).isGoingDown).toBe(true);
    // The slot is as it was: a host that dies now is one that was rebooted, not one that never was.
    expect(JSON.parse(etcd.keys('v3').get(key)?.value ?? '{}').holders).toMatchObject([
      { bootId: 'boot-1', stage: 'rebooting' },
    ]);
  });
});

describe('a slot', () => {
  test('of a FleetLock server that the node has no more to do with is forgotten, not looked for in a circle', async () => {
    const { host, coordination } = await upgraded({ [upgradeFile]: JSON.stringify(memory({ foreignSlot: true })) });
    const moved = { ...coordination, group: upgradeGroup({ soakSecs: 5 }), conditions: async () => [] as const };
    await coordinate({ ...moved, conditions: async () => [met('EtcdHealthy')] });
    await host.clock.advance(6_000);
    const { memory: then } = await coordinate({ ...moved, conditions: async () => [met('EtcdHealthy')] });
    expect([then.phase, then.foreignSlot]).toEqual(['steady', false]);
  });

  test('of the group that the node was in before is given back, too', async () => {
    const config = {
      ...clusterConfig(),
      upgrade: {
        fleetLockListen: null,
        groups: ['default', 'edge'].map((name) => ({
          ...upgradeGroup({ name }),
          nodes: name === 'edge' ? ['a1'] : ['a2', 'a3'],
        })),
      },
    };
    const { etcd, host, coordination } = await upgraded();
    const met = { met: [], unmet: ['EtcdHealthy'] as const };
    const old = semaphoreWith([holder('a1', { bootId: 'boot-1', stage: 'rebooting', baseline: met })]);
    etcd.put('v3', semaphoreKey('diy-cluster', 'default'), JSON.stringify(old));
    const moved = { ...coordination, config, group: upgradeGroup({ name: 'edge', soakSecs: 5 }) };
    expect((await coordinate(moved)).memory.phase).toBe('recovering');
    await host.clock.advance(6_000);
    await coordinate(moved);
    expect(JSON.parse(etcd.keys('v3').get(semaphoreKey('diy-cluster', 'default'))?.value ?? '{}').holders).toEqual([]);
  });
});

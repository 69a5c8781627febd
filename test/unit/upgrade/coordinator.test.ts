// One run of the coordinator where the pure parts meet the host: the verdict told before the way back, formats as they are now.

import { describe, expect, test } from 'bun:test';
import { deniedKey, semaphoreKey } from '../../../agent/model/keys.ts';
import { formatLedgerFile, upgradeFile } from '../../../agent/model/paths.ts';
import type { UpgradeMemory } from '../../../agent/model/upgrade.ts';
import type { Coordination } from '../../../agent/upgrade/coordination.ts';
import { coordinate } from '../../../agent/upgrade/coordinator.ts';
import { formatsOf } from '../../../agent/upgrade/evidence.ts';
import { osSight } from '../../../agent/upgrade/sight.ts';
import { clusterConfig, nodeIdentity } from '../../support/builders.ts';
import { fakeEtcd } from '../../support/fake-etcd.ts';
import { fakeHost } from '../../support/fake-host.ts';
import {
  checksumOf,
  holder,
  memory,
  readinessRecord,
  releaseNamed,
  rollbackTo,
  semaphoreWith,
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
  const host = fakeHost({ clock, etcd, files, machine: { bootId: 'boot-2' }, osTree: { releases, locks: false } });
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

describe('a red release', () => {
  const verifying: UpgradeMemory = memory({
    phase: 'verifying',
    errand: upgradeTo('41.2'),
    began: { bootId: 'boot-2', uptimeMs: 1_000_000 },
    cameFrom: { release: releaseNamed('41.1'), checksum: checksumOf('41.1') },
    baseline: { met: ['EtcdHealthy'], unmet: [] },
  });
  const held = JSON.stringify(semaphoreWith([holder('a1', { bootId: 'boot-1', stage: 'rebooting' })]));

  async function red() {
    const found = await upgraded({ [upgradeFile]: JSON.stringify(verifying) });
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
    expect(etcd.keys('v3').get(semaphoreKey('diy-cluster', 'default'))?.value).toBe(held);
  });

  test('is left all the same when the store stays away, only later, and what is untold is not forgotten', async () => {
    const { etcd, host, coordination } = await red();
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

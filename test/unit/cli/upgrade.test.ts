// The verbs of upgrades and reboots as an operator meets them: what they say, what they refuse, what they leave behind.

import { describe, expect, test } from 'bun:test';
import type { ConditionType } from '../../../agent/model/condition.ts';
import type { AgentError } from '../../../agent/model/errors.ts';
import { deniedKey, holdKey, nodeKey, semaphoreKey, targetKey } from '../../../agent/model/keys.ts';
import { upgradeFile } from '../../../agent/model/paths.ts';
import type { UpgradeMemory } from '../../../agent/model/upgrade.ts';
import { freshMemory } from '../../../agent/upgrade/machine.ts';
import { type FakeEtcd, fakeEtcd } from '../../support/fake-etcd.ts';
import type { FakeHost } from '../../support/fake-host.ts';
import type { FakeRelease } from '../../support/fake-os-tree.ts';
import { clusterFile, packagedHost, runVerb } from '../../support/packaged-host.ts';
import { virtualClock } from '../../support/virtual-clock.ts';

const old: FakeRelease = { version: '41.1', checksum: 'a'.repeat(64), packages: {} };
const next: FakeRelease = { version: '41.2', checksum: 'b'.repeat(64), packages: {} };

interface Site {
  readonly host: FakeHost;
  readonly etcd: FakeEtcd;
}

/** Node a1 with etcd up on all three; the others report that they are ready. */
async function site(upgrade = 'upgrade: { soak: 5s }\n', isImage = true, isRoot = true): Promise<Site> {
  const clock = virtualClock();
  const etcd = fakeEtcd({ members: ['192.168.99.51', '192.168.99.52', '192.168.99.53'], clock, mode: 'up' });
  const host = packagedHost({
    cluster: clusterFile + upgrade,
    clock,
    etcd,
    engine: 'down',
    machine: { isRoot },
    units: { 'diyc-agent-upgrade.service': {} },
    ...(isImage ? { osTree: { releases: [old, next] } } : {}),
    files: { '/proc/cmdline': 'root=/dev/sda1\n' },
  });
  // A host that has just come up waits until it is as well as it will be.
  await clock.advance(1_200_000);
  for (const [node, address] of [
    ['a2', '192.168.99.52'],
    ['a3', '192.168.99.53'],
  ] as const) {
    const record = {
      schema: 1,
      node,
      address,
      etcdRole: 'member',
      metadata: {},
      summary: 'ready',
      conditions: [],
      versions: {},
      bootId: 'b',
      machineId: null,
      reportedAt: clock.timestamp(),
      since: clock.timestamp(),
      subnet: null,
    };
    etcd.put('v3', nodeKey('diy-cluster', node), JSON.stringify(record));
  }
  return { host, etcd };
}

function memoryOf(host: FakeHost): UpgradeMemory {
  return JSON.parse(host.files.snapshot()[upgradeFile] ?? 'null');
}

function stored(etcd: FakeEtcd, key: string): unknown {
  const text = etcd.keys('v3').get(key)?.value;
  return text === undefined ? null : JSON.parse(text);
}

describe('an operator on one node', () => {
  test('asks for an upgrade, and the unit goes as far as the reboot', async () => {
    const { host, etcd } = await site();
    const asked = await runVerb(host, ['upgrade', 'apply', '--timeout', '0s']);
    expect([asked.code, asked.stdout]).toEqual([75, 'still waiting: the run is under way; it goes on by itself\n']);
    const run = await runVerb(host, ['upgrade', 'run']);
    expect(run.error).toBeNull();
    expect(memoryOf(host)).toMatchObject({
      phase: 'rebooting',
      errand: { kind: 'upgrade', release: { text: '41.2' } },
    });
    expect(stored(etcd, semaphoreKey('diy-cluster', 'default'))).toMatchObject({
      holders: [{ id: 'a1', stage: 'rebooting', reason: 'upgrade to 41.2', isMember: true }],
    });
    expect(host.osTree.isRebooting).toBe(true);
    const again = await runVerb(host, ['reboot']);
    expect(again.code).toBe(75);
    expect(String(again.error)).toContain('is asked for already, by operator on a1');
  });

  test('sees what is offered and every question of the proof, and nothing is changed', async () => {
    const { host } = await site();
    const run = await runVerb(host, ['upgrade', 'check']);
    expect(run.code).toBe(2);
    expect(run.stdout).toStartWith('booted    41.1\nstaged    nothing\nrollback  nothing\noffered   41.2\n');
    expect(run.stdout).toContain('  ok  Quorum');
    expect(host.effects.filter((e) => !e.startsWith('check'))).toEqual([]);
  });

  test('stages without a reboot, and takes an ask back', async () => {
    const { host } = await site();
    expect((await runVerb(host, ['upgrade', 'stage'])).stdout).toStartWith('staged; ');
    expect((await runVerb(host, ['upgrade', 'stage'])).stdout).toBe('the origin has nothing newer\n');
    await runVerb(host, ['upgrade', 'apply', '--timeout', '0s']);
    const back = await runVerb(host, ['upgrade', 'cancel']);
    expect([back.code, back.stdout]).toEqual([0, 'taken back: the upgrade that operator on a1 asked for\n']);
    expect((await runVerb(host, ['upgrade', 'cancel'])).stdout).toBe('nothing was asked of this node\n');
  });

  test('on a host that is not image-based gets the reason, and can reboot it all the same', async () => {
    const { host } = await site(undefined, false);
    for (const verb of [['upgrade', 'check'], ['upgrade', 'stage'], ['upgrade', 'apply'], ['rollback']]) {
      const run = await runVerb(host, verb);
      expect([verb, run.code]).toEqual([verb, 64]);
      expect(String(run.error)).toContain('not booted by ostree');
    }
    await runVerb(host, ['reboot', '--reason', 'new kernel', '--timeout', '0s']);
    await runVerb(host, ['upgrade', 'run']);
    expect(memoryOf(host)).toMatchObject({ phase: 'rebooting', errand: { kind: 'reboot', reason: 'new kernel' } });
    expect(host.effects).toContain('reboot');
  });

  test('who is not root is told so before anything happens', async () => {
    const { host } = await site(undefined, true, false);
    for (const verb of [['upgrade', 'apply'], ['upgrade', 'run'], ['rollback'], ['reboot']]) {
      expect((await runVerb(host, verb)).code).toBe(77);
    }
    expect(host.effects).toEqual([]);
  });

  test('cannot roll back where there is nothing to go back to', async () => {
    const { host } = await site();
    const run = await runVerb(host, ['rollback']);
    expect(run.code).toBe(65);
    expect((run.error as AgentError).hint).toContain('upgrade stage <version>');
  });
});

describe('an operator of the fleet', () => {
  test('gives a target, holds, resumes, and everybody can read by whom and why', async () => {
    const { host, etcd } = await site();
    expect((await runVerb(host, ['upgrade', 'target'])).stdout).toBe('group default has no target\n');
    expect((await runVerb(host, ['upgrade', 'target', '41.2'])).stdout).toContain(
      'goes to 41.2, one node after the other',
    );
    expect(stored(etcd, targetKey('diy-cluster', 'default'))).toMatchObject({ release: '41.2', by: 'operator on a1' });
    await runVerb(host, ['upgrade', 'hold', '--reason', 'audit']);
    expect(stored(etcd, holdKey('diy-cluster', 'default'))).toMatchObject({ reason: 'audit', by: 'operator on a1' });
    await runVerb(host, ['upgrade', 'run']);
    await runVerb(host, ['upgrade', 'run']);
    expect(memoryOf(host).waiting?.reason).toBe('group default is on hold: audit (operator on a1)');
    expect((await runVerb(host, ['upgrade', 'resume'])).stdout).toContain('it was on hold: audit');
    expect((await runVerb(host, ['upgrade', 'target', 'none'])).stdout).toContain('no longer goes to 41.2');
    expect([...etcd.keys('v3').keys()].filter((k) => /hold|target/.test(k))).toEqual([]);
  });

  test('cannot send anybody to a release that is denied, until it is allowed', async () => {
    const { host, etcd } = await site();
    const denial = {
      release: { id: next.checksum, text: '41.2' },
      reason: 'no docker',
      by: 'a3',
      at: '2026-11-21T00:00:00Z',
    };
    etcd.put('v3', deniedKey('diy-cluster', 'default'), JSON.stringify({ schema: 1, denied: [denial] }));
    for (const verb of ['target', 'apply', 'stage']) {
      const run = await runVerb(host, ['upgrade', verb, '41.2']);
      expect(run.code).toBe(78);
      expect(String(run.error)).toContain('no docker (a3');
      expect((run.error as AgentError).hint).toStartWith('diyc-agent upgrade allow 41.2');
    }
    expect((await runVerb(host, ['upgrade', 'allow', '41.3'])).code).toBe(65);
    expect((await runVerb(host, ['upgrade', 'allow', '41.2'])).stdout).toContain('it was denied because no docker');
    expect((await runVerb(host, ['upgrade', 'target', '41.2'])).code).toBe(0);
  });

  test('is told that nobody follows a target where upgrades are not declared', async () => {
    const { host } = await site('');
    const run = await runVerb(host, ['upgrade', 'target', 'latest']);
    expect(run.code).toBe(78);
    expect((run.error as AgentError).hint).toContain('add upgrade: {}');
  });

  test('names the groups there are when one is not', async () => {
    const { host } = await site();
    for (const verb of [
      ['upgrade', 'status'],
      ['upgrade', 'hold'],
      ['reboot', 'status'],
      ['upgrade', 'target', 'x'],
    ]) {
      const run = await runVerb(host, [...verb, '--group', 'nope']);
      expect([verb, run.code, (run.error as AgentError).hint]).toEqual([verb, 64, 'its groups are default']);
    }
  });

  test('sees who holds the slot, and frees it only with a second word', async () => {
    const { host, etcd } = await site();
    const holder = {
      id: 'a3',
      kind: 'node',
      bootId: 'x',
      isMember: true,
      reason: 'upgrade to 41.2',
      release: null,
      since: host.clock.timestamp(),
      stage: 'rebooting',
    };
    const key = semaphoreKey('diy-cluster', 'default');
    etcd.put('v3', key, JSON.stringify({ schema: 1, group: 'default', slots: 1, holders: [holder], log: [] }));
    expect((await runVerb(host, ['reboot', 'status'])).stdout).toMatch(/a3 +rebooting +0s .*upgrade to 41\.2/);
    const unsure = await runVerb(host, ['reboot', 'release', 'a3']);
    expect([unsure.code, (unsure.error as AgentError).hint]).toEqual([
      64,
      'make sure that a3 is not about to reboot, then: diyc-agent reboot release a3 --group default --yes',
    ]);
    expect((await runVerb(host, ['reboot', 'release', 'a2', '--yes'])).code).toBe(65);
    expect((await runVerb(host, ['reboot', 'release', 'a3', '--yes', '--reason', 'burnt'])).code).toBe(0);
    expect(stored(etcd, key)).toMatchObject({
      holders: [],
      log: [{ what: 'released by hand', holder: 'a3', by: 'operator on a1', why: 'burnt' }],
    });
  });

  test('is shown what others wrote as text, and is given nothing to paste that a stranger wrote', async () => {
    const { host, etcd } = await site();
    const evil = '\u001b[2J\u0007$(reboot)';
    const hold = { schema: 1, reason: evil, by: 'x', at: host.clock.timestamp() };
    etcd.put('v3', holdKey('diy-cluster', 'default'), JSON.stringify(hold));
    await runVerb(host, ['upgrade', 'stage']);
    const watching = runVerb(host, ['upgrade', 'apply', '--timeout', '3s']);
    for (let turn = 0; turn < 100 && host.files.snapshot()[upgradeFile] === undefined; turn++)
      await host.clock.advance(0);
    await runVerb(host, ['upgrade', 'run']);
    await host.clock.advance(5_000);
    const watched = await watching;
    expect(watched.stderr).toContain('waiting: group default is on hold');
    expect([...'\u0007\u001b'].filter((c) => (watched.stdout + watched.stderr).includes(c))).toEqual([]);
    const id = "fleetlock/a'; reboot #";
    const holder = {
      id,
      kind: 'fleetlock',
      bootId: null,
      isMember: false,
      reason: 'r',
      release: null,
      since: '',
      stage: 'preparing',
    };
    const held = { schema: 1, group: 'default', slots: 1, holders: [holder], log: [] };
    etcd.put('v3', semaphoreKey('diy-cluster', 'default'), JSON.stringify(held));
    const unsure = await runVerb(host, ['reboot', 'release', id]);
    expect((unsure.error as AgentError).hint).toContain(
      "reboot release 'fleetlock/a'\\''; reboot #' --group default --yes",
    );
  });

  test('hears of a store that is gone by its own error', async () => {
    const { host, etcd } = await site();
    etcd.setAll('refused');
    expect((await runVerb(host, ['upgrade', 'status'])).code).toBe(69);
    expect((await runVerb(host, ['upgrade', 'hold'])).code).toBe(69);
  });
});

describe('the report', () => {
  const starts = (host: FakeHost): number =>
    host.effects.filter((e) => e.includes('diyc-agent-upgrade.service')).length;

  test('starts the upgrade unit once for a new target, and once when it is taken back', async () => {
    const { host } = await site();
    await runVerb(host, ['boot']);
    await runVerb(host, ['upgrade', 'run']);
    await runVerb(host, ['report']);
    for (const target of ['41.2', 'none']) {
      await runVerb(host, ['upgrade', 'target', target]);
      const asked = starts(host);
      await runVerb(host, ['report']);
      await runVerb(host, ['report']);
      expect([target, starts(host) - asked]).toEqual([target, 1]);
    }
  });
});

describe('status --local, which greenboot asks', () => {
  const leave = (host: FakeHost, unmet: readonly ConditionType[]): void => {
    const fresh = freshMemory(host.clock.timestamp(), { bootId: 'b', uptimeMs: 0 });
    const memory: UpgradeMemory = { ...fresh, phase: 'verifying', baseline: { met: [], unmet } };
    host.files.put({ [upgradeFile]: { text: JSON.stringify(memory), mode: 0o600 } });
  };

  test('has nothing against a host that nobody configured', async () => {
    const { host } = await site();
    await host.files.remove('/etc/diyc-agent/cluster.yaml');
    const run = await runVerb(host, ['status', '--local']);
    expect([run.code, run.stdout]).toEqual([0, 'this host has no cluster file: there is nothing to judge\n']);
  });

  test('is red by what was not amiss before the reboot, and by nothing else', async () => {
    const { host, etcd } = await site();
    etcd.setAll('refused');
    expect((await runVerb(host, ['status', '--local'])).code).toBe(0);
    await host.files.remove('/usr/bin/dockerd');
    await host.files.remove('/usr/lib/systemd/system/docker.service');
    expect((await runVerb(host, ['status', '--local'])).code).toBe(0);
    leave(host, ['DockerInstalled']);
    expect((await runVerb(host, ['status', '--local'])).code).toBe(0);
    leave(host, ['EtcdHealthy']);
    const red = await runVerb(host, ['status', '--local']);
    expect(red.code).toBe(1);
    expect(red.stdout).toContain('DockerInstalled');
    expect(red.stdout).not.toContain('EtcdHealthy');
  });

  test('is red by a cluster file that this version does not accept', async () => {
    const { host } = await site('upgrade: { slots: 0 }\n');
    const run = await runVerb(host, ['status', '--local']);
    expect(run.code).toBe(1);
    expect(run.stdout).toContain('the cluster file is invalid');
  });
});

// A unit that runs with files from before they were changed stays known until it is restarted, by whomever.

import { describe, expect, test } from 'bun:test';
import { statusOf } from '../support/conditions.ts';
import type { FakeHost } from '../support/fake-host.ts';
import { clusterFile, packagedHost, runVerb } from '../support/packaged-host.ts';

const file = '/etc/etcd/etcd.conf';
const renamed = clusterFile.replace('cluster: diy-cluster', 'cluster: other');

/** A host that has been up for a minute, whose cluster file then got another name. */
async function changed(restart: readonly string[] = []): Promise<FakeHost> {
  const host = packagedHost();
  await runVerb(host, ['boot']);
  await host.clock.advance(60_000);
  host.files.put({ '/etc/diyc-agent/cluster.yaml': renamed });
  await runVerb(host, ['apply', ...restart]);
  await host.clock.advance(60_000);
  host.log.clear();
  return host;
}

async function pending(host: FakeHost): Promise<readonly string[]> {
  const run = await runVerb(host, ['plan', '--json']);
  return JSON.parse(run.stdout).restartPending;
}

describe('after `apply` changed a file that a running unit reads', () => {
  test('`plan` still says that its restart is pending, in text and as data', async () => {
    const host = await changed();
    expect(await pending(host)).toEqual(['etcd.service']);
    const { code, stdout } = await runVerb(host, ['plan']);
    expect(code).toBe(0);
    expect(stdout).toContain('etcd.service');
    expect(stdout).toContain('apply --restart');
    expect(host.effects).toEqual([]);
  });

  test('`status` says so too, as degraded, with the remedy', async () => {
    const host = await changed();
    expect(await statusOf(host, 'Configured')).toMatchObject({
      status: 'False',
      reason: 'RestartPending',
      severity: 'degraded',
      message: 'etcd.service still runs with files from before they were changed',
      hint: expect.stringContaining('apply --restart'),
    });
  });

  test('another `apply` says it again and restarts nothing', async () => {
    const host = await changed();
    const run = await runVerb(host, ['apply']);
    expect([run.code, host.effects]).toEqual([0, []]);
    expect(run.lines.some((l) => l.startsWith('etcd.service still runs with the old files'))).toBe(true);
  });

  test('`apply --restart` restarts that unit alone, once, and then nothing is pending', async () => {
    const host = await changed();
    expect((await runVerb(host, ['apply', '--restart'])).code).toBe(0);
    expect(host.effects.filter((line) => !line.startsWith('append'))).toEqual(['restart etcd.service']);
    expect([await pending(host), (await statusOf(host, 'Configured'))?.reason]).toEqual([[], 'AsWanted']);
    host.log.clear();
    expect((await runVerb(host, ['apply', '--restart'])).code).toBe(0);
    expect(host.effects).toEqual([]);
  });

  test('who restarts it by hand, or reboots, has done the same', async () => {
    const byHand = await changed();
    await byHand.units.queueRestart(['etcd.service']);
    const rebooted = await changed();
    rebooted.boot();
    for (const host of [byHand, rebooted]) expect(await pending(host)).toEqual([]);
  });

  test('`apply --restart` in the run that changes the file leaves nothing pending', async () => {
    expect(await pending(await changed(['--restart']))).toEqual([]);
  });
});

describe('a unit that takes its time to come up again', () => {
  test('is restarted once by `apply --restart`, and nothing is pending while it starts', async () => {
    const host = await changed();
    host.units.script('etcd.service', 'waits');
    const run = await runVerb(host, ['apply', '--restart']);
    expect([run.code, run.error]).toEqual([0, null]);
    expect(host.effects.filter((line) => line.startsWith('restart'))).toEqual(['restart etcd.service']);
    expect(await pending(host)).toEqual([]);
  });

  test('is asked for once, also where systemd has not come to the job by the time of the second look', async () => {
    const host = await changed();
    const { queueRestart } = host.units;
    const asked: string[] = [];
    Object.assign(host.units, {
      queueRestart: async (names: readonly string[]) => {
        asked.push(...names);
        host.clock.after(1_000, () => void queueRestart(names));
      },
    });
    const run = await runVerb(host, ['apply', '--restart']);
    expect([run.code, run.error, asked]).toEqual([0, null, ['etcd.service']]);
    await host.clock.advance(2_000);
    expect(await pending(host)).toEqual([]);
  });

  test('is known to run with old files when those were changed while it was starting', async () => {
    const host = packagedHost();
    host.units.script('etcd.service', 'waits');
    await runVerb(host, ['boot']);
    await host.clock.advance(60_000);
    host.files.put({ '/etc/diyc-agent/cluster.yaml': renamed });
    await runVerb(host, ['apply']);
    await host.clock.advance(60_000);
    expect(await pending(host)).toEqual(['etcd.service']);
    // Ready only now, with a quorum: its program was started before the file was written all the same.
    host.units.change('etcd.service', { active: 'active', sub: 'running', jobQueued: false });
    expect(await pending(host)).toEqual(['etcd.service']);
  });

  test.each(['auto-restart', 'start-pre'])('in %s no program runs yet, so none has old files', async (sub) => {
    const host = await changed();
    host.units.change('etcd.service', { active: 'activating', sub });
    expect(await pending(host)).toEqual([]);
  });
});

describe('nothing is said', () => {
  test('of a unit that was started after the file was written, however long ago both are', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    for (let day = 0; day < 3; day++) {
      await host.clock.advance(86_400_000);
      expect(await pending(host)).toEqual([]);
    }
    expect((await statusOf(host, 'Configured'))?.reason).toBe('AsWanted');
  });

  test('of a file and a unit that are a second apart or less', async () => {
    for (const [apartMs, expected] of [
      [1_000, []],
      [1_010, ['etcd.service']],
    ] as const) {
      const host = packagedHost();
      await runVerb(host, ['boot']);
      await host.clock.advance(apartMs);
      const text = host.files.snapshot()[file] ?? '';
      host.files.put({ [file]: text });
      await host.clock.advance(60_000);
      expect([apartMs, await pending(host)]).toEqual([apartMs, expected]);
    }
  });

  test('of a file from the future, because the clock was set back', async () => {
    const host = await changed();
    expect(await pending(host)).toEqual(['etcd.service']);
    host.clock.setWallClock(Date.UTC(2020, 0, 1));
    expect([await pending(host), (await statusOf(host, 'Configured'))?.reason]).toEqual([[], 'AsWanted']);
  });

  test('of files that the clock, set forward since, makes look older than they are', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    host.clock.setWallClock(Date.UTC(2030, 0, 1));
    expect(await pending(host)).toEqual([]);
  });

  test('of a unit that does not run', async () => {
    const host = await changed();
    host.units.change('etcd.service', { active: 'failed', sub: 'failed', result: 'exit-code' });
    expect(await pending(host)).toEqual([]);
  });

  test.each([
    ['empty', ''],
    ['garbage', 'soon\n'],
  ])('where /proc/uptime is %s', async (_what, text) => {
    const host = await changed();
    host.files.put({ '/proc/uptime': text });
    expect(await pending(host)).toEqual([]);
    host.files.drop('/proc/uptime');
    expect(await pending(host)).toEqual([]);
  });
});

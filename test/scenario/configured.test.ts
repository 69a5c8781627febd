// Configured: whether a run of `apply` would find something to do, as `status` and `report` say it.

import { describe, expect, test } from 'bun:test';
import { reported, statusOf } from '../support/conditions.ts';
import type { FakeHost, FakeHostOptions } from '../support/fake-host.ts';
import { clusterFile, packagedHost, runVerb } from '../support/packaged-host.ts';

const file = '/etc/etcd/etcd.conf';
const journal = '/var/lib/diyc-agent/journal.jsonl';

async function configured(machine: FakeHostOptions['machine'] = {}): Promise<FakeHost> {
  const host = packagedHost({ machine });
  await runVerb(host, ['boot']);
  return host;
}

/** The same claim by `status` and by `report`. */
async function both(host: FakeHost): Promise<unknown[]> {
  await runVerb(host, ['report']);
  return [await statusOf(host, 'Configured'), reported(host, 'Configured')];
}

describe('Configured', () => {
  test('is True, AsWanted, on a host that is as the file says', async () => {
    for (const claim of await both(await configured()))
      expect(claim).toMatchObject({ status: 'True', reason: 'AsWanted' });
  });

  test('is False, Drifted, where a file was edited, and names it', async () => {
    const host = await configured();
    host.files.put({ [file]: 'ETCD_NAME="mine"\n' });
    host.log.clear();
    for (const claim of await both(host)) {
      expect(claim).toMatchObject({
        status: 'False',
        reason: 'Drifted',
        severity: 'degraded',
        message: `files were changed since the last run: replace ${file}`,
        hint: expect.stringContaining('diyc-agent plan'),
      });
    }
    expect(host.files.snapshot()[file]).toBe('ETCD_NAME="mine"\n');
    expect(host.effects.filter((line) => line.includes('/etc/'))).toEqual([]);
  });

  test('is False, Pending, where the cluster file asks for something else', async () => {
    const host = await configured();
    host.files.put({ '/etc/diyc-agent/cluster.yaml': clusterFile.replace('diy-cluster', 'other') });
    for (const claim of await both(host)) {
      expect(claim).toMatchObject({
        status: 'False',
        reason: 'Pending',
        message: `this host is not as the cluster file says: replace ${file}`,
      });
    }
  });

  test('is False, Pending, on a host that was never configured, and shows the first of many', async () => {
    const host = packagedHost();
    const claim = await statusOf(host, 'Configured');
    expect(claim).toMatchObject({ status: 'False', reason: 'Pending' });
    expect(claim?.message).toMatch(/^[^;]+(; [^;]+){2} and \d+ more$/);
    expect(host.effects).toEqual([]);
  });

  test('is False, RestartPending, where only a restart is left to do', async () => {
    const host = await configured();
    await host.clock.advance(60_000);
    host.files.put({ '/etc/diyc-agent/cluster.yaml': clusterFile.replace('diy-cluster', 'other') });
    await runVerb(host, ['apply']);
    for (const claim of await both(host)) expect(claim).toMatchObject({ status: 'False', reason: 'RestartPending' });
    expect(host.effects.filter((line) => line.startsWith('restart'))).toEqual([]);
  });

  test('is still True while a unit is down: that has a condition of its own', async () => {
    const host = await configured();
    host.units.change('docker.service', { active: 'failed', sub: 'failed', result: 'exit-code' });
    for (const claim of await both(host)) expect(claim).toMatchObject({ status: 'True' });
    expect(await statusOf(host, 'DockerRunning')).toMatchObject({ status: 'False', reason: 'Failed' });
  });

  test('is Unknown, CannotPlan, with the reason, where nobody can say; everything else is still told', async () => {
    const host = await configured();
    host.files.drop(file);
    host.files.put({ [file]: { directory: true } });
    for (const claim of await both(host)) {
      expect(claim).toMatchObject({
        status: 'Unknown',
        reason: 'CannotPlan',
        message: expect.stringContaining(file),
        hint: expect.stringMatching(/\S/),
      });
    }
    expect(await statusOf(host, 'EtcdRunning')).toMatchObject({ status: 'True' });
  });

  test('is Unknown where the journal holds foreign lines', async () => {
    const host = await configured();
    host.files.put({ [journal]: 'not ours\n' });
    for (const claim of await both(host)) expect(claim).toMatchObject({ status: 'Unknown', reason: 'CannotPlan' });
  });
});

describe('without root', () => {
  /** The journal is for root alone: the denial takes its content from this user, as its mode does on a host. */
  function becomeAnybody(host: FakeHost): void {
    host.files.put({ [journal]: { text: host.files.snapshot()[journal] ?? '', denied: true } });
  }

  test("the last report's word stands, with its time, and the rest is of this moment", async () => {
    const host = await configured();
    host.files.put({ [file]: 'ETCD_NAME="mine"\n' });
    await runVerb(host, ['report']);
    const then = reported(host, 'Configured');
    await host.clock.advance(60_000);
    becomeAnybody(host);
    host.units.change('docker.service', { active: 'failed', sub: 'failed', result: 'exit-code' });
    expect(then?.reason).toBe('Drifted');
    expect(await statusOf(host, 'Configured')).toEqual(then);
    expect(await statusOf(host, 'DockerRunning')).toMatchObject({ reason: 'Failed' });
  });

  test('a report of an earlier boot, or none at all, is no word: nothing is said', async () => {
    const never = await configured();
    becomeAnybody(never);
    const rebooted = await configured();
    await runVerb(rebooted, ['report']);
    const { '/run/diyc-agent/status.json': before = '' } = rebooted.files.snapshot();
    rebooted.boot();
    rebooted.files.put({ '/run/diyc-agent/status.json': before });
    becomeAnybody(rebooted);
    for (const host of [never, rebooted]) {
      expect(await statusOf(host, 'Configured')).toBeUndefined();
      expect(await statusOf(host, 'Identified')).toMatchObject({ status: 'True' });
    }
  });
});

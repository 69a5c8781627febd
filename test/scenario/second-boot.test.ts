// Running again: nothing to do means nothing done, not even a line in the journal.

import { describe, expect, test } from 'bun:test';
import { clusterFile, packagedHost, runVerb } from '../support/packaged-host.ts';

describe('a host that is as the cluster file says', () => {
  test('has nothing to do in a second run: no write, no unit touched, no time passes', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    const files = host.files.snapshot();
    host.log.clear();
    const began = host.clock.monotonicMs();
    const run = await runVerb(host, ['boot']);
    expect(run.code).toBe(0);
    expect(host.effects).toEqual([]);
    expect(host.files.snapshot()).toEqual(files);
    expect(host.clock.monotonicMs() - began).toBe(0);
    expect(run.events.at(-1)?.event).toBe('run.unchanged');
  });

  test('says nothing at info or above', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    const run = await runVerb(host, ['boot', '--json']);
    expect(JSON.parse(run.stdout)).toMatchObject({ schema: 1, node: 'a1', changed: false, done: [], failed: [] });
    expect(run.events.map((e) => e.event)).toEqual(['run.started', 'identity.found', 'run.unchanged']);
  });

  test('needs no file written after a power cycle: units start by themselves, modules by modules-load', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    host.boot();
    host.log.clear();
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(
      host.effects.filter((line) => /^(write|link|directory|keep|attributes|start|restart|daemon)/.test(line)),
    ).toEqual([]);
  });

  test('`plan` agrees: empty, exit 0; before the first boot it shows everything, exit 2, and writes nothing', async () => {
    const host = packagedHost();
    const before = host.files.snapshot();
    const first = await runVerb(host, ['plan']);
    expect(first.code).toBe(2);
    expect(first.stdout).toContain('replace /etc/etcd/etcd.conf');
    expect(first.stdout).toContain('+ETCD_NAME="a1"');
    expect(host.effects).toEqual([]);
    expect(host.files.snapshot()).toEqual(before);
    await runVerb(host, ['boot']);
    host.log.clear();
    const second = await runVerb(host, ['plan']);
    expect({ code: second.code, effects: host.effects }).toEqual({ code: 0, effects: [] });
    expect(second.stdout).toContain('nothing to do');
  });

  test('is made right again in exactly what differs', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    host.files.drop('/etc/systemd/system/multi-user.target.wants/docker.service');
    host.files.put({ '/etc/group': 'root:x:0:\nwheel:x:10:fedora\ndocker:x:999:\n' });
    host.units.change('etcd.service', { active: 'failed', sub: 'failed', result: 'exit-code' });
    host.log.clear();
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(host.effects.filter((line) => !line.startsWith('append'))).toEqual([
      'write /etc/group 0644 gid 0',
      'link /etc/systemd/system/multi-user.target.wants/docker.service -> /usr/lib/systemd/system/docker.service',
      'daemon-reload',
      'start etcd.service',
    ]);
  });

  test('a unit that fails at once is started once in a run, and told by status, not by a loop', async () => {
    const host = packagedHost();
    host.units.script('docker.service', 'fails');
    const run = await runVerb(host, ['boot']);
    expect(run.code).toBe(0);
    expect(host.effects.filter((line) => line.startsWith('start '))).toHaveLength(1);
  });
});

describe('a changed cluster file', () => {
  const wider = clusterFile.replace('172.18.0.0/16', '172.20.0.0/16').replace('cluster: diy-cluster', 'cluster: other');

  test('is written, and what runs goes on until the operator says so', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    host.files.put({ '/etc/diyc-agent/cluster.yaml': wider });
    host.log.clear();
    const run = await runVerb(host, ['apply']);
    expect(run.code).toBe(0);
    expect(host.effects.filter((line) => /start/.test(line))).toEqual([]);
    expect(run.lines.some((l) => l.startsWith('etcd.service still runs with the old files'))).toBe(true);
    // Our own earlier text is no drift, and not kept.
    expect(Object.keys(host.files.snapshot()).filter((path) => path.startsWith('/etc/etcd/'))).toEqual([
      '/etc/etcd/etcd.conf',
      '/etc/etcd/etcd.conf.save',
    ]);
  });

  test('with --restart the units whose files changed are restarted, and only those', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    host.files.put({ '/etc/diyc-agent/cluster.yaml': wider });
    host.log.clear();
    await runVerb(host, ['apply', '--restart']);
    expect(host.effects.filter((line) => /start/.test(line))).toEqual(['restart etcd.service']);
  });
});

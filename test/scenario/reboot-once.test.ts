// firstBoot.reboot: always reboots a host once, after its first configuration and never for a later change.

import { describe, expect, test } from 'bun:test';
import type { FakeHost } from '../support/fake-host.ts';
import { clusterFile, packagedHost, runVerb } from '../support/packaged-host.ts';

const always = clusterFile.replace('reboot: never', 'reboot: always');
const reboots = (host: FakeHost): number => host.effects.filter((line) => line === 'reboot').length;

describe('firstBoot.reboot: always', () => {
  test('reboots instead of starting units, and the second boot starts them without another reboot', async () => {
    const host = packagedHost({ cluster: always });
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(host.units.isRebooting).toBe(true);
    expect(host.effects.filter((line) => line.startsWith('start '))).toEqual([]);
    expect(host.effects.at(-2)).toBe('reboot');
    host.boot();
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(reboots(host)).toBe(1);
    expect((await host.units.states(['etcd.service', 'docker.service'])).map((u) => u.active)).toEqual([
      'active',
      'active',
    ]);
  });

  test('does not reboot for a change that comes later', async () => {
    const host = packagedHost({ cluster: always });
    await runVerb(host, ['boot']);
    host.boot();
    await runVerb(host, ['boot']);
    host.files.put({ '/etc/diyc-agent/cluster.yaml': always.replace('cluster: diy-cluster', 'cluster: renamed') });
    await runVerb(host, ['boot']);
    expect(reboots(host)).toBe(1);
  });

  test('does not reboot a host that was configured before the file said `always`', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    host.files.put({ '/etc/diyc-agent/cluster.yaml': always.replace('cluster: diy-cluster', 'cluster: renamed') });
    const run = await runVerb(host, ['boot']);
    expect({ code: run.code, reboots: reboots(host) }).toEqual({ code: 0, reboots: 0 });
  });

  test('`apply` never reboots, and what it configured is not rebooted later', async () => {
    const host = packagedHost({ cluster: always });
    await runVerb(host, ['apply']);
    host.files.put({ '/etc/diyc-agent/cluster.yaml': always.replace('cluster: diy-cluster', 'cluster: renamed') });
    await runVerb(host, ['boot']);
    expect(reboots(host)).toBe(0);
  });

  test('a host that is cloned or put in again under another instance id is a new host', async () => {
    const host = packagedHost({ cluster: always });
    await runVerb(host, ['boot']);
    host.boot();
    host.files.put({
      '/var/lib/cloud/seed/nocloud/meta-data': 'instance-id: iid-other\nlocal-hostname: a2\n',
    });
    await runVerb(host, ['boot']);
    expect(reboots(host)).toBe(2);
  });

  test('an image with every file in it already has nothing to write, so it is not rebooted', async () => {
    const host = packagedHost({ cluster: always });
    await runVerb(host, ['apply']);
    host.files.drop('/var/lib/diyc-agent/journal.jsonl');
    await runVerb(host, ['boot']);
    expect(reboots(host)).toBe(0);
  });

  test('a reboot that systemd refuses is not asked for again at the next boot', async () => {
    const { AgentError } = await import('../../agent/model/errors.ts');
    const host = packagedHost({ cluster: always });
    host.log.failOn('reboot', new AgentError('oserr', 'inhibited', { hint: 'h' }));
    expect((await runVerb(host, ['boot'])).code).toBe(71);
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(reboots(host)).toBe(0);
    expect((await host.units.states(['etcd.service']))[0]?.active).toBe('active');
  });
});

// Presence in etcd: one lease from report to report, a new one when it is lost, and none of it stops anything.

import { describe, expect, test } from 'bun:test';
import { leaseFile, metricsFile, statusFile } from '../../agent/model/paths.ts';
import { fakeEtcd } from '../support/fake-etcd.ts';
import { packagedHost, runVerb } from '../support/packaged-host.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const members = ['192.168.99.51', '192.168.99.52', '192.168.99.53'];

async function reporting() {
  const clock = virtualClock();
  const etcd = fakeEtcd({ members, clock });
  const host = packagedHost({ clock, etcd });
  host.setDevice({
    name: 'docker0',
    addresses: [{ device: 'docker0', address: '172.18.34.1', prefixLength: 24 }],
    mtu: 1450,
    ports: [],
  });
  await runVerb(host, ['boot']);
  await runVerb(host, ['join', 'seed']);
  host.files.put({
    '/run/flannel/subnet.env':
      'FLANNEL_NETWORK=172.18.0.0/16\nFLANNEL_SUBNET=172.18.34.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
  });
  await runVerb(host, ['report']);
  const leaseOf = (): string | null => etcd.keys('v3').get('/diyc/diy-cluster/nodes/a1')?.leaseId ?? null;
  return { clock, etcd, host, leaseOf };
}

const published = (text: string | undefined) =>
  JSON.parse(text ?? '{}').conditions.find((c: { type: string }) => c.type === 'Published');

describe('the record of a node', () => {
  test('says that the node is ready, and stays under one lease for as long as the node reports', async () => {
    const { clock, etcd, host, leaseOf } = await reporting();
    const lease = leaseOf();
    expect(lease).not.toBeNull();
    for (let i = 0; i < 10; i++) {
      await clock.advance(20_000);
      expect((await runVerb(host, ['report'])).code).toBe(0);
    }
    expect(leaseOf()).toBe(lease);
    const record = JSON.parse(etcd.keys('v3').get('/diyc/diy-cluster/nodes/a1')?.value ?? '{}');
    expect(record).toMatchObject({
      schema: 1,
      node: 'a1',
      summary: 'ready',
      subnet: '172.18.34.1/24',
      bootId: 'boot-1',
    });
    expect(published(host.files.snapshot()[statusFile])).toMatchObject({ status: 'True', reason: 'LeaseKept' });
  });

  test('outlives one missed report, and is gone after three', async () => {
    const { clock, leaseOf } = await reporting();
    await clock.advance(45_000);
    expect(leaseOf()).not.toBeNull();
    await clock.advance(16_000);
    expect(leaseOf()).toBeNull();
  });

  test('comes back under a new lease when the old one was lost, and the new one is kept', async () => {
    const { clock, etcd, host, leaseOf } = await reporting();
    const lease = leaseOf() ?? '';
    etcd.revoke(lease);
    expect((await runVerb(host, ['report'])).code).toBe(0);
    const second = leaseOf();
    expect(second).not.toBeNull();
    expect(second).not.toBe(lease);
    expect(published(host.files.snapshot()[statusFile])).toMatchObject({ reason: 'NewLease' });
    await clock.advance(20_000);
    await runVerb(host, ['report']);
    expect(leaseOf()).toBe(second);
  });

  test('after a reboot is under a lease of the new boot, with the new boot id', async () => {
    const { etcd, host, leaseOf } = await reporting();
    const lease = leaseOf();
    host.boot();
    await runVerb(host, ['boot']);
    await runVerb(host, ['report']);
    expect(leaseOf()).not.toBe(lease);
    expect(JSON.parse(etcd.keys('v3').get('/diyc/diy-cluster/nodes/a1')?.value ?? '{}').bootId).toBe('boot-2');
  });

  test('a lease file of an earlier boot, or none that can be read, is not used', async () => {
    for (const text of ['{"leaseId":"1","bootId":"boot-0"}', '', 'null', '{"leaseId":7,"bootId":"boot-1"}', '[']) {
      const { host, leaseOf } = await reporting();
      const lease = leaseOf();
      host.files.put({ [leaseFile]: text });
      await runVerb(host, ['report']);
      expect(leaseOf()).not.toBe(lease);
    }
  });
});

describe('while etcd is out of reach', () => {
  test('the report still writes status and metrics, degraded, exits 0, and touches no unit', async () => {
    const { etcd, host } = await reporting();
    etcd.setAll('silent');
    host.log.clear();
    const run = await runVerb(host, ['report']);
    expect(run.code).toBe(0);
    expect(published(host.files.snapshot()[statusFile])).toMatchObject({ status: 'False', reason: 'StoreUnavailable' });
    expect(host.files.snapshot()[metricsFile]).toContain('diyc_condition{node="a1",type="Published"} 0\n');
    expect(host.effects.filter((line) => /start|stop|reload/.test(line))).toEqual([]);
    const status = await runVerb(host, ['status']);
    expect(status.code).toBe(2);
    expect(status.stdout.split('\n')[0]).toContain('DEGRADED');
  });

  test('and ready again as soon as etcd answers', async () => {
    const { etcd, host } = await reporting();
    etcd.setAll('refused');
    await runVerb(host, ['report']);
    etcd.setAll('up');
    await runVerb(host, ['report']);
    expect((await runVerb(host, ['status'])).code).toBe(0);
  });
});

describe('while something else cannot be asked', () => {
  test('systemd that does not answer makes the units Unknown, and the rest is told', async () => {
    const { AgentError } = await import('../../agent/model/errors.ts');
    const { host, leaseOf } = await reporting();
    const states = () => Promise.reject(new AgentError('oserr', 'systemctl did not answer', { hint: 'wait' }));
    Object.assign(host.units, { states });
    expect((await runVerb(host, ['report'])).code).toBe(0);
    const { conditions } = JSON.parse(host.files.snapshot()[statusFile] ?? '{}');
    const status = (type: string) => conditions.find((c: { type: string }) => c.type === type)?.status;
    expect([status('EtcdRunning'), status('DockerRunning'), status('EtcdHealthy'), status('Identified')]).toEqual([
      'Unknown',
      'Unknown',
      'True',
      'True',
    ]);
    expect(leaseOf()).not.toBeNull();
  });

  test('a host that does not know who it is says so in status and metrics', async () => {
    const host = packagedHost({
      files: { '/var/lib/cloud/seed/nocloud/meta-data': 'instance-id: i\nlocal-hostname: a9\n' },
    });
    expect((await runVerb(host, ['report'])).code).toBe(65);
    const files = host.files.snapshot();
    expect(JSON.parse(files[statusFile] ?? '{}')).toMatchObject({ node: null, summary: 'failed' });
    expect(files[metricsFile]).toContain('diyc_ready{node=""} 0\n');
    const status = await runVerb(host, ['status']);
    expect(status.code).toBe(1);
    expect(status.stdout).toContain('did you mean "a1"?');
  });
});

describe('the fleet', () => {
  test('`nodes` shows who reports and who does not; `wait` returns once enough are ready', async () => {
    const { clock, host } = await reporting();
    const nodes = await runVerb(host, ['nodes']);
    expect(nodes.stdout).toBe(
      'NODE  ADDRESS        STATE   SINCE  SUBNET          MESSAGE\n' +
        'a1    192.168.99.51  ready   0s     172.18.34.1/24\n' +
        'a2    192.168.99.52  absent  -      -               does not report\n' +
        'a3    192.168.99.53  absent  -      -               does not report\n',
    );
    const one = await runVerb(host, ['wait', '--for', 'ready', '--nodes', '1']);
    expect({ code: one.code, stdout: one.stdout }).toEqual({ code: 0, stdout: '1 nodes ready: a1\n' });
    host.log.clear();
    const began = clock.monotonicMs();
    const all = await runVerb(host, ['wait', '--for', 'ready', '--timeout', '50s']);
    expect(all.code).toBe(75);
    expect(clock.monotonicMs() - began).toBeLessThan(60_000);
    expect(host.effects).toEqual([]);
  });

  test('a record that another host filled with control characters is shown as text, by `nodes` and by `wait`', async () => {
    const { etcd, host } = await reporting();
    const evil = '\u001b[2J\u0007\u009b1m\r\na2    192.168.99.52  ready';
    const record = { schema: 1, node: evil, address: evil, summary: 'ready', subnet: evil, conditions: [] };
    etcd.put('v3', '/diyc/diy-cluster/nodes/b1', JSON.stringify(record));
    const runs = [
      await runVerb(host, ['nodes']),
      await runVerb(host, ['nodes', '--long']),
      await runVerb(host, ['wait', '--for', 'ready', '--nodes', '2']),
    ];
    expect(runs.map((r) => [r.code, r.stdout.split('\n').length])).toEqual([
      [0, 6],
      [0, 6],
      [0, 2],
    ]);
    for (const { stdout } of runs) {
      expect(stdout).toContain('\\x1b[2J\\x07\\x9b1m');
      expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    }
  });
});

// The first boot of a host whose image has the packages: one run configures it, and waits for nothing.

import { describe, expect, test } from 'bun:test';
import { foreign, originals, packagedHost, runVerb } from '../support/packaged-host.ts';

describe('first boot on a packaged layout', () => {
  test('configures etcd, flannel and docker, and queues their start', async () => {
    const host = packagedHost();
    const run = await runVerb(host, ['boot']);
    expect(run.error).toBeNull();
    expect(run.code).toBe(0);
    const files = host.files.snapshot();
    expect(files['/etc/etcd/etcd.conf']).toContain('ETCD_NAME="a1"\n');
    expect(files['/etc/etcd/etcd.conf']).toContain(
      'ETCD_INITIAL_CLUSTER="a1=http://192.168.99.51:2380,a2=http://192.168.99.52:2380,a3=http://192.168.99.53:2380"',
    );
    expect(files['/etc/sysconfig/flanneld']).toContain('FLANNEL_ETCD_PREFIX="/admin/flannel"\n');
    expect(files['/etc/systemd/system/flanneld.service.d/init.conf']).toContain('join seed');
    expect(files['/etc/group']).toMatch(/^docker:x:\d+:fedora$/m);
    expect(files['/etc/systemd/system/multi-user.target.wants/etcd.service']).toBe(
      '-> /usr/lib/systemd/system/etcd.service',
    );
    expect(
      (await host.units.states(['etcd.service', 'flanneld.service', 'docker.service'])).map((u) => u.active),
    ).toEqual(['active', 'active', 'active']);
    expect([...host.modules].sort()).toEqual(['br_netfilter', 'vxlan']);
  });

  test('does everything in the order in which it is safe: files, reloads, modules, units', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    const kinds = host.effects
      .filter((line) => !line.startsWith('append '))
      .map((line) => (/^(directory|write|keep|link|attributes)/.test(line) ? 'file' : (line.split(' ')[0] ?? '')));
    expect(kinds.filter((kind, i) => kind !== kinds[i - 1])).toEqual([
      'file',
      'daemon-reload',
      'reload',
      'modprobe',
      'start',
    ]);
    expect(host.effects.filter((line) => line === 'daemon-reload')).toHaveLength(1);
  });

  test('keeps the packaged files once as *.save, and touches nothing else', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    const files = host.files.snapshot();
    expect(files).toMatchObject({
      '/etc/etcd/etcd.conf.save': originals['/etc/etcd/etcd.conf'],
      '/etc/sysconfig/flanneld.save': originals['/etc/sysconfig/flanneld'],
      ...foreign,
    });
  });

  test('needs neither the network nor etcd, and no time at all', async () => {
    const host = packagedHost();
    host.removeDevice('eth0');
    const before = host.clock.monotonicMs();
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(host.clock.monotonicMs() - before).toBe(0);
  });

  test('a unit that cannot come up without its peers does not hold the run', async () => {
    const host = packagedHost();
    host.units.script('etcd.service', 'waits');
    host.units.script('flanneld.service', 'waits');
    host.units.script('docker.service', 'waits');
    const run = await runVerb(host, ['boot']);
    expect(run.code).toBe(0);
    expect((await host.units.states(['etcd.service']))[0]?.active).toBe('activating');
  });

  test('a node that is no member gets no etcd of its own, and asks the members', async () => {
    const cluster = `version: 1
cluster: diy-cluster
nodes:
  a1: { address: 192.168.99.51 }
  a2: { address: 192.168.99.52 }
  a3: { address: 192.168.99.53 }
  a4: { address: 192.168.99.54 }
etcd: { members: [a1, a2, a3] }
flannel: { network: 172.18.0.0/16 }
`;
    const host = packagedHost({ name: 'a4', cluster });
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    const files = host.files.snapshot();
    expect(files['/etc/etcd/etcd.conf']).toBe(originals['/etc/etcd/etcd.conf']);
    expect(files['/etc/sysconfig/flanneld']).toContain(
      'FLANNEL_ETCD_ENDPOINTS="http://192.168.99.51:2379,http://192.168.99.52:2379,http://192.168.99.53:2379"',
    );
    expect((await host.units.states(['etcd.service']))[0]?.active).toBe('inactive');
  });

  test('a missing module is told and does not keep the units from starting', async () => {
    const host = packagedHost({ missingModules: ['br_netfilter'] });
    const run = await runVerb(host, ['boot']);
    expect(run.code).toBe(0);
    expect(run.lines.some((line) => line.includes('cannot load kernel module br_netfilter'))).toBe(true);
    expect((await host.units.states(['docker.service']))[0]?.active).toBe('active');
  });

  test('a host that is not in the file writes nothing', async () => {
    const host = packagedHost({
      files: { '/var/lib/cloud/seed/nocloud/meta-data': 'instance-id: i\nlocal-hostname: a11\n' },
    });
    const run = await runVerb(host, ['boot']);
    expect(run.code).toBe(65);
    expect(String(run.error)).toContain('has no node of that name');
    expect(host.effects).toEqual([]);
  });

  test('an invalid cluster file writes nothing', async () => {
    const host = packagedHost({ cluster: 'version: 1\ncluster: x\nnodes: {}\nflanel: {}\n' });
    expect((await runVerb(host, ['boot'])).code).toBe(78);
    expect(host.effects).toEqual([]);
  });

  test('who is not root is told so before anything is written', async () => {
    const host = packagedHost({ machine: { isRoot: false } });
    expect((await runVerb(host, ['boot'])).code).toBe(77);
    expect(host.effects).toEqual([]);
  });

  test('a masked unit is left to the operator, and the others start', async () => {
    const host = packagedHost({ files: { '/etc/systemd/system/docker.service': { link: '/dev/null' } } });
    const run = await runVerb(host, ['boot']);
    expect(run.error).toBeNull();
    expect(run.code).toBe(75);
    expect(host.files.snapshot()['/etc/systemd/system/docker.service']).toBe('-> /dev/null');
    const states = await host.units.states(['etcd.service', 'flanneld.service', 'docker.service']);
    expect(states.map((u) => u.active)).toEqual(['active', 'active', 'inactive']);
  });

  test('without the packages the files are there for them, and the exit code says that something is missing', async () => {
    const host = packagedHost();
    for (const path of ['/usr/bin/etcd', '/usr/lib/systemd/system/etcd.service'] as const) host.files.drop(path);
    host.units.script('etcd.service', 'fails');
    const run = await runVerb(host, ['boot']);
    expect(run.code).toBe(75);
    expect(host.files.snapshot()['/etc/etcd/etcd.conf']).toContain('ETCD_NAME="a1"');
    expect(run.lines.join('\n')).toContain('neither etcd.service nor an etcd program is installed');
    expect((await host.units.states(['docker.service']))[0]?.active).toBe('active');
  });
});

describe('the deadline of boot', () => {
  test('is respected between two steps, whatever is slow', async () => {
    const host = packagedHost();
    const { reload } = host.units;
    Object.assign(host.units, {
      reload: async () => {
        await host.clock.sleep(70_000);
        await reload();
      },
    });
    const run = await runVerb(host, ['boot', '--deadline', '60s']);
    expect(run.code).toBe(75);
    expect(String(run.error)).toContain('the run took longer than 60000 ms');
    expect((await host.units.states(['etcd.service']))[0]?.active).toBe('inactive');
    Object.assign(host.units, { reload });
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect((await host.units.states(['etcd.service']))[0]?.active).toBe('active');
  });

  test('holds for all passes together', async () => {
    const host = packagedHost();
    const { reload } = host.units;
    let turns = 0;
    Object.assign(host.units, {
      reload: async () => {
        await host.clock.sleep(40_000);
        await reload();
        // Somebody edits a unit during each pass, so that there is always something left.
        host.files.put({ '/etc/systemd/system/etcd.service.d/other.conf': `[Service]\nNice=${++turns}\n` });
      },
    });
    const began = host.clock.monotonicMs();
    expect((await runVerb(host, ['boot', '--deadline', '60s'])).code).toBe(75);
    expect(host.clock.monotonicMs() - began).toBeLessThanOrEqual(80_000);
  });

  test('who ends the run is obeyed between two steps, and the next run goes on', async () => {
    const stop = new AbortController();
    const host = packagedHost();
    const { reload } = host.units;
    Object.assign(host.units, {
      reload: async () => {
        stop.abort(new Error('ended by SIGTERM'));
        await reload();
      },
    });
    const run = await runVerb(host, ['boot'], { signal: stop.signal });
    expect(String(run.error)).toContain('ended by SIGTERM');
    expect((await host.units.states(['etcd.service']))[0]?.active).toBe('inactive');
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect((await host.units.states(['etcd.service']))[0]?.active).toBe('active');
  });
});

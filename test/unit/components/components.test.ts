// What each component wants of a node, and what it says of a running one.

import { describe, expect, test } from 'bun:test';
import { docker } from '../../../agent/components/docker.ts';
import { etcd } from '../../../agent/components/etcd.ts';
import { flannel, readWait } from '../../../agent/components/flannel.ts';
import { components, probedUnits } from '../../../agent/components/registry.ts';
import { unitCondition } from '../../../agent/components/unit-condition.ts';
import type { Condition, ConditionType } from '../../../agent/model/condition.ts';
import { seedFile, waitsDirectory } from '../../../agent/model/paths.ts';
import type { Wish } from '../../../agent/model/wish.ts';
import type { Component } from '../../../agent/ports/component.ts';
import type { UnitState } from '../../../agent/ports/units.ts';
import { type ContextOverrides, nodeContext, unitState } from '../../support/builders.ts';
import { fakeEtcd } from '../../support/fake-etcd.ts';
import type { FakeTree } from '../../support/fake-files.ts';
import { fakeHost } from '../../support/fake-host.ts';
import { onLun } from '../../support/storage-builders.ts';
import { virtualClock } from '../../support/virtual-clock.ts';

const subnetFile = '/run/flannel/subnet.env';
const lease = { [subnetFile]: 'FLANNEL_NETWORK=172.18.0.0/16\nFLANNEL_SUBNET=172.18.34.1/24\nFLANNEL_MTU=1450\n' };

/** A node that has whatever a node can have: storage on a LUN, a live root. */
const withEverything: ContextOverrides = {
  config: { nodes: [{ name: 'a1', address: '192.168.99.51', metadata: {}, storage: onLun() }] },
  live: {
    root: {
      isLive: true,
      evidence: ['/run/initramfs/live is there'],
      overlay: { kind: 'snapshot', isPersistent: false },
      rootDevice: '253:0',
    },
  },
};

function wishes(component: Component, overrides: ContextOverrides = {}): readonly Wish[] {
  return component.desire(nodeContext(overrides))?.wishes ?? [];
}

function paths(list: readonly Wish[]): string[] {
  return list.flatMap((w) => ('path' in w ? [w.path] : []));
}

function units(list: readonly Wish[]): string[] {
  return list.flatMap((w) => (w.kind === 'unit' ? [w.unit] : []));
}

interface Probe {
  readonly files?: FakeTree;
  readonly units?: readonly UnitState[];
  readonly context?: ContextOverrides;
  readonly etcdMode?: 'up' | 'refused' | 'silent';
  readonly docker0?: string;
}

async function probe(component: Component, how: Probe = {}): Promise<Map<ConditionType, Condition>> {
  const clock = virtualClock();
  const members = ['192.168.99.51', '192.168.99.52', '192.168.99.53'];
  const host = fakeHost({
    clock,
    etcd: fakeEtcd({ members, clock, mode: how.etcdMode ?? 'up' }),
    files: { '/proc/sys/net/ipv4/ip_forward': '1\n', ...how.files },
  });
  if (how.docker0 !== undefined) {
    const [address = '', length = '24'] = how.docker0.split('/');
    const at = { device: 'docker0', address, prefixLength: Number(length) };
    host.setDevice({ name: 'docker0', addresses: [at], mtu: 1450, ports: [] });
  }
  const states = how.units ?? probedUnits.map((name) => unitState(name));
  const found = await component.probe(host, nodeContext(how.context), new Map(states.map((s) => [s.name, s])));
  expect(host.effects).toEqual([]);
  return new Map(found.map((c) => [c.type, c]));
}

describe('every component', () => {
  test('has its unit among those that are asked about', () => {
    const wanted = components.flatMap((c) => units(wishes(c, withEverything)));
    expect(wanted).toContain('diyc-agent-storage.service');
    expect(wanted.filter((unit) => unit.endsWith('.service') && !probedUnits.includes(unit))).toEqual([]);
  });
  test('wants each path once, and gives a reason for every wish', () => {
    const all = components.flatMap((c) => wishes(c, withEverything));
    const list = paths(all);
    expect(list.length).toBe(new Set(list).size);
    expect(all.filter((w) => w.why.trim() === '')).toEqual([]);
  });
  test('where nothing is installed it says what is missing, with the remedy, and starts nothing', async () => {
    const absent = { installation: 'absent', unit: null, program: null } as const;
    const nothing: ContextOverrides = {
      layout: { etcd: absent, flannel: absent, docker: { installation: 'absent', unit: null } },
    };
    for (const component of [etcd, flannel, docker]) {
      const spec = component.desire(nodeContext(nothing));
      expect(units(spec?.wishes ?? [])).toEqual([]);
      expect(spec?.waitingFor.map((c) => [c.reason, c.severity, c.hint !== undefined])).toEqual([
        ['NotInstalled', 'failed', true],
      ]);
      const told = [...(await probe(component, { context: nothing })).values()];
      expect(told.some((c) => c.reason === 'NotInstalled' && c.status === 'False')).toBe(true);
    }
  });
});

describe('etcd', () => {
  test('is nothing at all on a client', () => {
    expect(etcd.desire(nodeContext({ node: { etcdRole: 'client' } }))).toBeNull();
  });
  test('brings its own unit, enabled, where only the program is there', () => {
    const list = wishes(etcd, {
      layout: { etcd: { installation: 'program only', unit: null, program: '/opt/bin/etcd' } },
    });
    expect(paths(list)).toContain('/etc/systemd/system/etcd.service');
    expect(list.find((w) => w.kind === 'link')).toMatchObject({
      path: '/etc/systemd/system/multi-user.target.wants/etcd.service',
      target: '/etc/systemd/system/etcd.service',
    });
  });
  test('has a data directory of its own, 0700 and of its account', () => {
    expect(wishes(etcd).find((w) => w.kind === 'directory')).toMatchObject({
      path: '/var/lib/etcd/a1.etcd',
      mode: 0o700,
      owner: { name: 'etcd' },
    });
  });
  test('serves the v2 API only for a flanneld that reads it', () => {
    const text = (api: 'v2' | 'v3'): string =>
      wishes(etcd, { layout: { flannel: { etcdApi: api } } })
        .flatMap((w) => (w.kind === 'file' ? [w.content] : []))
        .join('');
    expect([text('v2').includes('ETCD_ENABLE_V2'), text('v3').includes('ETCD_ENABLE_V2')]).toEqual([true, false]);
  });

  test('is healthy when the own member answers', async () => {
    const found = await probe(etcd);
    expect(found.get('EtcdRunning')?.status).toBe('True');
    expect(found.get('EtcdHealthy')).toMatchObject({
      status: 'True',
      message: 'etcd answers at http://127.0.0.1:2379',
    });
  });
  test('that is up without answering has no quorum, and says for whom it waits', async () => {
    const found = await probe(etcd, {
      etcdMode: 'silent',
      units: [unitState('etcd.service', { active: 'activating', sub: 'start' })],
    });
    expect(found.get('EtcdRunning')).toMatchObject({
      status: 'False',
      reason: 'Starting',
      severity: 'waiting',
      message: 'etcd.service has started and waits for 1 of its peers a2, a3 to form a quorum',
    });
    expect(found.get('EtcdHealthy')).toMatchObject({ status: 'False', reason: 'NoQuorum', severity: 'degraded' });
  });
  test('on a client is well as long as one member answers', async () => {
    const found = await probe(etcd, {
      context: { node: { name: 'b1', address: '192.168.99.99', etcdRole: 'client' } },
    });
    expect([...found.keys()]).toEqual(['EtcdHealthy']);
    expect(found.get('EtcdHealthy')?.status).toBe('True');
  });
});

describe('flannel', () => {
  const seed = (outcome: string): FakeTree => ({
    [seedFile]: JSON.stringify({ outcome, key: '/admin/flannel/config', api: 'v3', found: 'F', wanted: 'W' }),
  });
  const wait = { [`${waitsDirectory}/seed.json`]: '{"owner":"seed","reason":"waiting for etcd: nobody answers"}' };

  test('is well with seed, daemon and lease', async () => {
    const found = await probe(flannel, { files: { ...lease, ...seed('present') } });
    expect([...found.values()].map((c) => [c.type, c.status])).toEqual([
      ['FlannelSeeded', 'True'],
      ['FlannelRunning', 'True'],
      ['FlannelLease', 'True'],
    ]);
  });
  test('loads br_netfilter and what its backend needs, now and at each boot', () => {
    const list = wishes(flannel, { config: { flannel: { backend: { type: 'udp' } } } });
    expect(list.flatMap((w) => (w.kind === 'module' ? [w.module] : []))).toEqual(['br_netfilter', 'tun']);
    const boot = list.find((w) => w.kind === 'file' && w.path === '/etc/modules-load.d/diyc-agent.conf');
    expect(boot?.kind === 'file' && boot.content.endsWith('br_netfilter\ntun\n')).toBe(true);
  });
  test('keeps the hands of whoever manages the network off its devices', () => {
    const of = (usesNetworkd: boolean, usesNetworkManager: boolean): string[] =>
      paths(wishes(flannel, { layout: { usesNetworkd, usesNetworkManager } })).filter((p) =>
        /10-diyc|NetworkManager/.test(p),
      );
    expect(of(false, false)).toEqual([]);
    expect(of(true, true)).toEqual([
      '/etc/systemd/network/10-diyc-agent-flannel.network',
      '/etc/NetworkManager/conf.d/diyc-agent-flannel.conf',
    ]);
  });
  test('tells what its start waits for', async () => {
    const found = await probe(flannel, {
      files: wait,
      units: [unitState('flanneld.service', { active: 'activating', sub: 'start-pre' })],
    });
    for (const type of ['FlannelSeeded', 'FlannelRunning'] as const) {
      expect(found.get(type)).toMatchObject({
        status: 'False',
        message: 'waiting for etcd: nobody answers',
        severity: 'waiting',
      });
    }
  });
  test('does not believe a reason that a killed wait left behind', async () => {
    for (const state of [
      unitState('flanneld.service'),
      unitState('flanneld.service', { active: 'failed', sub: 'failed', result: 'signal' }),
    ]) {
      const found = await probe(flannel, { files: wait, units: [state] });
      expect(found.get('FlannelSeeded')).toMatchObject({ status: 'Unknown', reason: 'NotYetAsked' });
      expect(found.get('FlannelRunning')?.message).not.toContain('nobody answers');
    }
  });
  test('a lease without the daemon proves nothing', async () => {
    const found = await probe(flannel, {
      files: lease,
      units: [unitState('flanneld.service', { active: 'inactive', sub: 'dead' })],
    });
    expect(found.get('FlannelLease')).toMatchObject({ status: 'False', reason: 'Stale' });
  });
  test('a lease of another network is degraded', async () => {
    const found = await probe(flannel, { files: { [subnetFile]: 'FLANNEL_SUBNET=10.1.2.1/24\nFLANNEL_MTU=1450\n' } });
    expect(found.get('FlannelLease')).toMatchObject({ status: 'False', reason: 'WrongNetwork', severity: 'degraded' });
  });
  test('drift is degraded, with both texts and the remedy', async () => {
    const found = await probe(flannel, { files: seed('drift') });
    expect(found.get('FlannelSeeded')).toMatchObject({ status: 'False', reason: 'Drift', severity: 'degraded' });
    expect(found.get('FlannelSeeded')?.message).toBe(
      '/admin/flannel/config in etcd is F, and the cluster file asks for W; the key is never overwritten',
    );
  });
  test.each(['', '{', 'null', '{"reason":7}', '[]'])('a torn reason file, %j, is no reason', async (text) => {
    const host = fakeHost({ files: { [`${waitsDirectory}/seed.json`]: text } });
    expect(await readWait(host, 'seed')).toBeNull();
  });
});

describe('docker', () => {
  test('is well on the bridge of the lease', async () => {
    const found = await probe(docker, { files: lease, docker0: '172.18.34.1/24' });
    expect([...found.values()].map((c) => [c.type, c.status])).toEqual([
      ['DockerRunning', 'True'],
      ['DockerNetwork', 'True'],
      ['Forwarding', 'True'],
    ]);
  });
  test('on a bridge of another subnet is degraded', async () => {
    const found = await probe(docker, { files: lease, docker0: '172.17.0.1/16' });
    expect(found.get('DockerNetwork')).toMatchObject({ status: 'False', reason: 'Mismatch', severity: 'degraded' });
  });
  test('without lease or bridge says which', async () => {
    expect((await probe(docker)).get('DockerNetwork')?.reason).toBe('NoLease');
    expect((await probe(docker, { files: lease })).get('DockerNetwork')?.reason).toBe('NoBridge');
  });
  test.each([
    ['0\n', 'False'],
    ['1\n', 'True'],
  ])('forwarding %j is %s', async (text, status) => {
    const files = { ...lease, '/proc/sys/net/ipv4/ip_forward': text };
    expect((await probe(docker, { files, docker0: '172.18.34.1/24' })).get('Forwarding')?.status).toBe(
      status as 'True' | 'False',
    );
  });
  test('that waits for its bridge says for what', async () => {
    const found = await probe(docker, {
      files: { [`${waitsDirectory}/bridge.json`]: '{"reason":"waiting for flannel"}' },
      units: [unitState('docker.service', { active: 'activating', sub: 'start-pre' })],
    });
    expect([...found.values()]).toMatchObject([
      { type: 'DockerRunning', message: 'waiting for flannel', severity: 'waiting' },
    ]);
  });
  test('on declared storage is held until that is attached, and has to run on it', async () => {
    const context = { config: { nodes: [{ name: 'a1', address: '192.168.99.51', metadata: {}, storage: onLun() }] } };
    expect(units(wishes(docker, context))).toEqual(['docker.service']);
    const stopped = { units: [unitState('docker.service', { active: 'inactive', sub: 'dead' })] };
    expect((await probe(docker, { context, ...stopped })).get('DockerRunning')).toMatchObject({
      reason: 'Held',
      severity: 'waiting',
    });
    const broken = { units: [...stopped.units, unitState('var-lib-docker.mount', { active: 'failed' })] };
    expect((await probe(docker, { context, ...broken })).get('DockerRunning')).toMatchObject({
      reason: 'MountFailed',
      severity: 'failed',
    });
    const root = '29 1 8:1 / / rw - ext4 /dev/sda1 rw\n';
    const mounted = '60 29 253:1 / /var/lib/docker rw - xfs /dev/mapper/docker--images-docker--root rw\n';
    const on = async (mountinfo: string): Promise<string | undefined> =>
      (await probe(docker, { context, files: { ...lease, '/proc/self/mountinfo': mountinfo } })).get('DockerStorage')
        ?.reason;
    expect(await on(`${root}${mounted}`)).toBe('OnDeclaredStorage');
    expect(await on(root)).toBe('NotOnDeclaredStorage');
    // A few hundred containers, each with its layers, are more than a text file may have.
    const container = '70 29 0:50 / /srv rw - overlay overlay rw,lowerdir=LAYERS\n'.replace(
      'LAYERS',
      'l:'.repeat(2000),
    );
    expect(await on(`${root}${mounted}${container.repeat(400)}`)).toBe('OnDeclaredStorage');
    expect(await on(`${root}${mounted.replace(/rw$/m, 'ro,prjquota')}`)).toBe('ReadOnly');
  });
});

describe('a unit as a condition', () => {
  const of = (overrides: Partial<UnitState>, waiting: string | null = null): Condition =>
    unitCondition(
      'EtcdRunning',
      'etcd.service',
      new Map([['etcd.service', unitState('etcd.service', overrides)]]),
      waiting,
    );

  test.each([
    [{}, 'True', 'Running', 'failed'],
    [{ load: 'not-found', active: 'inactive' }, 'False', 'UnitMissing', 'failed'],
    [{ load: 'masked', active: 'inactive' }, 'False', 'UnitMasked', 'failed'],
    [{ active: 'activating', sub: 'start' }, 'False', 'Starting', 'waiting'],
    [{ active: 'activating', sub: 'start-post', jobQueued: true }, 'True', 'Running', 'failed'],
    [{ active: 'activating', sub: 'start-pre' }, 'False', 'Starting', 'waiting'],
    [{ active: 'activating', sub: 'auto-restart', restarts: 4 }, 'False', 'Restarting', 'waiting'],
    [{ active: 'inactive', sub: 'dead', jobQueued: true }, 'False', 'Starting', 'waiting'],
    [{ active: 'failed', sub: 'failed', result: 'start-limit-hit' }, 'False', 'Failed', 'failed'],
    [{ active: 'inactive', sub: 'dead' }, 'False', 'Stopped', 'failed'],
    [{ active: 'deactivating', sub: 'stop' }, 'False', 'Stopped', 'failed'],
  ] as const)('%j is %s, %s', (overrides, status, reason, severity) => {
    expect(of(overrides)).toMatchObject({ status, reason, severity });
  });
  test('that systemd was not asked about is Unknown, never True', () => {
    expect(unitCondition('EtcdRunning', 'etcd.service', new Map(), null).status).toBe('Unknown');
  });
  test('every one that is not True has a hint, or is only on its way', () => {
    for (const overrides of [
      { load: 'not-found' },
      { active: 'failed' },
      { active: 'inactive' },
      { active: 'activating', sub: 'auto-restart' },
    ]) {
      expect(of(overrides).hint).toBeDefined();
    }
  });
  test('what the start waits for, and what the unit says of itself, is told', () => {
    expect(of({ active: 'activating' }, 'for a peer').message).toBe('for a peer');
    expect(of({ active: 'activating', sub: 'start', statusText: 'loading' }).message).toContain(': loading');
  });
});

// Seeding flannel's configuration while etcd is refused, then silent, then healthy; alone and by several nodes at once.

import { describe, expect, test } from 'bun:test';
import { waitsDirectory } from '../../agent/model/paths.ts';
import { type FakeEtcd, fakeEtcd } from '../support/fake-etcd.ts';
import type { FakeHost } from '../support/fake-host.ts';
import { clusterFile, packagedHost, runVerb } from '../support/packaged-host.ts';
import { type VirtualClock, virtualClock } from '../support/virtual-clock.ts';

const members = ['192.168.99.51', '192.168.99.52', '192.168.99.53'];
const key = '/admin/flannel/config';
const wanted = '{"Network":"172.18.0.0/16","SubnetLen":24,"Backend":{"Type":"vxlan"}}';

function cluster(mode: 'up' | 'refused' | 'silent' = 'refused'): { clock: VirtualClock; etcd: FakeEtcd } {
  const clock = virtualClock();
  return { clock, etcd: fakeEtcd({ members, clock, mode }) };
}

function node(name: string, { clock, etcd }: { clock: VirtualClock; etcd: FakeEtcd }, text = clusterFile): FakeHost {
  return packagedHost({ name, clock, etcd, cluster: text });
}

const creations = (host: FakeHost): number => host.effects.filter((line) => line.includes(`create ${key}`)).length;

describe('etcd refused, then silent, then healthy', () => {
  test('the seeding waits with a visible reason and ends with the key as the file says', async () => {
    const around = cluster();
    const host = node('a1', around);
    const reasons = new Set<string>();
    const look = (): void => {
      const text = host.files.snapshot()[`${waitsDirectory}/seed.json`];
      if (text !== undefined) reasons.add(String(JSON.parse(text).reason));
    };
    for (let second = 1; second < 120; second++) around.clock.after(second * 1000, look);
    around.clock.after(30_000, () => around.etcd.setAll('silent'));
    around.clock.after(90_000, () => around.etcd.setAll('up'));
    const began = around.clock.monotonicMs();
    const run = await runVerb(host, ['join', 'seed']);
    expect(run.error).toBeNull();
    const tookMs = around.clock.monotonicMs() - began;
    expect(tookMs).toBeGreaterThan(90_000);
    expect(tookMs).toBeLessThan(110_000);
    expect(around.etcd.keys('v3').get(key)?.value).toBe(wanted);
    const said = [...reasons].join('\n');
    expect(said).toContain('waiting for etcd: http://127.0.0.1:2379 refuses connections');
    expect(said).toContain('waiting for etcd to find a quorum among a1, a2, a3');
    expect(host.files.snapshot()[`${waitsDirectory}/seed.json`]).toBeUndefined();
    expect(run.events.map((e) => e.event).slice(-2)).toEqual(['wait.over', 'flannel.seeded']);
    expect(JSON.parse(host.files.snapshot()['/run/diyc-agent/seed.json'] ?? '')).toMatchObject({ outcome: 'created' });
  });

  test('gives up at its deadline with the last reason, so that the unit tries again', async () => {
    const around = cluster();
    const host = node('a1', around);
    const began = around.clock.monotonicMs();
    const run = await runVerb(host, ['join', 'seed', '--deadline', '2m']);
    expect(run.code).toBe(75);
    expect(String(run.error)).toContain('gave up after 12');
    expect(around.clock.monotonicMs() - began).toBeLessThan(140_000);
    expect(host.files.snapshot()[`${waitsDirectory}/seed.json`]).toBeUndefined();
  });

  test('ends at once when the unit is stopped, and leaves no reason behind', async () => {
    const around = cluster();
    const host = node('a1', around);
    const stop = new AbortController();
    around.clock.after(60_500, () => stop.abort(new Error('ended by SIGTERM')));
    const began = around.clock.monotonicMs();
    const run = await runVerb(host, ['join', 'seed'], { signal: stop.signal });
    expect(String(run.error)).toContain('ended by SIGTERM');
    expect(around.clock.monotonicMs() - began).toBeLessThan(62_000);
    expect(host.files.snapshot()[`${waitsDirectory}/seed.json`]).toBeUndefined();
  });

  test('while a minority runs nothing is created, however long it lasts', async () => {
    const around = cluster();
    around.etcd.setMember('192.168.99.51', 'up');
    const host = node('a1', around);
    expect((await runVerb(host, ['join', 'seed', '--deadline', '10m'])).code).toBe(75);
    expect(around.etcd.keys('v3').size).toBe(0);
  });
});

describe('several nodes at once', () => {
  test('exactly one creates the key, none overwrites it, all agree', async () => {
    for (const healthyAfterMs of [0, 1, 200, 333, 5_000, 61_000]) {
      const around = cluster(healthyAfterMs === 0 ? 'up' : 'silent');
      if (healthyAfterMs > 0) around.clock.after(healthyAfterMs, () => around.etcd.setAll('up'));
      const hosts = ['a1', 'a2', 'a3'].map((name) => node(name, around));
      const runs = await Promise.all(hosts.map((host) => runVerb(host, ['join', 'seed'])));
      expect(runs.map((r) => r.code)).toEqual([0, 0, 0]);
      expect(hosts.reduce((sum, host) => sum + creations(host), 0)).toBe(1);
      const stored = around.etcd.keys('v3').get(key);
      expect(stored?.value).toBe(wanted);
      expect(stored?.modRevision).toBe(stored?.createRevision);
      const outcomes = runs.flatMap((r) => r.events.map((e) => e.event)).filter((e) => e.startsWith('flannel.'));
      expect(outcomes.sort()).toEqual(['flannel.present', 'flannel.present', 'flannel.seeded']);
    }
  });

  test('with two different files the second one reports drift, and the key stays', async () => {
    const around = cluster('up');
    const [first, second] = [node('a1', around), node('a2', around, clusterFile.replace('172.18.', '172.20.'))];
    await runVerb(first, ['join', 'seed']);
    const before = around.etcd.keys('v3').get(key);
    const run = await runVerb(second, ['join', 'seed']);
    expect(run.code).toBe(0);
    expect(run.events.at(-1)).toMatchObject({ event: 'flannel.drift', found: wanted });
    expect(around.etcd.keys('v3').get(key)).toEqual(before);
  });
});

describe('a key with other content', () => {
  test.each([
    ['another network', '{"Network":"10.0.0.0/8","Backend":{"Type":"vxlan"}}'],
    ['no backend, which is udp', '{"Network":"172.18.0.0/16"}'],
    ['no JSON', '\u001b[2Jgarbage'],
    ['an empty text', ''],
  ])('%s: reported as drift in events and status, and left alone', async (_what, text) => {
    const around = cluster('up');
    around.etcd.put('v3', key, text);
    const host = node('a1', around);
    await runVerb(host, ['boot']);
    const run = await runVerb(host, ['join', 'seed']);
    expect(run.code).toBe(0);
    expect(run.events.at(-1)?.event).toBe('flannel.drift');
    expect(around.etcd.keys('v3').get(key)?.value).toBe(text);
    const status = JSON.parse((await runVerb(host, ['status', '--json'])).stdout);
    expect(status.conditions.find((c: { type: string }) => c.type === 'FlannelSeeded')).toMatchObject({
      status: 'False',
      reason: 'Drift',
    });
  });

  test('the same network in other words is no drift', async () => {
    const around = cluster('up');
    around.etcd.put('v3', key, '{ "network": "172.18.0.0/16", "backend": { "type": "VXLAN", "VNI": 1 } }');
    const run = await runVerb(node('a1', around), ['join', 'seed']);
    expect(run.events.at(-1)?.event).toBe('flannel.present');
  });
});

describe('the API of the installed flanneld', () => {
  test('an old flanneld gets its key by v2 and by nothing else', async () => {
    const around = cluster('up');
    const host = node('a1', around);
    host.setVersion('/usr/bin/flanneld', '0.13.0\n');
    expect((await runVerb(host, ['join', 'seed'])).code).toBe(0);
    expect([around.etcd.keys('v2').get(key)?.value, around.etcd.keys('v3').size]).toEqual([wanted, 0]);
  });
  test('and where v2 is switched off it fails at once, with the remedy', async () => {
    const around = cluster('up');
    around.etcd.setV2(false);
    const host = node('a1', around);
    host.setVersion('/usr/bin/flanneld', '0.13.0\n');
    const run = await runVerb(host, ['join', 'seed']);
    expect(run.code).toBe(69);
    expect(run.error).toMatchObject({ hint: expect.stringContaining('ETCD_ENABLE_V2=true') });
  });
});

describe('the pre-shared key of a wireguard backend', () => {
  const psk = 'aGVsbG8gd29ybGQgaGVsbG8gd29ybGQgaGVsbG8gd28=';
  const text = clusterFile.replace('{ type: vxlan }', '{ type: wireguard, pskFile: /etc/diyc-agent/psk }');
  test('reaches etcd, and nothing that people or other users read', async () => {
    for (const present of [null, `{"Network":"10.0.0.0/8","Backend":{"Type":"wireguard","psk":"${psk}"}}`]) {
      const around = cluster('up');
      if (present !== null) around.etcd.put('v3', key, present);
      const host = packagedHost({
        ...around,
        cluster: text,
        files: { '/etc/diyc-agent/psk': { text: `${psk}\n`, mode: 0o600 } },
      });
      host.log.clear();
      await runVerb(host, ['boot']);
      const runs = [
        await runVerb(host, ['join', 'seed']),
        await runVerb(host, ['status']),
        await runVerb(host, ['plan']),
      ];
      expect(around.etcd.keys('v3').get(key)?.value).toContain(psk);
      const printed = JSON.stringify(runs.map((r) => [r.stdout, r.stderr, r.lines, r.events]));
      expect(printed).not.toContain(psk);
      const { '/etc/diyc-agent/psk': _own, ...others } = host.files.snapshot();
      expect(JSON.stringify(others)).not.toContain(psk);
    }
  });
});

// What was seeded is looked at again by each report: wiped, changed, corrected, or not to be known just now.

import { describe, expect, test } from 'bun:test';
import { seedFile, statusFile } from '../../agent/model/paths.ts';
import { reported, statusOf } from '../support/conditions.ts';
import { type FakeEtcd, fakeEtcd, type MemberMode } from '../support/fake-etcd.ts';
import type { FakeTree } from '../support/fake-files.ts';
import type { FakeHost } from '../support/fake-host.ts';
import { clusterFile, packagedHost, runVerb } from '../support/packaged-host.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const key = '/admin/flannel/config';
const other = '{"Network":"10.0.0.0/8","Backend":{"Type":"vxlan"}}';
const psk = 'aGVsbG8gd29ybGQgaGVsbG8gd29ybGQgaGVsbG8gd28=';
const pskFile = '/etc/diyc-agent/psk';
const wireguard = clusterFile.replace('{ type: vxlan }', `{ type: wireguard, pskFile: ${pskFile} }`);

async function seeded(cluster = clusterFile, files: FakeTree = {}): Promise<{ etcd: FakeEtcd; host: FakeHost }> {
  const clock = virtualClock();
  const etcd = fakeEtcd({ members: ['192.168.99.51', '192.168.99.52', '192.168.99.53'], clock });
  const host = packagedHost({ clock, etcd, cluster, files });
  await runVerb(host, ['boot']);
  await runVerb(host, ['join', 'seed']);
  await runVerb(host, ['report']);
  return { etcd, host };
}

const known = (host: FakeHost): string => host.files.snapshot()[seedFile] ?? '';

async function reviewed(host: FakeHost) {
  const { code, error } = await runVerb(host, ['report']);
  expect([code, error]).toEqual([0, null]);
  return reported(host, 'FlannelSeeded');
}

describe('a report', () => {
  test('finds what was seeded as it was, and writes nothing about it', async () => {
    const { host } = await seeded();
    const before = known(host);
    host.log.clear();
    expect(await reviewed(host)).toMatchObject({ status: 'True', reason: 'Created' });
    expect(known(host)).toBe(before);
    expect(host.effects.filter((line) => line.includes(seedFile) || line.includes(key))).toEqual([]);
  });

  test('notices that the key was wiped: False, Absent, with what to do; and it creates nothing', async () => {
    const { etcd, host } = await seeded();
    etcd.remove('v3', key);
    expect(await reviewed(host)).toMatchObject({
      status: 'False',
      reason: 'Absent',
      severity: 'degraded',
      hint: expect.stringContaining('systemctl restart flanneld'),
    });
    expect(etcd.keys('v3').has(key)).toBe(false);
    expect(await statusOf(host, 'FlannelSeeded')).toMatchObject({ reason: 'Absent' });
    // flanneld's start makes it anew, and the next report has nothing to say any more.
    await runVerb(host, ['join', 'seed']);
    expect(await reviewed(host)).toMatchObject({ status: 'True', reason: 'Created' });
  });

  test('notices that it is back, whoever put it there', async () => {
    const { etcd, host } = await seeded();
    const text = etcd.keys('v3').get(key)?.value ?? '';
    etcd.remove('v3', key);
    await reviewed(host);
    etcd.put('v3', key, text);
    expect(await reviewed(host)).toMatchObject({ status: 'True', reason: 'Present' });
  });

  test('notices that it was changed: False, Drift, with both texts; and it leaves the key alone', async () => {
    const { etcd, host } = await seeded();
    etcd.put('v3', key, other);
    expect(await reviewed(host)).toMatchObject({
      status: 'False',
      reason: 'Drift',
      message: expect.stringContaining(other),
    });
    expect(etcd.keys('v3').get(key)?.value).toBe(other);
  });

  test('notices that the cluster file was corrected: back to True without a restart of flanneld', async () => {
    const { etcd, host } = await seeded();
    etcd.put('v3', key, other);
    await reviewed(host);
    host.files.put({ '/etc/diyc-agent/cluster.yaml': clusterFile.replace('172.18.0.0/16', '10.0.0.0/8') });
    expect(await reviewed(host)).toMatchObject({ status: 'True' });
  });

  test('notices that the cluster file was changed, and the key was not', async () => {
    const { host } = await seeded();
    host.files.put({ '/etc/diyc-agent/cluster.yaml': clusterFile.replace('172.18.0.0/16', '172.20.0.0/16') });
    expect(await reviewed(host)).toMatchObject({ status: 'False', reason: 'Drift' });
  });

  test('says nothing of a key that this boot has not looked for yet', async () => {
    const { host } = await seeded();
    host.files.drop(seedFile);
    expect(await reviewed(host)).toMatchObject({ status: 'Unknown', reason: 'NotYetAsked' });
    expect(known(host)).toBe('');
  });
});

describe('an etcd that does not answer', () => {
  test.each(['refused', 'silent', 'unreachable'] as const)('(%s) changes nothing that is known', async (mode) => {
    for (const change of [
      () => undefined,
      (etcd: FakeEtcd) => etcd.put('v3', key, other),
      (etcd: FakeEtcd) => etcd.remove('v3', key),
    ]) {
      const { etcd, host } = await seeded();
      change(etcd);
      const before = [await reviewed(host), known(host)];
      etcd.setAll(mode satisfies MemberMode);
      expect([await reviewed(host), known(host)]).toEqual(before);
    }
  });
});

describe('a pre-shared key', () => {
  test('is never in what is written for everybody, whatever the outcome', async () => {
    const { etcd, host } = await seeded(wireguard, { [pskFile]: { text: `${psk}\n`, mode: 0o600 } });
    expect(etcd.keys('v3').get(key)?.value).toContain(psk);
    for (const [outcome, change] of [
      ['Created', () => undefined],
      ['Drift', () => etcd.put('v3', key, `{"Network":"10.0.0.0/8","Backend":{"Type":"wireguard","PSK":"${psk}"}}`)],
      ['Absent', () => etcd.remove('v3', key)],
    ] as const) {
      change();
      expect((await reviewed(host))?.reason).toBe(outcome);
      expect(known(host)).not.toContain(psk);
      expect(host.files.snapshot()[statusFile]).not.toContain(psk);
      expect([...etcd.keys('v3')].filter(([name, { value }]) => name !== key && value.includes(psk))).toEqual([]);
    }
  });

  test('that is gone keeps no node from reporting, and changes nothing that is known', async () => {
    for (const entry of [null, 'no key at all\n']) {
      const { host } = await seeded(wireguard, { [pskFile]: { text: `${psk}\n`, mode: 0o600 } });
      const before = known(host);
      host.files.drop(pskFile);
      if (entry !== null) host.files.put({ [pskFile]: entry });
      expect(await reviewed(host)).toMatchObject({ status: 'True', reason: 'Created' });
      expect(known(host)).toBe(before);
      expect(reported(host, 'Published')).toMatchObject({ status: 'True' });
    }
  });
});

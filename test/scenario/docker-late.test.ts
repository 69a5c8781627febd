// docker behind flannel: it waits for the lease, is started again when its start failed, and its bridge is put right.

import { describe, expect, test } from 'bun:test';
import { dockerOptionsFile, waitsDirectory } from '../../agent/model/paths.ts';
import type { DeviceState } from '../../agent/ports/host.ts';
import { parseEnvFile } from '../../agent/render/env-file.ts';
import { packagedHost, runVerb } from '../support/packaged-host.ts';

const lease = (subnet: string): Record<string, string> => ({
  '/run/flannel/subnet.env': `FLANNEL_NETWORK=172.18.0.0/16\nFLANNEL_SUBNET=${subnet}\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n`,
});

function docker0(address: string, ports: readonly string[] = []): DeviceState {
  return { name: 'docker0', addresses: [{ device: 'docker0', address, prefixLength: 24 }], mtu: 1500, ports };
}

describe('flannel that comes late', () => {
  test('docker waits for the lease with a visible reason, then gets its subnet and MTU', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    let reason = '';
    host.clock.after(30_000, () => {
      reason = JSON.parse(host.files.snapshot()[`${waitsDirectory}/bridge.json`] ?? '{}').reason;
    });
    host.clock.after(600_000, () => host.files.put(lease('172.18.34.1/24')));
    const run = await runVerb(host, ['join', 'bridge']);
    expect(run.error).toBeNull();
    expect(reason).toBe('waiting for flannel to lease a subnet (/run/flannel/subnet.env)');
    expect(host.files.snapshot()[`${waitsDirectory}/bridge.json`]).toBeUndefined();
    const options = parseEnvFile(host.files.snapshot()[dockerOptionsFile] ?? '')['DOCKER_NETWORK_OPTIONS'] ?? '';
    expect(options).toStartWith('--bip=172.18.34.1/24 --mtu=1450 --ip-masq=false');
    expect(options).not.toContain('base=172.18.0.0/16');
    expect(options).toContain('--default-address-pool=base=172.17.0.0/16,size=16');
  });

  test('a docker whose start failed by dependency is reset and queued again', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    host.units.change('docker.service', { active: 'failed', sub: 'failed', result: 'dependency' });
    host.log.clear();
    expect((await runVerb(host, ['join', 'lease'])).code).toBe(0);
    expect(host.effects).toEqual(['reset-failed docker.service', 'start docker.service']);
  });

  test('a docker that an operator stopped in this boot stays stopped', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    host.units.change('docker.service', { active: 'inactive', sub: 'dead' });
    host.log.clear();
    expect((await runVerb(host, ['join', 'lease'])).code).toBe(0);
    expect(host.effects).toEqual([]);
  });

  test('a lease outside the network is waited out, not used', async () => {
    const host = packagedHost();
    host.files.put(lease('10.9.9.1/24'));
    host.clock.after(60_000, () => host.files.put(lease('172.18.7.1/24')));
    const run = await runVerb(host, ['join', 'bridge']);
    expect(run.lines.some((l) => l.startsWith('flannel leased 10.9.9.1/24, which is outside 172.18.0.0/16'))).toBe(
      true,
    );
    expect(host.files.snapshot()[dockerOptionsFile]).toContain('--bip=172.18.7.1/24');
  });

  test('without a lease the wait ends at its deadline and nothing was written', async () => {
    const host = packagedHost();
    expect((await runVerb(host, ['join', 'bridge', '--deadline', '90s'])).code).toBe(75);
    expect(host.files.snapshot()[dockerOptionsFile]).toBeUndefined();
    expect(host.files.snapshot()[`${waitsDirectory}/bridge.json`]).toBeUndefined();
  });
});

describe('a docker0 that is left over', () => {
  test('of another subnet and idle, it is removed', async () => {
    const host = packagedHost({ devices: [docker0('172.17.0.1')] });
    host.files.put(lease('172.18.34.1/24'));
    expect((await runVerb(host, ['join', 'bridge'])).code).toBe(0);
    expect(host.effects).toContain('remove device docker0');
  });

  test('with containers on it, it is left alone, and docker does not start with another subnet', async () => {
    const host = packagedHost({ devices: [docker0('172.17.0.1', ['veth1', 'veth2'])] });
    host.files.put(lease('172.18.34.1/24'));
    const run = await runVerb(host, ['join', 'bridge']);
    expect(run.code).toBe(75);
    expect(String(run.error)).toContain('2 containers are still on the bridge (veth1, veth2)');
    expect(await host.network.device('docker0')).not.toBeNull();
    expect(host.effects.filter((line) => line.startsWith('remove device'))).toEqual([]);
  });

  test('on the leased subnet already, it stays, containers or not', async () => {
    const host = packagedHost({ devices: [docker0('172.18.34.1', ['veth1'])] });
    host.files.put(lease('172.18.34.1/24'));
    expect((await runVerb(host, ['join', 'bridge'])).code).toBe(0);
    expect(await host.network.device('docker0')).not.toBeNull();
    host.log.clear();
    await runVerb(host, ['join', 'bridge']);
    expect(host.effects).toEqual([]);
  });
});

describe('what docker is given', () => {
  test.each([
    ['bip', '{"bip":"10.0.0.1/24"}'],
    ['mtu', '{"mtu":1400}'],
    ['ip-masq', '{"ip-masq":true}'],
    ['bridge', '{"bridge":"br0"}'],
  ])('%s in daemon.json as well is refused before dockerd does it', async (key, text) => {
    const host = packagedHost({ files: { '/etc/docker/daemon.json': text } });
    host.files.put(lease('172.18.34.1/24'));
    const run = await runVerb(host, ['join', 'bridge']);
    expect(run.code).toBe(78);
    expect(String(run.error)).toContain(`/etc/docker/daemon.json sets ${key}`);
    expect(host.files.snapshot()[dockerOptionsFile]).toBeUndefined();
  });

  test('pools are left to daemon.json where it has them, and to docker where it is too old', async () => {
    const own = packagedHost({ files: { '/etc/docker/daemon.json': '{"default-address-pools":[]}' } });
    const old = packagedHost({
      versions: { '/usr/bin/flanneld': 'v0.28.9', '/usr/bin/dockerd': 'Docker version 1.13.1, build x' },
    });
    const mute = packagedHost({ versions: { '/usr/bin/flanneld': 'v0.28.9', '/usr/bin/dockerd': null } });
    for (const host of [own, old, mute]) {
      host.files.put(lease('172.18.34.1/24'));
      expect((await runVerb(host, ['join', 'bridge'])).code).toBe(0);
      expect(host.files.snapshot()[dockerOptionsFile]).not.toContain('default-address-pool');
    }
  });

  test("pools leave out what the host has a route to, docker's own networks excepted", async () => {
    const host = packagedHost({
      routes: [
        { destination: '172.19.0.0/16', device: 'tun0' },
        { destination: '172.20.0.0/16', device: 'br-0123456789ab' },
      ],
    });
    host.files.put(lease('172.18.34.1/24'));
    await runVerb(host, ['join', 'bridge']);
    const text = host.files.snapshot()[dockerOptionsFile] ?? '';
    expect(text).not.toContain('base=172.19.0.0/16');
    expect(text).not.toContain('base=192.168.96.0/20');
    expect(text).toContain('base=172.20.0.0/14');
  });

  test('overlay packets are let through once, in DOCKER-USER where there is one', async () => {
    for (const [chains, place] of [
      [['filter DOCKER-USER'], 'filter DOCKER-USER'],
      [[], 'filter FORWARD'],
    ] as const) {
      const host = packagedHost({ chains });
      for (let i = 0; i < 2; i++) expect((await runVerb(host, ['join', 'forward'])).code).toBe(0);
      expect(host.firewall.get(place)).toEqual([
        '-i docker0 -o flannel.1 -d 172.18.0.0/16 -j ACCEPT',
        '-i flannel.1 -s 172.18.0.0/16 -o docker0 -j ACCEPT',
      ]);
    }
  });
});

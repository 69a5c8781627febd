// flannel's network as flannel reads it, docker's pools, bridge, forward rules, and docker after the lease.

import { describe, expect, test } from 'bun:test';
import { freePools } from '../../../agent/join/address-pools.ts';
import { planBridge } from '../../../agent/join/bridge.ts';
import { forwardRules } from '../../../agent/join/forward.ts';
import { dockerAfterLease } from '../../../agent/join/lease.ts';
import { sameNetwork, withoutSecrets } from '../../../agent/join/network-document.ts';
import type { FlannelBackend } from '../../../agent/model/cluster-config.ts';
import { AgentError } from '../../../agent/model/errors.ts';
import { type Network, overlap, parseNetwork } from '../../../agent/model/network-address.ts';
import { describeStep } from '../../../agent/model/step.ts';
import type { DeviceState } from '../../../agent/ports/host.ts';
import { renderFlannelNetwork } from '../../../agent/render/flannel.ts';
import { clusterConfig, unitState } from '../../support/builders.ts';

const ours = renderFlannelNetwork(clusterConfig(), null);

describe('the same network in other words', () => {
  test.each([
    ours,
    '{"network":"172.18.0.0/16","BACKEND":{"TYPE":"vxlan"}}',
    '{"Network":"172.18.0.0/16","SubnetLen":0,"Backend":{"Type":"VxLAN","VNI":1,"Port":0,"GBP":false,"Learning":false}}',
    '{"Network":"172.18.4.4/16","Backend":{"Type":"vxlan"}}',
    '{"Network":"172.18.0.0/16","SubnetMin":"172.18.1.0","SubnetMax":"172.18.255.0","Backend":{"Type":"vxlan"}}',
    '{"Network":"172.18.0.0/16","EnableIPv4":true,"EnableIPv6":false,"EnableNFTables":false,"IPv6Network":null,"Backend":{"Type":"vxlan"}}',
    ' {\n "Backend" : {"Type":"vxlan"}, "Network" : "172.18.0.0/16" }\n',
  ])('%s', (text) => {
    expect(sameNetwork(text, ours)).toBe(true);
    expect(sameNetwork(ours, text)).toBe(true);
  });
  test('a missing backend is udp, whatever the documentation says', () => {
    const udp = '{"Network":"172.18.0.0/16","Backend":{"Type":"udp","Port":8285}}';
    expect(sameNetwork('{"Network":"172.18.0.0/16"}', udp)).toBe(true);
    expect(sameNetwork('{"Network":"172.18.0.0/16","Backend":{}}', udp)).toBe(true);
    expect(sameNetwork('{"Network":"172.18.0.0/16"}', ours)).toBe(false);
  });
  test('small networks have subnets two bits longer by default', () => {
    expect(
      sameNetwork(
        '{"Network":"10.0.0.0/24"}',
        '{"Network":"10.0.0.0/24","SubnetLen":26,"SubnetMin":"10.0.0.64","SubnetMax":"10.0.0.192"}',
      ),
    ).toBe(true);
  });
});

describe('another network', () => {
  test.each([
    '{"Network":"172.19.0.0/16","Backend":{"Type":"vxlan"}}',
    '{"Network":"172.18.0.0/17","Backend":{"Type":"vxlan"}}',
    '{"Network":"172.18.0.0/16","SubnetLen":25,"Backend":{"Type":"vxlan"}}',
    '{"Network":"172.18.0.0/16","SubnetMin":"172.18.2.0","Backend":{"Type":"vxlan"}}',
    '{"Network":"172.18.0.0/16","EnableIPv4":false,"Backend":{"Type":"vxlan"}}',
    '{"Network":"172.18.0.0/16","EnableIPv6":true,"Backend":{"Type":"vxlan"}}',
    '{"Network":"172.18.0.0/16","Backend":{"Type":"vxlan","VNI":2}}',
    '{"Network":"172.18.0.0/16","Backend":{"Type":"vxlan","DirectRouting":true}}',
    '{"Network":"172.18.0.0/16","Backend":{"Type":"host-gw"}}',
    '{"Network":"172.18.0.0/16","Backend":"vxlan"}',
    '{"Backend":{"Type":"vxlan"}}',
    '',
    'null',
    '[]',
    '"172.18.0.0/16"',
    '{"Network":7}',
    'garbage',
  ])('%s', (text) => {
    expect(sameNetwork(text, ours)).toBe(false);
    expect(sameNetwork(ours, text)).toBe(false);
  });
  test('what cannot be read is never the same, not even as itself', () => {
    expect(sameNetwork('garbage', 'garbage')).toBe(false);
  });
  test('the key of wireguard counts', () => {
    const of = (psk: string): string => `{"Network":"172.18.0.0/16","Backend":{"Type":"wireguard","PSK":"${psk}"}}`;
    expect([sameNetwork(of('a'), of('a')), sameNetwork(of('a'), of('b'))]).toEqual([true, false]);
  });
});

describe('a document for people', () => {
  test('has no key in it, however the name is written', () => {
    for (const name of ['PSK', 'psk', 'Psk']) {
      const shown = withoutSecrets(`{"Network":"n","Backend":{"Type":"wireguard","${name}":"s3cr3t"}}`);
      expect(shown).not.toContain('s3cr3t');
      expect(JSON.parse(shown)).toHaveProperty(`Backend.${name}`, '[secret]');
    }
  });
  test('is the text itself where there is no key', () => {
    for (const text of [ours, ' { "a" : 1 } ', 'garbage', '']) expect(withoutSecrets(text)).toBe(text);
  });
});

describe("docker's pools", () => {
  const networks = (...cidrs: readonly string[]): Network[] =>
    cidrs.map(parseNetwork).filter((n): n is Network => n !== null);
  const contains = (pools: readonly Network[], cidr: string): boolean =>
    networks(cidr).some((n) => pools.some((p) => overlap(p, n)));
  const free = (...taken: readonly string[]): Network[] =>
    networks(...freePools(networks(...taken)).map((p) => p.base));

  test("are docker's own when nothing is taken", () => {
    const all = free();
    for (let i = 17; i <= 31; i++) expect(contains(all, `172.${i}.0.0/16`)).toBe(true);
    expect([contains(all, '172.16.0.0/16'), contains(all, '172.32.0.0/16'), contains(all, '192.168.0.0/16')]).toEqual([
      false,
      false,
      true,
    ]);
    expect(
      freePools([])
        .map((p) => p.size)
        .every((size) => size === 16 || size === 20),
    ).toBe(true);
  });
  test('leave out what overlaps, larger or smaller than a pool', () => {
    const left = free('172.18.0.0/16', '192.168.99.0/24', '172.24.0.0/13');
    for (const taken of ['172.18.0.0/16', '192.168.99.0/24', '172.30.0.0/16'])
      expect(contains(left, taken)).toBe(false);
    expect([
      contains(left, '172.17.0.0/16'),
      contains(left, '172.19.0.0/16'),
      contains(left, '192.168.112.0/20'),
    ]).toEqual([true, true, true]);
  });
  test('are none when everything is taken', () => {
    expect(freePools(networks('0.0.0.0/1', '128.0.0.0/1'))).toEqual([]);
  });
});

describe('the bridge', () => {
  const lease = { network: '172.18.0.0/16', subnet: '172.18.34.1/24', mtu: 1450 };
  const bridge = (ports: readonly string[], ...cidrs: readonly string[]): DeviceState => ({
    name: 'docker0',
    addresses: cidrs.map((cidr) => {
      const [address = '', length] = cidr.split('/');
      return { device: 'docker0', address, prefixLength: Number(length) };
    }),
    mtu: 1500,
    ports,
  });
  const steps = (at: DeviceState | null, present: string | null): string[] =>
    planBridge(lease, at, 'options', present).map(describeStep);

  test.each([
    ['no bridge, no options yet', null, null, ['create /run/diyc-agent/docker.env']],
    ['no bridge, other options', null, 'other', ['replace /run/diyc-agent/docker.env']],
    ['no bridge, the same options', null, 'options', []],
    ['an idle bridge of another subnet', bridge([], '172.17.0.1/16'), 'options', ['remove network device docker0']],
    [
      'the same address with another length',
      bridge([], '172.18.34.1/16'),
      'options',
      ['remove network device docker0'],
    ],
    ['a bridge on the lease', bridge([], '172.18.34.1/24'), 'options', []],
    ['a busy bridge on the lease', bridge(['veth1'], '172.18.34.1/24'), 'options', []],
    [
      'a bridge on the lease with another address besides',
      bridge(['veth1'], '10.0.0.1/8', '172.18.34.1/24'),
      'options',
      [],
    ],
    ['a bridge without an address', bridge([]), 'options', []],
    ['a busy bridge without an address', bridge(['veth1']), 'options', []],
  ] as const)('%s', (_what, at, present, expected) => {
    expect(steps(at, present)).toEqual([...expected]);
  });
  test('of another subnet with containers on it stops docker, and names them', () => {
    expect(() => steps(bridge(['veth1'], '172.17.0.1/16'), 'options')).toThrow(AgentError);
    expect(() => steps(bridge(['veth1'], '172.17.0.1/16'), 'options')).toThrow('veth1');
  });
});

describe('docker after the lease', () => {
  test.each([
    ['failed by dependency', { active: 'failed', result: 'dependency', activeEnterMs: 0 }, 'reset and start'],
    ['failed after it ran', { active: 'failed', activeEnterMs: 5 }, 'reset and start'],
    ['never started in this boot', { active: 'inactive', activeEnterMs: 0 }, 'start'],
    ['stopped by an operator', { active: 'inactive', activeEnterMs: 5, inactiveEnterMs: 6 }, 'leave'],
    ['running', { active: 'active' }, 'leave'],
    ['starting', { active: 'activating', activeEnterMs: 0 }, 'leave'],
    ['queued', { active: 'inactive', activeEnterMs: 0, jobQueued: true }, 'leave'],
    ['masked', { load: 'masked', active: 'inactive', activeEnterMs: 0 }, 'leave'],
    ['not installed', { load: 'not-found', active: 'inactive', activeEnterMs: 0 }, 'leave'],
  ] as const)('%s: %s', (_what, state, decision) => {
    expect(dockerAfterLease(unitState('docker.service', state))).toBe(decision);
  });
});

describe('forward rules', () => {
  const rules = (backend: FlannelBackend): string[] =>
    forwardRules(clusterConfig({ flannel: { backend } }), 'DOCKER-USER').map(describeStep);
  test.each([
    [{ type: 'vxlan', vni: 7 }, '-i flannel.7 ', '-o flannel.7 '],
    [{ type: 'udp' }, '-i flannel0 ', '-o flannel0 '],
    [{ type: 'wireguard' }, '-i flannel-wg ', '-o flannel-wg '],
    [{ type: 'host-gw' }, '', ''],
  ] as const)('of %j name its device where there is one', (backend, from, to) => {
    expect(rules(backend)).toEqual([
      `iptables -t filter -I DOCKER-USER ${from}-s 172.18.0.0/16 -o docker0 -j ACCEPT`,
      `iptables -t filter -I DOCKER-USER -i docker0 ${to}-d 172.18.0.0/16 -j ACCEPT`,
    ]);
  });
});

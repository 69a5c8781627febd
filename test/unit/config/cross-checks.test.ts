// Rules that bind one part of the cluster file to another.

import { describe, expect, test } from 'bun:test';
import { clusterText, resolveText, type Sections, summaries } from './resolved-text.ts';

const nodes = (...addresses: readonly string[]): Sections => ({
  nodes: `nodes:\n${addresses.map((address, i) => `  a${i + 1}: { address: ${address} }`).join('\n')}`,
});
const count = (n: number): Sections => nodes(...Array.from({ length: n }, (_, i) => `192.168.99.${i + 1}`));
const flannel = (network: string, more = ''): Sections => ({ flannel: `flannel: { network: ${network}${more} }` });
const etcd = (text: string): Sections => ({ etcd: `etcd: { ${text} }` });
const pools = (text: string): Sections => ({ docker: `docker: { addressPools: [${text}] }` });

type Row = readonly [claim: string, sections: Sections, summary: readonly string[], remedy?: string];

const rows: Readonly<Record<string, readonly Row[]>> = {
  'addresses of nodes': [
    ['refuses 0.0.0.0', nodes('0.0.0.0'), ['error 4:18 unusable-address nodes.a1.address']],
    ['refuses loopback', nodes('127.0.1.1'), ['error 4:18 unusable-address nodes.a1.address']],
    ['refuses multicast', nodes('224.0.0.1'), ['error 4:18 unusable-address nodes.a1.address']],
    ['refuses broadcast', nodes('255.255.255.255'), ['error 4:18 unusable-address nodes.a1.address']],
    ['accepts link-local, for hosts on one cable', nodes('169.254.7.1'), []],
    ['refuses an address inside the overlay', nodes('172.18.4.1'), ['error 4:18 address-in-overlay nodes.a1.address']],
  ],
  "flannel's network": [
    [
      'refuses host bits, naming the network',
      flannel('10.9.0.1/16'),
      ['error 4:21 network-host-bits flannel.network'],
      'write 10.9.0.0/16',
    ],
    ['refuses octets above 255', flannel('300.9.0.0/16'), ['error 4:21 malformed-value flannel.network']],
    ['refuses prefixes above 32', flannel('10.9.0.0/33'), ['error 4:21 malformed-value flannel.network']],
    ['refuses networks smaller than a /28', flannel('10.9.0.0/29'), ['error 4:21 network-too-small flannel.network']],
    ['refuses loopback', flannel('127.0.0.0/16'), ['error 4:21 network-reserved flannel.network']],
    ['refuses link-local', flannel('169.254.0.0/16'), ['error 4:21 network-reserved flannel.network']],
    ['refuses multicast', flannel('224.0.0.0/8'), ['error 4:21 network-reserved flannel.network']],
    [
      "warns of docker0's own network",
      flannel('172.17.0.0/16'),
      ['warning 4:21 docker-default-network flannel.network'],
    ],
    ['accepts a /28 for one node', { ...flannel('10.9.0.0/28'), ...count(1) }, []],
  ],
  "flannel's subnets": [
    [
      'refuses subnets of which not four fit',
      flannel('10.9.0.0/16', ', subnetLen: 17'),
      ['error 4:45 subnet-length flannel.subnetLen'],
      'give a number from 18 to 30, or leave it out: 24',
    ],
    ['accepts the largest that fit four times', flannel('10.9.0.0/16', ', subnetLen: 18'), []],
    [
      'refuses a first subnet outside the network',
      flannel('10.9.0.0/16', ', subnetMin: 10.8.1.0'),
      ['error 4:45 subnet-range flannel.subnetMin'],
    ],
    [
      'refuses a last subnet off the border',
      flannel('10.9.0.0/16', ', subnetMax: 10.9.9.1'),
      ['error 4:45 subnet-range flannel.subnetMax'],
      'write 10.9.9.0',
    ],
    [
      'refuses a range that ends before it begins',
      flannel('10.9.0.0/16', ', subnetMin: 10.9.9.0, subnetMax: 10.9.8.0'),
      ['error 4:45 subnet-range flannel.subnetMin'],
    ],
    [
      'refuses more nodes than subnets: a /28 gives three',
      { ...flannel('10.9.0.0/28'), ...count(5) },
      ['error 9:21 too-few-subnets flannel.network'],
    ],
    [
      'refuses more nodes than the given range holds',
      flannel('10.9.0.0/16', ', subnetMin: 10.9.9.0, subnetMax: 10.9.10.0'),
      ['error 4:21 too-few-subnets flannel.network'],
    ],
    ['accepts a range of exactly as many', flannel('10.9.0.0/16', ', subnetMin: 10.9.9.0, subnetMax: 10.9.11.0'), []],
  ],
  "etcd's members": [
    [
      'refuses an unknown one, with the nearest and all others',
      { ...etcd('members: [a1, a22, a3]') },
      ['error 5:23 unknown-member etcd.members[1]'],
      'did you mean "a2"? name one of a1, a2, a3, or add it under nodes',
    ],
    ['warns of two', etcd('members: [a1, a2]'), ['warning 5:9 even-members etcd.members'], 'name one member, or three'],
    [
      'warns of four',
      { ...count(4), ...etcd('members: [a1, a2, a3, a4]') },
      ['warning 9:9 even-members etcd.members'],
      'name 3 or 5 members',
    ],
    [
      'are to be named when there are two nodes',
      count(2),
      ['error 3:1 members-unnamed etcd.members'],
      'name three or five of them (or one), for example etcd: { members: [a1] }',
    ],
    [
      'are to be named when there are four nodes',
      count(4),
      ['error 3:1 members-unnamed etcd.members'],
      'name three or five of them (or one), for example etcd: { members: [a1, a2, a3] }',
    ],
    ['are all nodes when there is one', count(1), []],
    ['are all nodes when there are five', count(5), []],
  ],
  'etcd otherwise': [
    [
      'refuses discovery',
      etcd('bootstrap: { discovery: { url: "https://discovery.example.com/x" } }'),
      ['error 5:9 not-supported etcd.bootstrap'],
    ],
    ['refuses DNS records', etcd('bootstrap: { srv: example.com }'), ['error 5:9 not-supported etcd.bootstrap']],
    [
      'refuses both together once',
      etcd('bootstrap: { srv: example.com, discovery: {} }'),
      ['error 5:9 not-supported etcd.bootstrap'],
    ],
    [
      'refuses a short election timeout',
      etcd('heartbeatIntervalMs: 300, electionTimeoutMs: 1400'),
      ['error 5:54 election-timeout etcd.electionTimeoutMs'],
      'write electionTimeoutMs: 3000, ten heartbeats; at least 1500',
    ],
    [
      "refuses a heartbeat too long for etcd's own election timeout",
      etcd('heartbeatIntervalMs: 201'),
      ['error 5:30 election-timeout etcd.heartbeatIntervalMs'],
    ],
    ['accepts five heartbeats', etcd('heartbeatIntervalMs: 200'), []],
    [
      'refuses an election timeout above 50 s',
      etcd('electionTimeoutMs: 50001'),
      ['error 5:28 out-of-bounds etcd.electionTimeoutMs'],
    ],
    ['refuses equal ports', etcd('peerPort: 4001, clientPort: 4001'), ['error 5:37 ports-equal etcd.clientPort']],
    [
      'refuses a port that is the default of the other',
      etcd('peerPort: 2379'),
      ['error 5:19 ports-equal etcd.peerPort'],
    ],
  ],
  "docker's pools": [
    ['accepts one that is free', pools('{ base: 10.200.0.0/16, size: 24 }'), []],
    [
      "refuses an overlap with flannel's network",
      pools('{ base: 172.16.0.0/12, size: 24 }'),
      ['error 5:34 pool-overlap docker.addressPools[0].base'],
    ],
    [
      'refuses an overlap with a node',
      pools('{ base: 192.168.99.0/26, size: 28 }'),
      Array.from({ length: 3 }, () => 'error 5:34 pool-overlap docker.addressPools[0].base'),
    ],
    [
      "refuses an overlap with an iSCSI target's address",
      {
        ...pools('{ base: 10.34.0.0/16, size: 24 }'),
        storage: 'storage: { iscsi: { portal: 10.34.102.54, target: iqn.2009-02.com.example:part } }',
      },
      ['error 5:34 pool-overlap docker.addressPools[0].base'],
    ],
    [
      'refuses an overlap with one another',
      pools('{ base: 10.2.0.0/16, size: 24 }, { base: 10.2.4.0/24, size: 26 }'),
      ['error 5:67 pool-overlap docker.addressPools[1].base'],
    ],
    [
      'refuses networks larger than the pool',
      pools('{ base: 10.2.0.0/16, size: 15 }'),
      ['error 5:53 pool-size docker.addressPools[0].size'],
    ],
    [
      'refuses host bits',
      pools('{ base: 10.2.0.1/16, size: 24 }'),
      ['error 5:34 network-host-bits docker.addressPools[0].base'],
    ],
    [
      'refuses what is no network',
      pools('{ base: 10.2.0.999/16, size: 24 }'),
      ['error 5:34 malformed-value docker.addressPools[0].base'],
    ],
  ],
};

for (const [subject, table] of Object.entries(rows)) {
  describe(subject, () => {
    for (const [claim, sections, expected, remedy] of table) {
      test(claim, () => {
        const resolution = resolveText(clusterText(sections));
        expect(summaries(resolution)).toEqual([...expected]);
        if (remedy !== undefined) expect(resolution.diagnostics[0]?.remedy).toBe(remedy);
      });
    }
  });
}

test('refuses two nodes with one address, naming both lines', () => {
  const { diagnostics } = resolveText(clusterText(nodes('10.0.0.1', '10.0.0.2', '10.0.0.1')));
  expect(diagnostics.map((d) => [d.line, d.rule, d.message])).toEqual([
    [6, 'duplicate-address', 'node a3 has the address of node a1 (line 4)'],
  ]);
});

test('checks one part although another is malformed', () => {
  const resolution = resolveText(
    clusterText({ ...nodes('10.0.0.1', '10.0.0.1', 'x'), version: 'version: one', cluster: 'cluster: [' + ']' }),
  );
  expect(resolution.diagnostics.map((d) => d.rule)).toEqual([
    'version',
    'wrong-type',
    'duplicate-address',
    'malformed-value',
  ]);
});

// Laws that hold on every layout and with every backend: a plan is pure, applying it is enough, and nothing leaks.

import { describe, expect, test } from 'bun:test';
import { fileURLToPath } from 'node:url';
import type { FakeTree } from '../support/fake-files.ts';
import { type FakeHost, fakeHost } from '../support/fake-host.ts';
import { fixtureTree } from '../support/memory-files.ts';
import { clusterFile, packagedHost, runVerb } from '../support/packaged-host.ts';

const layouts = ['debian-12', 'centos-7', 'docker-ce', 'fedora-22-atomic'] as const;
const backends = [
  '{ type: vxlan, vni: 7, directRouting: true }',
  '{ type: host-gw }',
  '{ type: udp, port: 8286 }',
  '{ type: wireguard, pskFile: /etc/diyc-agent/psk }',
] as const;
const psk = 'aGVsbG8gd29ybGQgaGVsbG8gd29ybGQgaGVsbG8gd28=';

function hostOf(layout: (typeof layouts)[number], backend: string, members = '[a1, a2, a3]'): FakeHost {
  const directory = fileURLToPath(new URL(`../fixtures/layout/${layout}`, import.meta.url));
  const tree = fixtureTree(directory) as FakeTree;
  const cluster = clusterFile
    .replace('{ type: vxlan }', backend)
    .replace('docker:', `etcd: { members: ${members} }\ndocker:`);
  return fakeHost({
    files: {
      ...tree,
      '/usr/bin/etcd': 'ELF',
      '/usr/local/bin/flanneld': 'ELF',
      '/usr/sbin/dockerd': 'ELF',
      '/etc/group': 'root:x:0:\n',
      '/var/lib/cloud/seed/nocloud/meta-data': 'instance-id: iid-1\nlocal-hostname: a1\n',
      '/var/lib/cloud/seed/nocloud/user-data': '#cloud-config\n{}\n',
      '/etc/diyc-agent/cluster.yaml': cluster,
      '/etc/diyc-agent/psk': { text: `${psk}\n`, mode: 0o600 },
    },
    versions: { '/usr/local/bin/flanneld': 'v0.28.9\n', '/usr/sbin/dockerd': 'Docker version 26.1.5, build x\n' },
  });
}

const cases = layouts.flatMap((layout) => [
  ...backends.map((backend) => [layout, backend, '[a1, a2, a3]'] as const),
  [layout, '{ type: vxlan }', '[a2]'] as const,
]);

describe.each(cases)('%s with %s, members %s', (layout, backend, members) => {
  test('`plan` writes nothing, `apply` does what it showed, and then there is nothing left', async () => {
    const host = hostOf(layout, backend, members);
    const before = host.files.snapshot();
    const plan = await runVerb(host, ['plan', '--json']);
    expect(plan.error).toBeNull();
    expect(plan.code).toBe(2);
    expect({ effects: host.effects, files: host.files.snapshot() }).toEqual({ effects: [], files: before });
    const applied = await runVerb(host, ['apply', '--json']);
    const summaries = JSON.parse(plan.stdout).steps.map((s: { summary: string }) => s.summary);
    expect(JSON.parse(applied.stdout).done).toEqual(summaries);
    host.log.clear();
    const again = await runVerb(host, ['plan']);
    expect({ code: again.code, effects: host.effects }).toEqual({ code: 0, effects: [] });
  });

  test('every step has a reason, and no secret is printed or written', async () => {
    const host = hostOf(layout, backend, members);
    const plan = await runVerb(host, ['plan', '--json']);
    for (const step of JSON.parse(plan.stdout).steps) expect(step.why.length).toBeGreaterThan(10);
    const runs = [
      plan,
      await runVerb(host, ['plan']),
      await runVerb(host, ['boot', '--json']),
      await runVerb(host, ['status']),
    ];
    expect(
      JSON.stringify(runs.map(({ stdout, stderr, events, lines }) => [stdout, stderr, events, lines])),
    ).not.toContain(psk);
    const { '/etc/diyc-agent/psk': _own, ...others } = host.files.snapshot();
    expect(JSON.stringify(others)).not.toContain(psk);
  });
});

test('what people wrote into gshadow is not printed', async () => {
  const hash = '$6$saltsalt$hashhashhash';
  const host = packagedHost({ files: { '/etc/gshadow': { text: `wheel:${hash}::fedora\n`, mode: 0o640, gid: 42 } } });
  const runs = [
    await runVerb(host, ['plan']),
    await runVerb(host, ['plan', '--json']),
    await runVerb(host, ['boot', '--json']),
  ];
  expect(host.files.snapshot()['/etc/gshadow']).toBe(`wheel:${hash}::fedora\ndocker:!::fedora\n`);
  expect(JSON.stringify(runs.map(({ stdout, stderr, lines }) => [stdout, stderr, lines]))).not.toContain('hashhash');
  expect(host.files.snapshot()['/var/lib/diyc-agent/journal.jsonl']).not.toContain('hashhash');
});

describe('every failure', () => {
  test('has a hint and one exit code, whatever is wrong', async () => {
    const meta = '/var/lib/cloud/seed/nocloud/meta-data';
    const broken: readonly (readonly [FakeTree, number])[] = [
      [{ [meta]: '' }, 65],
      [{ [meta]: { bytes: new Uint8Array([0xff, 0x00, 0xfe]) } }, 65],
      [{ [meta]: { text: 'local-hostname: a1\n', denied: true } }, 77],
      [{ [meta]: 'local-hostname: "a 1"\n' }, 65],
      [{ '/etc/diyc-agent/cluster.yaml': '' }, 78],
      [{ '/etc/diyc-agent/cluster.yaml': { directory: true } }, 78],
      [{ '/etc/diyc-agent/cluster.yaml': { text: '', denied: true } }, 77],
      [{ '/var/lib/diyc-agent/journal.jsonl': 'x\n' }, 65],
      [{ '/etc/group': { text: 'root:x:0:\n', denied: true } }, 77],
      [{ '/etc/sysconfig': 'a file where a directory is needed' }, 65],
    ];
    for (const [files, code] of broken) {
      const host = packagedHost();
      for (const path of Object.keys(files)) host.files.drop(path as `/${string}`);
      host.files.put(files);
      const run = await runVerb(host, ['boot']);
      expect([Object.keys(files), run.code]).toEqual([Object.keys(files), code]);
      expect(run.error).toMatchObject({ hint: expect.stringMatching(/\S{3,}/) });
    }
  });
});

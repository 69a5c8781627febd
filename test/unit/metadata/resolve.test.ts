// Who this host is: the order of the sources, and the refusal to guess.

import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { lastResort, metadataSources } from '../../../agent/metadata/registry.ts';
import { resolveHostFacts } from '../../../agent/metadata/resolve.ts';
import { identify } from '../../../agent/model/node-identity.ts';
import { type MemoryTree, memoryFiles } from '../../support/memory-files.ts';
import { refusal } from '../../support/refusal.ts';

const instanceFile = '/run/cloud-init/instance-data.json';
const instance = (meta: object) =>
  JSON.stringify({
    ds: { meta_data: meta },
    v1: { platform: 'nocloud', instance_id: 'iid-1', local_hostname: 'system' },
  });
const resolve = (tree: MemoryTree) => resolveHostFacts(memoryFiles(tree));
const named = (name: string): string => `instance-id: iid-${name}\nlocal-hostname: ${name}\n`;

test("a host of seed A is found by its kickstart's directory alone", async () => {
  const facts = await resolve({ '/var/cloud-init/meta-data': named('a1'), '/etc/hostname': 'localhost\n' });
  expect(facts).toMatchObject({
    name: 'a1',
    instanceId: 'iid-a1',
    source: 'seed directory of a kickstart (/var/cloud-init)',
  });
  expect(facts.tried).toEqual([
    { source: 'cloud-init instance data', outcome: 'absent' },
    { source: 'kernel command line', outcome: 'absent' },
    { source: 'seed directory of cloud-init', outcome: 'absent' },
    { source: 'seed directory named by seedfrom', outcome: 'absent' },
    { source: 'seed directory of a kickstart', outcome: 'won' },
    { source: 'system hostname', outcome: 'not consulted' },
  ]);
  expect(facts.seedDirectories[0]).toBe('/var/cloud-init');
});

describe('order', () => {
  const everything: MemoryTree = {
    [instanceFile]: instance({ 'local-hostname': 'by-instance.example.com' }),
    '/proc/cmdline': 'ds=nocloud;h=by-kernel;s=/srv/seed/\n',
    '/var/lib/cloud/seed/nocloud/meta-data': named('by-seed'),
    '/srv/seed/meta-data': named('by-seedfrom'),
    '/var/cloud-init/meta-data': named('by-kickstart'),
    '/etc/hostname': 'by-system\n',
  };
  const without = (...paths: string[]): MemoryTree =>
    Object.fromEntries(Object.entries(everything).filter(([path]) => !paths.includes(path)));
  const names: readonly (readonly [expected: string, tree: MemoryTree])[] = [
    ['by-instance', everything],
    ['by-kernel', without(instanceFile)],
    ['by-seed', without(instanceFile, '/proc/cmdline')],
    ['by-kickstart', without(instanceFile, '/proc/cmdline', '/var/lib/cloud/seed/nocloud/meta-data')],
    ['by-system', { '/etc/hostname': 'by-system\n' }],
  ];
  for (const [expected, tree] of names) {
    test(expected, async () => {
      expect((await resolve(tree)).name).toBe(expected);
    });
  }

  test("cloud-init's own seed wins over the directory that seedfrom names, and that over the kickstart's", async () => {
    const tree: MemoryTree = { ...without(instanceFile), '/proc/cmdline': 'ds=nocloud;s=/srv/seed/\n' };
    expect((await resolve(tree)).name).toBe('by-seed');
    const { '/var/lib/cloud/seed/nocloud/meta-data': _, ...rest } = tree;
    expect((await resolve(rest)).name).toBe('by-seedfrom');
  });

  test('nothing else is read once the instance data has a name', async () => {
    const facts = await resolve({ ...everything, '/var/cloud-init/meta-data': '\0garbage' });
    expect(facts.tried.filter((t) => t.outcome === 'not consulted').length).toBe(5);
  });
});

describe('seedfrom', () => {
  test('of the kernel command line, as file:// and without the slash at its end', async () => {
    for (const seedfrom of ['/srv/seed/', '/srv/seed', 'file:///srv/seed/', '/srv/seed/%s']) {
      const tree = { '/proc/cmdline': `ds=nocloud;s=${seedfrom}\n`, '/srv/seed/meta-data': named('a1') };
      expect(await resolve(tree)).toMatchObject({ name: 'a1', seedDirectories: expect.arrayContaining(['/srv/seed']) });
    }
  });
  test("of cloud-init's configuration, the last file first", async () => {
    const tree = {
      '/etc/cloud/cloud.cfg.d/10.cfg': 'datasource: {NoCloud: {seedfrom: /srv/one/}}\n',
      '/etc/cloud/cloud.cfg.d/20.cfg': 'datasource:\n  NoCloud:\n    seedfrom: /srv/two/\n',
      '/etc/cloud/cloud.cfg.d/30.txt': 'datasource: {NoCloud: {seedfrom: /srv/three/}}\n',
      '/srv/one/meta-data': named('one'),
      '/srv/two/meta-data': named('two'),
    };
    expect((await resolve(tree)).name).toBe('two');
  });
  test('a garbled configuration that speaks of seedfrom is refused', async () => {
    const error = await refusal(() =>
      resolve({ '/etc/cloud/cloud.cfg.d/10.cfg': 'datasource: {NoCloud: {seedfrom: "/x\n' }),
    );
    expect([error.kind, error.message]).toEqual(['data', expect.stringContaining('/etc/cloud/cloud.cfg.d/10.cfg')]);
  });
  test('a remote one is named in the refusal', async () => {
    const error = await refusal(() => resolve({ '/proc/cmdline': 'ds=nocloud;s=http://boothost/a1/\n' }));
    expect(error.message).toContain('http://boothost/a1/');
    expect(error.hint).toContain('once cloud-init has fetched it');
  });
});

describe('never a silent guess', () => {
  test('meta-data without a name is refused, though the system has a hostname', async () => {
    const error = await refusal(() =>
      resolve({ '/var/cloud-init/meta-data': 'instance-id: i\nhostname: a1\n', '/etc/hostname': 'a2\n' }),
    );
    expect(error.kind).toBe('data');
    expect(error.message).toContain('meta-data without local-hostname');
    expect(error.message).toContain('/var/cloud-init/meta-data');
    expect(error.message).toContain('which NoCloud ignores');
    expect(error.message).toContain(instanceFile);
  });
  test('garbled meta-data is refused, though a later source has a name', async () => {
    const tree = {
      '/var/lib/cloud/seed/nocloud/meta-data': 'local-hostname: "a1\n',
      '/var/cloud-init/meta-data': named('a2'),
    };
    expect((await refusal(() => resolve(tree))).message).toContain('/var/lib/cloud/seed/nocloud/meta-data');
  });
  test('garbled instance data is refused', async () => {
    const tree = { [instanceFile]: '{"ds": ', '/var/cloud-init/meta-data': named('a2') };
    expect((await refusal(() => resolve(tree))).message).toContain(instanceFile);
  });
  test('a host without anything is told where names come from', async () => {
    const error = await refusal(() => resolve({}));
    expect(error.message).toContain('no meta-data on this host');
    expect(error.hint).toContain('local-hostname: a1');
  });
  test('localhost is no name', async () => {
    for (const text of ['localhost\n', 'localhost.localdomain\n', '# a1\n\n', '']) {
      await refusal(() => resolve({ '/etc/hostname': text }));
    }
  });
  test('flaw 3 of the 2015 script, lookup by substring: part of a name finds no node, and not the first one', async () => {
    const config = {
      cluster: 'diy-cluster',
      nodes: ['a1', 'a2', 'a3'].map((name, i) => ({ name, address: `192.168.99.5${i + 1}`, metadata: {} })),
      etcd: { members: ['a1', 'a2', 'a3'], peerPort: 2380, clientPort: 2379 },
    } as unknown as Parameters<typeof identify>[0];
    for (const name of ['1', 'a', 'a11', 'b1', 'A1']) {
      const facts = await resolve({ '/var/cloud-init/meta-data': `local-hostname: "${name}"\n` });
      expect((await refusal(() => identify(config, facts, null))).kind).toBe('data');
    }
    const capital = await resolve({ '/var/cloud-init/meta-data': named('A1') });
    expect((await refusal(() => identify(config, capital, null))).hint).toContain('capitals included');
    const facts = await resolve({ '/var/cloud-init/meta-data': named('a2') });
    expect(identify(config, facts, null).address).toBe('192.168.99.52');
  });
});

test('the system hostname is the last resort and says so', async () => {
  const facts = await resolve({ '/etc/hostname': '# set by hand\na1.example.com\n' });
  expect(facts).toMatchObject({ name: 'a1', source: 'system hostname (/etc/hostname, for want of any metadata)' });
});

describe('instance id', () => {
  test('of an earlier source, where the one with the name has none', async () => {
    const tree = { '/proc/cmdline': 'ds=nocloud;i=iid-k\n', '/var/cloud-init/meta-data': 'local-hostname: a1\n' };
    expect((await resolve(tree)).instanceId).toBe('iid-k');
  });
  test('of what cloud-init last settled on, where no source has one', async () => {
    const seed = { '/var/cloud-init/meta-data': 'local-hostname: a1\n' };
    expect((await resolve({ ...seed, '/var/lib/cloud/data/instance-id': 'iid-9\n' })).instanceId).toBe('iid-9');
    expect(
      (await resolve({ ...seed, '/var/lib/cloud/instance': { link: '/var/lib/cloud/instances/iid_8' } })).instanceId,
    ).toBe('iid_8');
    expect((await resolve(seed)).instanceId).toBeNull();
  });
});

test('every source of the room is in the registry', () => {
  const room = new URL('../../../agent/metadata/', import.meta.url);
  const declared = readdirSync(room).flatMap((name) => {
    const text = readFileSync(new URL(name, room), 'utf8');
    return [...text.matchAll(/^export const \w+: MetadataSource = /gm)].filter(() => name !== 'registry.ts');
  });
  expect(declared.length).toBe(metadataSources.length + 1);
  expect(metadataSources).not.toContain(lastResort);
});

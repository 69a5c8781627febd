// The layout of real shapes of hosts.

import { describe, expect, test } from 'bun:test';
import { fileURLToPath } from 'node:url';
import { observeLayout } from '../../../agent/layout/observe.ts';
import type { Layout } from '../../../agent/model/layout.ts';
import type { Programs } from '../../../agent/ports/host.ts';
import { fixtureTree, type MemoryTree, memoryFiles } from '../../support/memory-files.ts';

const fixture = (name: string): Record<string, MemoryTree[string]> =>
  fixtureTree(fileURLToPath(new URL(`../../fixtures/layout/${name}`, import.meta.url)));
const printing = (text: string | null): Programs => ({ versionText: async () => text });
const silent = printing(null);

function observe(tree: MemoryTree, programs = silent, etcdApi: 'auto' | 'v2' | 'v3' = 'auto'): Promise<Layout> {
  return observeLayout(memoryFiles(tree), programs, { etcdApi });
}

describe('Debian 12 with etcd-server and docker.io', () => {
  const tree = { ...fixture('debian-12'), '/usr/bin/etcd': 'ELF', '/usr/sbin/dockerd': 'ELF' };

  test('etcd reads /etc/default/etcd and runs as etcd', async () => {
    const { osId, osFamily, isOstree, etcd } = await observe(tree);
    expect({ osId, osFamily, isOstree }).toEqual({ osId: 'debian', osFamily: 'debian', isOstree: false });
    expect(etcd).toMatchObject({
      installation: 'packaged',
      program: '/usr/bin/etcd',
      environmentFile: '/etc/default/etcd',
      account: { name: 'etcd', uid: 104, gid: 110 },
      foreignDataDirectory: null,
    });
    expect(etcd.unit?.installLinks.map((l) => l.path)).toEqual([
      '/etc/systemd/system/etcd2.service',
      '/etc/systemd/system/multi-user.target.wants/etcd.service',
    ]);
  });
  test('a data directory that the package bootstrapped is seen', async () => {
    const { etcd } = await observe({ ...tree, '/var/lib/etcd/default/member/wal/0.wal': 'x' });
    expect(etcd.foreignDataDirectory).toBe('/var/lib/etcd/default');
    const empty = await observe({ ...tree, '/var/lib/etcd/default': { directory: true } });
    expect(empty.etcd.foreignDataDirectory).toBeNull();
  });
  test('without root the data directory is not known, and the rest is', async () => {
    const { etcd } = await observe({ ...tree, '/var/lib/etcd/default/member/wal': { denied: true } });
    expect(etcd).toMatchObject({ installation: 'packaged', foreignDataDirectory: null });
  });
  test('docker takes no network options, so its command is given again', async () => {
    const { docker } = await observe(tree);
    expect(docker).toMatchObject({
      installation: 'packaged',
      takesNetworkOptions: false,
      execStart: '/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS',
    });
  });
  test('flannel, which Debian has no package of, is absent, and its file goes below /etc/default', async () => {
    expect((await observe(tree)).flannel).toMatchObject({
      installation: 'absent',
      unit: null,
      program: null,
      environmentFile: '/etc/default/flanneld',
    });
  });
});

describe('Fedora 22 Atomic, the host of seed A', () => {
  const tree: MemoryTree = { ...fixture('fedora-22-atomic'), '/run/ostree-booted': '', '/usr/bin/flanneld': 'ELF' };

  test('the files are those that the 2015 script wrote', async () => {
    const layout = await observe(tree, printing('0.5.0\n'));
    expect(layout).toMatchObject({ osId: 'fedora', osFamily: 'rpm', isOstree: true });
    expect(layout.etcd).toMatchObject({
      environmentFile: '/etc/etcd/etcd.conf',
      account: { name: 'etcd', uid: 997, gid: 995 },
    });
    expect(layout.flannel.environmentFile).toBe('/etc/sysconfig/flanneld');
  });
  test('flanneld is of the v2 world, whether it can be asked or not', async () => {
    expect((await observe(tree, printing('0.5.0\n'))).flannel).toMatchObject({ version: '0.5.0', etcdApi: 'v2' });
    expect((await observe(tree)).flannel).toMatchObject({ version: null, etcdApi: 'v2' });
  });
  test('docker has the variable, and enabling flanneld makes docker require it', async () => {
    const { docker, flannel } = await observe(tree);
    expect(docker).toMatchObject({
      takesNetworkOptions: true,
      execStart: '/usr/bin/docker -d $OPTIONS $DOCKER_STORAGE_OPTIONS $INSECURE_REGISTRY',
    });
    expect(flannel.unit?.installLinks.map((l) => l.path)).toContain(
      '/etc/systemd/system/docker.service.requires/flanneld.service',
    );
  });
  test('below --root the link /ostree tells as much as /run', async () => {
    const { '/run/ostree-booted': _, ...offline } = tree;
    expect((await observe({ ...offline, '/ostree': { link: 'sysroot/ostree' } })).isOstree).toBe(true);
    expect((await observe({ ...offline, '/ostree/repo/config': '' })).isOstree).toBe(false);
  });
});

test('CentOS 7: packaged, with the variable, v2', async () => {
  const layout = await observe({ ...fixture('centos-7'), '/usr/bin/flanneld': 'ELF' }, printing('v0.7.1\n'));
  expect(layout.osFamily).toBe('rpm');
  expect(layout.etcd).toMatchObject({ installation: 'packaged', environmentFile: '/etc/etcd/etcd.conf' });
  expect(layout.flannel).toMatchObject({ version: '0.7.1', etcdApi: 'v2' });
  expect(layout.docker.takesNetworkOptions).toBe(true);
  expect(layout.docker.execStart).not.toContain('DOCKER_NETWORK_OPTIONS');
});

describe('docker-ce', () => {
  test('has no variables at all', async () => {
    expect((await observe(fixture('docker-ce'))).docker).toMatchObject({
      takesNetworkOptions: false,
      execStart: '/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock',
    });
  });
  test("keeps the operator's own command, and our drop-in is not taken for one", async () => {
    const at = '/etc/systemd/system/docker.service.d';
    const tree = {
      ...fixture('docker-ce'),
      [`${at}/diyc-agent.conf`]:
        '# Written by diyc-agent: x.\n[Service]\nExecStart=\nExecStart=/ours $DIYC_DOCKER_NETWORK_OPTIONS\n',
      [`${at}/override.conf`]: '[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --debug\n',
    };
    expect((await observe(tree)).docker.execStart).toBe('/usr/bin/dockerd --debug');
  });
});

test('programs below /opt/bin without units, as on CoreOS: program only, asked for its version where it is', async () => {
  const asked: string[] = [];
  const programs: Programs = {
    versionText: async (_, path) => {
      asked.push(path);
      return 'v0.28.9\n';
    },
  };
  const layout = await observe(
    { '/opt/bin/etcd': 'ELF', '/opt/bin/flanneld': 'ELF', '/etc/os-release': 'ID=flatcar\nID_LIKE=coreos\n' },
    programs,
  );
  expect(layout.etcd).toMatchObject({
    installation: 'program only',
    program: '/opt/bin/etcd',
    unit: null,
    account: null,
  });
  expect(layout.flannel).toMatchObject({ installation: 'program only', version: '0.28.9', etcdApi: 'v3' });
  expect(asked).toEqual(['/opt/bin/flanneld']);
});

test('an empty tree is laid out as seed A, with nothing installed', async () => {
  const layout = await observe({});
  expect(layout).toMatchObject({
    osId: 'linux',
    osFamily: 'rpm',
    isOstree: false,
    usesNetworkManager: false,
    usesNetworkd: false,
  });
  expect([layout.etcd.installation, layout.flannel.installation, layout.docker.installation]).toEqual([
    'absent',
    'absent',
    'absent',
  ]);
  expect([layout.etcd.environmentFile, layout.flannel.environmentFile]).toEqual([
    '/etc/etcd/etcd.conf',
    '/etc/sysconfig/flanneld',
  ]);
  expect(layout.docker).toEqual({
    installation: 'absent',
    unit: null,
    takesNetworkOptions: false,
    takesStorageOptions: false,
    execStart: null,
  });
});

test('a packaged unit that names no environment file says so', async () => {
  const unit = '[Service]\nExecStart=/usr/bin/etcd\nEnvironmentFile=/etc/etcd.d/*.conf\nEnvironmentFile=-/etc/%H\n';
  const { etcd } = await observe({ '/usr/lib/systemd/system/etcd.service': unit });
  expect(etcd).toMatchObject({
    environmentFile: '/etc/etcd/etcd.conf',
    unitReadsNoEnvironmentFile: true,
    account: null,
  });
});

describe('flannel.etcdApi', () => {
  const tree = { '/usr/bin/flanneld': 'ELF' };
  for (const [text, wanted, api, reason] of [
    ['v0.17.0', 'auto', 'v2', 'flanneld is 0.17.0'],
    ['v0.18.0', 'auto', 'v3', 'flanneld is 0.18.0'],
    ['v0.28.9', 'v2', 'v2', 'the cluster file says'],
    ['0.5.5', 'v3', 'v3', 'the cluster file says'],
    ['0.5.3+was-not-built-properly', 'auto', 'v3', 'tells no version'],
  ] as const) {
    test(`${wanted}, with a flanneld that prints ${text}, is ${api}`, async () => {
      const { flannel } = await observe(tree, printing(`${text}\n`), wanted);
      expect(flannel.etcdApi).toBe(api);
      expect(flannel.etcdApiReason).toContain(reason);
    });
  }
});

test('who manages the network is seen from what is enabled', async () => {
  const tree = {
    '/usr/lib/systemd/system/NetworkManager.service': '[Unit]\n',
    '/usr/lib/systemd/system/systemd-networkd.service': '[Unit]\n',
  };
  expect(await observe(tree)).toMatchObject({ usesNetworkManager: true, usesNetworkd: false });
  const enabled = { link: '/usr/lib/systemd/system/systemd-networkd.service' };
  expect(
    await observe({ ...tree, '/etc/systemd/system/multi-user.target.wants/systemd-networkd.service': enabled }),
  ).toMatchObject({ usesNetworkd: true });
});

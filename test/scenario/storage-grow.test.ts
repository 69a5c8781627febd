// More room for docker: seen by plan and show, planned first, done on the operator's word, and told by nobody afterwards.

import { describe, expect, test } from 'bun:test';
import { AgentError } from '../../agent/model/errors.ts';
import { statusOf } from '../support/conditions.ts';
import { type FakeDisk, fakeDisk } from '../support/fake-disks.ts';
import type { FakeHost } from '../support/fake-host.ts';
import { packagedHost, runVerb } from '../support/packaged-host.ts';
import {
  blankTarget,
  clusterWith,
  initiatorName,
  lun1,
  lun2,
  mountAndRun,
  onIscsi,
  onLun1,
  portal,
  storageHost,
  storageResult,
  storageUnit,
  target,
} from '../support/storage-host.ts';

const gibibyte = 1024 ** 3;
const old = { '/usr/bin/flanneld': 'v0.28.9\n', '/usr/bin/dockerd': 'Docker version 20.10.24, build 297e128\n' };
const rescan = `iscsi rescan ${target} ${portal}`;
const pooled = clusterWith(
  onIscsi,
  '  docker: { volumeGroup: docker-images, devices: [iscsi:1], driver: devicemapper }\n',
);

interface Scene {
  readonly host: FakeHost;
  readonly first: FakeDisk;
  readonly second: FakeDisk;
}

/** docker on LUN 1; LUN 2 is blank. */
async function inUse(cluster = clusterWith(onIscsi, onLun1)): Promise<Scene> {
  const first = fakeDisk();
  const second = fakeDisk({ serial: 'beaf12', wwn: '0x2', sizeBytes: 3 * gibibyte });
  const host = storageHost({ cluster, versions: old, targets: [blankTarget({ luns: { 1: first, 2: second } })] });
  await runVerb(host, ['boot']);
  expect((await runVerb(host, ['storage', 'attach'])).error).toBeNull();
  mountAndRun(host);
  sizeFileSystem(host);
  host.log.clear();
  return { host, first, second };
}

function sizeFileSystem(host: FakeHost): void {
  const volume = [...host.disks.active].find((v) => v.volume.name === 'docker-root')?.volume.sizeBytes ?? 0;
  const totalBytes = volume - 64 * 1024 ** 2;
  host.live.setSpace('/var/lib/docker', { totalBytes, availableBytes: totalBytes / 2 });
}

const growth = [
  {
    kind: 'growPhysicalVolume',
    summary: 'use the 2.0 GiB that /dev/sda has grown by',
    why: 'the disk has 4.0 GiB, and LVM uses 2.0 GiB of it',
  },
  {
    kind: 'growVolume',
    summary: 'grow docker-images/docker-root by 100 % of what is free',
    why: '2.0 GiB are free in docker-images then',
  },
  {
    kind: 'growFileSystem',
    summary: 'grow the xfs at /var/lib/docker to the size of /dev/docker-images/docker-root',
    why: 'docker sees the room only in the file system; it stays mounted and docker goes on',
  },
];
const growthText = `\
 1. storage: use the 2.0 GiB that /dev/sda has grown by
    why: the disk has 4.0 GiB, and LVM uses 2.0 GiB of it
 2. storage: grow docker-images/docker-root by 100 % of what is free
    why: 2.0 GiB are free in docker-images then
 3. storage: grow the xfs at /var/lib/docker to the size of /dev/docker-images/docker-root
    why: docker sees the room only in the file system; it stays mounted and docker goes on
`;

describe('a LUN that has grown at its target', () => {
  test('is shown first: exit 2, and nothing changes but what the kernel knows', async () => {
    const { host, first } = await inUse();
    first.sizeBytes = 4 * gibibyte;
    const run = await runVerb(host, ['storage', 'grow']);
    expect([run.code, host.effects]).toEqual([2, [rescan]]);
    expect(run.stdout).toBe(`${growthText}\nnothing was changed; the same command with --yes does it\n`);
    const json = await runVerb(host, ['storage', 'grow', '--json']);
    expect([json.code, JSON.parse(json.stdout)]).toEqual([2, { schema: 1, node: 'a1', pending: true, steps: growth }]);
  });

  test('with --yes is used down to the file system, journaled, and then there is nothing left', async () => {
    const { host, first } = await inUse();
    first.sizeBytes = 4 * gibibyte;
    const run = await runVerb(host, ['storage', 'grow', '--yes']);
    expect([run.code, run.stdout]).toEqual([0, growthText]);
    expect(host.effects).toEqual([
      rescan,
      'append /var/lib/diyc-agent/journal.jsonl',
      'pvresize /dev/sda',
      'grow docker-images/docker-root +100%FREE',
      'grow xfs /var/lib/docker on /dev/docker-images/docker-root',
      'append /var/lib/diyc-agent/journal.jsonl',
      'write /run/diyc-agent/storage.json 0644',
    ]);
    sizeFileSystem(host);
    host.log.clear();
    const again = await runVerb(host, ['storage', 'grow', '--yes']);
    expect([again.code, again.stdout, host.effects]).toEqual([
      0,
      'nothing to do: docker uses all the room there is\n',
      [rescan],
    ]);
  });

  test('shows in plan, which would not do it, and leaves its exit code alone', async () => {
    const { host, first } = await inUse();
    expect((await runVerb(host, ['plan'])).stdout).not.toContain('storage');
    first.sizeBytes = 4 * gibibyte;
    const run = await runVerb(host, ['plan']);
    expect([run.code, run.stdout]).toEqual([
      0,
      `node a1 (192.168.99.51) of cluster diy-cluster, by seed directory of cloud-init (/var/lib/cloud/seed/nocloud)
nothing to do: everything is as the cluster file says
storage: there is room that docker does not use yet; diyc-agent storage grow --yes would
${growth.map((s) => `    ${s.summary}: ${s.why}\n`).join('')}`,
    ]);
    const json = JSON.parse((await runVerb(host, ['plan', '--json'])).stdout);
    expect(json).toMatchObject({ pending: false, steps: [], storageGrowth: growth });
    expect(host.effects.filter((line) => line !== rescan)).toEqual([]);
    // And apply leaves it alone.
    await runVerb(host, ['apply']);
    expect(host.effects.filter((line) => line !== rescan)).toEqual([]);
  });

  test('does not keep plan from its answer when LVM or the target gives none', async () => {
    const { host } = await inUse();
    host.lvm.fail(new AgentError('oserr', 'lvm exited with 5', { hint: 'see lvm vgs' }));
    const run = await runVerb(host, ['plan']);
    expect([run.code, run.stdout]).toEqual([0, expect.stringContaining('nothing to do')]);
    host.lvm.fail(null);
    host.iscsi.setState(target, 'FAILED');
    expect((await runVerb(host, ['plan'])).code).toBe(0);
  });

  test('is told by status, and no longer once it is in use', async () => {
    const { host, first } = await inUse();
    host.files.put({ '/sys/class/block/sda/size': `${(2 * gibibyte) / 512}\n` });
    host.units.change(storageUnit, { active: 'active', sub: 'exited', jobQueued: false });
    expect(await statusOf(host, 'StorageSpace')).toMatchObject({ status: 'True', reason: 'Enough' });
    first.sizeBytes = 4 * gibibyte;
    host.files.put({ '/sys/class/block/sda/size': `${(4 * gibibyte) / 512}\n` });
    expect(await statusOf(host, 'StorageSpace')).toMatchObject({
      status: 'True',
      reason: 'DiskHasGrown',
      message:
        'directory 50 % of docker-images used; sda has grown from 2.0 GiB to 4.0 GiB; use it with: diyc-agent storage grow',
    });
    await runVerb(host, ['storage', 'grow', '--yes']);
    expect(await statusOf(host, 'StorageSpace')).toMatchObject({ status: 'True', reason: 'Enough' });
    expect(storageResult(host)).toMatchObject({ outcome: 'ready', disks: [{ path: lun1, sizeBytes: 4 * gibibyte }] });
  });

  test('gives a pool most of it, and the directory beside it nothing', async () => {
    const { host, first } = await inUse(pooled);
    first.sizeBytes = 6 * gibibyte;
    const before = (await host.lvm.state()).logicalVolumes;
    expect((await runVerb(host, ['storage', 'grow', '--yes'])).code).toBe(0);
    expect(host.effects.filter((line) => line.startsWith('grow'))).toEqual(['grow docker-images/docker-pool +90%FREE']);
    const after = (await host.lvm.state()).logicalVolumes;
    expect(after[0]?.sizeBytes).toBe(before[0]?.sizeBytes ?? 0);
    expect((await runVerb(host, ['storage', 'grow'])).code).toBe(0);
  });

  test('that LVM cannot read is an error, not "nothing to do"', async () => {
    const { host } = await inUse();
    host.lvm.fail(new AgentError('oserr', 'lvm exited with 5', { hint: 'see lvm vgs' }));
    const run = await runVerb(host, ['storage', 'grow']);
    expect([run.code, run.stdout]).toEqual([71, '']);
  });
});

describe('a further disk', () => {
  const add = ['storage', 'add', 'iscsi:2'];
  const steps = `\
 1. storage: add ${lun2} to volume group docker-images
    why: sdb, 3.0 GiB, VIRTUAL-DISK, serial beaf12: nothing is on it
 2. storage: grow docker-images/docker-root by 100 % of what is free
    why: 3.0 GiB are free in docker-images then
 3. storage: grow the xfs at /var/lib/docker to the size of /dev/docker-images/docker-root
    why: docker sees the room only in the file system; it stays mounted and docker goes on
`;

  test('is planned first, then taken, and the operator is reminded of the cluster file', async () => {
    const { host, second } = await inUse();
    const planned = await runVerb(host, add);
    expect([planned.code, planned.stdout, host.effects]).toEqual([
      2,
      `${steps}\nnothing was changed; the same command with --yes does it\n`,
      [rescan],
    ]);
    host.log.clear();
    const run = await runVerb(host, [...add, '--yes']);
    expect([run.code, run.stdout]).toEqual([
      0,
      `${steps}\nnow add it to storage.docker.devices in the cluster file, so that the file says what is there\n`,
    ]);
    expect(host.effects.slice(1, 5)).toEqual([
      'append /var/lib/diyc-agent/journal.jsonl',
      `vgextend docker-images ${lun2}`,
      'grow docker-images/docker-root +100%FREE',
      'grow xfs /var/lib/docker on /dev/docker-images/docker-root',
    ]);
    expect(second.physicalVolume?.group?.name).toBe('docker-images');
    expect(storageResult(host).disks.map((d) => d.path)).toEqual([lun1, lun2]);
    // The next boot finds a disk more than the file says, and uses it.
    host.log.clear();
    expect((await runVerb(host, ['storage', 'attach'])).error).toBeNull();
    expect(host.effects.filter((line) => !line.startsWith('write /run/'))).toEqual([]);
  });

  test('declared in the cluster file instead, it joins at the next attach and is used by grow', async () => {
    const { host } = await inUse();
    const both = '  docker: { volumeGroup: docker-images, devices: [iscsi:1, iscsi:2] }\n';
    host.files.put({ '/etc/diyc-agent/cluster.yaml': clusterWith(onIscsi, both) });
    expect((await runVerb(host, ['storage', 'attach'])).error).toBeNull();
    expect(host.effects).toContain(`vgextend docker-images ${lun2}`);
    expect(host.effects.filter((line) => line.startsWith('grow'))).toEqual([]);
    expect((await runVerb(host, ['storage', 'grow', '--yes'])).code).toBe(0);
    expect(host.effects.filter((line) => line.startsWith('grow'))).toHaveLength(2);
  });

  test('answers as JSON, planned and done', async () => {
    const { host } = await inUse();
    const planned = await runVerb(host, [...add, '--json']);
    const done = await runVerb(host, [...add, '--yes', '--json']);
    const [first, second] = [JSON.parse(planned.stdout), JSON.parse(done.stdout)];
    expect([planned.code, first.pending, done.code, second.pending]).toEqual([2, true, 0, false]);
    expect(second.steps).toEqual(first.steps);
    expect(first.steps.map((s: { kind: string }) => s.kind)).toEqual([
      'extendVolumeGroup',
      'growVolume',
      'growFileSystem',
    ]);
  });

  test('that carries something is refused with what it is, and wiped by its serial', async () => {
    const { host, second } = await inUse();
    second.signatures = [{ type: 'ext4', label: 'backup' }];
    const run = await runVerb(host, [...add, '--yes']);
    expect([run.code, String(run.error), run.stdout]).toEqual([
      78,
      `AgentError: ${lun2} (sdb, 3.0 GiB, VIRTUAL-DISK, serial beaf12) is not taken for docker: it carries the signature ext4 "backup"`,
      '',
    ]);
    expect(second.signatures).toHaveLength(1);
    const wipe = '  docker: { volumeGroup: docker-images, devices: [iscsi:1], wipe: [beaf12] }\n';
    host.files.put({ '/etc/diyc-agent/cluster.yaml': clusterWith(onIscsi, wipe) });
    const shown = await runVerb(host, add);
    expect([shown.code, shown.stdout]).toEqual([
      2,
      expect.stringContaining(
        ` 1. storage: WIPE ${lun2} (serial beaf12), which carries the signature ext4 "backup"\n    why: its serial beaf12 is listed under wipe in the cluster file\n`,
      ),
    ]);
    expect(second.signatures).toHaveLength(1);
    expect((await runVerb(host, [...add, '--yes'])).error).toBeNull();
    expect(second.physicalVolume?.group?.name).toBe('docker-images');
  });

  test('that is the one in use is only looked at for room', async () => {
    const { host } = await inUse();
    const run = await runVerb(host, ['storage', 'add', 'iscsi:1', '--yes']);
    expect([run.code, run.stdout]).toEqual([0, 'nothing to do: docker uses all the room there is\n']);
  });

  test('that is not there is waited for, for ten seconds', async () => {
    const { host } = await inUse();
    const began = host.clock.monotonicMs();
    const run = await runVerb(host, ['storage', 'add', '/dev/disk/by-id/ata-NONE', '--yes']);
    expect([run.code, String(run.error)]).toEqual([
      75,
      'AgentError: cannot add /dev/disk/by-id/ata-NONE: nothing is there',
    ]);
    expect(host.clock.monotonicMs() - began).toBe(10_000);
    const late = fakeDisk({ serial: 'beaf13', wwn: '0x3' });
    host.clock.after(5_000, () => host.disks.plug('/dev/disk/by-id/ata-LATE', late));
    expect((await runVerb(host, ['storage', 'add', '/dev/disk/by-id/ata-LATE'])).code).toBe(2);
  });

  test.each([
    ['sdb', 'order in which disks are found'],
    ['/dev/sdb', 'order in which disks are found'],
    ['/dev/disk/by-uuid/x', 'only whole disks'],
    ['/dev/disk/by-id/ata-1-part2', 'only whole disks'],
    ['iscsi:', 'iscsi:LUN'],
    ['iscsi:-1', 'iscsi:LUN'],
    ['iscsi:99999', 'iscsi:LUN'],
    ['', 'iscsi:LUN'],
    ['/dev/disk/by-id/a/b', 'iscsi:LUN'],
    ['/dev/disk/by-id/..', 'iscsi:LUN'],
  ])('named "%s" is refused (%s)', async (name, why) => {
    const { host } = await inUse();
    const run = await runVerb(host, ['storage', 'add', name, '--yes']);
    expect([run.code, host.effects]).toEqual([64, []]);
    expect(String(run.error)).toContain(`cannot add "${name}": `);
    expect(String(run.error)).toContain(why);
  });

  test('needs a group to join, a session to its target, and storage at all', async () => {
    const host = storageHost();
    await runVerb(host, ['boot']);
    const early = await runVerb(host, [...add, '--yes']);
    expect([early.code, String(early.error)]).toEqual([
      75,
      'AgentError: cannot add LUN 2: this node is logged in to no target',
    ]);
    const grow = await runVerb(host, ['storage', 'grow', '--yes']);
    expect([grow.code, String(grow.error)]).toEqual([
      78,
      'AgentError: there is no volume group docker-images on this host yet',
    ]);
    const plain = packagedHost();
    for (const argv of [['grow'], ['add', 'iscsi:1']]) {
      const run = await runVerb(plain, ['storage', ...argv]);
      expect([argv, run.code, String(run.error)]).toEqual([
        argv,
        78,
        'AgentError: the cluster file declares no storage for a1',
      ]);
    }
    // Debian may have enabled the unit by itself: it starts and stops without a word of complaint.
    for (const verb of ['attach', 'detach']) expect((await runVerb(plain, ['storage', verb])).code).toBe(0);
    expect(plain.effects).toEqual([]);
  });

  test('is for root', async () => {
    const host = storageHost({ machine: { isRoot: false } });
    for (const argv of [['attach'], ['detach'], ['grow', '--yes'], ['add', 'iscsi:1', '--yes'], ['show'], ['gauge']]) {
      const run = await runVerb(host, ['storage', ...argv]);
      expect([argv, run.code]).toEqual([argv, 77]);
    }
    expect(host.effects).toEqual([]);
  });
});

describe('storage show', () => {
  const show = async (host: FakeHost): Promise<string> => {
    const run = await runVerb(host, ['storage', 'show']);
    expect([run.code, run.error]).toEqual([0, null]);
    return run.stdout;
  };

  test('of a node whose docker is on a LUN', async () => {
    const { host } = await inUse();
    expect(await show(host)).toBe(`\
target    ${target} at ${portal}: LOGGED_IN, as ${initiatorName}
disk      LUN 1: sda, 2.0 GiB, VIRTUAL-DISK, serial beaf11; in use
          ${lun1}
group     docker-images: 2.0 GiB, 0 B free, of node a1
volume    docker-root: 2.0 GiB, at /var/lib/docker, 50.0 % used
`);
    expect(host.effects).toEqual([rescan]);
  });

  test('of a node with a pool, a disk of its own accord, and room', async () => {
    const { host, first, second } = await inUse(pooled);
    await host.lvm.extendVolumeGroup('docker-images', [lun2]);
    host.lvm.fill('docker-images', 'docker-pool', 40, 12.25);
    first.sizeBytes = 4 * gibibyte;
    expect(second.physicalVolume?.group?.name).toBe('docker-images');
    expect(await show(host)).toBe(`\
target    ${target} at ${portal}: LOGGED_IN, as ${initiatorName}
disk      LUN 1: sda, 4.0 GiB, VIRTUAL-DISK, serial beaf11; in use
          ${lun1}
disk      /dev/sdb: in use, and not in the cluster file
group     docker-images: 5.0 GiB, 3.1 GiB free, of node a1
volume    docker-root: 512 MiB, at /var/lib/docker, 50.0 % used
volume    docker-pool: 1.3 GiB, data 40.0 %, metadata 12.3 %

there is room that docker does not use yet:
  use the 2.0 GiB that /dev/sda has grown by: the disk has 4.0 GiB, and LVM uses 2.0 GiB of it
  grow docker-images/docker-pool by 90 % of what is free: 5.1 GiB are free in docker-images then
  -> diyc-agent storage grow --yes
`);
  });

  test('of a node that was not attached yet, and of one with a disk that is not taken', async () => {
    const host = storageHost({
      targets: [blankTarget({ luns: { 1: fakeDisk({ signatures: [{ type: 'ext4', label: 'backup' }] }) } })],
    });
    await runVerb(host, ['boot']);
    expect(await show(host)).toBe(`\
target    ${target} at ${portal}: not logged in
disk      LUN 1: not looked for before the login
group     docker-images: not made yet
`);
    await runVerb(host, ['storage', 'attach']);
    expect(await show(host)).toBe(`\
target    ${target} at ${portal}: LOGGED_IN, as ${initiatorName}
disk      LUN 1: sda, 2.0 GiB, VIRTUAL-DISK, serial beaf11; NOT TAKEN: it carries the signature ext4 "backup"
          ${lun1}
          -> declare another disk; or, if nothing on it matters, give it up by its serial: storage: { docker: { wipe: ["beaf11"] } }
group     docker-images: not made yet
`);
  });

  test('of a node that declares nothing', async () => {
    expect(await show(packagedHost())).toBe(
      "no storage is declared for a1: docker keeps its images on the host's own disk\n",
    );
    const json = await runVerb(packagedHost(), ['storage', 'show', '--json']);
    expect(JSON.parse(json.stdout)).toEqual({ schema: 1, node: 'a1', storage: null, overlay: null });
  });

  test('for programs has the same and more', async () => {
    const { host, first } = await inUse();
    first.sizeBytes = 4 * gibibyte;
    const json = JSON.parse((await runVerb(host, ['storage', 'show', '--json'])).stdout);
    expect(json).toMatchObject({
      schema: 1,
      node: 'a1',
      overlay: null,
      storage: {
        target,
        session: { portal, state: 'LOGGED_IN', initiatorName },
        devices: [{ declared: 'iscsi:1', path: lun1, verdict: 'ours', disk: { name: 'sda', serial: 'beaf11' } }],
        undeclared: [],
        group: { name: 'docker-images', owner: { cluster: 'diy-cluster', node: 'a1' } },
        volumes: [{ name: 'docker-root', isActive: true }],
        growth: growth.map((s) => s.summary),
      },
    });
  });
});

// The contract of the Disks port, held against lsblk, wipefs and mkfs (stubs that keep state) and against the fake.

import { afterEach, describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { childExec } from '../../agent/host/child-exec.ts';
import { hostDisks } from '../../agent/host/disks.ts';
import type { AbsolutePath } from '../../agent/model/paths.ts';
import type { Disks } from '../../agent/ports/storage.ts';
import { effectLog } from '../support/effect-log.ts';
import { type FakeDisk, fakeDisk, fakeDisks } from '../support/fake-disks.ts';
import { fakeLvm, fakeVolume, groupOn } from '../support/fake-lvm.ts';
import { refusal } from '../support/refusal.ts';
import { storageFixture } from '../support/storage-fixtures.ts';
import { type StubPrograms, stubPrograms } from '../support/stub-programs.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const path: AbsolutePath = '/dev/disk/by-path/ip-10.34.102.54:3260-iscsi-iqn.x:y-lun-1';
const gibibyte = 1024 ** 3;

type Kind = 'blank' | 'ext4' | 'partitioned' | 'partition mounted' | 'volume active' | 'twin' | 'read-only' | 'small';

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function temporary(): Promise<string> {
  const directory = await mkdtemp(`${tmpdir()}/diyc-agent-disks-`);
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A disk of 2 GiB as /dev/sda: what is on it is in files beside the stubs, by the name of the device. */
const stubs = {
  lsblk: `here=\${0%/*}
case "$*" in *--nodeps*) cat "$here/disks" ;; *) cat "$here/tree" ;; esac`,
  wipefs: `here=\${0%/*}; device=\${2##*/}
case $1 in
--parsable) [ ! -f "$here/unreadable" ] || { echo "wipefs: error: $2: probing initialization failed: Input/output error" >&2; exit 1; }
  [ ! -f "$here/$device.signatures" ] || cat "$here/$device.signatures" ;;
--all) [ ! -f "$here/busy" ] || { echo "wipefs: error: $2: probing initialization failed: Device or resource busy" >&2; exit 1; }
  rm -f "$here/$device.signatures"
  if [ $device = sda ] && [ ! -f "$here/stubborn" ]; then head -n 1 "$here/tree" >"$here/tree.new"; mv "$here/tree.new" "$here/tree"; fi ;;
esac`,
  'mkfs.xfs': `here=\${0%/*}
[ ! -f "$here/small" ] || { printf 'Filesystem must be larger than 300MB.\\nUsage: mkfs.xfs\\n/* blocksize */\\n' >&2; exit 1; }
for device; do :; done; echo "0x0,u,$3,xfs" >"$here/\${device##*/}.signatures"`,
  'mkfs.ext4': `here=\${0%/*}
for device; do :; done; echo "0x438,u,$3,ext4" >"$here/\${device##*/}.signatures"`,
  xfs_growfs: 'exit 0',
  resize2fs: 'exit 0',
  udevadm: 'exit 0',
};

function treeRow(name: string, number: string, type: string, more: { readOnly?: boolean; size?: number } = {}): string {
  const { readOnly = false, size = 2 * gibibyte } = more;
  const kernel = type === 'lvm' ? 'dm-0' : name;
  return `NAME="${name}" KNAME="${kernel}" MAJ:MIN="${number}" TYPE="${type}" SIZE="${size}" RO="${readOnly ? 1 : 0}" MOUNTPOINT=""\n`;
}

interface RealDisks extends StubPrograms {
  readonly disks: Disks;
  readonly directory: string;
}

async function stubbed(kind: Kind): Promise<RealDisks> {
  const directory = await temporary();
  const made = await stubPrograms(directory, stubs);
  const put = (name: string, text: string): Promise<void> => writeFile(`${directory}/${name}`, text);
  const disk = treeRow('sda', '8:0', 'disk', { readOnly: kind === 'read-only' });
  const users = {
    partitioned: treeRow('sda1', '8:1', 'part'),
    'partition mounted': treeRow('sda1', '8:1', 'part'),
    'volume active': treeRow('docker--images-docker--root', '253:0', 'lvm'),
  };
  await put('tree', disk + (users[kind as keyof typeof users] ?? ''));
  const row = (name: string, serial: string, wwn: string): string =>
    `KNAME="${name}" TYPE="disk" SERIAL="${serial}" WWN="${wwn}" MODEL="VIRTUAL-DISK"\n`;
  const twin = kind === 'twin' ? row('sdb', 'beaf11', '0x60000000000000000e00000000010001') : '';
  await put('disks', row('sda', 'beaf11', '0x60000000000000000e00000000010001') + twin + row('vda', '', ''));
  if (kind === 'ext4') await put('sda.signatures', '0x438,u-u,old data,ext4\n');
  if (kind === 'partitioned' || kind === 'partition mounted') {
    await put('sda.signatures', '0x200,,,gpt\n0x7ffffe00,,,gpt\n');
    await put('sda1.signatures', '0x0,u,,xfs\n');
  }
  if (kind === 'volume active') await put('sda.signatures', '0x218,u,,LVM2_member\n');
  if (kind === 'small') await put('small', '');
  const mounted =
    kind === 'partition mounted'
      ? '26 1 8:1 / /srv/da\\040ta rw - xfs /dev/sda1 rw\n27 1 8:1 / /mnt rw - xfs /dev/sda1 rw\n'
      : '';
  await put('mountinfo', `25 0 254:0 / / rw - ext4 /dev/vda rw\n${mounted}`);
  const disks = hostDisks({
    exec: made.exec,
    mountInfo: `${directory}/mountinfo`,
    resolve: async (name) => (name === path || name === '/dev/sda' ? '/dev/sda' : null),
    read: async () => undefined,
  });
  return { ...made, disks, directory };
}

async function real(kind: Kind): Promise<Disks> {
  return (await stubbed(kind)).disks;
}

async function fake(kind: Kind): Promise<Disks> {
  const disk: FakeDisk = fakeDisk({
    readOnly: kind === 'read-only',
    ...(kind === 'small' ? { sizeBytes: 200 * 1024 * 1024 } : {}),
    ...(kind === 'ext4' ? { signatures: [{ type: 'ext4', label: 'old data' }] } : {}),
    ...(kind.startsWith('partition') ? { partitions: [[{ type: 'xfs', label: null }]] } : {}),
  });
  const [clock, log] = [virtualClock(), effectLog()];
  const disks = fakeDisks({ clock, log });
  disks.plug(path, disk);
  if (kind === 'twin') disks.plug('/dev/disk/by-path/ip-10.34.102.55:3260-iscsi-iqn.x:y-lun-1', disk);
  if (kind === 'partition mounted') {
    disks.mount('/dev/sda1', '/srv/da ta');
    disks.mount('/dev/sda1', '/mnt');
  }
  if (kind === 'volume active') {
    groupOn([disk], { volumes: [fakeVolume({ name: 'docker-root' })] });
    await fakeLvm({ disks, log }).activate('docker-images');
  }
  return disks;
}

for (const [name, make] of [
  ['lsblk, wipefs and mkfs', real],
  ['the fake disks', fake],
] as const) {
  describe(name, () => {
    test('a blank disk: its name, size and serial, and nothing on it', async () => {
      expect(await (await make('blank')).inspect(path)).toEqual({
        name: 'sda',
        path: '/dev/sda',
        type: 'disk',
        sizeBytes: 2 * gibibyte,
        readOnly: false,
        serial: 'beaf11',
        wwn: '0x60000000000000000e00000000010001',
        model: 'VIRTUAL-DISK',
        mountPoints: [],
        signatures: [],
        users: [],
        siblings: [],
      });
    });

    test('a disk that is not there is null', async () => {
      const disks = await make('blank');
      expect(await disks.inspect('/dev/disk/by-id/nope')).toBeNull();
    });

    test('what is on a disk: signatures, partitions with all their mounts, active volumes, further paths', async () => {
      expect((await (await make('ext4')).inspect(path))?.signatures).toEqual([{ type: 'ext4', label: 'old data' }]);
      const mounted = await (await make('partition mounted')).inspect(path);
      expect(mounted?.signatures).toEqual([{ type: 'gpt', label: null }]);
      expect(mounted?.users).toMatchObject([
        { name: 'sda1', path: '/dev/sda1', type: 'part', mountPoints: ['/srv/da ta', '/mnt'] },
      ]);
      const active = await (await make('volume active')).inspect(path);
      expect(active?.signatures).toEqual([{ type: 'LVM2_member', label: null }]);
      expect(active?.users).toMatchObject([
        { name: 'dm-0', path: '/dev/mapper/docker--images-docker--root', type: 'lvm', mountPoints: [] },
      ]);
      expect((await (await make('twin')).inspect(path))?.siblings).toEqual(['sdb']);
      expect((await (await make('read-only')).inspect(path))?.readOnly).toBe(true);
    });

    test('a disk that is there need not be waited for; one that does not come is no error', async () => {
      const disks = await make('blank');
      expect(await disks.await(path, 5_000)).toBe(true);
      expect(await disks.await('/dev/disk/by-id/nope', 20)).toBe(false);
    });

    test.each(['ext4', 'partitioned'] as const)('a disk with %s is blank once it is wiped', async (kind) => {
      const disks = await make(kind);
      await disks.wipe(path, 'beaf11');
      expect(await disks.inspect(path)).toMatchObject({ signatures: [], users: [] });
    });

    test.each(['partition mounted', 'volume active', 'read-only'] as const)(
      'with %s nothing is wiped',
      async (kind) => {
        const disks = await make(kind);
        const before = await disks.inspect(path);
        const error = await refusal(() => disks.wipe(path, 'beaf11'));
        expect([error.kind, error.retryable]).toEqual(['oserr', false]);
        expect(error.message).toContain('did not wipe');
        expect(await disks.inspect(path)).toEqual(before);
      },
    );

    test('a disk of another serial has taken the name: it is not wiped', async () => {
      const disks = await make('ext4');
      const error = await refusal(() => disks.wipe(path, 'beaf12'));
      expect([error.kind, error.isConflict]).toEqual(['tempfail', true]);
      expect((await disks.inspect(path))?.signatures).toHaveLength(1);
    });

    test('a disk that is gone is not wiped, and may come back', async () => {
      const disks = await make('blank');
      expect((await refusal(() => disks.wipe('/dev/disk/by-id/nope', 'beaf11'))).kind).toBe('tempfail');
    });

    test.each(['xfs', 'ext4'] as const)('%s is made on what is blank, and never over anything', async (type) => {
      const disks = await make('blank');
      await disks.makeFileSystem('/dev/sda', type, 'docker-root');
      const made = [{ type, label: 'docker-root' }];
      expect((await disks.inspect(path))?.signatures).toEqual(made);
      for (const other of ['xfs', 'ext4'] as const) {
        const error = await refusal(() => disks.makeFileSystem('/dev/sda', other, 'docker-root'));
        expect(error.kind).toBe('oserr');
        expect(error.message).toContain(`it carries ${type} already`);
      }
      expect((await disks.inspect(path))?.signatures).toEqual(made);
    });

    test('a device that is too small for xfs is an error in its own words', async () => {
      const disks = await make('small');
      const error = await refusal(() => disks.makeFileSystem('/dev/sda', 'xfs', 'docker-root'));
      expect(error.kind).toBe('oserr');
      expect(error.message).toContain('must be larger than 300MB');
      expect(error.message).not.toContain('blocksize');
    });
  });
}

describe('lsblk, wipefs and udevadm alone', () => {
  test.each([
    ['lsblk fails', (_d: string, s: StubPrograms) => s.does('lsblk', 'echo "lsblk: sda: failed" >&2; exit 32')],
    ['lsblk says nothing', (_d: string, s: StubPrograms) => s.does('lsblk', 'exit 0')],
    ['lsblk is cut off', (_d: string, s: StubPrograms) => s.does('lsblk', `printf 'NAME="sda" KNA'`)],
    ['wipefs cannot read the disk', (d: string) => writeFile(`${d}/unreadable`, '')],
    ['wipefs says what nobody knows', (d: string) => writeFile(`${d}/sda.signatures`, 'ext4\n')],
    ['the mounts cannot be read', (d: string) => rm(`${d}/mountinfo`)],
  ])('when %s nothing is known of the disk', async (_what, spoil) => {
    const { disks, directory, ...rest } = await stubbed('blank');
    await spoil(directory, rest);
    expect((await refusal(() => disks.inspect(path))).kind).toBe('oserr');
    expect((await refusal(() => disks.wipe(path, 'beaf11'))).kind).toBe('oserr');
    expect((await rest.calls('wipefs')).some((call) => call.includes('--all'))).toBe(false);
  });

  test('what is read is only read', async () => {
    const { disks, calls } = await stubbed('partition mounted');
    await disks.inspect(path);
    expect(await calls('wipefs')).toEqual(['--parsable /dev/sda']);
    expect((await calls('lsblk')).sort()).toEqual([
      '--pairs --bytes --output NAME,KNAME,MAJ:MIN,TYPE,SIZE,RO,MOUNTPOINT /dev/sda',
      '--pairs --nodeps --output KNAME,TYPE,SERIAL,WWN,MODEL',
    ]);
  });

  test('a partition given as a device says that it is one', async () => {
    const directory = await temporary();
    const own = await stubPrograms(directory, stubs);
    await writeFile(`${directory}/tree`, treeRow('sda1', '8:1', 'part'));
    await writeFile(`${directory}/disks`, 'KNAME="sda" TYPE="disk" SERIAL="s" WWN="0x5" MODEL="m"\n');
    await writeFile(`${directory}/mountinfo`, '');
    const disks = hostDisks({
      exec: own.exec,
      mountInfo: `${directory}/mountinfo`,
      resolve: async () => '/dev/sda1',
      read: async () => undefined,
    });
    expect(await disks.inspect(path)).toMatchObject({ name: 'sda1', type: 'part', serial: null, siblings: [] });
  });

  test('swap and mounts as captured', async () => {
    const directory = await temporary();
    const own = await stubPrograms(directory, stubs);
    await writeFile(`${directory}/tree`, await storageFixture('lsblk-partitions.txt'));
    await writeFile(`${directory}/disks`, await storageFixture('lsblk-disks-two-paths.txt'));
    await writeFile(`${directory}/mountinfo`, await storageFixture('mountinfo-partitions.txt'));
    const disks = hostDisks({
      exec: own.exec,
      mountInfo: `${directory}/mountinfo`,
      resolve: async () => '/dev/sda',
      read: async () => undefined,
    });
    const found = await disks.inspect(path);
    expect(found?.users.map((u) => u.mountPoints)).toEqual([['/mnt2/a "b', '/mnt'], ['[SWAP]']]);
    expect(found?.siblings).toHaveLength(1);
  });

  test('partitions are wiped before the disk, and what is left afterwards is an error', async () => {
    const first = await stubbed('partitioned');
    await first.disks.wipe(path, 'beaf11');
    expect((await first.calls('wipefs')).filter((c) => c.startsWith('--all'))).toEqual([
      '--all /dev/sda1',
      '--all /dev/sda',
    ]);
    expect(await first.calls('udevadm')).toEqual(['settle --timeout=30']);
    const second = await stubbed('partitioned');
    await writeFile(`${second.directory}/stubborn`, '');
    const error = await refusal(() => second.disks.wipe(path, 'beaf11'));
    expect(error.kind).toBe('oserr');
    expect(error.message).toContain('not blank afterwards: sda1');
  });

  test('a serial that another disk has too gives up neither', async () => {
    const { disks, directory } = await stubbed('ext4');
    const row = (name: string, wwn: string): string =>
      `KNAME="${name}" TYPE="disk" SERIAL="beaf11" WWN="${wwn}" MODEL="m"\n`;
    await writeFile(`${directory}/disks`, row('sda', '0x1') + row('sdb', '0x2'));
    const error = await refusal(() => disks.wipe(path, 'beaf11'));
    expect([error.kind, error.retryable]).toEqual(['oserr', false]);
    expect(error.message).toContain('sdb has the serial beaf11 too');
    expect((await disks.inspect(path))?.signatures).toHaveLength(1);
    // A further path to the same LUN is no other disk.
    await writeFile(`${directory}/disks`, row('sda', '0x1') + row('sdb', '0x1'));
    await disks.wipe(path, 'beaf11');
  });

  test('nothing found on a disk that cannot be read is not nothing', async () => {
    const { exec, directory } = await stubbed('blank');
    // A file that is open for reading and gives EISDIR at the first read, as a lost LUN gives EIO.
    const disks = hostDisks({
      exec,
      mountInfo: `${directory}/mountinfo`,
      resolve: async () => directory as AbsolutePath,
    });
    for (const attempt of [
      () => disks.inspect(path),
      () => disks.makeFileSystem(directory as AbsolutePath, 'ext4', 'd'),
    ]) {
      const error = await refusal(attempt);
      expect([error.kind, error.retryable]).toEqual(['tempfail', true]);
      expect(error.message).toContain(`${directory}: reading it failed (EISDIR)`);
    }
  });

  test('a disk that something holds open is left alone', async () => {
    const { disks, directory } = await stubbed('ext4');
    await writeFile(`${directory}/busy`, '');
    const error = await refusal(() => disks.wipe(path, 'beaf11'));
    expect(error.kind).toBe('oserr');
    expect(error.message).toContain('Device or resource busy');
    expect((await disks.inspect(path))?.signatures).toHaveLength(1);
  });

  test('mkfs is never forced, gets no label that does not fit, and xfs tells the type of files', async () => {
    const { disks, calls } = await stubbed('blank');
    await disks.makeFileSystem('/dev/sda', 'xfs', 'docker-root');
    expect(await calls('mkfs.xfs')).toEqual(['-q -L docker-root -n ftype=1 /dev/sda']);
    expect((await refusal(() => disks.makeFileSystem('/dev/sda', 'xfs', 'thirteen-long'))).kind).toBe('bug');
    expect((await refusal(() => disks.makeFileSystem('/dev/sda', 'ext4', '-F'.padEnd(17, 'x')))).kind).toBe('bug');
  });

  test('each file system is grown by what it is known by', async () => {
    const { disks, calls } = await stubbed('blank');
    await disks.growFileSystem('/var/lib/docker', '/dev/docker-images/docker-root', 'xfs');
    await disks.growFileSystem('/var/lib/docker', '/dev/docker-images/docker-root', 'ext4');
    expect([...(await calls('xfs_growfs')), ...(await calls('resize2fs'))]).toEqual([
      '/var/lib/docker',
      '/dev/docker-images/docker-root',
    ]);
  });

  test('only what is a block device is a disk', async () => {
    const { exec, directory } = await stubbed('blank');
    const disks = hostDisks({ exec, mountInfo: `${directory}/mountinfo` });
    await symlink('/nowhere', `${directory}/dangling`);
    await symlink('/dev/null', `${directory}/null`);
    expect(await disks.inspect(`${directory}/dangling` as AbsolutePath)).toBeNull();
    expect(await disks.inspect(`${directory}/tree/below` as AbsolutePath)).toBeNull();
    for (const name of ['null', 'tree', '.']) {
      const error = await refusal(() => disks.inspect(`${directory}/${name}` as AbsolutePath));
      expect([error.kind, error.message.includes('not a block device')]).toEqual(['data', true]);
    }
  });

  test('a disk is asked for its size by the kernel, and one that tells by itself is not asked', async () => {
    const { exec, directory } = await stubbed('blank');
    await mkdir(`${directory}/class/block/sda/device`, { recursive: true });
    await writeFile(`${directory}/class/block/sda/device/rescan`, '');
    const disks = hostDisks({ exec, sys: directory });
    await disks.rescan('sda');
    expect(await readFile(`${directory}/class/block/sda/device/rescan`, 'utf8')).toBe('1');
    await disks.rescan('vda');
    expect(existsSync(`${directory}/class/block/vda`)).toBe(false);
    expect((await refusal(() => disks.rescan('../../etc'))).kind).toBe('bug');
  });
});

describe('waiting for a disk', () => {
  async function waiting(
    udevadm: string,
  ): Promise<StubPrograms & { readonly disks: Disks; readonly file: AbsolutePath }> {
    const directory = await temporary();
    const made = await stubPrograms(directory, { udevadm: `here=\${0%/*}\n${udevadm}` });
    const file = `${directory}/disk` as AbsolutePath;
    return { ...made, file, disks: hostDisks({ exec: made.exec, resolve: async (p) => (existsSync(p) ? p : null) }) };
  }

  test('is left to udev', async () => {
    const { disks, file, calls } = await waiting('touch "$here/disk"');
    expect(await disks.await(file, 10_000)).toBe(true);
    expect(await calls('udevadm')).toEqual([`wait --timeout=10 ${file}`]);
  });

  test('is done by looking again where udevadm cannot wait for a device', async () => {
    const { disks, file, calls } = await waiting(`case $1 in
settle) n=$(cat "$here/n" 2>/dev/null || echo 0); echo $((n + 1)) >"$here/n"; [ $n = 0 ] || touch "$here/disk" ;;
*) echo "Unknown operation wait" >&2; exit 1 ;; esac`);
    expect(await disks.await(file, 10_000)).toBe(true);
    expect((await calls('udevadm')).map((c) => c.split(' ')[0])).toEqual(['wait', 'settle', 'settle']);
  });

  test('ends with its time, also where there is no udevadm at all', async () => {
    const { disks, file } = await waiting('exec sleep 60');
    expect(await disks.await(file, 30)).toBe(false);
    const none = hostDisks({ exec: childExec({ directories: ['/nowhere'] }), resolve: async () => null });
    expect(await none.await(file, 30)).toBe(false);
  });

  test('ends at once when the caller gives up', async () => {
    const { disks, file } = await waiting('exec sleep 60');
    const given = new AbortController();
    const outcome = disks.await(file, 60_000, given.signal).catch((error: unknown) => error);
    given.abort(new Error('enough'));
    expect(await outcome).toEqual(new Error('enough'));
  });
});

describe('the fake disks alone', () => {
  test('a disk that is plugged in later is waited for, in virtual time', async () => {
    const clock = virtualClock();
    const names: string[] = [];
    const disks = fakeDisks({
      clock,
      log: effectLog(),
      onDevice: (p, exists) => names.push(`${exists ? '+' : '-'}${p}`),
    });
    clock.after(3_000, () => disks.plug(path, fakeDisk()));
    const started = clock.monotonicMs();
    expect(await disks.await(path, 60_000)).toBe(true);
    expect(clock.monotonicMs() - started).toBe(3_000);
    expect(await disks.await('/dev/nope', 1_000)).toBe(false);
    disks.unplug(path);
    expect(names).toEqual(['+/dev/sda', `+${path}`, `-${path}`, '-/dev/sda']);
    expect(await disks.inspect(path)).toBeNull();
  });

  test('what is on a disk outlives its host, and a new size shows after a rescan', async () => {
    const disk = fakeDisk();
    const [clock, log] = [virtualClock(), effectLog()];
    const first = fakeDisks({ clock, log });
    first.plug(path, disk);
    await first.makeFileSystem('/dev/sda', 'xfs', 'docker-root');
    first.unplug(path);
    const second = fakeDisks({ clock, log });
    second.plug('/dev/disk/by-id/other', fakeDisk({ serial: 'local', wwn: null }));
    second.plug(path, disk);
    expect(await second.inspect(path)).toMatchObject({ name: 'sdb', signatures: [{ type: 'xfs' }] });
    disk.sizeBytes *= 2;
    expect((await second.inspect(path))?.sizeBytes).toBe(2 * gibibyte);
    await second.rescan('sdb');
    expect((await second.inspect(path))?.sizeBytes).toBe(4 * gibibyte);
  });
});

const programs = ['/usr/sbin/wipefs', '/usr/sbin/mkfs.ext4'];

describe('the programs of this machine', () => {
  test.skipIf(!programs.every((p) => existsSync(p)))('make ext4 on an image once, and see it there', async () => {
    const directory = await temporary();
    const image = `${directory}/image` as AbsolutePath;
    await writeFile(image, '');
    await truncate(image, 64 * 1024 * 1024);
    const disks = hostDisks({ exec: childExec(), resolve: async (p) => p });
    await disks.makeFileSystem(image, 'ext4', 'docker-root');
    const made = await readFile(image);
    const error = await refusal(() => disks.makeFileSystem(image, 'ext4', 'docker-root'));
    expect(error.message).toContain('carries ext4 already');
    expect(made.equals(await readFile(image))).toBe(true);
  });
});

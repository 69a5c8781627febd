// The contract of the Lvm port, held against `lvm` (a stub that keeps a group) and against the fake.

import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { hostLvm } from '../../agent/host/lvm.ts';
import type { AbsolutePath } from '../../agent/model/paths.ts';
import { ownerOf, ownerTags } from '../../agent/model/storage.ts';
import type { Lvm } from '../../agent/ports/storage.ts';
import { effectLog } from '../support/effect-log.ts';
import { type FakeDisks, fakeDisk, fakeDisks } from '../support/fake-disks.ts';
import { fakeLvm, fakeVolume, groupOn } from '../support/fake-lvm.ts';
import { refusal } from '../support/refusal.ts';
import { storageFixture } from '../support/storage-fixtures.ts';
import { type StubPrograms, stubPrograms } from '../support/stub-programs.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const extent = 4 * 1024 * 1024;
const tags = ownerTags('diy-cluster', 'a1');

/** Two disks of 1 GiB and at most one group; sizes in extents. sdb carries ext4 where the file `ext4` says so. */
const lvm = `
here=\${0%/*}; command=$1; shift
[ -f "$here/hangs" ] && exec sleep 60
[ "$command" = version ] && { cat "$here/version"; exit 5; }
[ "$1" = --devicesfile ] && shift 2
for last; do :; done
e=4194304; disks=$(cat "$here/disks" 2>/dev/null); lvs=$here/lvs
total() { n=0; for d in $disks; do n=$((n + $(cat "$here/size.$d" 2>/dev/null || echo 255))); done; echo $n; }
used() { n=0; while IFS='|' read -r _ size _ meta _; do n=$((n + size + meta + meta)); done <"$lvs"; echo $n; }
free() { echo $(($(total) - $(used))); }
takeable() { for d in "$@"; do d=\${d#/dev/}
  [ $d = sdb ] && [ -f "$here/ext4" ] && { cat "$here/signature" >&2; exit 5; }
  case " $disks " in *" $d "*) cat "$here/taken" >&2; exit 5 ;; esac; done; }
share() { n=\${1%\\%FREE}; n=\${n#+}; echo $(($(free) * n / 100)); }
touch "$lvs"
case $command in
pvs) left=$(used); for d in sda sdb; do case " $disks " in *" $d "*)
  size=$(cat "$here/size.$d" 2>/dev/null || echo 255); u=$left; [ $u -le $size ] || u=$size; left=$((left - u))
  echo "  /dev/$d|$(cat "$here/name")|u-u|$((size * e))|$(((size + 1) * e))|$(((size - u) * e))|a--" ;; esac; done ;;
vgs) [ -f "$here/name" ] && echo "  $(cat "$here/name")|u-u|$(cat "$here/tags")|wz--n-|$(($(total) * e))|$(($(free) * e))|$e" || : ;;
lvs) while IFS='|' read -r name size kind meta active; do
  case $kind in t) a=twi-\${active}-t---; m=$((meta * e)) ;; *) a=-wi-\${active}-----; m= ;; esac
  p=; [ $kind$active = ta ] && p=0.00
  echo "  $name|$(cat "$here/name")|u-u|$a|$((size * e))|$p|$p|$m"; done <"$lvs" ;;
vgcreate) t=; [ "$1" = --setautoactivation ] && shift 2
  while [ "$1" = --addtag ]; do t=$t\${t:+,}$2; shift 2; done
  [ -f "$here/name" ] && { echo "  A volume group called $1 already exists." >&2; exit 5; }
  name=$1; shift; takeable "$@"; echo "$name" >"$here/name"; echo "$t" >"$here/tags"
  for d; do printf '%s ' "\${d#/dev/}"; done >"$here/disks" ;;
vgextend) shift; takeable "$@"; for d; do printf '%s ' "\${d#/dev/}"; done >>"$here/disks" ;;
pvresize) echo 511 >"$here/size.\${last#/dev/}" ;;
lvcreate) kind=-; meta=0
  while [ $# -gt 1 ]; do case $1 in
  --type) kind=t; meta=1; shift ;; --extents) size=$(share "$2"); shift ;; --name) name=$2; shift ;;
  --size) bytes=\${2%b}; size=$(((bytes + e - 1) / e)); shift ;; esac; shift; done
  grep -q "^$name|" "$lvs" && { echo "  Logical Volume \\"$name\\" already exists in volume group \\"$last\\"" >&2; exit 5; }
  [ $size -gt 0 ] && [ $((size + meta + meta)) -le $(free) ] || { echo "  Volume group \\"$last\\" has insufficient free space ($(free) extents)" >&2; exit 5; }
  echo "$name|$size|$kind|$meta|a" >>"$lvs" ;;
lvextend) name=\${last##*/}
  case $1 in --poolmetadatasize) exit 0 ;; esac
  more=$(share "$2"); [ $more -gt 0 ] || { echo "  New size (1 extents) matches existing size (1 extents)." >&2; exit 5; }
  awk -F'|' -v OFS='|' -v n="$name" -v m=$more '$1 == n { $2 += m } { print }' "$lvs" >"$lvs.new"; mv "$lvs.new" "$lvs" ;;
lvchange) : ;;
vgchange) [ "$(cat "$here/name" 2>/dev/null)" = "$last" ] || { echo "  Volume group \\"$last\\" not found" >&2; exit 5; }
  [ -f "$here/in-use" ] && [ $2 = n ] && { cat "$here/in-use" >&2; exit 5; }
  [ $2 = y ] && to=a || to=-
  sed "s/|[^|]*$/|$to/" "$lvs" >"$lvs.new"; mv "$lvs.new" "$lvs"
  [ ! -f "$here/no-dmeventd" ] || { echo "  WARNING: Failed to monitor g/docker-pool." >&2; exit 5; } ;;
*) exit 3 ;;
esac
`;

interface Subject {
  readonly lvm: Lvm;
  /** sdb carries ext4. */
  spoil(): Promise<void>;
  /** docker-root is mounted. */
  use(): Promise<void>;
  /** sda has 2 GiB now. */
  grow(): Promise<void>;
}

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

interface RealLvm extends Subject, StubPrograms {
  readonly directory: string;
}

async function stubbed(version = '  LVM version:     2.03.16(2) (2022-05-18)'): Promise<RealLvm> {
  const directory = await mkdtemp(`${tmpdir()}/diyc-agent-lvm-`);
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  const made = await stubPrograms(directory, { lvm });
  const put = async (name: string, text: string): Promise<void> => writeFile(`${directory}/${name}`, text);
  await put('version', `${version}\n`);
  await put('signature', await storageFixture('vgcreate-signature.stderr.txt'));
  await put('taken', await storageFixture('vgcreate-taken.stderr.txt'));
  return {
    ...made,
    directory,
    lvm: hostLvm(made.exec),
    spoil: () => put('ext4', ''),
    use: async () => put('in-use', await storageFixture('vgchange-in-use.stderr.txt')),
    // LVM sees it by itself once it is told to.
    grow: async () => undefined,
  };
}

async function fake(): Promise<Subject> {
  const log = effectLog();
  const disks: FakeDisks = fakeDisks({ clock: virtualClock(), log });
  const all = ['SER-1', 'SER-2'].map((serial) => fakeDisk({ serial, wwn: null, sizeBytes: 1024 ** 3 }));
  all.forEach((disk, i) => {
    disks.plug(`/dev/disk/by-id/scsi-${i}`, disk);
  });
  return {
    lvm: fakeLvm({ disks, log }),
    async spoil() {
      for (const disk of all.slice(1)) disk.signatures = [{ type: 'ext4', label: null }];
    },
    async use() {
      disks.mount('/dev/docker-images/docker-root', '/var/lib/docker');
    },
    async grow() {
      for (const disk of all.slice(0, 1)) disk.sizeBytes = 2 * 1024 ** 3;
      await disks.rescan('sda');
    },
  };
}

for (const [name, make] of [
  ['lvm', stubbed],
  ['the fake LVM', fake],
] as const) {
  describe(name, () => {
    test('knows nothing of disks that are blank', async () => {
      const subject = await make();
      expect(await subject.lvm.state()).toEqual({ physicalVolumes: [], volumeGroups: [], logicalVolumes: [] });
    });

    test('a group is made of disks, and says whose it is from the start', async () => {
      const subject = await make();
      await subject.lvm.makeVolumeGroup('docker-images', ['/dev/sda', '/dev/sdb'], tags);
      const { physicalVolumes, volumeGroups } = await subject.lvm.state();
      expect(volumeGroups).toMatchObject([
        { name: 'docker-images', tags, sizeBytes: 510 * extent, freeBytes: 510 * extent, extentBytes: extent },
      ]);
      expect(volumeGroups.map(ownerOf)).toEqual([{ cluster: 'diy-cluster', node: 'a1' }]);
      expect(physicalVolumes).toMatchObject([
        { path: '/dev/sda', volumeGroup: 'docker-images', sizeBytes: 255 * extent, isMissing: false },
        { path: '/dev/sdb', volumeGroupUuid: volumeGroups[0]?.uuid, freeBytes: 255 * extent },
      ]);
    });

    test('a disk that carries anything is not taken, and no other one with it', async () => {
      const subject = await make();
      await subject.spoil();
      const error = await refusal(() => subject.lvm.makeVolumeGroup('docker-images', ['/dev/sda', '/dev/sdb'], tags));
      expect([error.kind, error.retryable]).toEqual(['oserr', false]);
      expect(error.message).toContain('Aborted wiping of ext4');
      expect(await subject.lvm.state()).toEqual({ physicalVolumes: [], volumeGroups: [], logicalVolumes: [] });
      await subject.lvm.makeVolumeGroup('docker-images', ['/dev/sda'], tags);
      await refusal(() => subject.lvm.extendVolumeGroup('docker-images', ['/dev/sdb']));
      expect((await subject.lvm.state()).physicalVolumes).toHaveLength(1);
    });

    test('a disk of a group is not taken for another, and a group is not made twice', async () => {
      const subject = await make();
      await subject.lvm.makeVolumeGroup('docker-images', ['/dev/sda'], tags);
      const twice = await refusal(() => subject.lvm.makeVolumeGroup('docker-images', ['/dev/sdb'], tags));
      expect(twice.message).toContain('already exists');
      const taken = await refusal(() => subject.lvm.extendVolumeGroup('docker-images', ['/dev/sda']));
      expect(taken.message).toContain("already in volume group 'docker-images'");
    });

    test('a group gets another disk, and uses what one has grown by', async () => {
      const subject = await make();
      await subject.lvm.makeVolumeGroup('docker-images', ['/dev/sda'], tags);
      await subject.lvm.extendVolumeGroup('docker-images', ['/dev/sdb']);
      expect((await subject.lvm.state()).volumeGroups[0]?.sizeBytes).toBe(510 * extent);
      await subject.grow();
      await subject.lvm.growPhysicalVolume('/dev/sda');
      const { physicalVolumes, volumeGroups } = await subject.lvm.state();
      expect(volumeGroups[0]?.sizeBytes).toBe(766 * extent);
      expect(physicalVolumes[0]?.sizeBytes).toBe(511 * extent);
    });

    test('a volume and a thin pool share what is free, and are active', async () => {
      const { lvm } = await make();
      await lvm.makeVolumeGroup('docker-images', ['/dev/sda', '/dev/sdb'], tags);
      await lvm.makeVolume({ volumeGroup: 'docker-images', name: 'docker-root', size: { percentOfFree: 20 } });
      await lvm.makeThinPool({ volumeGroup: 'docker-images', name: 'docker-pool', percentOfFree: 90 });
      await lvm.makeVolume({ volumeGroup: 'docker-images', name: 'notes', size: { bytes: 5 * 1024 * 1024 + 1 } });
      const { logicalVolumes, volumeGroups } = await lvm.state();
      const root = { name: 'docker-root', kind: 'plain', isActive: true, sizeBytes: 102 * extent, dataPercent: null };
      const pool = { name: 'docker-pool', kind: 'thin pool', isActive: true, sizeBytes: 367 * extent, dataPercent: 0 };
      expect(logicalVolumes).toMatchObject([
        { ...root, metadataBytes: null },
        { ...pool, metadataBytes: extent },
        { name: 'notes', sizeBytes: 2 * extent },
      ]);
      // A spare copy of the pool's metadata is kept.
      expect(volumeGroups[0]?.freeBytes).toBe((510 - 102 - 367 - 2 - 2) * extent);
      for (const again of [
        () => lvm.makeVolume({ volumeGroup: 'docker-images', name: 'docker-root', size: { percentOfFree: 50 } }),
        () => lvm.makeVolume({ volumeGroup: 'docker-images', name: 'more', size: { bytes: 1024 ** 4 } }),
      ]) {
        expect((await refusal(again)).kind).toBe('oserr');
      }
    });

    test('a volume grows by a share of what is free, and by nothing where nothing is', async () => {
      const { lvm } = await make();
      await lvm.makeVolumeGroup('docker-images', ['/dev/sda'], tags);
      await lvm.makeVolume({ volumeGroup: 'docker-images', name: 'docker-root', size: { percentOfFree: 20 } });
      await lvm.growVolume('docker-images', 'docker-root', 50);
      const sizeOf = async (): Promise<number | undefined> => (await lvm.state()).logicalVolumes[0]?.sizeBytes;
      expect(await sizeOf()).toBe((51 + 102) * extent);
      await lvm.growVolume('docker-images', 'docker-root', 100);
      expect(await sizeOf()).toBe(255 * extent);
      await lvm.growVolume('docker-images', 'docker-root', 100);
      expect(await sizeOf()).toBe(255 * extent);
    });

    test('a group is deactivated and activated, as often as one likes', async () => {
      const { lvm } = await make();
      await lvm.makeVolumeGroup('docker-images', ['/dev/sda'], tags);
      await lvm.makeVolume({ volumeGroup: 'docker-images', name: 'docker-root', size: { percentOfFree: 20 } });
      await lvm.makeThinPool({ volumeGroup: 'docker-images', name: 'docker-pool', percentOfFree: 90 });
      const states = async (): Promise<boolean[]> => (await lvm.state()).logicalVolumes.map((v) => v.isActive);
      for (let round = 0; round < 2; round++) await lvm.deactivate('docker-images');
      expect(await states()).toEqual([false, false]);
      expect((await lvm.state()).logicalVolumes.map((v) => v.dataPercent)).toEqual([null, null]);
      for (let round = 0; round < 2; round++) await lvm.activate('docker-images');
      expect(await states()).toEqual([true, true]);
    });

    test('a group in use stays active, which may pass', async () => {
      const subject = await make();
      await subject.lvm.makeVolumeGroup('docker-images', ['/dev/sda'], tags);
      await subject.lvm.makeVolume({ volumeGroup: 'docker-images', name: 'docker-root', size: { percentOfFree: 20 } });
      await subject.use();
      const error = await refusal(() => subject.lvm.deactivate('docker-images'));
      expect([error.kind, error.retryable]).toEqual(['tempfail', true]);
      expect(error.message).toContain('contains a filesystem in use');
      expect((await subject.lvm.state()).logicalVolumes[0]?.isActive).toBe(true);
    });

    test('a group that is not there is an error', async () => {
      const { lvm } = await make();
      for (const attempt of [() => lvm.activate('nope'), () => lvm.deactivate('nope')]) {
        expect((await refusal(attempt)).message).toContain('Volume group "nope" not found');
      }
    });
  });
}

describe('lvm alone', () => {
  async function everything({ lvm }: Subject): Promise<void> {
    await lvm.makeVolumeGroup('g', ['/dev/sda'], tags);
    await lvm.makeVolume({ volumeGroup: 'g', name: 'docker-root', size: { percentOfFree: 20 } });
    await lvm.makeVolume({ volumeGroup: 'g', name: 'notes', size: { bytes: 1000 } });
    await lvm.makeThinPool({ volumeGroup: 'g', name: 'docker-pool', percentOfFree: 90 });
    await lvm.deactivate('g');
    await lvm.activate('g');
    await lvm.extendVolumeGroup('g', ['/dev/sdb']);
    await lvm.growPhysicalVolume('/dev/sda');
    await lvm.growVolume('g', 'docker-pool', 90);
  }

  test('passes over the devices file, and no host activates the group by itself', async () => {
    const subject = await stubbed();
    await everything(subject);
    const calls = (await subject.calls('lvm')).filter((c) => !/^(version|pvs|vgs|lvs)/.test(c));
    expect(calls).toEqual([
      'vgcreate --devicesfile  --setautoactivation n --addtag diyc.cluster=diy-cluster --addtag diyc.node=a1 g /dev/sda',
      'lvcreate --devicesfile  --yes --wipesignatures y --extents 20%FREE --name docker-root g',
      'lvcreate --devicesfile  --yes --wipesignatures y --size 1024b --name notes g',
      'lvcreate --devicesfile  --yes --type thin-pool --zero n --chunksize 512k --extents 90%FREE --poolmetadatasize 1069568b --name docker-pool g',
      'vgchange --devicesfile  --activate n g',
      'vgchange --devicesfile  --activate y --ignoreactivationskip g',
      'vgextend --devicesfile  g /dev/sdb',
      'pvresize --devicesfile  /dev/sda',
      'lvextend --devicesfile  --extents +90%FREE g/docker-pool',
    ]);
    expect((await subject.calls('lvm')).filter((c) => c === 'version')).toHaveLength(1);
  });

  test('of CentOS 7 knows neither, so each volume says it for itself', async () => {
    const subject = await stubbed('  LVM version:     2.02.187(2)-RHEL7 (2020-03-24)');
    await everything(subject);
    const calls = await subject.calls('lvm');
    expect(calls.some((c) => c.includes('--devicesfile') || c.includes('autoactivation'))).toBe(false);
    expect(calls.filter((c) => c.startsWith('lvchange'))).toEqual([
      'lvchange --setactivationskip y g/docker-root',
      'lvchange --setactivationskip y g/notes',
      'lvchange --setactivationskip y g/docker-pool',
      'lvchange --setactivationskip y g',
    ]);
  });

  test('before 2.03 its cache is made to look at the disks again, and later ones have none', async () => {
    const old = await stubbed('  LVM version:     2.02.111(2) (2014-09-01)');
    await old.lvm.state();
    expect((await old.calls('lvm')).map((c) => c.split(' ').slice(0, 2).join(' '))).toEqual([
      'version',
      'pvscan --cache',
      'pvs --noheadings',
      'vgs --noheadings',
      'lvs --noheadings',
    ]);
    const later = await stubbed();
    await later.lvm.state();
    expect((await later.calls('lvm')).some((c) => c.startsWith('pvscan'))).toBe(false);
  });

  test("a pool's metadata grows before its data", async () => {
    const subject = await stubbed();
    await subject.lvm.makeVolumeGroup('g', ['/dev/sda'], tags);
    await subject.lvm.makeThinPool({ volumeGroup: 'g', name: 'docker-pool', percentOfFree: 50 });
    // 6 GB, of which 0.1 % is more than the extent that the metadata has.
    await writeFile(`${subject.directory}/size.sda`, '1500\n');
    await subject.lvm.growVolume('g', 'docker-pool', 90);
    expect((await subject.calls('lvm')).filter((c) => c.startsWith('lvextend'))).toEqual([
      'lvextend --devicesfile  --poolmetadatasize +2097152b g/docker-pool',
      'lvextend --devicesfile  --extents +90%FREE g/docker-pool',
    ]);
  });

  test('nothing is forced, and only what is made within our own group is made without a question', async () => {
    const subject = await stubbed();
    await everything(subject);
    const calls = await subject.calls('lvm');
    expect(calls.some((c) => /force| -f/.test(c))).toBe(false);
    expect(calls.filter((c) => c.includes('--yes')).every((c) => c.startsWith('lvcreate'))).toBe(true);
  });

  test('a group that is active all the same is activated', async () => {
    const subject = await stubbed();
    await subject.lvm.makeVolumeGroup('g', ['/dev/sda'], tags);
    await subject.lvm.makeThinPool({ volumeGroup: 'g', name: 'docker-pool', percentOfFree: 50 });
    await subject.lvm.deactivate('g');
    await writeFile(`${subject.directory}/no-dmeventd`, '');
    await subject.lvm.activate('g');
    expect((await subject.lvm.state()).logicalVolumes[0]?.isActive).toBe(true);
  });

  test('a partial group is not, and says why', async () => {
    const subject = await stubbed();
    await subject.does(
      'lvm',
      `[ "$1" = version ] && { echo 'LVM version: 2.03.16(2)'; exit 0; }
[ $1 = lvs ] && { cat "\${0%/*}/lvs-text"; exit 0; }; cat "\${0%/*}/partial" >&2; exit 5`,
    );
    await writeFile(`${subject.directory}/lvs-text`, await storageFixture('lvs-partial.txt'));
    await writeFile(`${subject.directory}/partial`, await storageFixture('vgchange-partial.stderr.txt'));
    const error = await refusal(() => hostLvm(subject.exec).activate('docker-images'));
    expect(error.kind).toBe('oserr');
    expect(error.message).toContain('Refusing activation of partial LV docker-images/docker-pool');
  });

  test('a pool that has a device of docker keeps its group active, which may pass', async () => {
    const subject = await stubbed();
    await subject.lvm.makeVolumeGroup('g', ['/dev/sda'], tags);
    await writeFile(`${subject.directory}/in-use`, await storageFixture('vgchange-in-use-pool.stderr.txt'));
    expect((await refusal(() => subject.lvm.deactivate('g'))).kind).toBe('tempfail');
  });

  test.each([
    ['fails', 'echo "  /dev/sda|g|u|1|1|0|a--"; echo "  Error reading device /dev/sda" >&2; exit 5'],
    ['prints half a row', "printf '  /dev/sda|g'"],
    ['prints something else', 'echo "WARNING: this is no report"'],
  ])('a report that %s is no answer', async (_what, shell) => {
    const subject = await stubbed();
    await subject.does('lvm', `[ "$1" = version ] && { echo 'LVM version: 2.03.16(2)'; exit 0; }\n${shell}`);
    expect((await refusal(() => hostLvm(subject.exec).state())).kind).toBe('oserr');
  });

  test('warnings beside a report do not spoil it', async () => {
    const subject = await stubbed();
    await subject.does(
      'lvm',
      `[ "$1" = version ] && { echo 'LVM version: 2.03.16(2)'; exit 0; }
echo "  WARNING: Couldn't find device with uuid qSRCS3." >&2; [ $1 != vgs ] || cat "\${0%/*}/vgs-text"`,
    );
    await writeFile(`${subject.directory}/vgs-text`, await storageFixture('vgs-partial.txt'));
    expect((await hostLvm(subject.exec).state()).volumeGroups).toMatchObject([
      { name: 'docker-images', isPartial: true },
    ]);
  });

  test('where LVM tells no version it is not guessed, and asked again', async () => {
    const subject = await stubbed();
    await subject.does('lvm', 'echo "lvm: error while loading shared libraries" >&2; exit 127');
    const own = hostLvm(subject.exec);
    expect((await refusal(() => own.state())).message).toContain('exited with 127');
    await subject.does('lvm', lvm);
    expect((await own.state()).volumeGroups).toEqual([]);
  });
});

describe('the fake LVM alone', () => {
  const path: AbsolutePath = '/dev/disk/by-id/wwn-1';

  test('a group travels with its disk to another host, where it is inactive', async () => {
    const disk = fakeDisk();
    const names: string[] = [];
    const log = effectLog();
    const host = (onDevice?: (p: string, exists: boolean) => void): { disks: FakeDisks; lvm: Lvm } => {
      const disks = fakeDisks({ clock: virtualClock(), log, ...(onDevice === undefined ? {} : { onDevice }) });
      return { disks, lvm: fakeLvm({ disks, log }) };
    };
    const one = host((p, exists) => names.push(`${exists ? '+' : '-'}${p}`));
    one.disks.plug(path, disk);
    await one.lvm.makeVolumeGroup('docker-images', [path], tags);
    await one.lvm.makeVolume({ volumeGroup: 'docker-images', name: 'docker-root', size: { percentOfFree: 100 } });
    await one.disks.makeFileSystem('/dev/docker-images/docker-root', 'xfs', 'docker-root');
    expect(names).toContain('+/dev/mapper/docker--images-docker--root');
    const other = host();
    other.disks.plug(path, disk);
    const seen = await other.lvm.state();
    expect(seen.volumeGroups.map(ownerOf)).toEqual([{ cluster: 'diy-cluster', node: 'a1' }]);
    expect(seen.logicalVolumes).toMatchObject([{ name: 'docker-root', isActive: false }]);
    expect(await other.disks.inspect('/dev/docker-images/docker-root')).toBeNull();
    await other.lvm.activate('docker-images');
    const root = await other.disks.inspect('/dev/docker-images/docker-root');
    expect(root?.signatures).toEqual([{ type: 'xfs', label: 'docker-root' }]);
  });

  test('a group that lacks a disk says so, and is not changed', async () => {
    const [here, gone] = [fakeDisk(), fakeDisk({ serial: 'gone' })];
    groupOn([here, gone], { tags: ['diyc.node=a1'], volumes: [fakeVolume({ name: 'docker-root' })] });
    const log = effectLog();
    const disks = fakeDisks({ clock: virtualClock(), log });
    disks.plug(path, here);
    const lvm = fakeLvm({ disks, log });
    const state = await lvm.state();
    expect(state.volumeGroups).toMatchObject([{ isPartial: true }]);
    expect(state.physicalVolumes.filter((p) => p.isMissing)).toMatchObject([{ path: '[unknown]', deviceBytes: 0 }]);
    for (const attempt of [() => lvm.activate('docker-images'), () => lvm.extendVolumeGroup('docker-images', [path])])
      await refusal(attempt);
  });

  test('a kill between the label and the group leaves a disk that is nobody’s', async () => {
    const disk = fakeDisk();
    const log = effectLog();
    const disks = fakeDisks({ clock: virtualClock(), log });
    disks.plug(path, disk);
    const lvm = fakeLvm({ disks, log });
    log.killAt(0, 'during');
    await lvm.makeVolumeGroup('docker-images', [path], tags).catch(() => undefined);
    log.revive();
    expect((await lvm.state()).physicalVolumes).toMatchObject([{ volumeGroup: null }]);
    await lvm.makeVolumeGroup('docker-images', [path], tags);
    expect((await lvm.state()).volumeGroups).toHaveLength(1);
  });
});

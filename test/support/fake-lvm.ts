// An LVM in memory on the fake disks: groups live on the disks themselves, what is active lives on the host.

import { AgentError } from '../../agent/model/errors.ts';
import type { AbsolutePath } from '../../agent/model/paths.ts';
import { mapperPath, volumePath } from '../../agent/model/storage.ts';
import type { Lvm } from '../../agent/ports/storage.ts';
import type { EffectLog } from './effect-log.ts';
import {
  type ActiveVolume,
  type FakeDisk,
  type FakeDisks,
  type FakeGroup,
  type FakeVolume,
  type PluggedDisk,
  signaturesOn,
} from './fake-disks.ts';

export interface FakeLvmOptions {
  readonly disks: FakeDisks;
  readonly log: EffectLog;
  /** Default: it is installed and can read the disks. */
  readonly failure?: AgentError | null;
}

export interface FakeLvm extends Lvm {
  /** Every question and change fails like this; null: they work again. */
  fail(error: AgentError | null): void;
  /** How full a pool is. */
  fill(volumeGroup: string, name: string, dataPercent: number, metadataPercent: number): void;
}

const extent = 4 * 1024 * 1024;
/** LVM's own area at the start of a disk. */
const headBytes = 1024 * 1024;

/** As pvs tells it: the disk without LVM's own area, in whole extents. */
function usableBytes(diskBytes: number): number {
  return Math.max(0, Math.floor((diskBytes - headBytes) / extent) * extent);
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / extent) * extent;
}

let groups = 0;

/** A group that somebody made earlier, on disks that need not be plugged in anywhere. */
export function groupOn(disks: readonly FakeDisk[], given: Partial<Omit<FakeGroup, 'members'>> = {}): FakeGroup {
  groups += 1;
  const made: FakeGroup = {
    name: 'docker-images',
    uuid: `group-${groups}`,
    tags: [],
    isExported: false,
    volumes: [],
    ...given,
    members: [...disks],
  };
  for (const disk of disks) disk.physicalVolume = { sizeBytes: usableBytes(disk.sizeBytes), group: made };
  return made;
}

/** A volume for `groupOn`. */
export function fakeVolume(given: Partial<FakeVolume> & Pick<FakeVolume, 'name'>): FakeVolume {
  const kind = given.kind ?? 'plain';
  return {
    kind,
    sizeBytes: 256 * 1024 * 1024,
    metadataBytes: kind === 'thin pool' ? extent : null,
    dataPercent: 0,
    metadataPercent: 10,
    signatures: [],
    ...given,
  };
}

/** The LVM of one fake host. */
export function fakeLvm({ disks, log, failure: first = null }: FakeLvmOptions): FakeLvm {
  let failure = first;
  let devices = 0;

  function assertWorks(): void {
    log.assertAlive();
    if (failure !== null) throw failure;
  }

  function refuse(attempted: string, said: string): never {
    throw new AgentError('oserr', `cannot ${attempted}: lvm exited with 5 and said: ${said}`, {
      hint: 'see lvm vgs -v',
    });
  }

  /** Groups of which at least one disk is here. */
  function seen(): FakeGroup[] {
    return [...new Set(disks.plugged.flatMap((p) => p.disk.physicalVolume?.group ?? []))];
  }

  const isHere = (disk: FakeDisk): boolean => disks.plugged.some((p) => p.disk === disk);
  const isPartial = (group: FakeGroup): boolean => group.members.some((m) => !isHere(m));
  const pvBytes = (disk: FakeDisk): number => disk.physicalVolume?.sizeBytes ?? usableBytes(disk.sizeBytes);
  const totalBytes = (group: FakeGroup): number => group.members.reduce((sum, m) => sum + pvBytes(m), 0);
  function usedBytes(group: FakeGroup): number {
    const metadata = group.volumes.map((v) => v.metadataBytes ?? 0);
    // One spare copy of the largest metadata, for a repair.
    return group.volumes.reduce((sum, v) => sum + v.sizeBytes + (v.metadataBytes ?? 0), 0) + Math.max(0, ...metadata);
  }
  const freeBytes = (group: FakeGroup): number => totalBytes(group) - usedBytes(group);
  const activeOf = (group: FakeGroup, volume: FakeVolume): ActiveVolume | undefined =>
    [...disks.active].find((a) => a.group === group && a.volume === volume);

  function groupNamed(name: string, attempted: string): FakeGroup {
    const [group, second] = seen().filter((g) => g.name === name);
    if (group === undefined) refuse(attempted, `Volume group "${name}" not found`);
    if (second !== undefined) refuse(attempted, `Multiple VGs found with the same name: skipping ${name}`);
    return group;
  }

  function changeable(name: string, attempted: string): FakeGroup {
    const group = groupNamed(name, attempted);
    if (isPartial(group)) refuse(attempted, `Cannot change VG ${name} while PVs are missing.`);
    if (group.isExported) refuse(attempted, `Volume group "${name}" is exported`);
    return group;
  }

  function diskAt(path: AbsolutePath, attempted: string): PluggedDisk {
    const found = disks.plugged.find((p) => p.paths.has(path) || path === `/dev/${p.name}`);
    if (found === undefined) refuse(attempted, `No device found for ${path}.`);
    return found;
  }

  /** What pvcreate refuses without force. */
  function takeable(path: AbsolutePath, attempted: string): PluggedDisk {
    const found = diskAt(path, attempted);
    if (found.disk.partitions.length > 0) refuse(attempted, `Cannot use ${path}: device is partitioned`);
    const group = found.disk.physicalVolume?.group ?? null;
    if (group !== null) refuse(attempted, `Physical volume '${path}' is already in volume group '${group.name}'`);
    const other = signaturesOn(found.disk).find((s) => s.type !== 'LVM2_member');
    if (other !== undefined) {
      refuse(
        attempted,
        `WARNING: ${other.type} signature detected on ${path}. Wipe it? [y/n]: [n] Aborted wiping of ${other.type}.`,
      );
    }
    if (disks.mountPointsOf(found.name).length > 0)
      refuse(attempted, `Can't open ${path} exclusively.  Mounted filesystem?`);
    return found;
  }

  function label({ disk, seenBytes }: PluggedDisk, group: FakeGroup | null): void {
    disk.physicalVolume = { sizeBytes: group === null ? seenBytes : usableBytes(seenBytes), group };
  }

  function makeActive(group: FakeGroup, volume: FakeVolume): void {
    if (activeOf(group, volume) !== undefined) return;
    const paths = [mapperPath(group.name, volume.name), volumePath(group.name, volume.name)];
    disks.active.add({ group, volume, name: `dm-${devices++}`, paths });
    for (const path of paths) disks.announce(path, true);
  }

  function make(group: FakeGroup, volume: FakeVolume, line: string, attempted: string): void {
    if (group.volumes.some((v) => v.name === volume.name)) {
      refuse(attempted, `Logical Volume "${volume.name}" already exists in volume group "${group.name}"`);
    }
    const spare = Math.max(0, ...group.volumes.map((v) => v.metadataBytes ?? 0));
    const metadata = volume.metadataBytes ?? 0;
    const neededBytes = volume.sizeBytes + metadata + Math.max(0, metadata - spare);
    if (volume.sizeBytes < extent || neededBytes > freeBytes(group)) {
      refuse(
        attempted,
        `Volume group "${group.name}" has insufficient free space (${freeBytes(group) / extent} extents)`,
      );
    }
    log.run(line, () => {
      group.volumes = [...group.volumes, volume];
      makeActive(group, volume);
    });
  }

  const shareOf = (group: FakeGroup, percent: number): number =>
    Math.floor((Math.max(0, freeBytes(group)) * percent) / 100 / extent) * extent;

  return {
    fail(error) {
      failure = error;
    },
    fill(volumeGroup, name, dataPercent, metadataPercent) {
      const pool = groupNamed(volumeGroup, 'fill a pool').volumes.find((v) => v.name === name);
      if (pool === undefined) throw new Error(`fake lvm: no volume ${volumeGroup}/${name}`);
      Object.assign(pool, { dataPercent, metadataPercent });
    },

    async state() {
      assertWorks();
      const found = seen();
      const here = disks.plugged
        // Of two paths to one disk LVM takes the first.
        .filter((p, i, all) => p.disk.physicalVolume !== null && all.findIndex((o) => o.disk === p.disk) === i)
        .map(({ name, disk, seenBytes }) => {
          const group = disk.physicalVolume?.group ?? null;
          return { path: `/dev/${name}`, disk, deviceBytes: seenBytes, isMissing: false, group };
        });
      const missing = found.flatMap((g) =>
        g.members
          .filter((m) => !isHere(m))
          .map((disk) => ({ path: '[unknown]', disk, deviceBytes: 0, isMissing: true, group: g })),
      );
      const left = new Map(found.map((g) => [g, usedBytes(g)]));
      return {
        physicalVolumes: [...here, ...missing].map(({ path, disk, deviceBytes, isMissing, group }) => {
          const sizeBytes = pvBytes(disk);
          const used = group === null ? 0 : Math.min(sizeBytes, left.get(group) ?? 0);
          if (group !== null) left.set(group, (left.get(group) ?? 0) - used);
          return {
            path,
            volumeGroup: group?.name ?? null,
            volumeGroupUuid: group?.uuid ?? null,
            sizeBytes,
            deviceBytes,
            freeBytes: sizeBytes - used,
            isMissing,
          };
        }),
        volumeGroups: found.map((g) => ({
          name: g.name,
          uuid: g.uuid,
          tags: [...g.tags],
          sizeBytes: totalBytes(g),
          freeBytes: freeBytes(g),
          extentBytes: extent,
          isPartial: isPartial(g),
          isExported: g.isExported,
        })),
        logicalVolumes: found.flatMap((g) =>
          g.volumes.map((v) => {
            const isActive = activeOf(g, v) !== undefined;
            const isPool = v.kind === 'thin pool';
            return {
              name: v.name,
              volumeGroup: g.name,
              volumeGroupUuid: g.uuid,
              kind: v.kind,
              isActive,
              sizeBytes: v.sizeBytes,
              dataPercent: isPool && isActive ? v.dataPercent : null,
              metadataPercent: isPool && isActive ? v.metadataPercent : null,
              metadataBytes: v.metadataBytes,
            };
          }),
        ),
      };
    },
    async makeVolumeGroup(name, paths, tags) {
      assertWorks();
      const attempted = `make volume group ${name} on ${paths.join(', ')}`;
      if (seen().some((g) => g.name === name)) refuse(attempted, `A volume group called ${name} already exists.`);
      // All are looked at before the first is written to.
      const taken = paths.map((path) => takeable(path, attempted));
      log.run(
        `vgcreate ${name} ${paths.join(' ')} ${tags.join(' ')}`,
        () => {
          const group = groupOn(
            taken.map((t) => t.disk),
            { name, tags: [...tags] },
          );
          for (const each of taken) label(each, group);
        },
        // The labels are written first, the group after all of them.
        () => {
          for (const each of taken) label(each, null);
        },
      );
    },
    async extendVolumeGroup(name, paths) {
      assertWorks();
      const attempted = `add ${paths.join(', ')} to volume group ${name}`;
      const group = changeable(name, attempted);
      const taken = paths.map((path) => takeable(path, attempted));
      log.run(
        `vgextend ${name} ${paths.join(' ')}`,
        () => {
          for (const each of taken) {
            label(each, group);
            group.members.push(each.disk);
          }
        },
        () => {
          for (const each of taken) label(each, null);
        },
      );
    },
    async growPhysicalVolume(path) {
      assertWorks();
      const attempted = `use what ${path} has grown by`;
      const found = diskAt(path, attempted);
      const group = found.disk.physicalVolume?.group ?? null;
      if (group === null) refuse(attempted, `Failed to find physical volume "${path}".`);
      log.run(`pvresize ${path}`, () => label(found, group));
    },
    async makeThinPool({ volumeGroup, name, percentOfFree }) {
      assertWorks();
      const attempted = `make thin pool ${volumeGroup}/${name}`;
      const group = changeable(volumeGroup, attempted);
      const metadataBytes = roundUp(totalBytes(group) / 1000);
      const sizeBytes = shareOf(group, percentOfFree);
      const pool = fakeVolume({ name, kind: 'thin pool', sizeBytes, metadataBytes });
      make(group, pool, `thin pool ${volumeGroup}/${name} ${percentOfFree}%FREE`, attempted);
    },
    async makeVolume({ volumeGroup, name, size }) {
      assertWorks();
      const attempted = `make volume ${volumeGroup}/${name}`;
      const group = changeable(volumeGroup, attempted);
      const sizeBytes = 'bytes' in size ? roundUp(size.bytes) : shareOf(group, size.percentOfFree);
      const text = 'bytes' in size ? `${size.bytes}` : `${size.percentOfFree}%FREE`;
      make(group, fakeVolume({ name, sizeBytes }), `volume ${volumeGroup}/${name} ${text}`, attempted);
    },
    async growVolume(volumeGroup, name, percentOfFree) {
      assertWorks();
      const attempted = `grow ${volumeGroup}/${name}`;
      const group = changeable(volumeGroup, attempted);
      const volume = group.volumes.find((v) => v.name === name);
      if (volume === undefined) refuse(attempted, `Logical volume ${name} not found in volume group ${volumeGroup}.`);
      log.run(`grow ${volumeGroup}/${name} +${percentOfFree}%FREE`, () => {
        if (volume.metadataBytes !== null) {
          const wanted = roundUp(totalBytes(group) / 1000);
          if (wanted > volume.metadataBytes && 2 * (wanted - volume.metadataBytes) <= freeBytes(group))
            volume.metadataBytes = wanted;
        }
        volume.sizeBytes += shareOf(group, percentOfFree);
      });
    },
    async activate(volumeGroup) {
      assertWorks();
      const attempted = `activate volume group ${volumeGroup}`;
      const group = groupNamed(volumeGroup, attempted);
      if (isPartial(group))
        refuse(attempted, `Refusing activation of partial LV ${volumeGroup}/${group.volumes[0]?.name ?? ''}.`);
      if (group.isExported) refuse(attempted, `Volume group "${volumeGroup}" is exported`);
      log.run(
        `vgchange --activate y ${volumeGroup}`,
        () => {
          for (const volume of group.volumes) makeActive(group, volume);
        },
        () => {
          for (const volume of group.volumes.slice(0, 1)) makeActive(group, volume);
        },
      );
    },
    async deactivate(volumeGroup) {
      assertWorks();
      const attempted = `deactivate volume group ${volumeGroup}`;
      const group = groupNamed(volumeGroup, attempted);
      const own = [...disks.active].filter((a) => a.group === group);
      const busy = own.find((a) => disks.mountPointsOf(a.name).length > 0);
      if (busy !== undefined) {
        throw new AgentError(
          'tempfail',
          `cannot ${attempted}: Logical volume ${volumeGroup}/${busy.volume.name} contains a filesystem in use.`,
          { hint: 'stop docker first' },
        );
      }
      log.run(`vgchange --activate n ${volumeGroup}`, () => {
        for (const each of own) {
          disks.active.delete(each);
          for (const path of each.paths) disks.announce(path, false);
        }
      });
    },
  };
}

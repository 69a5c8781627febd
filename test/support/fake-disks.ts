// Disks in memory: what is on one lives in the disk itself, so that it outlives the host and shows on another.

import { AgentError } from '../../agent/model/errors.ts';
import type { AbsolutePath } from '../../agent/model/paths.ts';
import type { BlockDevice, DiskState, FileSystemType, Signature } from '../../agent/model/storage.ts';
import type { Disks } from '../../agent/ports/storage.ts';
import type { EffectLog } from './effect-log.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** A volume on a volume group: its content stays, whether it is active is a matter of each host. */
export interface FakeVolume {
  name: string;
  kind: 'plain' | 'thin pool';
  sizeBytes: number;
  metadataBytes: number | null;
  dataPercent: number;
  metadataPercent: number;
  signatures: Signature[];
}

/** A volume group as LVM's metadata on its disks has it. */
export interface FakeGroup {
  name: string;
  readonly uuid: string;
  tags: string[];
  isExported: boolean;
  readonly members: FakeDisk[];
  volumes: FakeVolume[];
}

/** A disk, wherever it is plugged in. */
export interface FakeDisk {
  readonly serial: string | null;
  readonly wwn: string | null;
  readonly model: string | null;
  /** Grows at the target; a host sees it after a rescan. */
  sizeBytes: number;
  readOnly: boolean;
  signatures: Signature[];
  /** Partitions with what is in them. */
  partitions: Signature[][];
  /** LVM's label: how much of the disk it uses, and the group; null for a disk without. */
  physicalVolume: { sizeBytes: number; group: FakeGroup | null } | null;
}

export interface FakeDisksOptions {
  readonly clock: VirtualClock;
  readonly log: EffectLog;
  /** A name below /dev comes or goes; for tests that keep it in fake files as well. */
  readonly onDevice?: (path: AbsolutePath, exists: boolean) => void;
}

/** A disk as one host has it. */
export interface PluggedDisk {
  readonly name: string;
  readonly disk: FakeDisk;
  /** The kernel's size, until it asks again. */
  seenBytes: number;
  readonly paths: Set<AbsolutePath>;
}

/** A volume that this host has activated. */
export interface ActiveVolume {
  readonly group: FakeGroup;
  readonly volume: FakeVolume;
  readonly name: string;
  readonly paths: readonly AbsolutePath[];
}

export interface FakeDisks extends Disks {
  /** The disk is there under this name (and as /dev/sdX); the same disk under a second name is one device. */
  plug(path: AbsolutePath, disk: FakeDisk): void;
  unplug(path: AbsolutePath): void;
  /** The next question about it, and every later one, fails as on a disk whose target is gone; null: it answers again. */
  fail(path: AbsolutePath, error: AgentError | null): void;
  mount(path: AbsolutePath, mountPoint: string): void;
  unmount(mountPoint: string): void;
  /** All that is plugged in, in the order of their names. */
  readonly plugged: readonly PluggedDisk[];
  /** For the fake LVM: volumes that are active on this host. */
  readonly active: Set<ActiveVolume>;
  mountPointsOf(name: string): readonly string[];
  announce(path: AbsolutePath, exists: boolean): void;
  /** Power on again: nothing is mounted or active; `keepDisks` false: disks come back only when they are plugged in. */
  boot(keepDisks: boolean): void;
}

const mebibyte = 1024 * 1024;

/** A blank disk of 2 GiB. */
export function fakeDisk(given: Partial<FakeDisk> = {}): FakeDisk {
  return {
    serial: 'beaf11',
    wwn: '0x60000000000000000e00000000010001',
    model: 'VIRTUAL-DISK',
    sizeBytes: 2048 * mebibyte,
    readOnly: false,
    signatures: [],
    partitions: [],
    physicalVolume: null,
    ...given,
  };
}

/** All signatures, LVM's label among them. */
export function signaturesOn(disk: FakeDisk): Signature[] {
  const table: Signature[] = disk.partitions.length > 0 ? [{ type: 'gpt', label: null }] : [];
  const label: Signature[] = disk.physicalVolume === null ? [] : [{ type: 'LVM2_member', label: null }];
  return [...disk.signatures, ...table, ...label];
}

/** The disks of one fake host. */
export function fakeDisks({ clock, log, onDevice = () => undefined }: FakeDisksOptions): FakeDisks {
  let plugged: PluggedDisk[] = [];
  const active = new Set<ActiveVolume>();
  /** Mount points by kernel name. */
  let mounts: { readonly name: string; readonly mountPoint: string }[] = [];
  const failures = new Map<PluggedDisk, AgentError>();
  const waiters = new Map<AbsolutePath, Set<() => void>>();

  function announce(path: AbsolutePath, exists: boolean): void {
    onDevice(path, exists);
    if (exists) for (const wake of waiters.get(path) ?? []) wake();
  }

  function freeName(): string {
    for (let code = 'a'.charCodeAt(0); ; code++) {
      const name = `sd${String.fromCharCode(code)}`;
      if (!plugged.some((p) => p.name === name)) return name;
    }
  }

  const diskAt = (path: AbsolutePath): PluggedDisk | undefined =>
    plugged.find((p) => p.paths.has(path) || path === `/dev/${p.name}`);
  const volumeAt = (path: AbsolutePath): ActiveVolume | undefined => [...active].find((v) => v.paths.includes(path));
  const partitionAt = (path: AbsolutePath): { readonly of: PluggedDisk; readonly index: number } | null => {
    const found = plugged.flatMap((of) => of.disk.partitions.map((_, index) => ({ of, index })));
    return found.find(({ of, index }) => path === `/dev/${of.name}${index + 1}`) ?? null;
  };
  const exists = (path: AbsolutePath): boolean =>
    diskAt(path) !== undefined || volumeAt(path) !== undefined || partitionAt(path) !== null;
  const mountPointsOf = (name: string): string[] => mounts.filter((m) => m.name === name).map((m) => m.mountPoint);

  function volumeDevice(v: ActiveVolume): BlockDevice {
    const path = v.paths[0] ?? '/dev/mapper/unnamed';
    const own = { name: v.name, path, type: 'lvm', sizeBytes: v.volume.sizeBytes, readOnly: false };
    return { ...own, serial: null, wwn: null, model: null, mountPoints: mountPointsOf(v.name) };
  }

  function partition(of: PluggedDisk, index: number): BlockDevice {
    const name = `${of.name}${index + 1}`;
    const sizeBytes = Math.floor(of.seenBytes / of.disk.partitions.length);
    const own = { name, path: `/dev/${name}` as const, type: 'part', sizeBytes, readOnly: of.disk.readOnly };
    return { ...own, serial: null, wwn: null, model: null, mountPoints: mountPointsOf(name) };
  }

  function stateOf(path: AbsolutePath): DiskState | null {
    const volume = volumeAt(path);
    if (volume !== undefined) {
      return { ...volumeDevice(volume), signatures: [...volume.volume.signatures], users: [], siblings: [] };
    }
    const part = partitionAt(path);
    if (part !== null) {
      const signatures = part.of.disk.partitions[part.index] ?? [];
      return { ...partition(part.of, part.index), signatures, users: [], siblings: [] };
    }
    const found = diskAt(path);
    if (found === undefined) return null;
    const failure = failures.get(found);
    if (failure !== undefined) throw failure;
    const { disk, name } = found;
    const { serial, wwn, model, readOnly } = disk;
    const group = disk.physicalVolume?.group ?? null;
    return {
      name,
      path: `/dev/${name}`,
      type: 'disk',
      sizeBytes: found.seenBytes,
      readOnly,
      serial,
      wwn,
      model,
      mountPoints: mountPointsOf(name),
      signatures: signaturesOn(disk),
      users: [
        ...disk.partitions.map((_, index) => partition(found, index)),
        ...[...active].filter((v) => group !== null && v.group === group).map(volumeDevice),
      ],
      siblings: plugged.filter((p) => p !== found && wwn !== null && p.disk.wwn === wwn).map((p) => p.name),
    };
  }

  function refuse(message: string, hint = 'see lsblk'): never {
    throw new AgentError('oserr', message, { hint });
  }

  return {
    active,
    announce,
    mountPointsOf,
    get plugged() {
      return plugged;
    },
    plug(path, disk) {
      const present = plugged.find((p) => p.paths.has(path)) ?? null;
      if (present !== null && present.disk === disk) {
        present.seenBytes = disk.sizeBytes;
        return;
      }
      const own: PluggedDisk = { name: freeName(), disk, seenBytes: disk.sizeBytes, paths: new Set([path]) };
      plugged = [...plugged.filter((p) => p !== present), own].sort((a, b) => (a.name < b.name ? -1 : 1));
      announce(`/dev/${own.name}`, true);
      announce(path, true);
    },
    unplug(path) {
      const found = diskAt(path);
      if (found === undefined) return;
      plugged = plugged.filter((p) => p !== found);
      mounts = mounts.filter((m) => m.name !== found.name);
      for (const name of [...found.paths, `/dev/${found.name}` as const]) announce(name, false);
    },
    fail(path, error) {
      const found = diskAt(path);
      if (found === undefined) throw new Error(`fake disks: nothing is plugged in as ${path}`);
      if (error === null) failures.delete(found);
      else failures.set(found, error);
    },
    mount(path, mountPoint) {
      const state = stateOf(path);
      if (state === null) throw new Error(`fake disks: nothing to mount at ${path}`);
      mounts = [...mounts, { name: state.name, mountPoint }];
    },
    unmount(mountPoint) {
      mounts = mounts.filter((m) => m.mountPoint !== mountPoint);
    },
    boot(keepDisks) {
      mounts = [];
      for (const volume of active) for (const path of volume.paths) announce(path, false);
      active.clear();
      failures.clear();
      if (keepDisks) return;
      for (const p of plugged) for (const path of [...p.paths, `/dev/${p.name}` as const]) announce(path, false);
      plugged = [];
    },

    async inspect(path) {
      log.assertAlive();
      return stateOf(path);
    },
    async await(path, timeoutMs, signal) {
      log.assertAlive();
      if (exists(path)) return true;
      const over = new AbortController();
      const forward = (): void => over.abort(signal?.reason);
      signal?.addEventListener('abort', forward, { once: true });
      const wake = (): void => over.abort();
      const own = waiters.get(path) ?? new Set();
      waiters.set(path, own.add(wake));
      try {
        await clock.sleep(timeoutMs, over.signal);
      } catch {
        // It came, or the caller gave up.
      } finally {
        own.delete(wake);
        signal?.removeEventListener('abort', forward);
      }
      signal?.throwIfAborted();
      log.assertAlive();
      return exists(path);
    },
    async wipe(path, serial) {
      log.assertAlive();
      const state = stateOf(path);
      const found = diskAt(path);
      if (state === null || found === undefined) {
        throw new AgentError('tempfail', `did not wipe ${path}: it is gone since the plan was made`, { hint: 'again' });
      }
      if (state.serial !== serial) {
        throw new AgentError(
          'tempfail',
          `did not wipe ${path}: its serial is ${state.serial}, and ${serial} was to be wiped`,
          {
            hint: 'run again',
            isConflict: true,
          },
        );
      }
      const used = [state, ...state.users].find((d) => d.mountPoints.length > 0 || d.type === 'lvm');
      if (used !== undefined || state.readOnly)
        refuse(`did not wipe ${path}: ${used?.name ?? 'it'} is in use or read-only`);
      log.run(
        `wipe ${path} (${found.disk.serial})`,
        () => {
          found.disk.partitions = [];
          found.disk.signatures = [];
          const group = found.disk.physicalVolume?.group ?? null;
          // The group stays on its other disks, and lacks this one.
          group?.members.splice(group.members.indexOf(found.disk), 1, fakeDisk({ serial: 'gone', wwn: null }));
          found.disk.physicalVolume = null;
        },
        () => {
          // What is in the partitions goes first.
          found.disk.partitions = found.disk.partitions.map(() => []);
        },
      );
    },
    async makeFileSystem(path, type, label) {
      log.assertAlive();
      const state = stateOf(path);
      if (state === null) refuse(`cannot make ${type} on ${path}: it is not there`);
      if (label.length > (type === 'xfs' ? 12 : 16)) throw new Error(`fake disks: ${label} is too long for ${type}`);
      if (state.signatures.length > 0) {
        refuse(`did not make ${type} on ${path}: it carries ${state.signatures.map((s) => s.type).join(', ')} already`);
      }
      if (type === 'xfs' && state.sizeBytes < 300 * mebibyte) {
        refuse(`cannot make xfs on ${path}: mkfs.xfs exited with 1 and said: Filesystem must be larger than 300MB.`);
      }
      const volume = volumeAt(path)?.volume;
      log.run(`mkfs.${type} ${path} ${label}`, () => {
        const signature: Signature = { type, label };
        if (volume !== undefined) volume.signatures = [signature];
        else {
          const onDisk = diskAt(path)?.disk;
          if (onDisk !== undefined) onDisk.signatures = [signature];
        }
      });
    },
    async growFileSystem(mountPoint, device, type: FileSystemType) {
      log.assertAlive();
      const state = stateOf(device);
      if (state === null || !state.mountPoints.includes(mountPoint)) {
        refuse(`cannot grow the ${type} at ${mountPoint}: ${device} is not mounted there`);
      }
      log.run(`grow ${type} ${mountPoint} on ${device}`, () => undefined);
    },
    async rescan(name) {
      log.assertAlive();
      const found = plugged.find((p) => p.name === name);
      log.run(`rescan ${name}`, () => {
        if (found !== undefined) found.seenBytes = found.disk.sizeBytes;
      });
    },
  };
}

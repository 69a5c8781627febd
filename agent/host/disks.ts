// Disks by lsblk, wipefs, udevadm and mkfs: what is on one is asked of the disk itself, and never guessed.

import { constants } from 'node:fs';
import { type FileHandle, open, readFile, realpath, stat } from 'node:fs/promises';
import { AgentError } from '../model/errors.ts';
import { type MountEntry, parseMountInfo } from '../model/mount-table.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { BlockDevice, DiskState, FileSystemType, Signature } from '../model/storage.ts';
import type { Disks } from '../ports/storage.ts';
import { assertSucceeded, type Exec, type ExecResult, type NamedProgram } from './child-exec.ts';
import { type DiskRow, diskColumns, parseDisks, parseTree, type TreeRow, treeColumns } from './lsblk-pairs.ts';
import { isAbsent, systemError } from './system-errors.ts';
import { parseSignatures } from './wipefs-output.ts';

/** A disk that spins up answers within this; a LUN whose target is gone does not answer at all. */
const questionDeadlineMs = 30_000;
const wipeDeadlineMs = 60_000;
const settleSecs = 30;
/** mkfs discards the whole device first, and a target may take its time over that. */
/** A pool of docker's has a device for every running container, and each is a line of lsblk's. */
const maxOutputBytes = 4 * 1024 * 1024;
const makeDeadlineMs = 10 * 60_000;
const growDeadlineMs = 5 * 60_000;
/** Between two looks, only where udevadm cannot wait for a device by itself (systemd before 251). */
const lookAgainMs = 500;

/** What fits into the superblock: mkfs.xfs refuses more, mkfs.ext4 cuts it off. */
const maxLabel: Readonly<Record<FileSystemType, number>> = { xfs: 12, ext4: 16 };

const allDisks = ['lsblk', '--pairs', '--nodeps', '--output', diskColumns.join(',')] as const;

export interface HostDisksOptions {
  readonly exec: Exec;
  /** Where the kernel tells what is mounted, `/proc/self/mountinfo`. */
  readonly mountInfo?: string;
  /** Where sysfs is. */
  readonly sys?: string;
  /** The device node that a name leads to, null when nothing is there; tests without devices name another. */
  readonly resolve?: (path: AbsolutePath) => Promise<AbsolutePath | null>;
  /** Fails where a disk cannot be read; tests without devices name another. */
  readonly read?: (path: string) => Promise<void>;
}

/** The Disks port. */
export function hostDisks(options: HostDisksOptions): Disks {
  const { exec, mountInfo = '/proc/self/mountinfo', sys = '/sys' } = options;
  const { resolve = resolveDevice, read = readBeginning } = options;

  async function ask(argv: readonly [NamedProgram, ...string[]], path: string): Promise<string> {
    const attempted = `find out what is on ${path}`;
    const result = await exec.run(argv, { deadlineMs: questionDeadlineMs, maxOutputBytes });
    if (result.timedOut) throw noAnswer(attempted, result);
    assertSucceeded(
      result,
      attempted,
      `nothing is done to ${path} while it is not known what is on it; see journalctl -k, and run ${argv.join(' ')} by hand`,
    );
    return result.stdout;
  }

  async function signaturesOf(path: string): Promise<Signature[]> {
    const found = parseSignatures(await ask(['wipefs', '--parsable', path], path));
    // It prints nothing and ends with 0 as well where it could not read the disk (2.38): only a disk that answers is blank.
    if (found.length === 0) await read(path);
    return found;
  }

  async function mounts(path: string): Promise<MountEntry[]> {
    try {
      return parseMountInfo(await readFile(mountInfo, 'utf8'));
    } catch (error) {
      throw systemError(error, `find out whether ${path} is mounted`, mountInfo);
    }
  }

  async function inspect(name: AbsolutePath): Promise<DiskState | null> {
    const path = await resolve(name);
    if (path === null) return null;
    const [treeText, disksText, signatures, mounted] = await Promise.all([
      ask(['lsblk', '--pairs', '--bytes', '--output', treeColumns.join(','), path], name),
      ask(allDisks, name),
      signaturesOf(path),
      mounts(name),
    ]);
    const [first, ...above] = parseTree(treeText);
    const disks = parseDisks(disksText);
    if (first === undefined) throw new AgentError('bug', 'a tree without a first row', { hint: 'report this' });
    const own = disks.find((d) => d.name === first.name && d.type === first.type);
    const device = (row: TreeRow): BlockDevice => ({
      name: row.name,
      path: row.path,
      type: row.type,
      sizeBytes: row.sizeBytes,
      readOnly: row.readOnly,
      serial: row === first ? (own?.serial ?? null) : null,
      wwn: row === first ? (own?.wwn ?? null) : null,
      model: row === first ? (own?.model ?? null) : null,
      mountPoints: mountPointsOf(row, mounted),
    });
    const wwn = own?.wwn ?? null;
    return {
      ...device(first),
      signatures,
      users: above.map(device),
      siblings:
        wwn === null ? [] : disks.filter((d) => d.type === 'disk' && d.wwn === wwn && d !== own).map((d) => d.name),
    };
  }

  async function exists(path: AbsolutePath): Promise<boolean> {
    try {
      return (await resolve(path)) !== null;
    } catch {
      // Something else has that name; what it is, `inspect` says.
      return true;
    }
  }

  async function settle(signal?: AbortSignal): Promise<void> {
    const argv = ['udevadm', 'settle', `--timeout=${settleSecs}`] as const;
    // It fails where no udevd runs, and when its time is over: what follows looks at the disk itself.
    await exec.run(argv, { deadlineMs: (settleSecs + 2) * 1000, ...(signal === undefined ? {} : { signal }) });
  }

  return {
    inspect,

    async await(path, timeoutMs, signal) {
      const untilMs = performance.now() + timeoutMs;
      const leftMs = (): number => untilMs - performance.now();
      if (await exists(path)) return true;
      let canWait = true;
      while (leftMs() > 0) {
        signal?.throwIfAborted();
        const secs = Math.max(1, Math.ceil(leftMs() / 1000));
        const verb = canWait
          ? ['wait', `--timeout=${secs}`, path]
          : ['settle', `--timeout=${secs}`, `--exit-if-exists=${path}`];
        const result = await exec
          .run(['udevadm', ...verb], { deadlineMs: leftMs() + 1000, ...(signal === undefined ? {} : { signal }) })
          .catch((error: unknown) => {
            signal?.throwIfAborted();
            // No udevadm at all: then looking is all there is.
            if (error instanceof AgentError) return null;
            throw error;
          });
        if (await exists(path)) return true;
        if (result?.timedOut === true) break;
        // `wait` is of systemd 251; `settle` comes back as soon as udev has nothing to do, be the device there or not.
        canWait = false;
        await pause(Math.min(lookAgainMs, Math.max(leftMs(), 0)), signal);
      }
      return await exists(path);
    },

    async wipe(path, serial) {
      const disk = await inspect(path);
      if (disk === null) {
        throw new AgentError('tempfail', `did not wipe ${path}: it is gone since the plan was made`, {
          hint: 'see that the disk, or the target, is up, and run the same command again',
        });
      }
      refuseOther(disk, path, serial);
      refuseShared(disk, path, parseDisks(await ask(allDisks, path)));
      refuseInUse(disk, path);
      // Partitions first: what stands in one would show again as soon as another table has the same boundaries.
      for (const device of [...disk.users.toReversed(), disk]) {
        const result = await exec.run(['wipefs', '--all', device.path], { deadlineMs: wipeDeadlineMs });
        if (result.timedOut) throw noAnswer(`wipe ${device.path}`, result);
        assertSucceeded(
          result,
          `wipe ${device.path}`,
          `something holds it open: see lsblk ${device.path} and fuser -v ${device.path}; nothing that is in use is wiped`,
        );
      }
      await settle();
      const left = await inspect(path);
      if (left === null || left.signatures.length > 0 || left.users.length > 0) {
        const found =
          left === null
            ? 'it is gone'
            : [...left.signatures.map((s) => s.type), ...left.users.map((u) => u.name)].join(', ');
        throw new AgentError('oserr', `wiped ${path}, and it is not blank afterwards: ${found}`, {
          hint: `see wipefs ${path} and lsblk ${path}; a partition that the kernel still shows goes with blockdev --rereadpt ${path}, or a reboot`,
        });
      }
    },

    async makeFileSystem(path, type, label) {
      if (!new RegExp(`^[A-Za-z0-9_.-]{1,${maxLabel[type]}}$`).test(label)) {
        throw new AgentError('bug', `cannot make ${type} on ${path}: "${label}" is no label for it`, {
          hint: 'this is a fault of diyc-agent: report it',
        });
      }
      // mkfs.ext4 asks before it overwrites only when a person sits in front of it; without one it overwrites.
      const found = await signaturesOf(path);
      if (found.length > 0) {
        throw new AgentError(
          'oserr',
          `did not make ${type} on ${path}: it carries ${found.map((s) => s.type).join(', ')} already`,
          {
            hint: `see blkid -p ${path}; when nothing on it matters, wipefs -a ${path}, and run the same command again`,
          },
        );
      }
      const argv =
        type === 'xfs'
          ? // overlay2 needs to know the type of a file from its directory's entry: ftype=1, the default since 2016.
            (['mkfs.xfs', '-q', '-L', label, '-n', 'ftype=1', path] as const)
          : (['mkfs.ext4', '-q', '-L', label, path] as const);
      const result = await exec.run(argv, { deadlineMs: makeDeadlineMs });
      if (result.timedOut) throw noAnswer(`make ${type} on ${path}`, result);
      // mkfs.xfs prints its whole usage after the one line that matters.
      assertSucceeded(
        firstLineOnly(result),
        `make ${type} on ${path}`,
        `see journalctl -k, and lsblk ${path} for its size`,
      );
    },

    async growFileSystem(mountPoint, device, type) {
      const argv = type === 'xfs' ? (['xfs_growfs', mountPoint] as const) : (['resize2fs', device] as const);
      const result = await exec.run(argv, { deadlineMs: growDeadlineMs });
      if (result.timedOut) throw noAnswer(`grow the ${type} at ${mountPoint}`, result);
      assertSucceeded(result, `grow the ${type} at ${mountPoint}`, `see journalctl -k and findmnt ${mountPoint}`);
    },

    async rescan(name) {
      if (!/^[A-Za-z0-9!_-]+$/.test(name)) {
        throw new AgentError('bug', `cannot rescan "${name}": it is no kernel name of a disk`, { hint: 'report this' });
      }
      const file = `${sys}/class/block/${name}/device/rescan`;
      let handle: FileHandle | null = null;
      try {
        // The file can only be written: opened for reading as well it is refused, even to root.
        handle = await open(file, constants.O_WRONLY);
        await handle.write('1');
      } catch (error) {
        // virtio-blk, NVMe and loop devices tell of a new size by themselves, and have no such file.
        if (isAbsent(error)) return;
        throw systemError(error, `ask ${name} for its size again`, file);
      } finally {
        await handle?.close();
      }
    },
  };
}

/**
 * The device node behind a name.
 *
 * @returns null when nothing is there, also behind a link that leads nowhere
 * @throws AgentError `data` for what is no block device
 */
async function resolveDevice(path: AbsolutePath): Promise<AbsolutePath | null> {
  try {
    const node = await realpath(path);
    if (!(await stat(node)).isBlockDevice()) {
      throw new AgentError('data', `${path} is no disk: ${node} is not a block device`, {
        hint: 'declare a disk by its name below /dev/disk (ls -l /dev/disk/by-id)',
      });
    }
    return node as AbsolutePath;
  } catch (error) {
    if (isAbsent(error)) return null;
    throw systemError(error, `look at ${path}`, path);
  }
}

/** Where libblkid looks for most signatures. */
const beginningBytes = 64 * 1024;

async function readBeginning(path: string): Promise<void> {
  const reading = readSome(path);
  let late: NodeJS.Timeout | undefined;
  const noEnd = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error('no answer')), questionDeadlineMs);
  });
  try {
    await Promise.race([reading, noEnd]);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new AgentError('tempfail', `cannot find out what is on ${path}: reading it failed (${code})`, {
      hint: `see journalctl -k; nothing is done to ${path} while it is not known what is on it`,
      cause: error,
    });
  } finally {
    clearTimeout(late);
    // One that fails after its time was up has been told of.
    reading.catch(() => undefined);
  }
}

async function readSome(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.read(Buffer.alloc(beginningBytes), 0, beginningBytes, 0);
  } finally {
    await handle.close();
  }
}

/** The mount table knows all of them; lsblk adds swap, and file systems of several disks. */
function mountPointsOf(row: TreeRow, mounted: readonly MountEntry[]): string[] {
  const fromTable = mounted.filter((m) => m.device === row.number || m.source === row.path).map((m) => m.mountPoint);
  return [...new Set([...fromTable, ...(row.mountPoint === null ? [] : [row.mountPoint])])];
}

/** Names of disks move; the serial is what the operator gave up. */
function refuseOther(disk: DiskState, path: string, serial: string): void {
  if (disk.serial === serial) return;
  throw new AgentError(
    'tempfail',
    `did not wipe ${path}: its serial is ${disk.serial ?? 'not told'}, and ${serial} was to be wiped`,
    { hint: 'another disk has that name now: nothing was written; run the same command again', isConflict: true },
  );
}

/** Some arrays report their own serial for every LUN; several paths to one LUN have its WWN as well. */
function refuseShared(disk: DiskState, path: string, disks: readonly DiskRow[]): void {
  const others = disks.filter(
    (d) =>
      d.type === 'disk' && d.serial === disk.serial && d.name !== disk.name && (d.wwn === null || d.wwn !== disk.wwn),
  );
  if (others.length === 0) return;
  const names = others.map((d) => d.name).join(', ');
  throw new AgentError(
    'oserr',
    `did not wipe ${path}: ${names} ${others.length === 1 ? 'has' : 'have'} the serial ${disk.serial} too, so it does not say which disk is given up`,
    { hint: `take the serial out of wipe; if nothing on ${disk.path} matters, wipe it by hand: wipefs -a ${path}` },
  );
}

function refuseInUse(disk: DiskState, path: string): void {
  const mounted = [disk, ...disk.users].filter((d) => d.mountPoints.length > 0);
  const active = disk.users.filter((u) => u.type !== 'part');
  if (mounted.length === 0 && active.length === 0 && !disk.readOnly) return;
  const uses = [
    ...mounted.map((d) => `${d.name} is in use at ${d.mountPoints.join(', ')}`),
    ...active.map((u) => `${u.path} (${u.type}) is active on it`),
    ...(disk.readOnly ? ['it is read-only'] : []),
  ];
  throw new AgentError('oserr', `did not wipe ${path}: ${uses.join('; ')}`, {
    hint: `what is in use is never wiped; see lsblk ${disk.path}, and stop what uses it first`,
  });
}

function noAnswer(attempted: string, result: ExecResult): AgentError {
  return new AgentError(
    'tempfail',
    `cannot ${attempted}: ${result.argv.join(' ')} did not end within ${Math.round(result.durationMs / 1000)} s, so the disk does not answer`,
    {
      hint: 'see journalctl -k, and iscsiadm -m session -P 3 for a LUN: the kernel holds I/O back while its target is gone',
    },
  );
}

function firstLineOnly(result: ExecResult): ExecResult {
  return { ...result, stderr: result.stderr.trim().split('\nUsage:')[0] ?? '' };
}

/** The real clock, as everything that a program is waited for with. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      const reason: unknown = signal?.reason;
      reject(reason instanceof Error ? reason : new Error(String(reason)));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}

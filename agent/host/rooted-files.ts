// Files below a root: every path is walked there link by link, and every write is whole and durable or not there at all.

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { link, lstat, mkdir, open, readdir, readlink, rename, stat, symlink, unlink } from 'node:fs/promises';
import { AgentError } from '../model/errors.ts';
import type { Account } from '../model/layout.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import type { FileAttributes, FileStat, Files } from '../ports/files.ts';
import { createPathWalk, type Place } from './path-walk.ts';
import { errorCode, isAbsent, systemError } from './system-errors.ts';

const maxTextBytes = 1024 * 1024;
const permissionBits = 0o7777;
/** A temporary file is somebody's work in progress while its process lives, but not for longer than this. */
const strayAfterMs = 10 * 60 * 1000;

const readFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export interface RootedFilesOptions {
  /** Absolute path of the directory that stands for `/`. */
  readonly root: string;
  /** Give a new file or directory the security label of its place; absent where there are no labels. */
  readonly relabel?: (hostPath: string) => Promise<void>;
}

/**
 * The Files port below a root directory.
 *
 * With root `/` reading leaves the links to the kernel. Writing is the same everywhere: links on the way are followed
 * below the root, and so is a link at the end, whose target is then replaced in its own directory; a link that leads
 * out of the root, or to something that does not exist, is refused. A device, a socket or a directory is never replaced
 * (so a drop-in masked by a link to /dev/null stays masked, and says so).
 */
export function rootedFiles(options: RootedFilesOptions): Files {
  const walk = createPathWalk(options.root);
  const relabel = options.relabel ?? ((): Promise<void> => Promise.resolve());

  /** Open for reading, links followed; null when nothing is there. */
  function openExisting(path: AbsolutePath): number | null {
    try {
      if (walk.isWholeSystem) return openSync(path, readFlags);
      const place = walk.find(path, { followLast: true });
      return place.found === null ? null : openSync(place.hostPath, readFlags | constants.O_NOFOLLOW);
    } catch (error) {
      if (isAbsent(error)) return null;
      throw systemError(error, `read ${walk.shown(path)}`, walk.shown(path));
    }
  }

  // Reading is done in place: a run asks some hundred small questions, and each way to a thread and back costs more
  // than its answer. What may take long, writing and fsync, goes to threads.
  async function readBytes(path: AbsolutePath, maxBytes: number): Promise<Uint8Array | null> {
    const file = openExisting(path);
    if (file === null) return null;
    try {
      const found = fstatSync(file);
      if (!found.isFile()) {
        throw new AgentError(
          'data',
          `cannot read ${walk.shown(path)}: it is ${found.isDirectory() ? 'a directory' : 'no regular file'}`,
          {
            hint: `move ${walk.shown(path)} away, or put a regular file in its place`,
          },
        );
      }
      return readUpTo(file, maxBytes);
    } catch (error) {
      throw systemError(error, `read ${walk.shown(path)}`, walk.shown(path));
    } finally {
      closeSync(file);
    }
  }

  async function readText(path: AbsolutePath): Promise<string | null> {
    const bytes = await readBytes(path, maxTextBytes + 1);
    if (bytes === null) return null;
    if (bytes.length > maxTextBytes) {
      throw new AgentError('data', `cannot read ${walk.shown(path)}: it is larger than 1 MiB`, {
        hint: 'this is not a file that diyc-agent or its configuration should have: look at what wrote it',
      });
    }
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (error) {
      throw new AgentError('data', `cannot read ${walk.shown(path)}: it is not UTF-8 text`, {
        hint: `convert it to UTF-8 (file ${walk.shown(path)} tells what it is), or have it written anew by what made it`,
        cause: error,
      });
    }
  }

  /** The place to write: links followed, parents made, and what stands there is a regular file or nothing. */
  async function placeToWrite(path: AbsolutePath): Promise<Place> {
    const place = walk.find(path, { followLast: true, forWriting: true });
    if (place.found !== null && !place.found.isFile()) {
      const what = place.found.isDirectory() ? 'a directory' : 'no regular file';
      const where = place.path === path ? 'it is' : `it is a link to ${walk.shown(place.path)}, which is`;
      throw new AgentError('data', `cannot write ${walk.shown(path)}: ${where} ${what}`, {
        hint: `remove ${walk.shown(path)} when it is not wanted there; a link to /dev/null switches a file off on purpose`,
      });
    }
    if (place.found === null) await makeParents(place.directory);
    return place;
  }

  async function makeParents(directory: AbsolutePath): Promise<void> {
    const names = directory.split('/').filter((n) => n !== '');
    for (let depth = 1; depth <= names.length; depth++) {
      await makeOneDirectory(under('/', ...names.slice(0, depth)), 0o755);
    }
  }

  /** @returns whether it was made now; `directory` has no links in it */
  async function makeOneDirectory(directory: AbsolutePath, mode: number): Promise<boolean> {
    const hostPath = walk.hostPath(directory);
    try {
      if ((await stat(hostPath)).isDirectory()) return false;
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
    try {
      await mkdir(hostPath, mode);
    } catch (error) {
      if (errorCode(error) === 'EEXIST' && (await stat(hostPath)).isDirectory()) return false;
      throw error;
    }
    await relabel(hostPath);
    await syncDirectory(parentOf(hostPath));
    return true;
  }

  async function replace(
    path: AbsolutePath,
    content: string,
    attributes: FileAttributes,
    expected?: string | null,
  ): Promise<void> {
    await writing(path, async () => {
      const place = await placeToWrite(path);
      await removeStrays(place.hostDirectory, place.name);
      const temporary = await writeTemporary(place, async (handle) => {
        await writeAll(handle, Buffer.from(content, 'utf8'));
        await applyAttributes(handle, attributes);
      });
      // As late as can be: what is between this look and the rename is a few microseconds.
      await unlinkOnFailure(temporary, async () => {
        if (expected !== undefined) await assertContent(path, expected);
        await rename(temporary, place.hostPath);
      });
      await syncDirectory(place.hostDirectory);
      await relabel(place.hostPath);
    });
  }

  async function assertContent(path: AbsolutePath, expected: string | null): Promise<void> {
    let found: string | null | undefined;
    try {
      found = await readText(path);
    } catch {
      // Too large, or no text any more: whatever it is, it is not what the plan saw.
      found = undefined;
    }
    if (found === expected) return;
    const change = expected === null ? 'was created' : found === null ? 'was removed' : 'was changed';
    throw new AgentError(
      'tempfail',
      `did not write ${walk.shown(path)}: it ${change} by somebody else since the plan was made`,
      {
        hint: 'run the same command again: it makes a new plan from what is there now',
        isConflict: true,
      },
    );
  }

  async function writing(path: AbsolutePath, work: () => Promise<void>, verb = 'write'): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw systemError(error, `${verb} ${walk.shown(path)}`, walk.shown(path));
    }
  }

  async function setAttributes(path: AbsolutePath, attributes: FileAttributes): Promise<void> {
    await writing(
      path,
      async () => {
        const place = walk.find(path, { followLast: true, forWriting: true });
        if (place.found === null) {
          throw new AgentError(
            'tempfail',
            `cannot set the attributes of ${walk.shown(path)}: it is gone since the plan was made`,
            {
              hint: 'run the same command again: it makes a new plan from what is there now',
              isConflict: true,
            },
          );
        }
        await withHandle(place.hostPath, readFlags | constants.O_NOFOLLOW, async (handle) => {
          await applyAttributes(handle, attributes);
          await handle.sync();
        });
      },
      'set the attributes of',
    );
  }

  async function makeDirectory(path: AbsolutePath, attributes: FileAttributes): Promise<void> {
    await writing(
      path,
      async () => {
        const place = walk.find(path, { followLast: true, forWriting: true });
        if (place.found !== null && !place.found.isDirectory()) {
          throw new AgentError(
            'data',
            `cannot make the directory ${walk.shown(path)}: something that is no directory stands there`,
            {
              hint: `move ${walk.shown(path)} away, then run the same command again`,
            },
          );
        }
        if (place.found === null) {
          await makeParents(place.directory);
          await makeOneDirectory(place.path, attributes.mode);
        }
        const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
        await withHandle(place.hostPath, flags, async (handle) => {
          await applyAttributes(handle, attributes);
          await handle.sync();
        });
      },
      'make the directory',
    );
  }

  async function makeLink(path: AbsolutePath, target: string): Promise<void> {
    await writing(
      path,
      async () => {
        const place = walk.find(path, { followLast: false, forWriting: true });
        if (place.found !== null && !place.found.isSymbolicLink()) {
          throw new AgentError(
            'tempfail',
            `cannot make the link ${walk.shown(path)}: something that is no link stands there`,
            {
              hint: `move ${walk.shown(path)} away when it is not wanted, then run the same command again`,
              retryable: false,
            },
          );
        }
        if (place.found !== null && (await readlink(place.hostPath)) === target) return;
        if (place.found === null) await makeParents(place.directory);
        await removeStrays(place.hostDirectory, place.name);
        const temporary = temporaryName(place);
        await unlinkOnFailure(temporary, async () => {
          await symlink(target, temporary);
          await rename(temporary, place.hostPath);
        });
        await syncDirectory(place.hostDirectory);
        await relabel(place.hostPath);
      },
      'make the link',
    );
  }

  async function keepCopy(path: AbsolutePath, copy: AbsolutePath): Promise<void> {
    await writing(
      copy,
      async () => {
        const place = walk.find(copy, { followLast: false, forWriting: true });
        if (place.found !== null) return;
        await makeParents(place.directory);
        await removeStrays(place.hostDirectory, place.name);
        const original = walk.find(path, { followLast: true });
        if (original.found === null) {
          throw new AgentError(
            'tempfail',
            `cannot keep a copy of ${walk.shown(path)}: it is gone since the plan was made`,
            {
              hint: 'run the same command again: it makes a new plan from what is there now',
              isConflict: true,
            },
          );
        }
        const source = await open(original.hostPath, readFlags | constants.O_NOFOLLOW);
        let temporary: string;
        try {
          const found = await source.stat();
          temporary = await writeTemporary(place, async (handle) => {
            await copyBytes(source, handle);
            await applyAttributes(handle, {
              mode: found.mode & permissionBits,
              owner: { name: '', uid: found.uid, gid: found.gid },
            });
          });
        } finally {
          await source.close();
        }
        await unlinkOnFailure(temporary, () => renameIfFree(temporary, place.hostPath));
        await syncDirectory(place.hostDirectory);
        await relabel(place.hostPath);
      },
      'keep a copy as',
    );
  }

  async function append(path: AbsolutePath, text: string): Promise<void> {
    await writing(
      path,
      async () => {
        const place = await placeToWrite(path);
        const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
        await withHandle(
          place.hostPath,
          flags,
          async (handle) => {
            await writeAll(handle, Buffer.from(text, 'utf8'));
            await handle.sync();
          },
          0o600,
        );
        if (place.found === null) {
          await syncDirectory(place.hostDirectory);
          await relabel(place.hostPath);
        }
      },
      'append to',
    );
  }

  async function remove(path: AbsolutePath): Promise<void> {
    await writing(
      path,
      async () => {
        const place = walk.find(path, { followLast: false });
        if (place.found === null) return;
        if (place.found.isDirectory()) {
          throw new AgentError('data', `cannot remove ${walk.shown(path)}: it is a directory`, {
            hint: `look at what is in ${walk.shown(path)}, and remove it by hand when it is not wanted`,
          });
        }
        try {
          await unlink(place.hostPath);
        } catch (error) {
          if (isAbsent(error)) return;
          throw error;
        }
        await syncDirectory(place.hostDirectory);
      },
      'remove',
    );
  }

  /** Asked questions share this: nothing there is null, any other failure an AgentError. */
  async function asking<T>(path: AbsolutePath, work: () => T): Promise<T | null> {
    try {
      return work();
    } catch (error) {
      if (isAbsent(error)) return null;
      throw systemError(error, `look at ${walk.shown(path)}`, walk.shown(path));
    }
  }

  function hostPathOf(path: AbsolutePath, followLast: boolean): string | null {
    if (walk.isWholeSystem) return path;
    const place = walk.find(path, { followLast });
    return place.found === null ? null : place.hostPath;
  }

  return {
    readText,
    readHead: readBytes,
    stat: (path) =>
      asking(path, () => {
        const hostPath = hostPathOf(path, false);
        return hostPath === null ? null : fileStat(lstatSync(hostPath));
      }),
    readLink: (path) =>
      asking(path, () => {
        const hostPath = hostPathOf(path, false);
        if (hostPath === null || !lstatSync(hostPath).isSymbolicLink()) return null;
        return readlinkSync(hostPath);
      }),
    async exists(path) {
      const found = await asking(path, () => {
        const hostPath = hostPathOf(path, true);
        return hostPath === null ? null : statSync(hostPath);
      });
      return found !== null;
    },
    async list(path) {
      const names = await asking(path, () => {
        const hostPath = hostPathOf(path, true);
        return hostPath === null ? null : readdirSync(hostPath);
      });
      return (names ?? []).sort();
    },
    replace,
    setAttributes,
    makeDirectory,
    makeLink,
    keepCopy,
    append,
    remove,
  };
}

interface StatLike {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeMs: number;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

function fileStat(found: StatLike): FileStat {
  return {
    kind: found.isFile() ? 'file' : found.isDirectory() ? 'directory' : found.isSymbolicLink() ? 'link' : 'other',
    mode: found.mode & permissionBits,
    uid: found.uid,
    gid: found.gid,
    sizeBytes: found.size,
    modifiedMs: found.mtimeMs,
  };
}

function readUpTo(file: number, maxBytes: number): Uint8Array {
  // Files in /proc and /sys have no size: read until the end, or until it is enough.
  const chunks: Uint8Array[] = [];
  let total = 0;
  while (total < maxBytes) {
    const chunk = Buffer.alloc(Math.min(16 * 1024, maxBytes - total));
    const bytesRead = readSync(file, chunk, 0, chunk.length, null);
    if (bytesRead === 0) break;
    chunks.push(chunk.subarray(0, bytesRead));
    total += bytesRead;
  }
  return Buffer.concat(chunks);
}

async function copyBytes(from: FileHandle, to: FileHandle): Promise<void> {
  const chunk = Buffer.alloc(64 * 1024);
  for (;;) {
    const { bytesRead } = await from.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) return;
    await writeAll(to, chunk.subarray(0, bytesRead));
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, null);
    done += bytesWritten;
  }
}

async function withHandle(
  hostPath: string,
  flags: number,
  work: (handle: FileHandle) => Promise<void>,
  mode?: number,
): Promise<void> {
  const handle = await open(hostPath, flags, mode);
  try {
    await work(handle);
  } finally {
    await handle.close();
  }
}

/** Owner before mode: chown takes the set-id bits away. What is right already is not touched, so ctime stays honest. */
async function applyAttributes(handle: FileHandle, attributes: FileAttributes): Promise<void> {
  const found = await handle.stat();
  const owner: Account | null = attributes.owner;
  if (owner !== null && (found.uid !== owner.uid || found.gid !== owner.gid)) await handle.chown(owner.uid, owner.gid);
  if ((found.mode & permissionBits) !== attributes.mode) await handle.chmod(attributes.mode);
}

/** A file beside the place, written and on the disk, not yet under its name. */
async function writeTemporary(place: Place, fill: (handle: FileHandle) => Promise<void>): Promise<string> {
  const temporary = temporaryName(place);
  const handle = await open(temporary, createFlags, 0o600);
  await unlinkOnFailure(temporary, async () => {
    try {
      await fill(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
  return temporary;
}

async function unlinkOnFailure(temporary: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    try {
      await unlink(temporary);
    } catch {
      // It may never have been made; what counts is the first error.
    }
    throw error;
  }
}

/** Under a name that is free: a hard link refuses to overwrite, where a rename would not. */
async function renameIfFree(temporary: string, hostPath: string): Promise<void> {
  try {
    await link(temporary, hostPath);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'EPERM' || code === 'ENOTSUP' || code === 'EOPNOTSUPP' || code === 'EMLINK') {
      await rename(temporary, hostPath);
      return;
    }
    if (code !== 'EEXIST') throw error;
  }
  await unlink(temporary);
}

/** `.<name>.diyc-<pid>-<random>`: never ends in .conf or .yaml, so no reader of the directory takes it for a file of its own. */
function temporaryName(place: Place): string {
  return `${place.hostDirectory}/.${place.name}.diyc-${process.pid}-${randomBytes(6).toString('hex')}`;
}

/** Remove what killed runs left behind for this name; the work in progress of a living process is not touched. */
async function removeStrays(hostDirectory: string, name: string): Promise<void> {
  const prefix = `.${name}.diyc-`;
  for (const entry of await readdir(hostDirectory)) {
    if (!entry.startsWith(prefix)) continue;
    const match = /^([0-9]+)-[0-9a-f]{12}$/.exec(entry.slice(prefix.length));
    if (match === null) continue;
    const stray = `${hostDirectory}/${entry}`;
    try {
      const age = Date.now() - (await lstat(stray)).mtimeMs;
      if (age > strayAfterMs || !isProcessAlive(Number(match[1]))) await unlink(stray);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
}

function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== 'ESRCH';
  }
}

async function syncDirectory(hostPath: string): Promise<void> {
  const handle = await open(hostPath, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    // Some network and FUSE file systems cannot sync a directory; there is nothing more to do there.
    if (errorCode(error) !== 'EINVAL' && errorCode(error) !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}

function parentOf(hostPath: string): string {
  return hostPath.slice(0, hostPath.lastIndexOf('/')) || '/';
}

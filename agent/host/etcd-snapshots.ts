// Saves an etcd member's store, and keeps only what could be restored aside: etcdctl, etcdutl, and a directory.

import { chmod, mkdir, open, readdir, rename, rm, stat, statfs, unlink } from 'node:fs/promises';
import { AgentError, isAgentError } from '../model/errors.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { EtcdSnapshots } from '../ports/survey.ts';
import { assertSucceeded, type Exec, type ExecResult, type NamedProgram } from './child-exec.ts';
import type { Standing } from './etcd-survey.ts';
import { isAbsent, systemError } from './system-errors.ts';

/** For the questions to the member and for asking a program its version. */
const shortDeadlineMs = 10_000;
/** Saving and restoring get this, and what a slow disk needs besides. */
const baseDeadlineMs = 60_000;
const slowestBytesPerSec = 2 * 1024 * 1024;

/** Of a store of 8 GiB, the largest that etcd advises, on the slowest disk. */
const longestRunMs = 4 * 3_600_000;

/** The saved file, the restored one, and what the store grows by meanwhile. */
const storesNeeded = 3;
/** A restored member gets a write-ahead log, which etcd allocates whole (etcd: wal.SegmentSizeBytes, 64 MB). */
const logBytes = 64 * 1024 * 1024;

const snapshotName = /^snapshot-\d+\.db$/;
const scratchName = /^\.taking-(\d+)$/;

type Tool = Extract<NamedProgram, 'etcdctl' | 'etcdutl'>;

/** What a snapshot file proved to hold. */
export interface Verified {
  /** Of the last change in it, decimal text. */
  readonly revision: string;
  /** `etcdutl 3.5.16` */
  readonly by: string;
}

export interface HostEtcdSnapshots extends EtcdSnapshots {
  /**
   * Restore a snapshot file into an empty directory, which the caller removes, and compare what came back.
   *
   * The restore checks the digest that etcd put at the file's end against what it has written. Digest and key count of
   * the status differ by then, because a restore writes the membership anew; the revision may not.
   *
   * @throws AgentError `oserr` when the file cannot be restored, holds less than the revision asked for, or what came
   *   back is not what was saved
   */
  verify(
    request: { readonly file: string; readonly into: string; readonly atLeastRevision: string },
    signal?: AbortSignal,
  ): Promise<Verified>;
}

export interface HostEtcdSnapshotsOptions {
  readonly exec: Exec;
  /** Bytes free for root's files below a directory. */
  readonly freeBytes?: (directory: string) => Promise<number>;
  /** For a question to the member. */
  readonly askDeadlineMs?: number;
}

/** The EtcdSnapshots port. Nothing is removed before what is to replace it is proven and on the disk. */
export function hostEtcdSnapshots({
  exec,
  freeBytes = freeBytesOf,
  askDeadlineMs = shortDeadlineMs,
}: HostEtcdSnapshotsOptions): HostEtcdSnapshots {
  function run(
    tool: Tool,
    args: readonly string[],
    { deadlineMs, signal }: { readonly deadlineMs: number; readonly signal: AbortSignal | undefined },
  ): Promise<ExecResult> {
    const limits = signal === undefined ? { deadlineMs } : { deadlineMs, signal };
    return exec.run([tool, ...args], { ...limits, environment: { ETCDCTL_API: '3' } });
  }

  /** The tool and its version, `etcdutl 3.5.16`; null when it is not installed. */
  async function versionOf(tool: Tool, signal: AbortSignal | undefined): Promise<string | null> {
    try {
      const result = await run(tool, ['version'], { deadlineMs: shortDeadlineMs, signal });
      assertSucceeded(result, `ask ${tool} for its version`, 'see whether it was made for this machine');
      return `${tool} ${/version:\s*(\S+)/.exec(result.stdout)?.[1] ?? 'of unknown version'}`;
    } catch (error) {
      if (isAgentError(error) && error.message.includes(`${tool}: it is not installed`)) return null;
      throw error;
    }
  }

  /** Restoring moved to etcdutl in 3.5, and is gone from etcdctl in 3.6. */
  async function restorer(signal: AbortSignal | undefined): Promise<{ readonly tool: Tool; readonly name: string }> {
    for (const tool of ['etcdutl', 'etcdctl'] as const) {
      const name = await versionOf(tool, signal);
      if (name !== null) return { tool, name };
    }
    throw new AgentError('oserr', 'cannot restore a snapshot of etcd: neither etcdutl nor etcdctl is installed', {
      hint: "install etcd's tools: Debian's package etcd-client, on others they come with etcd",
    });
  }

  /** The revision that a database file ends with. */
  async function revisionIn(tool: Tool, file: string, limits: Limits): Promise<string> {
    const attempted = `look into the etcd database ${file}`;
    const result = await run(tool, ['snapshot', 'status', file, '-w', 'json'], limits);
    assertSucceeded(result, attempted, 'it is damaged: take another snapshot, and look at the disk (journalctl -k)');
    // As text: it may be larger than what JSON.parse keeps exact.
    const revision = /"revision":\s*(\d+)/.exec(result.stdout)?.[1];
    if (revision !== undefined) return revision;
    throw new AgentError('oserr', `cannot ${attempted}: ${tool} told no revision (${result.stdout.slice(0, 200)})`, {
      hint: `see what ${result.argv.join(' ')} says; report it with the version of ${tool}`,
    });
  }

  async function verify(
    { file, into, atLeastRevision }: Parameters<HostEtcdSnapshots['verify']>[0],
    signal?: AbortSignal,
  ): Promise<Verified> {
    const { tool, name } = await restorer(signal);
    const limits = { deadlineMs: deadlineFor((await stat(file)).size), signal };
    const saved = await revisionIn(tool, file, limits);
    if (BigInt(saved) < BigInt(atLeastRevision)) {
      throw new AgentError(
        'oserr',
        `cannot trust the snapshot ${file}: it ends with revision ${saved}, and the store was at ${atLeastRevision} before`,
        { hint: 'see that the endpoint is the member itself, then take another' },
      );
    }
    // Addresses instead of the default localhost: the restore compares the two by resolving them.
    const peer = 'http://127.0.0.1:2380';
    const restored = await run(
      tool,
      [
        ...['snapshot', 'restore', file, '--data-dir', into, '--name', 'verify'],
        ...['--initial-cluster', `verify=${peer}`, '--initial-advertise-peer-urls', peer],
      ],
      limits,
    );
    const hint = 'it is damaged or was made by a newer etcd: take another with tools of the version of etcd itself';
    assertSucceeded(restored, `restore the snapshot ${file} aside`, hint);
    const cameBack = await revisionIn(tool, `${into}/member/snap/db`, limits);
    if (cameBack !== saved) {
      throw new AgentError(
        'oserr',
        `cannot trust the snapshot ${file}: it ends with revision ${saved}, what ${name} restored from it with ${cameBack}`,
        { hint },
      );
    }
    return { revision: saved, by: name };
  }

  async function save(endpoint: string, file: string, limits: Limits): Promise<void> {
    const result = await run('etcdctl', [`--endpoints=${endpoint}`, 'snapshot', 'save', file], limits);
    if (result.exitCode !== 0) {
      // When the member has gone meanwhile, that is the reason, and not etcdctl.
      await askMember(endpoint, askDeadlineMs);
    }
    assertSucceeded(
      result,
      `save the store of etcd at ${endpoint}`,
      `run the same on this host by hand: ETCDCTL_API=3 etcdctl --endpoints=${endpoint} snapshot save FILE`,
    );
  }

  return {
    verify,

    async take({ endpoint, directory, keep }, signal) {
      signal?.throwIfAborted();
      await makePrivate(directory);
      await removeLeftovers(directory);
      const member = await askMember(endpoint, askDeadlineMs);
      const needed = storesNeeded * member.dbSizeBytes + logBytes;
      const free = await freeBytes(directory);
      if (free < needed) throw noRoom(directory, free, needed, member.dbSizeBytes);
      if ((await versionOf('etcdctl', signal)) === null) {
        throw new AgentError('oserr', `cannot save the store of etcd at ${endpoint}: etcdctl is not installed`, {
          hint: "install it: Debian's package etcd-client, on others it comes with etcd",
        });
      }
      const scratch = `${directory}/.taking-${process.pid}`;
      try {
        await mkdir(scratch, { mode: 0o700 });
        const file = `${scratch}/saved.db`;
        await save(endpoint, file, { deadlineMs: deadlineFor(member.dbSizeBytes), signal });
        const { revision, by } = await verify(
          { file, into: `${scratch}/restored`, atLeastRevision: member.floorRevision },
          signal,
        );
        const path: AbsolutePath = `${directory}/snapshot-${revision}.db`;
        await putInPlace(file, path, directory);
        await removeOld(directory, path, keep);
        return { path, revision, sizeBytes: (await stat(path)).size, verifiedBy: by };
      } catch (error) {
        if (signal?.aborted === true) throw error;
        throw systemError(error, `keep a snapshot of etcd in ${directory}`, directory);
      } finally {
        await rm(scratch, { recursive: true, force: true });
      }
    },
  };
}

interface Limits {
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
}

function deadlineFor(bytes: number): number {
  return baseDeadlineMs + Math.ceil(bytes / slowestBytesPerSec) * 1000;
}

/** @throws AgentError `unavailable`: also when it is part of no quorum, because its store may be an old one */
async function askMember(endpoint: string, deadlineMs: number): Promise<Standing> {
  // etcd3 is loaded only by verbs that get as far as this.
  const { askStanding } = await import('./etcd-survey.ts');
  return await askStanding(endpoint, deadlineMs);
}

async function freeBytesOf(directory: string): Promise<number> {
  const { bsize, bavail } = await statfs(directory);
  return bsize * bavail;
}

function noRoom(directory: string, free: number, needed: number, dbSizeBytes: number): AgentError {
  const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  return new AgentError(
    'oserr',
    `cannot keep a snapshot of etcd in ${directory}: ${mib(free)} are free there, and ${mib(needed)} are needed ` +
      `(${storesNeeded} times the ${mib(dbSizeBytes)} of the database, and ${mib(logBytes)} to restore it aside)`,
    {
      hint: `free space on the file system that holds ${directory} (df -h); etcdctl defrag on one member at a time makes the database smaller`,
    },
  );
}

/** Only root may look: whoever has the store has everything in it. */
async function makePrivate(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o700);
  } catch (error) {
    throw systemError(error, `make the directory ${directory}`, directory);
  }
}

/** What killed runs left behind; a run that is under way is left alone, for as long as one may take. */
async function removeLeftovers(directory: string): Promise<void> {
  try {
    for (const name of await readdir(directory)) {
      const pid = scratchName.exec(name)?.[1];
      if (pid === undefined) continue;
      const path = `${directory}/${name}`;
      const { mtimeMs } = await stat(path);
      // After a reboot another program may have the number.
      const mayBeUnderWay = Number(pid) !== process.pid && Date.now() - mtimeMs < longestRunMs;
      if (mayBeUnderWay && isRunning(Number(pid))) continue;
      await rm(path, { recursive: true, force: true });
    }
  } catch (error) {
    throw systemError(error, `clear ${directory} of what an earlier run left`, directory);
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function putInPlace(file: string, path: string, directory: string): Promise<void> {
  await chmod(file, 0o600);
  await fsyncOf(file);
  await rename(file, path);
  await fsyncOf(directory);
}

async function fsyncOf(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** By age and not by revision: a store that was restored from a backup starts with a smaller one. */
async function removeOld(directory: string, newest: string, keep: number): Promise<void> {
  const found: { path: string; modifiedMs: number }[] = [];
  for (const name of await readdir(directory)) {
    const path = `${directory}/${name}`;
    if (!snapshotName.test(name) || path === newest) continue;
    found.push({ path, modifiedMs: (await stat(path)).mtimeMs });
  }
  found.sort((a, b) => b.modifiedMs - a.modifiedMs);
  for (const { path } of found.slice(Math.max(0, keep - 1))) {
    await unlink(path).catch((error: unknown) => {
      if (!isAbsent(error)) throw error;
    });
  }
}

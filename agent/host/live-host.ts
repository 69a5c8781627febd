// What a live root asks of the machine: dmsetup for figures, statfs for space, and a walk for what was written.

import { lstatSync, opendirSync, type Stats } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { isAgentError } from '../model/errors.ts';
import type { Grower, Growth } from '../model/live.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import type { GrowthQuery, ReadOnlyLive } from '../ports/live.ts';
import { assertSucceeded, type Exec } from './child-exec.ts';
import { parseDmStatus } from './dmsetup-status.ts';
import { isAbsent, systemError } from './system-errors.ts';

/** st_blocks counts these whatever the file system's own blocks are (stat(2)). */
const blockBytes = 512;
/** After as many entries others get their turn. */
const entriesPerTurn = 500;

export interface LiveHostOptions {
  /** dmsetup answers in milliseconds; on a host whose device-mapper hangs nothing is gained by waiting. */
  readonly deadlineMs?: number;
}

/** The ReadOnlyLive port. */
export function liveHost(exec: Exec, { deadlineMs = 3_000 }: LiveHostOptions = {}): ReadOnlyLive {
  return {
    async dmStatus(device) {
      // Without --noflush the answer waits for a thin pool to commit, and for ever where it is out of space.
      const named = device === undefined ? [] : [device];
      try {
        const result = await exec.run(['dmsetup', 'status', '--noflush', ...named], { deadlineMs });
        if (result.exitCode === 1 && device !== undefined && isUnknownDevice(result.stderr)) return [];
        assertSucceeded(
          result,
          `ask device-mapper about ${device ?? 'its devices'}`,
          'run dmsetup status as root; /proc/misc has a line device-mapper where the kernel has it',
        );
        return parseDmStatus(result.stdout);
      } catch (error) {
        if (isAgentError(error) && error.message.includes('dmsetup: it is not installed')) return null;
        throw error;
      }
    },
    async space(path) {
      try {
        const { bsize, blocks, bfree } = await statfs(path);
        return { totalBytes: blocks * bsize, availableBytes: bfree * bsize };
      } catch (error) {
        if (isAbsent(error)) return null;
        throw systemError(error, `measure the file system of ${path}`, path);
      }
    },
    writtenSince,
  };
}

/** libdevmapper's words for it; the last line is `Command failed` for every failure. */
function isUnknownDevice(stderr: string): boolean {
  return /Device \S+ not found|Device does not exist/.test(stderr);
}

async function writtenSince(query: GrowthQuery, signal?: AbortSignal): Promise<Growth> {
  const { directory, sinceMs, maxEntries } = query;
  const started = performance.now();
  const top = lstatOrNull(directory);
  const sums = new Map<AbsolutePath, { bytes: number; files: number }>();
  // By inode: a directory bound to a second place, and a file with a second name, is one all the same.
  const seen = new Set<number>();
  const pending: AbsolutePath[] = top?.isDirectory() === true ? [directory] : [];
  let entries = 0;
  let isComplete = true;
  for (let at = pending.pop(); at !== undefined && isComplete; at = pending.pop()) {
    const below: AbsolutePath[] = [];
    for (const name of namesIn(at, maxEntries - entries)) {
      if (++entries > maxEntries || performance.now() - started > query.deadlineMs) {
        isComplete = false;
        break;
      }
      if (entries % entriesPerTurn === 0) {
        await setImmediate();
        signal?.throwIfAborted();
      }
      const path = under(at, name);
      const found = lstatOrNull(path);
      if (found === null) continue;
      if (found.isDirectory()) {
        // Of a directory alone the device is sure: with overlayfs a file may show that of a layer.
        if (found.dev !== top?.dev || query.skip.includes(path) || seen.has(found.ino)) continue;
        seen.add(found.ino);
        below.push(path);
      }
      if (!isWritten(found, sinceMs) || (found.nlink > 1 && !found.isDirectory() && seen.has(found.ino))) continue;
      if (found.nlink > 1) seen.add(found.ino);
      const key = found.isDirectory() ? holderOf(path, query) : holderOf(at, query);
      const sum = sums.get(key) ?? { bytes: 0, files: 0 };
      sums.set(key, {
        bytes: sum.bytes + found.blocks * blockBytes,
        files: sum.files + (found.isDirectory() ? 0 : 1),
      });
    }
    // Taken from the end: /sysroot, which ostree hosts have everything in a second time, comes last.
    pending.push(...below.sort(sysrootFirst));
  }
  const growers: Grower[] = [...sums].map(([path, sum]) => ({ path, ...sum }));
  growers.sort((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1));
  return {
    growers: growers.filter((g) => g.bytes > 0).slice(0, query.top),
    totalBytes: growers.reduce((total, g) => total + g.bytes, 0),
    isComplete,
  };
}

function sysrootFirst(a: AbsolutePath, b: AbsolutePath): number {
  return Number(b === '/sysroot') - Number(a === '/sysroot');
}

/** Content, or a new name, mode or owner: each of them wrote to the root. */
function isWritten(found: Stats, sinceMs: number): boolean {
  return found.mtimeMs >= sinceMs || found.ctimeMs >= sinceMs;
}

/** The directory that stands for all that is deeper. */
function holderOf(path: AbsolutePath, { directory, depth }: GrowthQuery): AbsolutePath {
  const inner = path.slice(directory === '/' ? 1 : directory.length + 1);
  const names = inner.split('/').filter((name) => name !== '');
  return under(directory, ...names.slice(0, depth));
}

/** The names in a directory, as many as there is room for; what vanished or may not be read has none. */
function namesIn(path: AbsolutePath, most: number): string[] {
  const names: string[] = [];
  try {
    const directory = opendirSync(path);
    try {
      for (let entry = directory.readSync(); entry !== null && names.length <= most; entry = directory.readSync()) {
        names.push(entry.name);
      }
    } finally {
      directory.closeSync();
    }
  } catch {
    // Removed meanwhile, or an input/output error: what is not readable is not counted.
  }
  return names;
}

function lstatOrNull(path: AbsolutePath): Stats | null {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null;
  }
}

// The one place that starts a process: an argv, a deadline, bounded output, and nothing left running afterwards.

import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { AgentError } from '../model/errors.ts';
import { systemError } from './system-errors.ts';

/** The programs that may be started by name. */
const namedPrograms = [
  'systemctl',
  'modprobe',
  'ip',
  'iptables',
  'restorecon',
  'iscsiadm',
  'dmsetup',
  'lsblk',
  'wipefs',
  'lvm',
  'udevadm',
  'mkfs.xfs',
  'mkfs.ext4',
  'xfs_growfs',
  'resize2fs',
  'etcdctl',
  'etcdutl',
  'rpm-ostree',
  'bootc',
  'rpm',
  'loginctl',
] as const;
/** The programs that may be started by path, wherever the layout found them. */
const locatedPrograms = ['etcd', 'flanneld', 'dockerd', 'docker-storage-setup', 'container-storage-setup'] as const;

export type NamedProgram = (typeof namedPrograms)[number];
export type LocatedProgram = `/${string}`;

const systemDirectories = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/sbin', '/usr/local/bin'] as const;
const usualOutputBytes = 64 * 1024;
/** Between SIGTERM and SIGKILL. */
const killAfterMs = 1000;
/** How long output is waited for after the program has ended: a child of its own may hold the pipe for ever. */
const drainMs = 250;
/** After SIGKILL: a process that waits for a disk that is gone cannot even be killed, and is left to the kernel. */
const abandonMs = 2000;

export interface ExecOptions {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
  /** Of each stream as much is kept; 64 KiB where nothing is said. */
  readonly maxOutputBytes?: number;
  /** Besides PATH and the locale; only what a program cannot be told by an argument. */
  readonly environment?: Readonly<Partial<Record<NamedVariable, string>>>;
}

/** The variables that may be given to a program: etcdctl of etcd 3.3 and older speaks the v2 API without its one. */
type NamedVariable = 'ETCDCTL_API';

/** How a program ended. A non-zero exit is data, not an exception. */
export interface ExecResult {
  readonly argv: readonly string[];
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Its first bytes, see ExecOptions. */
  readonly stdout: string;
  readonly stderr: string;
  /** The deadline passed and the process group was killed. */
  readonly timedOut: boolean;
  readonly durationMs: number;
}

export interface Exec {
  /**
   * Run a program of the allow-list to its end.
   *
   * @throws AgentError `oserr` when it is not installed or cannot be started; the signal's reason when that fires
   */
  run(argv: readonly [NamedProgram | LocatedProgram, ...string[]], options: ExecOptions): Promise<ExecResult>;
}

export interface ChildExecOptions {
  /** Where programs are looked for by name; tests put their stubs first. */
  readonly directories?: readonly string[];
}

/** Starts real processes, each in a process group of its own, with a small fixed environment and no standard input. */
export function childExec(options: ChildExecOptions = {}): Exec {
  const directories = options.directories ?? systemDirectories;
  return {
    async run(argv, { deadlineMs, signal, maxOutputBytes = usualOutputBytes, environment = {} }) {
      const [program, ...args] = argv;
      signal?.throwIfAborted();
      const path = await locate(program, directories);
      return await runToEnd(path, args, {
        argv,
        deadlineMs,
        signal,
        maxOutputBytes,
        environment,
        searchPath: directories.join(':'),
      });
    },
  };
}

async function locate(program: string, directories: readonly string[]): Promise<string> {
  if (program.startsWith('/')) {
    const base = program.slice(program.lastIndexOf('/') + 1);
    if (!locatedPrograms.some((name) => base.startsWith(name))) throw notAllowed(program);
    return program;
  }
  if (!namedPrograms.some((name) => name === program)) throw notAllowed(program);
  for (const directory of directories) {
    const path = `${directory}/${program}`;
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Not in this directory.
    }
  }
  throw new AgentError('oserr', `cannot run ${program}: it is not installed (looked in ${directories.join(', ')})`, {
    hint: `install the package that brings ${program}`,
  });
}

function notAllowed(program: string): AgentError {
  return new AgentError('bug', `refused to run ${program}: it is not on the list of programs that diyc-agent runs`, {
    hint: 'this is a fault of diyc-agent: report it',
  });
}

interface Run {
  readonly argv: readonly string[];
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  readonly searchPath: string;
  readonly maxOutputBytes: number;
  readonly environment: Readonly<Partial<Record<NamedVariable, string>>>;
}

function runToEnd(path: string, args: readonly string[], run: Run): Promise<ExecResult> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void => reject(systemError(error, `run ${run.argv.join(' ')}`, path));
    let child: ChildProcess;
    try {
      child = spawn(path, args, {
        // Its own process group, so that the deadline ends its children too.
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...run.environment, PATH: run.searchPath, LANG: 'C', LC_ALL: 'C' },
        cwd: '/',
      });
    } catch (error) {
      failed(error);
      return;
    }
    const stdout = collect(child.stdout, run.maxOutputBytes);
    const stderr = collect(child.stderr, run.maxOutputBytes);
    let timedOut = false;
    let drain: NodeJS.Timeout | undefined;
    let force: NodeJS.Timeout | undefined;
    let settled = false;

    const end = (): void => {
      killGroup(child.pid, 'SIGTERM');
      force ??= setTimeout(() => {
        killGroup(child.pid, 'SIGKILL');
        force = setTimeout(() => {
          child.unref();
          finish(null, 'SIGKILL');
        }, abandonMs);
      }, killAfterMs);
    };
    const deadline = setTimeout(() => {
      timedOut = true;
      end();
    }, run.deadlineMs);
    if (run.signal?.aborted === true) end();
    else run.signal?.addEventListener('abort', end, { once: true });

    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(deadline);
      clearTimeout(drain);
      clearTimeout(force);
      run.signal?.removeEventListener('abort', end);
      child.stdout?.destroy();
      child.stderr?.destroy();
      act();
    };
    const finish = (exitCode: number | null, signal: string | null): void =>
      settle(() => {
        // Whatever it started and left behind in its group ends with it, when it did not end by itself.
        if (timedOut || run.signal?.aborted === true) killGroup(child.pid, 'SIGKILL');
        if (run.signal?.aborted === true) {
          const reason: unknown = run.signal.reason;
          reject(reason instanceof Error ? reason : new Error(String(reason)));
          return;
        }
        const durationMs = performance.now() - started;
        resolve({ argv: run.argv, exitCode, signal, stdout: stdout(), stderr: stderr(), timedOut, durationMs });
      });

    child.once('error', (error) => settle(() => failed(error)));
    child.once('exit', (exitCode, signal) => {
      drain = setTimeout(() => finish(exitCode, signal), drainMs);
    });
    child.once('close', (exitCode, signal) => finish(exitCode, signal));
  });
}

/** Keep the first bytes and let the rest go by, so that the program is never stopped by a full pipe. */
function collect(stream: Readable | null, maxOutputBytes: number): () => string {
  const kept: Buffer[] = [];
  let total = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (total < maxOutputBytes) kept.push(chunk.subarray(0, maxOutputBytes - total));
    total += chunk.length;
  });
  stream?.on('error', () => {
    // The pipe broke; what came before it is still worth having.
  });
  return () => Buffer.concat(kept).toString('utf8');
}

function killGroup(pid: number | undefined, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Gone already (ESRCH), or another user's by now (EPERM): either way nothing is left to be ended here.
  }
}

/**
 * Fail when a program did not do what it was started for.
 *
 * @param attempted for people: `load the kernel module vxlan`
 * @throws AgentError `oserr` with the program's own last words
 */
export function assertSucceeded(result: ExecResult, attempted: string, hint: string): void {
  if (result.exitCode === 0) return;
  const command = result.argv.join(' ');
  const how = result.timedOut
    ? `did not end within ${Math.round(result.durationMs)} ms`
    : result.signal !== null
      ? `was ended by ${result.signal}`
      : `exited with ${result.exitCode}`;
  throw new AgentError('oserr', `cannot ${attempted}: ${command} ${how}${saying(result)}`, {
    hint,
    retryable: result.timedOut,
  });
}

function saying(result: ExecResult): string {
  const text = (result.stderr.trim() || result.stdout.trim()).split('\n').slice(-3).join('; ');
  return text === '' ? '' : ` and said: ${text.slice(0, 500)}`;
}

// Runs the agent as its users do: a process with arguments, an environment and a directory, ended by a deadline.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const projectDirectory = fileURLToPath(new URL('../../', import.meta.url));

export interface BinaryRun {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

export interface BinaryOptions {
  readonly cwd?: string;
  /** The whole environment besides PATH. */
  readonly env?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
  readonly stdin?: string;
  /** `built` is dist/diyc-agent, `source` is agent/main.ts; default: what is built, else the source. */
  readonly what?: 'built' | 'source';
}

/** Path of the built binary, whether it is there or not. */
export const builtBinary = `${projectDirectory}dist/diyc-agent`;

/** Run the agent to its end. */
export function runBinary(args: readonly string[], options: BinaryOptions = {}): Promise<BinaryRun> {
  const { cwd = '/', env = {}, deadlineMs = 20_000, stdin = '' } = options;
  const what = options.what ?? (existsSync(builtBinary) ? 'built' : 'source');
  const [program, first] =
    what === 'built'
      ? [builtBinary, []]
      : [`${projectDirectory}node_modules/.bin/bun`, [`${projectDirectory}agent/main.ts`]];
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...first, ...args], {
      cwd,
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, deadlineMs);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A program that ends without reading its input breaks the pipe; that is its right.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString('utf8');
      resolve({ code, signal, stdout: text(stdout), stderr: text(stderr), timedOut });
    });
  });
}

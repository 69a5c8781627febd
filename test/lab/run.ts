/** Programs are started with an argument list, a deadline and no shell; an error carries what they said. */

import { spawn } from 'node:child_process';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

export interface RunOptions {
  readonly timeoutMs?: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** An exit code other than 0 is an answer, not an error. */
  readonly tolerant?: boolean;
}

const running = new Set<number>();

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // already gone: exactly what was wanted
  }
}

/** Ends what this process has running right now (each in its own process group); for Ctrl-C. */
export function endRunning(): void {
  for (const pid of running) killGroup(pid);
}

function describe(argv: readonly string[]): string {
  return argv.map((part) => (/^[\w@%+=:,./-]+$/.test(part) ? part : JSON.stringify(part))).join(' ');
}

export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const [program, ...args] = argv;
  if (program === undefined) throw new Error('run: empty argument list');
  const timeoutMs = options.timeoutMs ?? 30_000;
  const outcome = await new Promise<Outcome>((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // a group of its own, so that a deadline also ends what the program has started
      detached: true,
    });
    const pid = child.pid;
    if (pid !== undefined) running.add(pid);
    let stdout = '';
    let stderr = '';
    let timedOut = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const timer = setTimeout(() => {
      timedOut = true;
      if (pid !== undefined) killGroup(pid);
    }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      if (pid !== undefined) running.delete(pid);
      reject(new Error(`cannot start ${describe(argv)}: ${error.message}`));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      if (pid !== undefined) running.delete(pid);
      resolve({ code: code ?? 137, stdout, stderr, timedOut });
    });
  });
  if (outcome.timedOut && options.tolerant !== true) {
    throw new Error(`${describe(argv)} was ended after ${timeoutMs} ms\n${tail(outcome.stderr)}`);
  }
  if (outcome.code !== 0 && options.tolerant !== true) {
    throw new Error(`${describe(argv)} exited with ${outcome.code}\n${tail(outcome.stderr || outcome.stdout)}`);
  }
  return outcome;
}

/** The last lines of a text: where programs put the reason. */
export function tail(text: string, lines = 15): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

/** Whether a program is on PATH. */
export async function hasProgram(name: string): Promise<boolean> {
  // PATH of root under sudo or in a bare container may lack the sbin folders
  const found = await run(['which', name], {
    tolerant: true,
    env: { PATH: `${process.env['PATH'] ?? ''}:/usr/local/go/bin:/usr/sbin:/sbin` },
  });
  return found.code === 0;
}

// What the tests of the packages need of this machine, and how they say that it is not there.

import { spawnSync } from 'node:child_process';

const isRoot = process.getuid?.() === 0;

/**
 * @returns why tests cannot run here, to be part of their names; '' when they can
 * @throws in CI, where nothing may be left out
 */
export function lacking(programs: readonly string[], options: { readonly root?: boolean } = {}): string {
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  const absent = programs.filter((program) => Bun.which(program, { PATH: path }) === null);
  const needs = [...absent, ...(options.root === true && !isRoot ? ['to be root'] : [])];
  if (needs.length === 0) return '';
  return unlessInCi(`needs ${needs.join(', ')}`);
}

/** The same for an obstacle that somebody else found. */
export function unlessInCi(obstacle: string): string {
  if (process.env['CI']) throw new Error(`${obstacle}: nothing may be left out in CI`);
  return ` (left out: ${obstacle})`;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Run a program to its end. @returns what it wrote to stdout. @throws with what it said when it did not end with 0 */
export function must(argv: readonly string[], options: RunOptions = {}): string {
  const { status, output, stdout } = attempt(argv, options);
  if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${status}:\n${output}`);
  return stdout;
}

export interface Attempt {
  readonly status: number | null;
  readonly stdout: string;
  /** stdout and stderr */
  readonly output: string;
}

export function attempt([program = '', ...rest]: readonly string[], { cwd, env }: RunOptions = {}): Attempt {
  const { status, stdout, stderr, error } = spawnSync(program, rest, {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, LC_ALL: 'C', ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return { status, stdout: stdout ?? '', output: `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}` };
}

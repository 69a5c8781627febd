// What is built: the repository, its version, its commit and the time of that commit.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const repository = resolve(import.meta.dirname, '..');

export interface Manifest {
  readonly version: string;
  readonly license: string;
  /** of the project; absent as long as it has none */
  readonly homepage?: string;
}

/** What package.json says of the project itself. */
export function manifest(): Manifest {
  const found = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as Partial<Manifest>;
  const { version, license } = found;
  if (version === undefined || license === undefined) throw new Error('package.json lacks a version or a license');
  return { ...found, version, license };
}

export function packageVersion(): string {
  return manifest().version;
}

/** The commit that is built, `-dirty` when tracked files differ from it; `unknown` outside a clone (a source archive). */
export function commit(): string {
  const given = process.env['DIYC_COMMIT'];
  if (given) return given;
  const head = git('rev-parse', '--short=12', 'HEAD');
  if (head === undefined) return 'unknown';
  return git('status', '--porcelain', '--untracked-files=no') === '' ? head : `${head}-dirty`;
}

/** Seconds since 1970 of the commit: the only time that packages may carry. */
export function commitEpoch(): number {
  return Number(process.env['SOURCE_DATE_EPOCH'] ?? git('log', '-1', '--format=%ct') ?? 1);
}

function git(...argv: readonly string[]): string | undefined {
  // an archive unpacked inside somebody else's clone must not take that one's commit
  if (!existsSync(join(repository, '.git'))) return undefined;
  const { status, stdout } = spawnSync('git', argv, { cwd: repository, encoding: 'utf8', stdio: 'pipe' });
  return status === 0 ? stdout.trim() : undefined;
}

/** Run a program; its output is shown only when it fails. @throws with the last lines of what it said */
export function runProgram(
  argv: readonly [string, ...string[]],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): void {
  const [program, ...rest] = argv;
  // BUN_OPTIONS of the person who builds must not end up in what is shipped
  const { BUN_OPTIONS: _options, BUN_BE_BUN: _beBun, ...inherited } = process.env;
  const { status, stdout, stderr, error } = spawnSync(program, rest, {
    cwd: options.cwd ?? repository,
    env: { ...inherited, ...options.env },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (error) throw new Error(`cannot start ${program}: ${error.message}`);
  if (status !== 0) {
    const said = `${stdout}${stderr}`.trimEnd().split('\n').slice(-40).join('\n');
    throw new Error(`${program} ended with ${status}:\n${said}`);
  }
}

// Golden trees: a host's files in, the same host's files out, compared to the last byte, mode, owner and link target.

import { expect } from 'bun:test';
import { chmod, chown, lstat, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const treesDirectory = fileURLToPath(new URL('../fixtures/trees/', import.meta.url));

/** How a run of the agent ended, in this process or in one of its own. */
export interface AgentRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export type RunAgent = (args: readonly string[]) => Promise<AgentRun>;

export interface GoldenCase {
  /** One sentence: which host this is. */
  readonly what: string;
  /** Directories of test/fixtures/trees, laid on top of each other. */
  readonly trees: readonly string[];
}

/** Everything about one path that a write could change. */
export interface PathState {
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  readonly mode: string;
  readonly owner: string;
  /** Text of a file, target of a link. */
  readonly content: string;
  readonly inode: bigint;
  readonly modifiedNs: bigint;
  readonly changedNs: bigint;
}

export type Snapshot = ReadonlyMap<string, PathState>;

/** Where the journal is; its text has times in it, so only its presence and mode are compared. */
export const journalPath = '/var/lib/diyc-agent/journal.jsonl';

/** Lay the case's trees, then its own `before/`, below the root. */
export async function layOut(root: string, caseDirectory: string, golden: GoldenCase): Promise<void> {
  await layOutTrees(root, golden.trees);
  await copyTree(`${caseDirectory}/before`, root);
}

/** Lay trees of test/fixtures/trees below the root. */
export async function layOutTrees(root: string, trees: readonly string[]): Promise<void> {
  const attributes = JSON.parse(await readFile(`${treesDirectory}attributes.json`, 'utf8')) as Record<
    string,
    Record<string, string>
  >;
  for (const tree of trees) {
    await copyTree(`${treesDirectory}${tree}`, root);
    for (const [path, text] of Object.entries(attributes[tree] ?? {})) {
      const [mode = '', owner = ''] = text.split(' ');
      const [uid = '0', gid = '0'] = owner.split(':');
      if (path.endsWith('/')) await mkdir(`${root}/${path}`, { recursive: true });
      // Without root a file cannot be given away; then it stays ours, and the golden trees are skipped anyway.
      if (process.getuid?.() === 0) await chown(`${root}/${path}`, Number(uid), Number(gid));
      await chmod(`${root}/${path}`, Number.parseInt(mode, 8));
    }
  }
}

/** Copy a tree; of the modes only the executable bit counts, so that no umask shows in a golden file. */
export async function copyTree(from: string, to: string): Promise<void> {
  for (const entry of await namesIn(from)) {
    const [source, target] = [`${from}/${entry}`, `${to}/${entry}`];
    const found = await lstat(source);
    if (found.isDirectory()) {
      await mkdir(target, { recursive: true });
      await chmod(target, 0o755);
      await copyTree(source, target);
    } else if (found.isSymbolicLink()) {
      await rm(target, { force: true });
      await symlink(await readlink(source), target);
    } else {
      await mkdir(dirname(target), { recursive: true });
      await rm(target, { force: true });
      await writeFile(target, await readFile(source));
      await chmod(target, (found.mode & 0o100) === 0 ? 0o644 : 0o755);
    }
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch {
    // A case that adds nothing to its trees has no directory of its own for it.
    return [];
  }
}

/** Look at everything below a directory, the directory itself included. */
export async function snapshot(root: string): Promise<Snapshot> {
  const states = new Map<string, PathState>();
  const visit = async (path: string): Promise<void> => {
    const place = `${root}${path}`;
    const found = await lstat(place, { bigint: true });
    const kind = found.isFile()
      ? 'file'
      : found.isDirectory()
        ? 'directory'
        : found.isSymbolicLink()
          ? 'link'
          : 'other';
    states.set(path === '' ? '/' : path, {
      kind,
      mode: (Number(found.mode) & 0o7777).toString(8).padStart(4, '0'),
      owner: `${found.uid}:${found.gid}`,
      content: kind === 'file' ? await readFile(place, 'latin1') : kind === 'link' ? await readlink(place) : '',
      inode: found.ino,
      modifiedNs: found.mtimeNs,
      changedNs: found.ctimeNs,
    });
    if (kind === 'directory') for (const name of (await readdir(place)).sort()) await visit(`${path}/${name}`);
  };
  await visit('');
  return states;
}

/** Not one path was made, removed, written, renamed, or given another mode, owner or time. */
export function expectUntouched(before: Snapshot, after: Snapshot): void {
  expect(touched(before, after)).toEqual([]);
}

/** Paths that differ in anything at all, inode and times included; a directory that only grew is there too. */
export function touched(before: Snapshot, after: Snapshot): string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].filter((path) => !isSame(before.get(path), after.get(path), true)).sort();
}

function isSame(a: PathState | undefined, b: PathState | undefined, withTimes: boolean): boolean {
  if (a === undefined || b === undefined) return a === b;
  const same = a.kind === b.kind && a.mode === b.mode && a.owner === b.owner && a.content === b.content;
  return same && (!withTimes || (a.inode === b.inode && a.modifiedNs === b.modifiedNs && a.changedNs === b.changedNs));
}

/** What a run made of a tree: a line for every path that is new, changed or gone. */
export function listing(before: Snapshot, after: Snapshot): string {
  const lines: string[] = [];
  for (const path of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const [was, is] = [before.get(path), after.get(path)];
    if (isSame(was, is, false)) continue;
    if (is === undefined) lines.push(`gone     ${path}`);
    else {
      const verdict = was === undefined ? 'new    ' : 'changed';
      const what = is.kind === 'link' ? 'link' : `${is.mode} ${is.owner}`;
      const name = is.kind === 'link' ? `${path} -> ${is.content}` : is.kind === 'directory' ? `${path}/` : path;
      lines.push(`${verdict}  ${what.padEnd(12)}  ${name}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Text of every file that is new or changed, the journal left out. */
export function writtenFiles(before: Snapshot, after: Snapshot): Record<string, string> {
  const files: Record<string, string> = {};
  for (const [path, state] of after) {
    if (state.kind === 'file' && path !== journalPath && !isSame(before.get(path), state, false))
      files[path] = state.content;
  }
  return files;
}

/** What is kept of a case beside its files: compared with, or recorded. */
export interface GoldenResult {
  readonly plan: string;
  readonly boot: string;
  readonly listing: string;
  readonly files: Readonly<Record<string, string>>;
}

/** The result as recorded; empty where nothing was recorded yet. */
export async function readResult(caseDirectory: string): Promise<GoldenResult> {
  const text = (name: string): Promise<string> => readFile(`${caseDirectory}/${name}`, 'utf8').catch(() => '');
  const files: Record<string, string> = {};
  const visit = async (path: string): Promise<void> => {
    for (const name of await namesIn(`${caseDirectory}/after${path}`)) {
      const child = `${path}/${name}`;
      if ((await lstat(`${caseDirectory}/after${child}`)).isDirectory()) await visit(child);
      else files[child] = await readFile(`${caseDirectory}/after${child}`, 'latin1');
    }
  };
  await visit('');
  return { plan: await text('plan.txt'), boot: await text('boot.txt'), listing: await text('after.txt'), files };
}

/**
 * Compare a result with the one recorded, or record it.
 *
 * Recording never passes: a test that could write down what it sees and be content would check nothing.
 */
export async function compareResult(caseDirectory: string, result: GoldenResult, record: boolean): Promise<void> {
  if (!record) {
    expect(result).toEqual(await readResult(caseDirectory));
    return;
  }
  await rm(`${caseDirectory}/after`, { recursive: true, force: true });
  await writeFile(`${caseDirectory}/plan.txt`, result.plan);
  await writeFile(`${caseDirectory}/boot.txt`, result.boot);
  await writeFile(`${caseDirectory}/after.txt`, result.listing);
  for (const [path, content] of Object.entries(result.files)) {
    await mkdir(dirname(`${caseDirectory}/after${path}`), { recursive: true });
    await writeFile(`${caseDirectory}/after${path}`, content, 'latin1');
  }
  throw new Error(`recorded ${caseDirectory}: read the difference, then run again without GOLDEN_RECORD`);
}

/** plan, boot, and what they came to; the root is the tree afterwards. */
export async function runCase(
  agent: RunAgent,
  root: string,
  caseDirectory: string,
  golden: GoldenCase,
): Promise<GoldenResult> {
  await layOut(root, caseDirectory, golden);
  const before = await snapshot(root);
  const plan = await agent(['plan', '--root', root]);
  expect(plan.code).toBe(2);
  expectUntouched(before, await snapshot(root));
  const boot = await agent(['boot', '--root', root]);
  expect([boot.code, boot.stdout]).toEqual([0, '']);
  const after = await snapshot(root);
  const shown = (text: string): string => text.replaceAll(root, 'ROOT');
  return {
    plan: shown(plan.stderr + plan.stdout),
    boot: shown(boot.stderr),
    listing: listing(before, after),
    files: writtenFiles(before, after),
  };
}

/** A second run writes nothing, not even to the journal, and `plan` has nothing to show. */
export async function expectSettled(agent: RunAgent, root: string): Promise<void> {
  const before = await snapshot(root);
  for (const verb of ['boot', 'apply', 'plan']) {
    const { code, stdout, stderr } = await agent([verb, '--root', root]);
    expect([verb, code, stderr]).toEqual([verb, 0, expect.not.stringContaining('step')]);
    if (verb === 'plan') expect(stdout).not.toContain('write');
    expectUntouched(before, await snapshot(root));
  }
}

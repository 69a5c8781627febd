// Killed at any instant, started again: the same host as if nothing had happened, originals kept, nothing left lying about.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import {
  journalPath,
  layOutTrees,
  listing,
  type Snapshot,
  snapshot,
  touched,
  writtenFiles,
} from '../support/golden.ts';
import { builtBinary, runBinary } from '../support/run-binary.ts';
import { withTempDir } from '../support/temp-dir.ts';

const trees = ['fedora-22-atomic', 'seed-a'];
/** Each round is one host: killed up to this often, then left to finish. */
const killsPerRound = 3;
const wantedKills = 60;
/** Rounds end here even if there were fewer kills, however slow the machine. */
const budgetMs = 120_000;
const seed = Number(process.env['KILL_SEED'] ?? '20150630');

/** Files are given to the account of etcd, which only root can do. */
const isRoot = process.getuid?.() === 0;

let directory = '';
let before: Snapshot = new Map();
let after: Snapshot = new Map();
let undisturbedMs = 0;
let writingMs = 0;

beforeAll(async () => {
  if (!isRoot) return;
  directory = await mkdtemp(`${tmpdir()}/diyc-agent-kill-`);
  await layOutTrees(directory, trees);
  before = await snapshot(directory);
  const began = performance.now();
  writingMs = (await bootAndKill(directory, 'start', null)).writingMs ?? 0;
  undisturbedMs = performance.now() - began;
  after = await snapshot(directory);
  expect(after.get(journalPath)?.kind).toBe('file');
});
afterAll(async () => {
  if (directory !== '') await rm(directory, { recursive: true, force: true });
});

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function seededRandom(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Ended {
  readonly killed: boolean;
  /** From the first entry in the journal, behind which the writes are, to the end; null when nothing was written. */
  readonly writingMs: number | null;
}

/** Start boot, and kill it some time after its start or after its first write; never, where no time is given. */
function bootAndKill(root: string, from: 'start' | 'first write', afterMs: number | null): Promise<Ended> {
  const journalSize = (): number => statSync(`${root}${journalPath}`, { throwIfNoEntry: false })?.size ?? 0;
  const sizeBefore = journalSize();
  return new Promise((resolve, reject) => {
    const child = spawn(builtBinary, ['boot', '--root', root, '--quiet'], {
      stdio: 'ignore',
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    });
    let firstWriteAt: number | null = null;
    let timer: NodeJS.Timeout | undefined;
    const arm = (): void => {
      if (afterMs !== null) timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
    };
    const watch = setInterval(() => {
      if (firstWriteAt !== null || journalSize() === sizeBefore) return;
      firstWriteAt = performance.now();
      if (from === 'first write') arm();
    }, 1);
    if (from === 'start') arm();
    child.once('error', reject);
    child.once('exit', (_code, signal) => {
      clearInterval(watch);
      clearTimeout(timer);
      const writingMs = firstWriteAt === null ? null : performance.now() - firstWriteAt;
      resolve({ killed: signal === 'SIGKILL', writingMs });
    });
  });
}

describe.skipIf(!isRoot)(`boot, killed at random instants (KILL_SEED=${seed})`, () => {
  test(
    'the run after the last kill makes the host that an undisturbed run makes',
    async () => {
      const random = seededRandom(seed);
      const began = performance.now();
      let [kills, midWay] = [0, 0];
      for (let round = 0; kills < wantedKills && performance.now() - began < budgetMs; round++) {
        await withTempDir(async (root) => {
          await layOutTrees(root, trees);
          for (let kill = 0; kill < killsPerRound; kill++) {
            const found = await snapshot(root);
            // One in four anywhere in a run, most of which is start-up; the others within its writes.
            const anywhere = random() < 0.25;
            const ended = anywhere
              ? await bootAndKill(root, 'start', random() * undisturbedMs)
              : await bootAndKill(root, 'first write', random() * writingMs);
            if (ended.killed) kills++;
            if (ended.killed && touched(found, await snapshot(root)).length > 0) midWay++;
          }
          const last = await runBinary(['boot', '--root', root]);
          expect([round, last.code, last.stderr]).toEqual([round, 0, expect.not.stringContaining('error')]);
          const settled = await snapshot(root);
          // Every path is there once: no temporary file of a killed run, no second copy of an original.
          expect([round, listing(before, settled)]).toEqual([round, listing(before, after)]);
          expect(writtenFiles(before, settled)).toEqual(writtenFiles(before, after));
          for (const path of ['/etc/etcd/etcd.conf', '/etc/sysconfig/flanneld']) {
            expect(settled.get(`${path}.save`)?.content).toBe(before.get(path)?.content ?? 'missing');
          }
          await expectQuiet(root, settled);
        });
      }
      // The kills were spread over the writes and not all before the first or after the last of them.
      console.log(`${kills} kills, ${midWay} after something was written; a run takes ${Math.round(undisturbedMs)} ms`);
      if (performance.now() - began < budgetMs) expect(kills).toBeGreaterThanOrEqual(wantedKills);
      expect(midWay).toBeGreaterThan(wantedKills / 4);
    },
    budgetMs * 2,
  );

  test(
    'the journal can be read after every kill, and tells what was begun',
    async () => {
      const random = seededRandom(seed + 1);
      for (let round = 0; round < 6; round++) {
        await withTempDir(async (root) => {
          await layOutTrees(root, trees);
          await bootAndKill(root, 'first write', random() * writingMs);
          const text = await readFile(`${root}${journalPath}`, 'utf8').catch(() => '');
          expect((await runBinary(['plan', '--root', root])).code).toBeOneOf([0, 2]);
          expect((await runBinary(['boot', '--root', root])).code).toBe(0);
          // What stood there is never rewritten: the next run appends.
          expect((await readFile(`${root}${journalPath}`, 'utf8')).startsWith(text)).toBe(true);
        });
      }
    },
    budgetMs,
  );
});

async function expectQuiet(root: string, settled: Snapshot): Promise<void> {
  expect((await runBinary(['boot', '--root', root])).code).toBe(0);
  expect(touched(settled, await snapshot(root))).toEqual([]);
}

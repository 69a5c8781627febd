// Killed at any instant, started again: the same host as if nothing had happened, originals kept, nothing left lying about.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
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

let directory = '';
let before: Snapshot = new Map();
let after: Snapshot = new Map();
let undisturbedMs = 0;

beforeAll(async () => {
  directory = await mkdtemp(`${tmpdir()}/diyc-agent-kill-`);
  await layOutTrees(directory, trees);
  before = await snapshot(directory);
  const began = performance.now();
  expect((await runBinary(['boot', '--root', directory])).code).toBe(0);
  undisturbedMs = performance.now() - began;
  after = await snapshot(directory);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

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

/** @returns whether the kill came before the end */
function bootAndKill(root: string, afterMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(builtBinary, ['boot', '--root', root, '--quiet'], {
      stdio: 'ignore',
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
    child.once('error', reject);
    child.once('exit', (_code, signal) => {
      clearTimeout(timer);
      resolve(signal === 'SIGKILL');
    });
  });
}

describe(`boot, killed at random instants (KILL_SEED=${seed})`, () => {
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
            // Within the time of a whole run, whose first part is start-up; a run that goes on has less left to do.
            const within = undisturbedMs * (0.2 + (0.75 * random()) / (kill + 1));
            if (await bootAndKill(root, within)) kills++;
            if (touched(found, await snapshot(root)).length > 0) midWay++;
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
      expect(midWay).toBeGreaterThan(wantedKills / 10);
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
          await bootAndKill(root, (0.5 + 0.5 * random()) * undisturbedMs);
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

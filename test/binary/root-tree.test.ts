// The built file on whole trees below --root: every golden tree again, and nothing outside of the root.

import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename, symlink } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import {
  compareResult,
  expectSettled,
  expectUntouched,
  type GoldenCase,
  layOutTrees,
  listing,
  runCase,
  snapshot,
} from '../support/golden.ts';
import { runBinary } from '../support/run-binary.ts';
import { withTempDir } from '../support/temp-dir.ts';

const golden = fileURLToPath(new URL('../golden/', import.meta.url));
const names = readdirSync(golden, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? e.name : []));
const isRoot = process.getuid?.() === 0;
const built = (args: readonly string[]) => runBinary(args, { what: 'built' });

describe('the built file makes of every golden tree what the sources make of it', () => {
  for (const name of names) {
    test.skipIf(!isRoot)(name, async () => {
      await withTempDir(async (root) => {
        const golden1 = JSON.parse(readFileSync(`${golden}${name}/case.json`, 'utf8')) as GoldenCase;
        const result = await runCase(built, root, `${golden}${name}`, golden1);
        await expectSettled(built, root);
        await compareResult(`${golden}${name}`, result, false);
      });
    });
  }
});

describe.skipIf(!isRoot)('a tree below --root', () => {
  async function inTree(work: (root: string, directory: string) => Promise<void>): Promise<void> {
    await withTempDir(async (directory) => {
      await mkdir(`${directory}/root`);
      await layOutTrees(`${directory}/root`, ['fedora-22-atomic', 'seed-a']);
      await work(`${directory}/root`, directory);
    });
  }

  test('boot says which steps are left for the running host, and starts nothing here', async () => {
    await inTree(async (root) => {
      const run = await built(['boot', '--root', root, '--json']);
      const answer = JSON.parse(run.stdout) as { deferred: string[]; done: string[]; changed: boolean };
      expect(answer).toMatchObject({ schema: 1, node: 'a1', changed: true, failed: [] });
      expect(answer.deferred).toEqual(expect.arrayContaining(['systemctl daemon-reload', 'reboot']));
      expect(answer.done).toContain('replace /etc/etcd/etcd.conf');
    });
  });

  test('an image that was prepared is booted without a step, wherever it was prepared', async () => {
    await inTree(async (root, directory) => {
      expect((await built(['boot', '--root', root])).code).toBe(0);
      await rename(root, `${directory}/elsewhere`);
      const before = await snapshot(`${directory}/elsewhere`);
      expect((await built(['boot', '--root', `${directory}/elsewhere`])).code).toBe(0);
      expectUntouched(before, await snapshot(`${directory}/elsewhere`));
    });
  });

  test('a final slash and a link to the root make no difference', async () => {
    await inTree(async (root, directory) => {
      await symlink('root', `${directory}/link`);
      const first = await built(['plan', '--root', root]);
      for (const same of [`${root}/`, `${root}//`, `${directory}/link`]) {
        expect(await built(['plan', '--root', same])).toEqual(first);
      }
    });
  });

  test('two runs at once leave the tree that one leaves', async () => {
    const alone: string[] = [];
    await inTree(async (root) => {
      const before = await snapshot(root);
      await built(['boot', '--root', root]);
      alone.push(listing(before, await snapshot(root)));
    });
    for (let round = 0; round < 5; round++) {
      await inTree(async (root) => {
        const before = await snapshot(root);
        const runs = await Promise.all([built(['boot', '--root', root]), built(['boot', '--root', root])]);
        // The one that lost a race for a file says so and asks to be run again; neither half-writes anything.
        for (const run of runs) expect([0, 75]).toContain(run.code ?? -1);
        expect((await built(['boot', '--root', root])).code).toBe(0);
        expect([round, listing(before, await snapshot(root))]).toEqual([round, alone[0] ?? '']);
      });
    }
  });

  for (const verb of ['status', 'nodes', 'report', 'wait --for ready', 'join seed', 'join lease', 'join forward']) {
    test(`${verb} below --root ends with a documented code, and touches nothing but its own /run`, async () => {
      await inTree(async (root) => {
        const before = await snapshot(root);
        const run = await runBinary([...verb.split(' '), '--root', root], { deadlineMs: 15_000 });
        expect([verb, run.timedOut]).toEqual([verb, false]);
        expect([1, 2, 3, 64, 69, 75]).toContain(run.code ?? -1);
        expect(run.stderr).not.toContain('report this');
        expect(listing(before, await snapshot(root)).match(/ \/(?!run\b)\S+/g)).toBeNull();
      });
    });
  }
});

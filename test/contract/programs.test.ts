// What a program says for --version is asked once for each installed file, and its memory can be spoilt without harm.

import { describe, expect, test } from 'bun:test';
import { copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { installedPrograms } from '../../agent/host/programs.ts';
import { rootedFiles } from '../../agent/host/rooted-files.ts';
import type { AbsolutePath } from '../../agent/model/paths.ts';
import type { RememberingPrograms } from '../../agent/ports/host.ts';
import { type StubPrograms, stubPrograms } from '../support/stub-programs.ts';
import { withTempDir } from '../support/temp-dir.ts';
import { readTree } from '../support/tree.ts';

interface Installed extends StubPrograms {
  /** The root of a host with nothing on it. */
  readonly root: string;
  readonly cache: string;
  readonly path: AbsolutePath;
  /** The port as a new run of the agent has it. */
  run(): RememberingPrograms;
}

async function withEtcd(work: (installed: Installed) => Promise<void>): Promise<void> {
  await withTempDir(async (directory) => {
    const [bin, root] = [`${directory}/bin`, `${directory}/root`];
    await mkdir(bin);
    await mkdir(root);
    const stubs = await stubPrograms(bin, { etcd: 'echo "etcd Version: 3.4.23"' });
    const files = rootedFiles({ root });
    await work({
      ...stubs,
      root,
      cache: `${root}/run/diyc-agent/versions.json`,
      path: `/${bin.slice(1)}/etcd`,
      run: () => installedPrograms(stubs.exec, files),
    });
  });
}

const said = 'etcd Version: 3.4.23\n';

describe('the version of a program', () => {
  test('is asked once for a file: in one run, and in all later ones when it was remembered', async () => {
    await withEtcd(async ({ run, path, calls }) => {
      const first = run();
      expect([await first.versionText('etcd', path), await first.versionText('etcd', path)]).toEqual([said, said]);
      await first.remember();
      expect(await first.versionText('etcd', path)).toBe(said);
      for (let later = 0; later < 3; later++) expect(await run().versionText('etcd', path)).toBe(said);
      expect(await calls('etcd')).toEqual(['--version']);
    });
  });

  test('is written down by remember() alone, once, readable for everybody', async () => {
    await withEtcd(async ({ run, path, root, cache, calls }) => {
      const programs = run();
      await programs.versionText('etcd', path);
      expect(await readTree(root)).toEqual({});
      await run().versionText('etcd', path);
      expect(await calls('etcd')).toHaveLength(2);
      await programs.remember();
      const [entry] = Object.values<{ text: string }>(JSON.parse(await readFile(cache, 'utf8')));
      expect(entry?.text).toBe(said);
      // Nothing new to say: what stands there is not even touched.
      await writeFile(cache, 'untouched');
      await programs.remember();
      expect(await readFile(cache, 'utf8')).toBe('untouched');
    });
  });

  test('is asked again when the file was replaced, also by one of the same size and name', async () => {
    await withEtcd(async ({ run, path, does, calls }) => {
      const first = run();
      await first.versionText('etcd', path);
      await first.remember();
      await copyFile(path, `${path}.new`);
      await rename(`${path}.new`, path);
      await writeFile(`${path}.does`, 'echo "etcd Version: 3.5.99"\n');
      const second = run();
      expect(await second.versionText('etcd', path)).toBe('etcd Version: 3.5.99\n');
      await second.remember();
      expect(await run().versionText('etcd', path)).toBe('etcd Version: 3.5.99\n');
      expect(await calls('etcd')).toHaveLength(2);
      // A run that goes on for long sees the next upgrade too.
      await does('etcd', 'echo "etcd Version: 3.6.0"');
      expect(await second.versionText('etcd', path)).toBe('etcd Version: 3.6.0\n');
    });
  });

  test('of a program that could not be asked is not remembered: it may be able to answer later', async () => {
    await withEtcd(async ({ run, path, does }) => {
      await does('etcd', 'exit 1');
      const first = run();
      expect(await first.versionText('etcd', path)).toBeNull();
      await first.remember();
      await writeFile(`${path}.does`, 'echo "etcd Version: 3.4.23"\n');
      expect(await run().versionText('etcd', path)).toBe(said);
    });
  });

  test('of another program is kept beside it', async () => {
    await withEtcd(async ({ run, path, does, calls }) => {
      const other = `${path.slice(0, -'etcd'.length)}dockerd` as AbsolutePath;
      await does('dockerd', 'echo "Docker version 26.1.5"');
      for (const [program, at] of [
        ['etcd', path],
        ['dockerd', other],
      ] as const) {
        const programs = run();
        await programs.versionText(program, at);
        await programs.remember();
      }
      expect(await run().versionText('etcd', path)).toBe(said);
      expect(await run().versionText('dockerd', other)).toBe('Docker version 26.1.5\n');
      expect([(await calls('etcd')).length, (await calls('dockerd')).length]).toEqual([1, 1]);
    });
  });
});

describe('a memory that is spoilt', () => {
  test.each([
    ['empty', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['half a document', '{"/usr/bin/etcd":{"file":"1'],
    ['of other types', '{"PATH":1}'],
    ['of other fields', '{"PATH":{"file":7,"text":null}}'],
    ['no text at all', '\u0000\u001b'],
  ])('(%s) is none: the program is asked, and the memory is made anew', async (_what, text) => {
    await withEtcd(async ({ run, path, root, cache, calls }) => {
      await mkdir(`${root}/run/diyc-agent`, { recursive: true });
      await writeFile(cache, text.replace('PATH', path));
      const programs = run();
      expect(await programs.versionText('etcd', path)).toBe(said);
      await programs.remember();
      expect(await run().versionText('etcd', path)).toBe(said);
      expect(await calls('etcd')).toHaveLength(1);
    });
  });

  test('or cannot be written harms nothing: the program is asked each time', async () => {
    await withEtcd(async ({ run, path, root, cache, calls }) => {
      // What stands in the way does so for root as well, whom a mode would not stop.
      await mkdir(cache, { recursive: true });
      for (let i = 0; i < 2; i++) {
        const programs = run();
        expect(await programs.versionText('etcd', path)).toBe(said);
        await programs.remember();
      }
      expect(await calls('etcd')).toHaveLength(2);
      expect(Object.keys(await readTree(root))).toEqual(['/run/diyc-agent/versions.json/']);
    });
  });

  test('or has no place to be harms nothing either', async () => {
    await withEtcd(async ({ run, path, root }) => {
      await writeFile(`${root}/run`, 'a file where a directory is needed');
      const programs = run();
      expect(await programs.versionText('etcd', path)).toBe(said);
      await programs.remember();
      expect(await readTree(root)).toEqual({ '/run': 'a file where a directory is needed' });
    });
  });
});

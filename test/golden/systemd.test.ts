// The files of the golden trees before their real readers: systemd itself for units, bash and systemd's rules for variables.

import { beforeAll, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type GoldenCase, runCase } from '../support/golden.ts';
import { inProcess } from '../support/in-process.ts';
import { withTempDir } from '../support/temp-dir.ts';
import { loadUnit, readEnvironmentFile } from './systemd-readers.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const cases = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => ({ name, golden: JSON.parse(readFileSync(`${here}${name}/case.json`, 'utf8')) as GoldenCase }));
const ownUnits = fileURLToPath(new URL('../../units/', import.meta.url));
const isRoot = process.getuid?.() === 0;
/** `verify --root` came with systemd 250. */
const systemd = Number(/^systemd (\d+)/.exec(run('systemd-analyze', ['--version']).stdout)?.[1] ?? '0');
const units = ['etcd.service', 'flanneld.service', 'docker.service'];

function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(program, [...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', ...env },
  });
  return { status, stdout: stdout ?? '', stderr: stderr ?? '' };
}

/** The tree after `boot`, with what a running system has besides: targets, and the agent itself. */
async function bootedTree(root: string, name: string, golden: GoldenCase): Promise<void> {
  await runCase(inProcess, root, `${here}${name}`, golden);
  await mkdir(`${root}/usr/bin`, { recursive: true });
  await writeFile(`${root}/usr/bin/diyc-agent`, '#!/bin/sh\n');
  await chmod(`${root}/usr/bin/diyc-agent`, 0o755);
  await mkdir(`${root}/usr/lib/systemd/system`, { recursive: true });
  for (const file of await readdir('/usr/lib/systemd/system')) {
    if (/\.(target|slice)$/.test(file))
      await copyFile(`/usr/lib/systemd/system/${file}`, `${root}/usr/lib/systemd/system/${file}`);
  }
  for (const file of (await readdir(ownUnits)).filter((f) => /^diyc-agent.*\.(service|timer)$/.test(f)))
    await copyFile(`${ownUnits}${file}`, `${root}/usr/lib/systemd/system/${file}`);
}

describe('the units and drop-ins of every golden tree load in systemd itself', () => {
  for (const { name, golden } of cases) {
    test.skipIf(!isRoot || systemd < 250)(`${name}: systemd-analyze verify has nothing to say`, async () => {
      await withTempDir(async (root) => {
        await bootedTree(root, name, golden);
        const loaded = await Promise.all(units.map(async (unit) => ({ unit, settings: await loadUnit(root, unit) })));
        const present = loaded.filter(({ settings }) => settings.has('Service.ExecStart')).map(({ unit }) => unit);
        if (present.length === 0) return;
        const verified = run('systemd-analyze', ['verify', `--root=${root}`, '--man=no', ...present]);
        expect([verified.stderr, verified.status]).toEqual(['', 0]);
      });
    });
  }

  test.skipIf(!isRoot || systemd < 250)(
    'a drop-in that systemd would not load is told from one that it does',
    async () => {
      await withTempDir(async (root) => {
        const [first] = cases;
        if (first === undefined) throw new Error('no golden trees');
        await bootedTree(root, 'docker-ce', cases.find((c) => c.name === 'docker-ce')?.golden ?? first.golden);
        // Two commands and no reset: what our drop-in would be without its empty ExecStart=.
        const bad = `${root}/etc/systemd/system/docker.service.d/zzz.conf`;
        await writeFile(bad, '[Service]\nExecStart=/usr/bin/dockerd --again\n');
        expect(run('systemd-analyze', ['verify', `--root=${root}`, '--man=no', 'docker.service']).status).not.toBe(0);
      });
    },
  );
});

describe('environment files mean the same to systemd and to a shell that sources them', () => {
  const files = cases.flatMap(({ name }) =>
    filesBelow(`${here}${name}/after`).filter((path) => /\/(etcd\.conf|flanneld|default\/etcd)$/.test(path)),
  );

  test('every golden tree with etcd or flannel has some', () => {
    expect(files.length).toBeGreaterThan(cases.length);
  });

  for (const path of files) {
    test(path.slice(here.length), () => {
      const bySystemd = readEnvironmentFile(readFileSync(path, 'utf8'));
      const sourced = run('bash', ['-c', 'set -a; . "$1"; env -0', 'bash', path]).stdout;
      const byShell = Object.fromEntries(
        sourced
          .split('\0')
          .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)] as const)
          .filter(([key]) => /^(ETCD|FLANNEL)/.test(key)),
      );
      expect(bySystemd).toEqual(byShell);
      expect(Object.keys(bySystemd)).not.toEqual([]);
    });
  }
});

describe('the reader of environment files that these tests stand on', () => {
  const text = [
    '# comment \\',
    'this too is comment',
    '; and this',
    'A=plain  ',
    'B = spaced ',
    'C="quoted \\"x\\" \\$y \\n"',
    "D='single \\ $z'",
    'E=a"b"c',
    'F=one\\',
    'two',
    'G=',
    'not a line',
    '1X=bad name',
    'H="a" "b"',
  ].join('\n');
  let values: Record<string, string> = {};
  beforeAll(() => {
    values = readEnvironmentFile(text);
  });

  test('it follows systemd.exec(5): comments, trimming, quotes, escapes, continued lines', () => {
    expect(values).toEqual({
      A: 'plain',
      B: 'spaced',
      C: 'quoted "x" $y \\n',
      D: 'single \\ $z',
      E: 'a"b"c',
      F: 'onetwo',
      G: '',
      H: 'ab',
    });
  });
});

function filesBelow(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath}/${entry.name}`);
  } catch {
    return [];
  }
}

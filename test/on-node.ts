// Runs the unit tests on Node: only agent/host and main.ts may know the engine, and this is where it would show.
//
// Each test file is bundled for itself (Node knows neither `bun:test` nor text imports) with `bun:test` answered by
// node:test and the package `expect`; libraries stay in node_modules.

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { nodeOfLockFile } from './support/node-of-lock-file.ts';

const root = resolve(import.meta.dirname, '..');
const output = join(root, 'build/on-node');

/** A test finds its fixtures beside itself: where the source was, not where the bundle is. */
const placesOfSources: Plugin = {
  name: 'places of sources',
  setup(setup) {
    setup.onLoad({ filter: /\/(agent|test)\/.*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8')
        .replaceAll('import.meta.dirname', JSON.stringify(dirname(path)))
        .replaceAll('import.meta.dir', JSON.stringify(dirname(path)))
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)),
      loader: 'ts',
    }));
  },
};

const tests = readdirSync(join(root, 'test/unit'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => join(root, 'test/unit', file));

if (tests.length === 0) {
  process.stdout.write('no tests\n');
} else {
  rmSync(output, { recursive: true, force: true });
  await build({
    entryPoints: tests,
    outdir: output,
    outbase: join(root, 'test/unit'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    packages: 'external',
    sourcemap: 'inline',
    alias: { 'bun:test': join(root, 'test/support/bun-test-on-node.ts') },
    loader: { '.service': 'text', '.timer': 'text', '.conf': 'text', '.preset': 'text' },
    logLevel: 'warning',
    plugins: [placesOfSources],
  });
  const node = nodeOfLockFile(root);
  const files = readdirSync(output, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.mjs'))
    .map((file) => join(output, file));
  const report = join(output, 'report.tap');
  const argv = ['--enable-source-maps', '--test', '--test-reporter=tap', `--test-reporter-destination=${report}`];
  const child = spawn(node, [...argv, ...files], { cwd: root, stdio: 'inherit' });
  child.on('error', (error) => {
    process.stderr.write(`cannot start ${node}: ${error.message}\n`);
    process.exitCode = 69;
  });
  child.on('close', (code) => {
    const lines = readFileSync(report, 'utf8');
    // what failed, each with its details, and the figures; a thousand times "ok" says nothing
    for (const [failure] of lines.matchAll(/^( *)not ok .*\n\1 {2}---\n[\s\S]*?\n\1 {2}\.\.\.$/gm)) {
      if (!failure.includes("failureType: 'subtestsFailed'")) process.stdout.write(`${failure}\n`);
    }
    for (const [figure] of lines.matchAll(/^# (?:pass|fail|skipped|todo) \d+$/gm)) process.stdout.write(`${figure}\n`);
    process.exitCode = code ?? 1;
  });
}

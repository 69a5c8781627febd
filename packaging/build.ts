// Build dist/diyc-agent: generate, bundle to one CommonJS file, compile that with Bun into one binary.
//
//   bun packaging/build.ts [--entry agent/main.ts] [--outfile dist/diyc-agent]
//
// The same sources and commit give the same bytes: no time, host name or path gets in. Bun writes the names of script
// and output into the binary, so both are always `diyc-agent` in a folder of their own, and the result is moved.

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.ts';
import { generate } from './generate.ts';
import { notices } from './notices.ts';
import { commit, packageVersion, repository as root, runProgram } from './source.ts';

const { values } = parseArgs({
  options: {
    entry: { type: 'string', default: 'agent/main.ts' },
    outfile: { type: 'string', default: 'dist/diyc-agent' },
    verbose: { type: 'boolean', default: false },
  },
});

await main();

async function main(): Promise<void> {
  const outfile = resolve(root, values.outfile);
  mkdirSync(join(root, 'build'), { recursive: true });
  // its own for each run: two builds may be under way
  const work = mkdtempSync(join(root, 'build/compile-'));
  mkdirSync(dirname(outfile), { recursive: true });

  const generated = await generate();
  const script = join(work, 'diyc-agent.cjs');
  const inputs = await bundle({
    entry: resolve(root, values.entry),
    outfile: script,
    generated,
    version: packageVersion(),
    commit: commit(),
  });
  if (values.verbose) printShares(inputs);
  writeFileSync(join(dirname(outfile), 'THIRD-PARTY-NOTICES'), notices(root, inputs.keys()));

  compile(script, work);
  renameSync(join(work, 'diyc-agent'), outfile);
  rmSync(work, { recursive: true, force: true });
  const digest = createHash('sha256').update(readFileSync(outfile)).digest('hex');
  const megabytes = (statSync(outfile).size / 1e6).toFixed(1);
  console.log(`${relative(root, outfile)}  ${packageVersion()} (${commit()})  ${megabytes} MB  sha256 ${digest}`);
}

function compile(script: string, work: string): void {
  const bun = join(root, 'node_modules/.bin/bun');
  const argv = [
    'build',
    '--compile',
    // as in bundle.ts: all but the names
    '--minify-syntax',
    '--minify-whitespace',
    // parsed once, here; worth half of the start-up time
    '--bytecode',
    // without these two the binary runs code named by .env and bunfig.toml of whatever directory it is started in
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
    script,
    '--outfile',
    'diyc-agent',
  ];
  runProgram([bun, ...argv], { cwd: work });
}

function printShares(inputs: ReadonlyMap<string, number>): void {
  const shares = new Map<string, number>();
  for (const [file, bytes] of inputs) {
    const owner = /^(?:.*node_modules\/)((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? file.split('/').slice(0, 2).join('/');
    shares.set(owner, (shares.get(owner) ?? 0) + bytes);
  }
  for (const [owner, bytes] of [...shares].sort(([, a], [, b]) => b - a)) {
    console.log(`${String(bytes).padStart(9)}  ${owner}`);
  }
}

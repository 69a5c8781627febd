// Build dist/diyc-agent: generate, bundle to one CommonJS file, compile that with Bun into one binary.
//
//   bun packaging/build.ts [--target aarch64] [--entry agent/main.ts] [--outfile dist/diyc-agent]
//
// For another processor than this machine's the result is dist/ARCHITECTURE/diyc-agent. Licences and bill of materials
// land beside the binary.
//
// The same sources and commit give the same bytes: no time, host name or path gets in. Bun writes the names of script
// and output into the binary, so both are always `diyc-agent` in a folder of their own, and the result is moved.

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.ts';
import { generate } from './generate.ts';
import { bundledLibraries } from './libraries.ts';
import { locked, runtimeFor } from './locked.ts';
import { notices } from './notices.ts';
import { sbom } from './sbom.ts';
import { commit, commitEpoch, manifest, packageVersion, repository as root, runProgram } from './source.ts';
import { isNative, type Target, targetNamed } from './targets.ts';

const { values } = parseArgs({
  options: {
    entry: { type: 'string', default: 'agent/main.ts' },
    outfile: { type: 'string' },
    target: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});

await main();

async function main(): Promise<void> {
  const target = targetNamed(values.target);
  const outfile = resolve(
    root,
    values.outfile ?? (isNative(target) ? 'dist/diyc-agent' : `dist/${target.architecture}/diyc-agent`),
  );
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
  const libraries = bundledLibraries(root, inputs.keys());
  writeFileSync(join(dirname(outfile), 'THIRD-PARTY-NOTICES'), notices(libraries));

  compile(script, work, target);
  renameSync(join(work, 'diyc-agent'), outfile);
  rmSync(work, { recursive: true, force: true });
  const digest = createHash('sha256').update(readFileSync(outfile)).digest('hex');
  writeFileSync(
    join(dirname(outfile), 'diyc-agent.spdx.json'),
    sbom({
      version: packageVersion(),
      license: manifest().license,
      architecture: target.architecture,
      sha256: digest,
      epoch: commitEpoch(),
      libraries: libraries.map((library) => ({ ...library, integrity: locked(library.folder).integrity })),
      runtime: { ...locked(`node_modules/${target.runtimePackage}`), package: target.runtimePackage },
    }),
  );
  const megabytes = (statSync(outfile).size / 1e6).toFixed(1);
  console.log(`${relative(root, outfile)}  ${packageVersion()} (${commit()})  ${megabytes} MB  sha256 ${digest}`);
}

function compile(script: string, work: string, target: Target): void {
  const bun = join(root, 'node_modules/.bin/bun');
  const argv = [
    'build',
    '--compile',
    // as in bundle.ts: all but the names
    '--minify-syntax',
    '--minify-whitespace',
    // parsed once, here; worth half of the start-up time, on another processor too: bytecode belongs to a version of the
    // engine, not to a processor (test/binary/package-aarch64.test.ts asks the engine whether it takes it)
    '--bytecode',
    // without these two the binary runs code named by .env and bunfig.toml of whatever directory it is started in
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
    ...(isNative(target) ? [] : [`--target=${target.bun}`, `--compile-executable-path=${runtimeFor(target)}`]),
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

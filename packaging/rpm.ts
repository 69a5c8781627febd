// Build dist/diyc-agent-VERSION-RELEASE.ARCH.rpm out of the built binary, with rpmbuild and rpm.spec.
//
//   bun packaging/rpm.ts [--target aarch64] [--release N] [--outdir DIR]

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { rpmChangelog } from './changelog.ts';
import { commitEpoch, manifest, packageVersion, repository, runProgram } from './source.ts';
import { cannotRun, isNative, runner, targetNamed } from './targets.ts';

const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    release: { type: 'string', default: '1' },
    outdir: { type: 'string', default: join(repository, 'dist') },
  },
});
const target = targetNamed(values.target);
const obstacle = cannotRun(target);
// the spec runs what it has packed: a binary that nobody ran is not shipped
if (obstacle !== undefined) throw new Error(`the ${target.architecture} RPM cannot be checked here: ${obstacle}`);

mkdirSync(join(repository, 'build'), { recursive: true });
// its own for each run: two may be under way
const topDirectory = mkdtempSync(join(repository, 'build/rpm-'));
const changelog = join(topDirectory, 'changelog');
writeFileSync(
  changelog,
  rpmChangelog(readFileSync(join(repository, 'CHANGELOG.md'), 'utf8'), {
    version: packageVersion(),
    release: values.release,
    epoch: commitEpoch(),
  }),
);

const define = (name: string, value: string) => ['--define', `${name} ${value}`];
const { homepage } = manifest();
const binary = join(repository, 'dist', isNative(target) ? '' : target.architecture, 'diyc-agent');
runProgram(
  [
    'rpmbuild',
    '-bb',
    '--target',
    target.architecture,
    ...define('_topdir', topDirectory),
    ...define('diyc_source', repository),
    ...define('diyc_binary', binary),
    ...define('diyc_changelog', changelog),
    ...define('diyc_version', packageVersion()),
    ...define('diyc_release', values.release),
    ...define('diyc_runner', runner(target).join(' ') || '%{nil}'),
    ...(homepage === undefined ? [] : define('diyc_url', homepage)),
    // readable from EL 8 and Fedora 31 on; measured: 4 s and 48.3 MB, level 15 takes 30 s for 1 % less
    ...define('_binary_payload', 'w10.zstdio'),
    // rpm knows only its own database, which on a Debian build host is empty
    '--nodeps',
    join(repository, 'rpm.spec'),
  ],
  { env: { SOURCE_DATE_EPOCH: String(commitEpoch()) } },
);

const folder = join(topDirectory, 'RPMS');
const [built] = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.rpm'));
if (built === undefined) throw new Error(`rpmbuild left no package in ${folder}`);
mkdirSync(resolve(values.outdir), { recursive: true });
const result = join(resolve(values.outdir), built.split('/').at(-1) ?? built);
renameSync(join(folder, built), result);
rmSync(topDirectory, { recursive: true, force: true });
console.log(relative(repository, result));

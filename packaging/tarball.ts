// Build dist/diyc-agent-VERSION-linux-ARCH.tar.gz: the files of the RPM as one archive rooted at /.
//
//   bun packaging/tarball.ts [--target aarch64]

import { mkdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { lay, payload } from './payload.ts';
import { commitEpoch, packageVersion, repository, runProgram } from './source.ts';
import { isNative, targetNamed } from './targets.ts';

const { values } = parseArgs({ options: { target: { type: 'string' } } });
const target = targetNamed(values.target);
const files = payload(join(repository, 'dist', isNative(target) ? '' : target.architecture, 'diyc-agent'));

const tree = join(repository, 'build', `tarball-${target.architecture}`);
rmSync(tree, { recursive: true, force: true });
mkdirSync(tree, { recursive: true });
lay(files, tree);

const archive = join(repository, `dist/diyc-agent-${packageVersion()}-linux-${target.node}.tar`);
// order, times and owners stated, so that the same files give the same archive
const sameBytes = ['--sort=name', `--mtime=@${commitEpoch()}`, '--owner=0', '--group=0', '--numeric-owner'];
// The payload and not the folders it is in: tar gives a folder that is there already the mode and owner of the archive's,
// and unpacked at / that would be /, /usr and /etc.
const names = files.map(({ path }) => path.slice(1));
runProgram([
  'tar',
  '--create',
  '--format=gnu',
  '--no-recursion',
  ...sameBytes,
  `--file=${archive}`,
  '--directory',
  tree,
  ...names,
]);
runProgram(['gzip', '--no-name', '--force', '-6', archive]);
rmSync(tree, { recursive: true, force: true });
console.log(relative(repository, `${archive}.gz`));

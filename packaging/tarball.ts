// Build dist/diyc-agent-VERSION-linux-ARCH.tar.gz: the files of the RPM as one archive rooted at /.

import { mkdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { lay, payload } from './payload.ts';
import { commitEpoch, packageVersion, repository, runProgram } from './source.ts';

const tree = join(repository, 'build/tarball');
rmSync(tree, { recursive: true, force: true });
mkdirSync(tree, { recursive: true });
lay(payload(), tree);

const archive = join(repository, `dist/diyc-agent-${packageVersion()}-linux-${process.arch}.tar`);
// order, times and owners stated, so that the same files give the same archive
const sameBytes = ['--sort=name', `--mtime=@${commitEpoch()}`, '--owner=0', '--group=0', '--numeric-owner'];
runProgram(['tar', '--create', '--format=gnu', ...sameBytes, `--file=${archive}`, '--directory', tree, '.']);
runProgram(['gzip', '--no-name', '--force', '-6', archive]);
console.log(relative(repository, `${archive}.gz`));

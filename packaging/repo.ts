// Build dist/repo: the RPMs of this version in dist/, as a repository that dnf and rpm-ostree can be pointed at.
//
//   bun packaging/repo.ts [--from DIR]

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { commitEpoch, packageVersion, repository, runProgram } from './source.ts';

const { values } = parseArgs({ options: { from: { type: 'string', default: join(repository, 'dist') } } });
const from = resolve(values.from);
const packages = readdirSync(from).filter(
  (file) => file.startsWith(`diyc-agent-${packageVersion()}-`) && file.endsWith('.rpm'),
);
if (packages.length === 0) throw new Error(`there is no RPM of ${packageVersion()} in ${from}: run \`make rpm\` first`);

// another processor's package may be left from an earlier commit of the same version: the two are published together
for (const file of packages) {
  const built = spawnSync('rpm', ['--query', '--package', '--qf', '%{BUILDTIME}', join(from, file)], {
    encoding: 'utf8',
  });
  if (built.stdout !== String(commitEpoch())) {
    throw new Error(`${file} was built from another commit than this one: build it again, or remove it from ${from}`);
  }
}

const target = join(from, 'repo');
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
// Times of the commit instead of now, of the files (they stand in the metadata) and of the metadata themselves: the same
// packages give the same repository.
for (const file of packages) {
  copyFileSync(join(from, file), join(target, file));
  utimesSync(join(target, file), commitEpoch(), commitEpoch());
}
const sameBytes = ['--revision', String(commitEpoch()), '--set-timestamp-to-revision'];
runProgram(['createrepo_c', '--quiet', '--no-database', '--checksum=sha256', ...sameBytes, target]);
console.log(`${relative(repository, target)}  ${packages.join(' ')}`);

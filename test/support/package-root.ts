// Systems to install our packages into: a distribution of one small RPM, made of this machine's own programs, and dnf.

import { cpSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { packageVersion } from '../../packaging/source.ts';
import { targetNamed } from '../../packaging/targets.ts';
import { attempt, must } from './package-needs.ts';

export const repository = join(import.meta.dirname, '../..');
const bun = join(repository, 'node_modules/.bin/bun');

/** The RPM in dist/ for this machine's processor. */
export const builtRpm = join(repository, 'dist', `diyc-agent-${packageVersion()}-1.${targetNamed().architecture}.rpm`);

/**
 * A repository with the one package that stands for everything else on a host.
 *
 * Not a package that only claims to provide what ours requires, and not `--nodeps`: scriptlets are run in the system they
 * are installed into, so that has to have a shell and a systemctl. Both, and the glibc that the binary needs, are copied
 * from this machine with their libraries; what they provide is found by rpm itself. Named by hand are only the name
 * `systemd`, `/bin/sh`, which dnf finds under /usr/bin, and what glibc's own spec names by hand: its linker's `rtld`.
 */
export function distribution(folder: string): string {
  const stage = join(folder, 'stage');
  for (const directory of ['bin', 'sbin', 'lib', 'lib64']) {
    mkdirSync(join(stage, 'usr', directory), { recursive: true });
    symlinkSync(`usr/${directory}`, join(stage, directory));
  }
  // as a distribution's `filesystem` package has them; nothing is mounted there while dnf works
  for (const directory of ['dev', 'proc', 'run', 'tmp', 'etc', 'var']) mkdirSync(join(stage, directory));
  const programs = { sh: '/bin/sh', systemctl: '/usr/bin/systemctl' };
  for (const [name, path] of Object.entries(programs)) {
    cpSync(realpathSync(path), join(stage, 'usr/bin', name));
  }
  const libraries = [...Object.values(programs), join(repository, 'dist/diyc-agent')].flatMap((path) =>
    [...must(['ldd', path]).matchAll(/(\/\S+) \(0x/g)].map(([, library]) => library ?? ''),
  );
  for (const library of new Set(libraries)) {
    const place = join(stage, realpathSync(dirname(library)), basename(library));
    mkdirSync(dirname(place), { recursive: true });
    cpSync(realpathSync(library), place);
  }
  const spec = join(folder, 'distribution.spec');
  writeFileSync(
    spec,
    `%global __os_install_post %{nil}
%global debug_package %{nil}
%global _build_id_links none
Name: distribution
Version: 1
Release: 1
Summary: What stands for a distribution in the tests of the packages
License: Apache-2.0
Provides: systemd = 252
Provides: /bin/sh
Provides: rtld(GNU_HASH)
%description
A shell, systemctl and their libraries.
%install
cp -a ${stage}/. %{buildroot}/
%files
/*
`,
  );
  const top = join(folder, 'rpmbuild');
  const packages = join(folder, 'packages');
  must([
    'rpmbuild',
    '-bb',
    ...['--define', `_topdir ${top}`],
    ...['--define', `_rpmdir ${packages}`],
    ...['--define', '_binary_payload w1.gzdio'],
    spec,
  ]);
  must(['createrepo_c', '--quiet', packages]);
  return packages;
}

/** Our own sources in another folder, with node_modules and without anything built. */
export function sourcesElsewhere(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const parts = ['agent', 'units', 'packaging', 'package.json', 'package-lock.json', 'tsconfig.json'];
  for (const name of [...parts, 'rpm.spec', 'README.md', 'CHANGELOG.md', 'LICENSE']) {
    cpSync(join(repository, name), join(folder, name), { recursive: true });
  }
  // by hard links: the folder has to be on the same file system
  must(['cp', '-al', join(repository, 'node_modules'), join(folder, 'node_modules')]);
}

/** A repository with the RPM in dist/, made as `make repo` makes it. */
export function repositoryOfThisBuild(folder: string): string {
  mkdirSync(folder, { recursive: true });
  cpSync(builtRpm, join(folder, basename(builtRpm)));
  // its own time, which is that of its commit: there may be a later one by now
  const epoch = must(['rpm', '--query', '--package', '--qf', '%{BUILDTIME}', builtRpm]);
  must([bun, join(repository, 'packaging/repo.ts'), '--from', folder], { env: { SOURCE_DATE_EPOCH: epoch } });
  return join(folder, 'repo');
}

export interface NextBuild {
  readonly version: string;
  readonly packages: string;
}

/** The next version: the same sources under another number, built from scratch by the same tools. */
export function repositoryOfNextVersion(folder: string): NextBuild {
  sourcesElsewhere(folder);
  const [major, minor, patch] = packageVersion().split('.').map(Number);
  const version = `${major}.${minor}.${(patch ?? 0) + 1}`;
  const replace = (file: string, from: string | RegExp, to: string) => {
    const path = join(folder, file);
    writeFileSync(path, readFileSync(path, 'utf8').replace(from, to));
  };
  replace('package.json', `"version": "${packageVersion()}"`, `"version": "${version}"`);
  replace(
    'CHANGELOG.md',
    /^## .*$/m,
    `## ${version}, unreleased\n\n- What comes next.\n\n## ${packageVersion()}, 2020-01-01`,
  );
  const env = { DIYC_COMMIT: '0123456789ab', SOURCE_DATE_EPOCH: '1800000000' };
  for (const step of ['build', 'rpm', 'repo']) must([bun, `packaging/${step}.ts`], { cwd: folder, env });
  return { version, packages: join(folder, 'dist/repo') };
}

/** dnf for a system below `root` that gets its packages from `repositories`; the rest of the arguments follows. */
export function dnfArgv(root: string, repositories: readonly string[]): readonly string[] {
  const own = `${root}.dnf`;
  mkdirSync(own, { recursive: true });
  const configuration = join(own, 'dnf.conf');
  const repos = repositories.map(
    (path, place) => `[repo${place}]\nname=repo${place}\nbaseurl=file://${path}\ngpgcheck=0\n`,
  );
  writeFileSync(
    configuration,
    // metadata_expire: a repository that was rebuilt under the same name is looked at again
    `[main]\nreposdir=${own}/none\ncachedir=${own}/cache\nlogdir=${own}/log\nplugins=0\nmetadata_expire=0\n${repos.join('')}`,
  );
  // by its place: a test may put something else under the name
  return ['/usr/bin/dnf', '-y', `--config=${configuration}`, `--installroot=${root}`, '--releasever=1'];
}

/** Run dnf for a system, without any network. */
export function dnf(root: string, repositories: readonly string[], argv: readonly string[]): string {
  return must(['unshare', '--net', ...dnfArgv(root, repositories), ...argv]);
}

/** Run a program of the system itself. Bun needs /proc, which a chroot alone does not have. */
export function inside(root: string, argv: readonly string[]): string {
  return must(['bwrap', '--bind', root, '/', '--proc', '/proc', '--dev', '/dev', '--unshare-net', ...argv]);
}

export function rpmIn(root: string, argv: readonly string[]): string {
  return attempt(['rpm', '--root', root, ...argv]).output;
}

/** Everything below folders of a system: kind, mode, target, size, and when a file was written. */
export function everythingBelow(root: string, folders: readonly string[]): readonly string[] {
  const what = ['-type', 'f', '-printf', '%P %y %m %s %T@\\n', '-o', '-printf', '%P %y %m %l\\n'];
  return folders.flatMap((folder) =>
    must(['find', join(root, folder), ...what])
      .trimEnd()
      .split('\n')
      .map((line) => `${folder}/${line}`)
      .sort(),
  );
}

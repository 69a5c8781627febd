// The RPM on a plain host: installed by dnf from a repository, upgraded, downgraded, removed, all without a network.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { payload } from '../../packaging/payload.ts';
import { packageVersion } from '../../packaging/source.ts';
import { lacking } from '../support/package-needs.ts';
import {
  distribution,
  dnf,
  inside,
  type NextBuild,
  repository,
  repositoryOfNextVersion,
  repositoryOfThisBuild,
  rpmIn,
} from '../support/package-root.ts';

const leftOut = lacking(['dnf', 'rpmbuild', 'createrepo_c', 'systemctl', 'bwrap', 'unshare'], { root: true });

/** Of the operator and of the agent: whatever happens to the package, they stay as they are. */
const foreign: Readonly<Record<string, string>> = {
  '/etc/diyc-agent/cluster.yaml': 'version: 1\ncluster: mine\n',
  '/etc/diyc-agent/cluster.d/50-mine.yaml': 'docker: { group: { members: [me] } }\n',
  '/etc/systemd/system/diyc-agent.service.d/mine.conf': '[Service]\nNice=1\n',
  '/etc/systemd/system/etcd.service.d/restart.conf': '# written by the agent\n',
  '/var/lib/diyc-agent/journal.jsonl': '{"schema":1}\n',
};
const enabled = ['multi-user.target.wants/diyc-agent.service', 'timers.target.wants/diyc-agent-report.timer'];

describe.skipIf(leftOut !== '')(`the RPM on a plain host${leftOut}`, () => {
  let work = '';
  let root = '';
  let base = '';
  let now = '';
  let next: NextBuild = { version: '', packages: '' };

  const at = (path: string) => join(root, path);
  const links = (): string[] =>
    readdirSync(at('/etc/systemd/system'), { recursive: true, encoding: 'utf8' })
      .filter((path) => lstatSync(at(`/etc/systemd/system/${path}`)).isSymbolicLink())
      .sort();
  const foreignNow = () =>
    Object.fromEntries(Object.keys(foreign).map((path) => [path, readFileSync(at(path), 'utf8')]));

  beforeAll(() => {
    mkdirSync(join(repository, 'build'), { recursive: true });
    work = mkdtempSync(join(repository, 'build/install-'));
    root = join(work, 'root');
    base = distribution(join(work, 'distribution'));
    now = repositoryOfThisBuild(join(work, 'now'));
    next = repositoryOfNextVersion(join(work, 'next'));
  }, 120_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test('is installed with what it requires, and every file is there with its mode', () => {
    dnf(root, [base, now], ['install', 'diyc-agent']);
    for (const { path, mode } of payload()) {
      expect([path, existsSync(at(path)) && statSync(at(path)).mode & 0o777]).toEqual([path, mode]);
    }
    expect(rpmIn(root, ['--verify', 'diyc-agent'])).toBe('');
    expect(inside(root, ['/usr/bin/diyc-agent', '--version'])).toStartWith(packageVersion());
  });

  test('was told by its presets what to start at boot; what the agent enables by itself is left alone', () => {
    expect(links()).toEqual(enabled);
    for (const link of enabled) {
      const target = readlinkSync(at(`/etc/systemd/system/${link}`));
      // Debian's systemctl says /lib
      expect(target.replace(/^\/usr/, '')).toBe(`/lib/systemd/system/${link.split('/')[1]}`);
    }
  });

  test('makes nothing below /var, /run or /opt that is not tmpfiles.d’s to make', () => {
    const files = rpmIn(root, ['--query', '--list', 'diyc-agent']).trimEnd().split('\n');
    expect(files.filter((path) => !/^\/(usr|etc)\//.test(path))).toEqual([]);
    expect(existsSync(at('/var/lib/diyc-agent'))).toBe(false);
  });

  test('is upgraded, and neither files nor choices of the operator change', () => {
    for (const [path, text] of Object.entries(foreign)) {
      mkdirSync(join(at(path), '..'), { recursive: true });
      writeFileSync(at(path), text);
    }
    // the operator wants no reports, and the agent enabled what it needs
    inside(root, ['/usr/bin/systemctl', 'disable', 'diyc-agent-report.timer']);
    inside(root, ['/usr/bin/systemctl', 'enable', 'diyc-agent-storage.service', 'diyc-agent-gauge.timer']);
    const before = links();
    dnf(root, [base, now, next.packages], ['upgrade', 'diyc-agent']);
    expect(inside(root, ['/usr/bin/diyc-agent', '--version'])).toStartWith(next.version);
    expect(rpmIn(root, ['--verify', 'diyc-agent'])).toBe('');
    expect(foreignNow()).toEqual(foreign);
    expect(links()).toEqual(before);
    const unasked = readdirSync(at('/etc'), { recursive: true, encoding: 'utf8' });
    expect(unasked.filter((path) => /\.rpm(new|save|orig)$/.test(path))).toEqual([]);
  });

  test('goes back to the version before, the same way', () => {
    const before = links();
    dnf(root, [base, now, next.packages], ['downgrade', 'diyc-agent']);
    expect(inside(root, ['/usr/bin/diyc-agent', '--version'])).toStartWith(packageVersion());
    expect(foreignNow()).toEqual(foreign);
    expect(links()).toEqual(before);
  });

  test('is removed with its links, and leaves what is not its own', () => {
    expect(rpmIn(root, ['--query', 'diyc-agent'])).toStartWith(`diyc-agent-${packageVersion()}-1.`);
    dnf(root, [base, now], ['remove', 'diyc-agent']);
    const own = payload().filter(({ mark }) => mark !== '%dir');
    expect(own.map(({ path }) => path).filter((path) => existsSync(at(path)))).toEqual([]);
    // folders, too, but for those with files of the operator, and /usr/share/licenses/* alike
    const folders = payload().filter(({ path, mark }) => mark === '%dir' && existsSync(at(path)));
    expect(folders.map(({ path }) => path)).toEqual(['/etc/diyc-agent', '/etc/diyc-agent/cluster.d']);
    expect(links()).toEqual([]);
    expect(foreignNow()).toEqual(foreign);
  });
});

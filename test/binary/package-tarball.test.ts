// The tarball on a host without a package manager: unpacked over a tree, users and folders made, units enabled, removed.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { payload } from '../../packaging/payload.ts';
import { packageVersion } from '../../packaging/source.ts';
import { targetNamed } from '../../packaging/targets.ts';
import { layOutTrees } from '../support/golden.ts';
import { attempt, lacking, must } from '../support/package-needs.ts';
import { repository } from '../support/package-root.ts';

const leftOut = lacking(['tar', 'systemctl', 'systemd-sysusers', 'systemd-tmpfiles'], { root: true });
const tarball = join(repository, `dist/diyc-agent-${packageVersion()}-linux-${targetNamed().node}.tar.gz`);

describe.skipIf(leftOut !== '')(`the tarball${leftOut}`, () => {
  let root = '';
  const at = (path: string) => join(root, path);
  beforeAll(async () => {
    must([join(repository, 'node_modules/.bin/bun'), 'packaging/tarball.ts'], { cwd: repository });
    root = mkdtempSync(join(tmpdir(), 'tarball-'));
    await layOutTrees(root, ['fedora-22-atomic', 'seed-a']);
    // modes that no package would give them: they are the host's own
    chmodSync(root, 0o711);
    mkdirSync(at('/usr/bin'), { recursive: true });
    for (const folder of ['/etc', '/usr', '/usr/bin']) chmodSync(at(folder), 0o751);
  }, 60_000);
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test('has the files of the RPM, and leaves the folders that are there as they are', () => {
    must(['tar', '--extract', '--gzip', '--file', tarball, '--directory', root]);
    for (const { path, mode } of payload()) {
      const { uid, gid, mode: found } = statSync(at(path));
      expect([path, found & 0o777, uid, gid]).toEqual([path, mode, 0, 0]);
    }
    expect(statSync(root).mode & 0o777).toBe(0o711);
    for (const folder of ['/etc', '/usr', '/usr/bin']) expect(statSync(at(folder)).mode & 0o777).toBe(0o751);
  });

  test('users and folders are made by systemd from the files in it', () => {
    must(['systemd-sysusers', `--root=${root}`, 'diyc-agent.conf']);
    expect(readFileSync(at('/etc/passwd'), 'utf8')).toMatch(/^etcd:/m);
    must(['systemd-tmpfiles', '--create', `--root=${root}`, 'diyc-agent.conf']);
    expect(statSync(at('/var/lib/diyc-agent')).mode & 0o777).toBe(0o700);
    expect(statSync(at('/run/diyc-agent')).mode & 0o777).toBe(0o755);
  });

  test('units are enabled by the presets in it', () => {
    must(['systemctl', `--root=${root}`, 'preset', 'diyc-agent.service', 'diyc-agent-report.timer']);
    const wants = (target: string) => readdirSync(at(`/etc/systemd/system/${target}.wants`));
    expect(wants('multi-user.target')).toContain('diyc-agent.service');
    expect(wants('timers.target')).toContain('diyc-agent-report.timer');
  });

  test('its agent configures the tree that it was unpacked into', () => {
    const { status, stdout } = attempt([at('/usr/bin/diyc-agent'), 'boot', '--root', root, '--json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ node: 'a1', changed: true, failed: [] });
    expect(attempt([at('/usr/bin/diyc-agent'), 'plan', '--root', root]).status).toBe(0);
  });

  test('is removed by its own list, and leaves what the agent wrote', () => {
    const names = must(['tar', '--list', '--gzip', '--file', tarball]).trimEnd().split('\n');
    const files = names.filter((name) => !name.endsWith('/'));
    must(['rm', ...files.map((name) => at(`/${name}`))]);
    expect(files.filter((name) => lstatSync(at(`/${name}`), { throwIfNoEntry: false }) !== undefined)).toEqual([]);
    expect(existsSync(at('/etc/etcd/etcd.conf'))).toBe(true);
    expect(existsSync(at('/var/lib/diyc-agent/journal.jsonl'))).toBe(true);
  });

  test('what still calls the agent then is found by the line that docs/install.md looks for', () => {
    const list = (pattern: string) => attempt(['grep', '-rl', pattern, at('/etc/systemd/system')]).stdout.split('\n');
    const written = list('^# Written by diyc-agent');
    expect(written).toEqual(expect.arrayContaining(list('/usr/bin/diyc-agent')));
    expect(written.length).toBeGreaterThan(2);
  });
});

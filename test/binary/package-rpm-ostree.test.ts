// The RPM's scriptlets under rpm-ostree's rules: its sandbox is set up as rpm-ostree does it, and they change links only.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Attempt, attempt, lacking, must } from '../support/package-needs.ts';
import {
  builtRpm,
  distribution,
  dnf,
  everythingBelow,
  repository,
  repositoryOfThisBuild,
} from '../support/package-root.ts';

const leftOut = lacking(['dnf', 'rpmbuild', 'createrepo_c', 'bwrap', 'unshare'], { root: true });

/** rpm-ostree, rust/src/bwrap.rs: ADDED_CAPABILITIES and RO_BINDS. */
const capabilities = [
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'kill',
  'setgid',
  'setuid',
  'setpcap',
  'sys_chroot',
  'setfcap',
];
const readOnly = ['/sys/block', '/sys/bus', '/sys/class', '/sys/dev', '/sys/devices'];

/** Of the RPM, the script that is run in the new tree; rpm-ostree runs %pre, %post and %posttrans, and nothing else. */
function scriptlet(tag: 'POSTIN' | 'PREUN'): string {
  return must(['rpm', '--query', '--package', '--qf', `%{${tag}}`, builtRpm]);
}

describe.skipIf(leftOut !== '')(`under rpm-ostree's rules${leftOut}`, () => {
  let work = '';
  let tree = '';

  beforeAll(() => {
    mkdirSync(join(repository, 'build'), { recursive: true });
    work = mkdtempSync(join(repository, 'build/rpm-ostree-'));
    tree = join(work, 'tree');
    const base = distribution(join(work, 'distribution'));
    // unpacked as rpm-ostree unpacks: all files first, without a script
    const repositories = [base, repositoryOfThisBuild(join(work, 'now'))];
    dnf(tree, repositories, ['--setopt=tsflags=noscripts', 'install', 'diyc-agent']);
    // Bubblewrap::setup_compat_var: what scripts find below /var
    mkdirSync(join(tree, 'var/lib'), { recursive: true });
    for (const name of ['alternatives', 'vagrant']) symlinkSync(`../../usr/lib/${name}`, join(tree, 'var/lib', name));
    mkdirSync(join(tree, 'var/tmp'), { recursive: true });
  }, 60_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  function sandboxed(script: string, argument: string, more: readonly string[] = []): Attempt {
    return attempt(
      [
        ...[
          'bwrap',
          '--dev',
          '/dev',
          '--proc',
          '/proc',
          '--dir',
          '/run',
          '--dir',
          '/tmp',
          '--chdir',
          '/',
          '--die-with-parent',
        ],
        ...['--unshare-pid', '--unshare-uts', '--unshare-ipc', '--unshare-cgroup-try', '--unshare-net'],
        ...readOnly.flatMap((path) => ['--ro-bind', path, path]),
        ...['--cap-drop', 'ALL', ...capabilities.flatMap((name) => ['--cap-add', `cap_${name}`])],
        ...['lib', 'lib64', 'bin', 'sbin'].flatMap((name) => ['--symlink', `usr/${name}`, `/${name}`]),
        ...['--bind', join(tree, 'usr'), '/usr', '--bind', join(tree, 'etc'), '/etc'],
        ...['--ro-bind', join(tree, 'var'), '/var', '--tmpfs', '/var/tmp'],
        ...['--ro-bind', '/dev/null', '/run/ostree-booted', ...more],
        ...['--clearenv', '--setenv', 'PATH', '/usr/sbin:/usr/bin', '--setenv', 'LANG', 'C'],
        ...['/bin/sh', '-c', script, 'sh', argument],
      ],
      { cwd: tree },
    );
  }
  const all = () => everythingBelow(tree, ['usr', 'etc', 'var']);
  const added = (before: readonly string[], after: readonly string[]) => after.filter((line) => !before.includes(line));
  const links = [
    expect.stringMatching(/^etc\/systemd\/system\/multi-user\.target\.wants\/diyc-agent\.service l 777 /),
    expect.stringMatching(/^etc\/systemd\/system\/timers\.target\.wants\/diyc-agent-report\.timer l 777 /),
  ];

  test('the sandbox is one: nothing of the host, no network, /var read-only', () => {
    expect(sandboxed('echo >/var/lib/file', '1').status).not.toBe(0);
    expect(sandboxed('[ -e /run/systemd ] || [ -e /run/dbus ]', '1').status).not.toBe(0);
    expect(sandboxed('[ -e /run/ostree-booted ] && [ ! -e /home ]', '1').status).toBe(0);
    // a running systemd is what systemctl does not find
    expect(sandboxed('/usr/bin/systemctl start diyc-agent.service', '1').status).not.toBe(0);
    const interfaces = sandboxed('while read -r line; do echo "$line"; done </proc/net/dev', '1').stdout;
    expect([...interfaces.matchAll(/^(\w+):/gm)].map(([, name]) => name)).toEqual(['lo']);
  });

  test('%post succeeds and makes the two links of the presets, nothing else', () => {
    const before = all();
    expect(sandboxed(scriptlet('POSTIN'), '1').status).toBe(0);
    const after = all();
    expect(added(before, after).filter((line) => !/ d \d+ $/.test(line))).toEqual(links);
    // folders for them, and nothing gone or rewritten
    expect(added(before, after).every((line) => /^etc\/systemd[ /]/.test(line))).toBe(true);
    expect(added(after, before)).toEqual([]);
  });

  test('%post again, as with every new base: the same tree', () => {
    const before = all();
    expect(sandboxed(scriptlet('POSTIN'), '1').status).toBe(0);
    expect(all()).toEqual(before);
  });

  test('%preun is never run by rpm-ostree; where it is, it takes its links back and needs no more', () => {
    const before = all();
    expect(sandboxed(scriptlet('PREUN'), '1').status).toBe(0);
    expect(all()).toEqual(before);
    expect(sandboxed(scriptlet('PREUN'), '0').status).toBe(0);
    expect(added(all(), before).filter((line) => !/ d \d+ $/.test(line))).toEqual(links);
    expect(added(before, all())).toEqual([]);
  });

  test('%preun stops the timers where a systemd runs, and leaves storage running', () => {
    const calls = join(work, 'calls');
    mkdirSync(calls);
    writeFileSync(join(work, 'systemctl'), '#!/bin/sh\necho "$*" >>/run/calls/all\n');
    chmodSync(join(work, 'systemctl'), 0o755);
    const running = ['--dir', '/run/systemd/system', '--bind', calls, '/run/calls'];
    const stub = ['--ro-bind', join(work, 'systemctl'), '/usr/bin/systemctl'];
    expect(sandboxed(scriptlet('PREUN'), '0', [...running, ...stub]).status).toBe(0);
    const said = readFileSync(join(calls, 'all'), 'utf8').trimEnd().split('\n');
    expect(said.filter((line) => line.includes('--now')).map((line) => line.split(' ').at(-1))).toEqual([
      'diyc-agent-upgrade.timer',
      'diyc-agent-gauge.timer',
      'diyc-agent-report.timer',
      'diyc-agent-fleetlock.service',
      'diyc-agent.service',
    ]);
    expect(said.at(-1)).toBe('--no-reload --quiet disable diyc-agent-storage.service');
  });

  test('there is no other scriptlet, no trigger and no Lua', () => {
    const said = must(['rpm', '--query', '--package', '--scripts', '--triggers', '--filetriggers', builtRpm]);
    const headings = [...said.matchAll(/^(\w+) (?:scriptlet|program|\().*$/gm)].map(([line]) => line);
    expect(headings).toEqual(['postinstall scriptlet (using /bin/sh):', 'preuninstall scriptlet (using /bin/sh):']);
    expect(existsSync(join(tree, 'usr/lib/sysusers.d/diyc-agent.conf'))).toBe(true);
  });
});

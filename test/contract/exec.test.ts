// How programs are started and ended: fixed environment, deadline, cancellation, bounded output, nothing left running.

import { afterEach, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { childExec } from '../../agent/host/child-exec.ts';
import { linuxKernel } from '../../agent/host/kernel.ts';
import { installedPrograms } from '../../agent/host/programs.ts';
import { effectLog } from '../support/effect-log.ts';
import { type FakeFiles, fakeFiles } from '../support/fake-files.ts';
import { refusal } from '../support/refusal.ts';
import { type StubPrograms, stubPrograms } from '../support/stub-programs.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function stubs(
  programs: Readonly<Record<string, string>>,
): Promise<StubPrograms & { readonly directory: string }> {
  const directory = await mkdtemp(`${tmpdir()}/diyc-agent-exec-`);
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  return { ...(await stubPrograms(directory, programs)), directory };
}

const soon = { deadlineMs: 10_000 };

/** Wait until no process has this pid any more; a zombie counts as gone. */
async function isGone(pid: number): Promise<boolean> {
  for (let i = 0; i < 100; i++) {
    try {
      if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return true;
    } catch {
      return true;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

describe('a program', () => {
  test('a non-zero exit is data, with both streams and what was run', async () => {
    const { exec } = await stubs({ ip: 'echo out; echo err >&2; exit 7' });
    const result = await exec.run(['ip', 'a b', "it's"], soon);
    expect(result).toMatchObject({
      argv: ['ip', 'a b', "it's"],
      exitCode: 7,
      signal: null,
      stdout: 'out\n',
      stderr: 'err\n',
      timedOut: false,
    });
    expect(result.durationMs).toBeGreaterThan(0);
  });

  test('arguments arrive as they are, without a shell', async () => {
    const { exec } = await stubs({ ip: 'for a; do printf "<%s>" "$a"; done' });
    expect((await exec.run(['ip', '$HOME', 'a;b', '*', ''], soon)).stdout).toBe('<$HOME><a;b><*><>');
  });

  test('the environment is fixed, the input empty, the directory the root', async () => {
    const { exec } = await stubs({ ip: 'echo "$LANG $LC_ALL [$HOME$USER$BUN_OPTIONS]"; pwd; cat; env | grep -c .' });
    const [variables, cwd] = (await exec.run(['ip'], soon)).stdout.split('\n');
    expect([variables, cwd]).toEqual(['C C []', '/']);
  });

  test('what ended by a signal says which', async () => {
    const { exec } = await stubs({ ip: 'kill -KILL $$' });
    expect(await exec.run(['ip'], soon)).toMatchObject({ exitCode: null, signal: 'SIGKILL', timedOut: false });
  });

  test('output is kept up to 64 KiB and the rest let go, so that the program ends', async () => {
    const { exec } = await stubs({
      ip: 'head -c 3000000 /dev/zero | tr "\\0" x; head -c 3000000 /dev/zero | tr "\\0" y >&2',
    });
    const result = await exec.run(['ip'], soon);
    expect([result.exitCode, result.stdout.length, result.stderr.length]).toEqual([0, 65_536, 65_536]);
  });

  test('only programs of the list are run', async () => {
    const exec = childExec();
    // @ts-expect-error the type forbids it already; this is for what comes around the type
    expect((await refusal(() => exec.run(['sh', '-c', 'true'], soon))).kind).toBe('bug');
    expect((await refusal(() => exec.run(['/bin/sh', '-c', 'true'], soon))).kind).toBe('bug');
  });

  test('one that is not installed is named, with where it was looked for', async () => {
    const { exec, directory } = await stubs({});
    const error = await refusal(() => exec.run(['modprobe', 'x'], soon));
    expect(error.kind).toBe('oserr');
    expect(error.message).toContain(directory);
    expect(error.hint).toContain('install');
  });

  test('one that cannot be executed is an error, not an exit code', async () => {
    const exec = childExec();
    expect((await refusal(() => exec.run(['/nowhere/etcd', '--version'], soon))).message).toContain('/nowhere/etcd');
  });
});

describe('an end that is not its own', () => {
  test('the deadline ends it, with all that it started', async () => {
    const { exec } = await stubs({ ip: 'sleep 100 & echo $!; sleep 100' });
    const result = await exec.run(['ip'], { deadlineMs: 200 });
    expect([result.timedOut, result.exitCode, result.signal]).toEqual([true, null, 'SIGTERM']);
    expect(result.durationMs).toBeLessThan(900);
    expect(await isGone(Number(result.stdout))).toBe(true);
  });

  test('one that ignores SIGTERM is killed a second later', async () => {
    const { exec } = await stubs({ ip: 'trap "" TERM; echo $$; while :; do sleep 0.05; done' });
    const result = await exec.run(['ip'], { deadlineMs: 200 });
    expect([result.timedOut, result.signal]).toEqual([true, 'SIGKILL']);
    expect(await isGone(Number(result.stdout))).toBe(true);
  });

  test('a signal of ours ends it, and its reason comes back', async () => {
    const { exec, directory } = await stubs({ ip: 'echo $$ > "$0.pid"; sleep 100' });
    const controller = new AbortController();
    const reason = new Error('terminated by the operator');
    setTimeout(() => controller.abort(reason), 150);
    await expect(exec.run(['ip'], { ...soon, signal: controller.signal })).rejects.toBe(reason);
    expect(await isGone(Number(readFileSync(`${directory}/ip.pid`, 'utf8')))).toBe(true);
    await expect(exec.run(['ip'], { ...soon, signal: controller.signal })).rejects.toBe(reason);
  });

  test('a child that it leaves behind with its output open is not waited for', async () => {
    const { exec } = await stubs({ ip: 'sleep 3 & echo done' });
    const result = await exec.run(['ip'], soon);
    expect([result.exitCode, result.stdout]).toEqual([0, 'done\n']);
    expect(result.durationMs).toBeLessThan(2_000);
  });
});

describe('versions', () => {
  const files = (): FakeFiles => fakeFiles({ clock: virtualClock(), log: effectLog() });

  test('what is printed counts, on either stream, whatever the exit code', async () => {
    const { exec, directory } = await stubs({
      flanneld: 'echo "0.5.3" >&2; exit 2',
      etcd: 'echo "etcd Version: 3.4.23"',
    });
    const programs = installedPrograms(exec, files());
    expect(await programs.versionText('flanneld', `/${directory.slice(1)}/flanneld`)).toBe('0.5.3\n');
    expect(await programs.versionText('etcd', `/${directory.slice(1)}/etcd`)).toBe('etcd Version: 3.4.23\n');
  });

  test('one that is not there, prints nothing, or belongs elsewhere has none', async () => {
    const { exec, directory } = await stubs({ etcd: 'exit 0' });
    const programs = installedPrograms(exec, files());
    expect(await programs.versionText('dockerd', '/nowhere/dockerd')).toBeNull();
    expect(await programs.versionText('etcd', `/${directory.slice(1)}/etcd`)).toBeNull();
    expect(await programs.versionText('etcd', '/bin/sh')).toBeNull();
  });
});

describe('changes to the kernel', () => {
  test('a module is loaded; one that is missing is named with the remedy', async () => {
    const { exec, calls, does } = await stubs({ modprobe: 'exit 0' });
    const kernel = linuxKernel(exec);
    await kernel.loadModule('br_netfilter');
    expect(await calls('modprobe')).toEqual(['-- br_netfilter']);
    await does('modprobe', 'echo "modprobe: FATAL: Module vxlan not found in directory /lib/modules/6.1" >&2; exit 1');
    const error = await refusal(() => kernel.loadModule('vxlan'));
    expect([error.kind, error.message.includes('not found in directory')]).toEqual(['oserr', true]);
  });

  test('a device is removed; one that is gone already is what was wanted', async () => {
    const { exec, calls, does } = await stubs({ ip: 'exit 0' });
    const kernel = linuxKernel(exec);
    await kernel.removeDevice('docker0');
    expect(await calls('ip')).toEqual(['link delete dev docker0']);
    await does('ip', 'echo "Cannot find device \\"docker0\\"" >&2; exit 1');
    await kernel.removeDevice('docker0');
    await does('ip', 'echo "RTNETLINK answers: Operation not permitted" >&2; exit 2');
    expect((await refusal(() => kernel.removeDevice('docker0'))).kind).toBe('oserr');
  });

  test('a rule is inserted at the head once, waiting for the lock', async () => {
    const { exec, calls } = await stubs({
      iptables:
        'case "$*" in *-C*) [ -f "$0.has" ] || { echo "iptables: Bad rule" >&2; exit 1; } ;; *-I*) touch "$0.has" ;; esac',
    });
    const kernel = linuxKernel(exec);
    const rule = ['-i', 'flannel.1', '-j', 'ACCEPT'];
    expect(await kernel.ensureFirewallRule('filter', 'DOCKER-USER', rule)).toBe(true);
    expect(await kernel.ensureFirewallRule('filter', 'DOCKER-USER', rule)).toBe(false);
    expect(await calls('iptables')).toEqual([
      '-w 5 -t filter -C DOCKER-USER -i flannel.1 -j ACCEPT',
      '-w 5 -t filter -I DOCKER-USER -i flannel.1 -j ACCEPT',
      '-w 5 -t filter -C DOCKER-USER -i flannel.1 -j ACCEPT',
    ]);
  });

  test('when it cannot be known whether the rule is there, none is inserted', async () => {
    const { exec, calls } = await stubs({
      iptables: 'echo "Another app is currently holding the xtables lock." >&2; exit 4',
    });
    const kernel = linuxKernel(exec);
    expect((await refusal(() => kernel.ensureFirewallRule('raw', 'PREROUTING', ['-j', 'ACCEPT']))).kind).toBe('oserr');
    expect(await calls('iptables')).toHaveLength(1);
    expect((await refusal(() => kernel.hasFirewallChain('raw', 'PREROUTING'))).message).toContain('xtables lock');
  });

  test('a chain is there, or it is not', async () => {
    const { exec, does } = await stubs({ iptables: 'echo "Chain DOCKER-USER (1 references)"' });
    const kernel = linuxKernel(exec);
    expect(await kernel.hasFirewallChain('filter', 'DOCKER-USER')).toBe(true);
    await does('iptables', 'echo "iptables: No chain/target/match by that name." >&2; exit 1');
    expect(await kernel.hasFirewallChain('filter', 'DOCKER-USER')).toBe(false);
  });
});

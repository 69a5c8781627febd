// The contract of the Units port, held against systemctl (a stub that answers as captured) and against the fake.

import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { systemdUnits } from '../../agent/host/systemd-units.ts';
import type { Units } from '../../agent/ports/units.ts';
import { effectLog } from '../support/effect-log.ts';
import { fakeFiles } from '../support/fake-files.ts';
import { fakeUnits } from '../support/fake-units.ts';
import { refusal } from '../support/refusal.ts';
import { type StubPrograms, stubPrograms } from '../support/stub-programs.ts';
import { virtualClock } from '../support/virtual-clock.ts';

/** etcd.service is there and asleep, nope.service is not; how systemctl 252 says so. */
const systemctl = `
state=$0.state; [ -f "$state" ] || echo inactive >"$state"
active=$(cat "$state")
while [ $# -gt 0 ]; do case $1 in --) shift; break ;; show|start|try-restart|reset-failed|daemon-reload|reboot) verb=$1 ;; esac; shift; done
destructive() { echo "Failed to start $1: Transaction for $1/start is destructive (systemd-sysctl.service has 'stop' job queued, but 'start' is included in transaction)." >&2; }
case $verb in
show)
  first=yes
  for unit; do
    [ "$first" = yes ] || echo; first=no
    case $unit in etcd.service) load=loaded now=$active ;; *) load=not-found now=inactive ;; esac
    printf 'StatusText=\\nResult=success\\nNRestarts=0\\nId=%s\\nNames=%s\\nLoadState=%s\\nActiveState=%s\\nSubState=x\\nJob=\\nNeedDaemonReload=no\\n' "$unit" "$unit" $load $now
  done ;;
start|try-restart)
  failed=0
  for unit; do
    if [ -f "$0.rebooting" ]; then destructive "$unit"; failed=4
    elif [ "$unit" != etcd.service ]; then echo "Failed to start $unit: Unit $unit not found." >&2; failed=5
    elif [ $verb = start ]; then echo active >"$state"; fi
  done
  exit $failed ;;
reset-failed)
  failed=0
  for unit; do [ "$unit" = etcd.service ] || { echo "Failed to reset failed state of unit $unit: Unit $unit not loaded." >&2; failed=1; }; done
  exit $failed ;;
reboot) touch "$0.rebooting" ;;
esac
`;

interface Subject {
  readonly units: Units;
}

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function stubbed(shell: string): Promise<StubPrograms & { readonly directory: string }> {
  const directory = await mkdtemp(`${tmpdir()}/diyc-agent-units-`);
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  return { ...(await stubPrograms(directory, { systemctl: shell })), directory };
}

async function real(): Promise<Subject> {
  const { exec, directory } = await stubbed(systemctl);
  return { units: systemdUnits({ exec, bootedDirectory: directory }) };
}

async function fake(): Promise<Subject> {
  const [clock, log] = [virtualClock(), effectLog()];
  const files = fakeFiles({ clock, log });
  return { units: fakeUnits({ units: { 'etcd.service': {} }, files, clock, log }) };
}

for (const [name, make] of [
  ['systemctl', real],
  ['the fake units', fake],
] as const) {
  describe(name, () => {
    test('states come in the order asked for, also of what is not there', async () => {
      const { units } = await make();
      const states = await units.states(['nope.service', 'etcd.service', 'nope.service']);
      expect(states.map((s) => [s.name, s.load, s.active])).toEqual([
        ['nope.service', 'not-found', 'inactive'],
        ['etcd.service', 'loaded', 'inactive'],
        ['nope.service', 'not-found', 'inactive'],
      ]);
      expect(await units.states([])).toEqual([]);
    });

    test('a start job is queued, and the unit comes', async () => {
      const { units } = await make();
      await units.reload();
      await units.queueStart(['etcd.service']);
      expect((await units.states(['etcd.service']))[0]?.active).toBe('active');
    });

    test('a restart does not start what does not run', async () => {
      const { units } = await make();
      await units.queueRestart(['etcd.service']);
      expect((await units.states(['etcd.service']))[0]?.active).toBe('inactive');
    });

    test('a unit that is not there cannot be started, and is named', async () => {
      const { units } = await make();
      const error = await refusal(() => units.queueStart(['nope.service']));
      expect(error.kind).toBe('oserr');
      expect(error.message).toContain('nope.service not');
    });

    test('one unit that is not there does not keep the others from starting', async () => {
      const { units } = await make();
      expect((await refusal(() => units.queueStart(['nope.service', 'etcd.service']))).message).toContain(
        'nope.service not',
      );
      expect((await units.states(['etcd.service']))[0]?.active).toBe('active');
    });

    test('clearing a failed state that is none is no failure', async () => {
      const { units } = await make();
      await units.resetFailed(['etcd.service', 'nope.service']);
    });

    test('while the host goes down nothing is started, which is no fault of the unit', async () => {
      const { units } = await make();
      await units.reboot();
      for (const attempt of [() => units.queueStart(['etcd.service']), () => units.queueRestart(['etcd.service'])]) {
        const error = await refusal(attempt);
        expect([error.kind, error.retryable]).toEqual(['tempfail', true]);
        expect(error.message).toContain('rebooting');
      }
    });
  });
}

describe('systemctl alone', () => {
  test('one call answers for many units, and no call waits for a job', async () => {
    const { exec, directory, calls } = await stubbed(systemctl);
    const units = systemdUnits({ exec, bootedDirectory: directory });
    await units.states(['etcd.service', 'docker.service', 'flanneld.service']);
    await units.queueStart(['etcd.service']);
    await units.queueRestart(['etcd.service']);
    await units.queueStart([]);
    await units.queueRestart([]);
    await units.resetFailed([]);
    const made = await calls('systemctl');
    expect(made).toHaveLength(3);
    expect(made[0]).toMatch(/ -- etcd.service docker.service flanneld.service$/);
    expect(made.slice(1).every((call) => call.includes('--no-block'))).toBe(true);
  });

  test('a name that begins with a dash is never an option', async () => {
    const { exec, directory, calls } = await stubbed(systemctl);
    await systemdUnits({ exec, bootedDirectory: directory })
      .queueStart(['etcd.service', '--force'])
      .catch(() => undefined);
    expect((await calls('systemctl'))[0]).toMatch(/start -- etcd.service --force$/);
  });

  test('where systemd is not PID 1 the error says so, and systemctl is not called', async () => {
    const { exec, calls } = await stubbed(systemctl);
    const error = await refusal(() => systemdUnits({ exec, bootedDirectory: '/nowhere' }).states(['etcd.service']));
    expect(error.kind).toBe('oserr');
    expect(error.message).toContain('not booted with systemd');
    expect(await calls('systemctl')).toEqual([]);
  });

  test('what systemctl says is in the error, and the hint is another thing', async () => {
    const { exec, directory } = await stubbed('echo "Failed to connect to bus: No such file or directory" >&2; exit 1');
    const units = systemdUnits({ exec, bootedDirectory: directory });
    for (const attempt of [
      () => units.states(['a.service']),
      () => units.reload(),
      () => units.queueStart(['a.service']),
      () => units.resetFailed(['a.service']),
      () => units.reboot(),
    ]) {
      const error = await refusal(attempt);
      expect(error.kind).toBe('oserr');
      expect(error.message).toContain('Failed to connect to bus');
      expect(error.hint).not.toContain('Failed to connect');
    }
  });
});

describe('the fake units alone', () => {
  test('a unit file counts from the next reload on, and an edited one asks for a reload', async () => {
    const [clock, log] = [virtualClock(), effectLog()];
    const files = fakeFiles({ clock, log });
    const units = fakeUnits({ files, clock, log });
    files.put({ '/etc/systemd/system/diyc.service': '[Service]\n' });
    expect((await units.states(['diyc.service']))[0]?.load).toBe('not-found');
    await units.reload();
    expect((await units.states(['diyc.service']))[0]).toMatchObject({ load: 'loaded', needsReload: false });
    files.put({ '/etc/systemd/system/diyc.service.d/10.conf': '[Unit]\n' });
    expect((await units.states(['diyc.service']))[0]?.needsReload).toBe(true);
    await units.reload();
    expect((await units.states(['diyc.service']))[0]?.needsReload).toBe(false);
  });

  test('a masked unit does not start; an enabled one does at the next boot', async () => {
    const [clock, log] = [virtualClock(), effectLog()];
    const files = fakeFiles({
      clock,
      log,
      tree: {
        '/etc/systemd/system/masked.service': { link: '/dev/null' },
        '/usr/lib/systemd/system/enabled.service': '[Service]\n',
        '/etc/systemd/system/multi-user.target.wants/enabled.service': {
          link: '/usr/lib/systemd/system/enabled.service',
        },
      },
    });
    const units = fakeUnits({ files, clock, log });
    expect((await units.states(['masked.service']))[0]?.load).toBe('masked');
    expect((await refusal(() => units.queueStart(['masked.service']))).kind).toBe('oserr');
    expect((await units.states(['enabled.service']))[0]?.active).toBe('inactive');
    units.boot();
    expect((await units.states(['enabled.service']))[0]?.active).toBe('active');
  });

  test('a scripted unit takes its time', async () => {
    const [clock, log] = [virtualClock({ manual: true }), effectLog()];
    const files = fakeFiles({ clock, log });
    const units = fakeUnits({
      units: {
        'etcd.service': {
          onStart(later) {
            later(3_000, { active: 'active', sub: 'running', jobQueued: false });
            return { active: 'activating', sub: 'start', jobQueued: true };
          },
        },
      },
      files,
      clock,
      log,
    });
    await units.queueStart(['etcd.service']);
    expect((await units.states(['etcd.service']))[0]).toMatchObject({ active: 'activating', jobQueued: true });
    await clock.advance(3_000);
    expect((await units.states(['etcd.service']))[0]).toMatchObject({
      active: 'active',
      activeEnterMs: clock.monotonicMs(),
    });
  });
});

// The contract of the Sessions port: loginctl of four systemd versions (a stub that answers as captured), and the fake.

import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { loginSessions, ownSessionFrom } from '../../agent/host/login-sessions.ts';
import type { LoginSession, Sessions } from '../../agent/ports/survey.ts';
import { effectLog } from '../support/effect-log.ts';
import { fakeSessions } from '../support/fake-sessions.ts';
import { refusal } from '../support/refusal.ts';
import { type StubPrograms, stubPrograms } from '../support/stub-programs.ts';

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function stubbed(shell: string): Promise<StubPrograms> {
  const directory = await mkdtemp(`${tmpdir()}/diyc-agent-sessions-`);
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  return await stubPrograms(directory, { loginctl: shell });
}

interface Session {
  readonly id: string;
  readonly properties: Readonly<Record<string, string>>;
}

/** Like loginctl: unknown ids fail the call after the blocks before them. `list` is printed for list-sessions. */
function loginctl(list: string, sessions: readonly Session[]): string {
  const cases = sessions.map(({ id, properties }) => {
    const lines = Object.entries({ Id: id, ...properties }).map(([k, v]) => `${k}=${v}`);
    return `${id}) printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')} ;;`;
  });
  return `
verb=; for a; do case $a in list-sessions|show-session) verb=$a ;; esac; done
if [ $verb = list-sessions ]; then cat <<'EOF'
${list}
EOF
exit 0; fi
while [ "$1" != -- ]; do shift; done; shift
first=yes
for id; do
  [ $first = yes ] || echo; first=no
  case $id in
  ${cases.join('\n  ')}
  *) echo "Failed to get session: No session '$id' known" >&2; exit 1 ;;
  esac
done`;
}

const fedora: Session = {
  id: '3',
  properties: { Name: 'fedora', Class: 'user', State: 'active', TTY: 'pts/0', Service: 'sshd', Remote: 'yes' },
};

const lists = {
  219: '         3       1000 fedora                           ',
  230: '         3       1000 fedora           seat0            pts/0           ',
  252: '      3 1000 fedora      pts/0',
  257: '  3 1000 fedora -     812    user pts/0 no   -',
};

async function people(sessions: readonly Session[], own: string | null = null): Promise<readonly LoginSession[]> {
  const list = sessions.map((s) => `${s.id} 1000 ${s.properties['Name']} -`).join('\n');
  const { exec } = await stubbed(loginctl(list, sessions));
  return await loginSessions({ exec, ownSession: () => own }).people();
}

function session(id: string, properties: Readonly<Record<string, string>>): Session {
  return { id, properties: { Name: 'core', Class: 'user', State: 'online', ...properties } };
}

describe('the contract', () => {
  const one: LoginSession = { id: '3', user: 'fedora', where: 'pts/0', isOwn: false };
  const real = async (isThere: boolean): Promise<Sessions> => {
    const { exec } = await stubbed(loginctl(isThere ? lists[252] : '', isThere ? [fedora] : []));
    return loginSessions({ exec, ownSession: () => null });
  };
  const failing = async (): Promise<Sessions> => {
    const { exec } = await stubbed('echo "Failed to connect to bus: Host is down" >&2; exit 1');
    return loginSessions({ exec, ownSession: () => null });
  };
  for (const [name, some, nobody, unknown] of [
    ['loginctl', () => real(true), () => real(false), failing],
    [
      'the fake sessions',
      () => fakeSessions({ log: effectLog(), people: [one] }),
      () => fakeSessions({ log: effectLog() }),
      () => fakeSessions({ log: effectLog(), people: 'unknown' }),
    ],
  ] as const) {
    test(`${name}: a person, nobody, and nobody knows`, async () => {
      expect(await (await some()).people()).toEqual([one]);
      expect(await (await nobody()).people()).toEqual([]);
      expect((await refusal(async () => (await unknown()).people())).kind).toBe('oserr');
    });
  }
});

describe('loginctl', () => {
  for (const [version, list] of Object.entries(lists)) {
    test(`the list of systemd ${version}`, async () => {
      const { exec, calls } = await stubbed(loginctl(list, [fedora]));
      expect(await loginSessions({ exec, ownSession: () => '3' }).people()).toEqual([
        { id: '3', user: 'fedora', where: 'pts/0', isOwn: true },
      ]);
      expect(await calls('loginctl')).toHaveLength(2);
    });
  }

  test('greeters, jobs, managers and those who have logged out are nobody', async () => {
    const nobody = [
      session('c1', { Class: 'greeter', Name: 'gdm' }),
      session('2', { Class: 'background', Service: 'crond' }),
      session('4', { Class: 'manager', Service: 'systemd-user' }),
      session('5', { Class: 'manager-early' }),
      session('6', { Class: 'background-light' }),
      session('7', { Class: 'lock-screen' }),
      session('8', { State: 'closing' }),
      session('9', { Service: 'crond' }),
      session('10', { Service: 'atd' }),
    ];
    expect(await people(nobody)).toEqual([]);
  });

  test('every other class is somebody, also one that is not known yet', async () => {
    const classes = ['user', 'user-early', 'user-light', 'user-early-light', 'user-incomplete', 'hologram'];
    const found = await people(classes.map((name, i) => session(`${i}`, { Class: name })));
    expect(found.map((s) => s.user)).toEqual(classes.map(() => 'core'));
  });

  test('where somebody sits: terminal, seat, the host they come from', async () => {
    const found = await people([
      session('1', { TTY: '/dev/tty1', Seat: 'seat0' }),
      session('2', { Seat: 'seat0' }),
      session('3', { RemoteHost: '192.168.99.1', Remote: 'yes' }),
      session('4', {}),
      session('5', { RemoteHost: 'a\u001b[31m' }),
    ]);
    expect(found.map((s) => s.where)).toEqual(['tty1', 'seat0', '192.168.99.1', '', 'a\\x1b[31m']);
  });

  test('a session that vanishes between the two calls is no error', async () => {
    // The first question makes the second list shorter.
    const { exec } = await stubbed(`
case "$*" in
*list-sessions*) echo '3 1000 fedora pts/0'; [ -f "$0.gone" ] || echo '5 1000 gone pts/1' ;;
*) touch "$0.gone"; printf '%s\\n' Id=3 Name=fedora Class=user State=active TTY=pts/0
  case "$*" in *5*) echo "Failed to get session: No session '5' known" >&2; exit 1 ;; esac ;;
esac`);
    expect((await loginSessions({ exec, ownSession: () => null }).people()).map((s) => s.id)).toEqual(['3']);
  });

  test('hundreds of leaked sessions are asked about in few calls', async () => {
    const leaked = Array.from({ length: 200 }, (_, i) => session(`${i + 10}`, { State: 'closing' }));
    const list = [...leaked, fedora].map((s) => `${s.id} 1000 core -`).join('\n');
    const { exec, calls } = await stubbed(loginctl(list, [...leaked, fedora]));
    expect((await loginSessions({ exec, ownSession: () => null }).people()).map((s) => s.id)).toEqual(['3']);
    expect(await calls('loginctl')).toHaveLength(5);
  });

  for (const [what, shell, words] of [
    ['no bus', 'echo "Failed to connect to bus: Host is down" >&2; exit 1', 'Host is down'],
    ['a list in another form', 'echo "No sessions."', 'No sessions.'],
    ['a listed session that is never known', loginctl('3 1000 fedora pts/0', []), "No session '3' known"],
    [
      'a session without a class',
      loginctl('3 1000 x -', [{ id: '3', properties: { Name: 'x', State: 'online' } }]),
      'Class',
    ],
    ['a list without an end', 'yes "3 1000 fedora pts/0" | head -c 400000', 'sessions'],
  ] as const) {
    test(`${what}: nobody knows who is there`, async () => {
      const { exec } = await stubbed(shell);
      const error = await refusal(() => loginSessions({ exec, ownSession: () => null }).people());
      expect(error.kind).toBe('oserr');
      expect(error.message).toContain('cannot find out who is logged in');
      expect(error.message).toContain(words);
    });
  }

  test('no loginctl: nobody knows who is there', async () => {
    const { exec } = await stubPrograms(tmpdir(), {});
    expect((await refusal(() => loginSessions({ exec }).people())).kind).toBe('oserr');
  });
});

describe('the own session', () => {
  const none = { cgroup: '0::/system.slice/diyc-agent-report.service\n', auditSession: '4294967295', xdgSessionId: '' };
  for (const [what, from, expected] of [
    ['is the scope, with one hierarchy', { cgroup: '0::/user.slice/user-0.slice/session-12.scope\n' }, '12'],
    [
      'is the scope, with many, whatever the rest says',
      {
        cgroup: '4:pids:/\n1:name=systemd:/user.slice/user-0.slice/session-c2.scope\n',
        auditSession: '3',
        xdgSessionId: '4',
      },
      'c2',
    ],
    ['is the audit session below a user manager, also after sudo', { auditSession: '7\n' }, '7'],
    ['is the variable where auditing is off', { xdgSessionId: 'c5' }, 'c5'],
    ['is none in a service', {}, null],
    ['is none where there is nothing to be read', { cgroup: '', auditSession: '', xdgSessionId: '\n' }, null],
  ] as const) {
    test(what, () => {
      expect(ownSessionFrom({ ...none, ...from })).toBe(expected);
    });
  }
});

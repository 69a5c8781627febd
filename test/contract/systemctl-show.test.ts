// The parser of `systemctl show`, on text captured from systemd 252 in a booted container (Debian 12).

import { describe, expect, test } from 'bun:test';
import { parseShow } from '../../agent/host/systemctl-show.ts';
import { refusal } from '../support/refusal.ts';

const captured = `StatusText=Processing requests...
Result=success
NRestarts=0
Id=systemd-journald.service
Names=systemd-journald.service
LoadState=loaded
ActiveState=active
SubState=running
ActiveEnterTimestampMonotonic=4538624992
InactiveEnterTimestampMonotonic=0
Job=
NeedDaemonReload=no

StatusText=
Result=success
NRestarts=0
Id=nope.service
Names=nope.service
LoadState=not-found
ActiveState=inactive
SubState=dead
ActiveEnterTimestampMonotonic=0
InactiveEnterTimestampMonotonic=0
Job=
NeedDaemonReload=no

StatusText=waiting-for-peers
Result=success
NRestarts=3
Id=slow.service
Names=slow.service alias.service
LoadState=loaded
ActiveState=activating
SubState=start
ActiveEnterTimestampMonotonic=0
InactiveEnterTimestampMonotonic=4600991123
ExecMainStartTimestampMonotonic=4601491456
Job=456
NeedDaemonReload=yes
`;

describe('systemctl show', () => {
  test('one state per unit, in the order asked for', () => {
    const states = parseShow(captured, ['systemd-journald.service', 'nope.service', 'slow.service']);
    expect(states).toEqual([
      {
        name: 'systemd-journald.service',
        load: 'loaded',
        active: 'active',
        sub: 'running',
        result: 'success',
        restarts: 0,
        statusText: 'Processing requests...',
        activeEnterMs: 4_538_624,
        inactiveEnterMs: 0,
        mainStartMs: 0,
        needsReload: false,
        jobQueued: false,
      },
      {
        name: 'nope.service',
        load: 'not-found',
        active: 'inactive',
        sub: 'dead',
        result: 'success',
        restarts: 0,
        statusText: '',
        activeEnterMs: 0,
        inactiveEnterMs: 0,
        mainStartMs: 0,
        needsReload: false,
        jobQueued: false,
      },
      {
        name: 'slow.service',
        load: 'loaded',
        active: 'activating',
        sub: 'start',
        result: 'success',
        restarts: 3,
        statusText: 'waiting-for-peers',
        activeEnterMs: 0,
        inactiveEnterMs: 4_600_991,
        mainStartMs: 4_601_491,
        needsReload: true,
        jobQueued: true,
      },
    ]);
  });

  test('an alias keeps the name it was asked by', () => {
    expect(parseShow('Id=ssh.service\nLoadState=loaded\nActiveState=active\n', ['sshd.service'])[0]?.name).toBe(
      'sshd.service',
    );
  });

  test('systemd before 235 has no NRestarts, targets have no Result: both have their defaults', () => {
    const [state] = parseShow('Id=network.target\nLoadState=loaded\nActiveState=active\nSubState=active\n', [
      'network.target',
    ]);
    expect([state?.restarts, state?.result, state?.statusText]).toEqual([0, 'success', '']);
  });

  test('a status text may hold anything but a line break', () => {
    expect(parseShow('Id=a.service\nStatusText=a=b = c; Job=7\nJob=\n', ['a.service'])[0]).toMatchObject({
      statusText: 'a=b = c; Job=7',
      jobQueued: false,
    });
  });

  test('too few blocks, or none, are a failure of systemctl', async () => {
    expect((await refusal(() => parseShow(captured, ['a.service']))).kind).toBe('oserr');
    expect((await refusal(() => parseShow('', ['a.service']))).message).toContain('0 units');
  });
});

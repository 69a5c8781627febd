// Events as lines: each has words, none has secrets, and foreign text cannot move a cursor.

import { describe, expect, test } from 'bun:test';
import { AgentError } from '../../../agent/model/errors.ts';
import type { AgentEvent } from '../../../agent/model/event.ts';
import { printable, printableLine } from '../../../agent/model/printable.ts';
import type { Step } from '../../../agent/model/step.ts';
import { errorJson, errorText } from '../../../agent/report/error-text.ts';
import { journalReporter } from '../../../agent/report/journal.ts';
import { lineOf } from '../../../agent/report/lines.ts';
import { terminalReporter } from '../../../agent/report/terminal.ts';

const step: Step<'writeFile'> = {
  kind: 'writeFile',
  component: 'etcd',
  why: 'member a1',
  path: '/etc/etcd/etcd.conf',
  content: 'SECRET CONTENT',
  mode: 0o644,
  owner: null,
  sensitive: true,
  before: 'SECRET BEFORE',
  keepAs: null,
  drifted: false,
};

/** One of each kind; the compiler asks for a new one here. */
const samples: { readonly [K in AgentEvent['event']]: readonly [Extract<AgentEvent, { event: K }>, string] } = {
  'run.started': [{ event: 'run.started', verb: 'boot', version: '0.1.0' }, 'debug: diyc-agent 0.1.0: boot'],
  'identity.found': [
    { event: 'identity.found', node: 'a1', address: '10.0.0.1', source: 'seed', etcdRole: 'member' },
    'debug: this is node a1 at 10.0.0.1 (etcd member), by seed',
  ],
  'config.found': [{ event: 'config.found', cluster: 'c', files: ['/a', '/b'] }, 'debug: cluster c, from /a, /b'],
  'config.warning': [{ event: 'config.warning', message: 'm', hint: 'h' }, 'warn: m; h'],
  'step.started': [{ event: 'step.started', step, number: 1, of: 3 }, 'debug: [1/3] replace /etc/etcd/etcd.conf'],
  'step.finished': [{ event: 'step.finished', step, durationMs: 1.6 }, 'info: replace /etc/etcd/etcd.conf: member a1'],
  'step.failed': [{ event: 'step.failed', step, message: 'full disk', ends: false, durationMs: 1 }, 'warn: full disk'],
  'step.deferred': [{ event: 'step.deferred', step }, 'info: left for the running host: replace /etc/etcd/etcd.conf'],
  'file.drifted': [
    { event: 'file.drifted', path: '/f', keptAs: '/f.save-1' },
    'warn: /f was changed since the last run; that version is kept as /f.save-1',
  ],
  'restart.pending': [
    { event: 'restart.pending', units: ['a', 'b'] },
    'warn: a, b still run with the old files; diyc-agent apply --restart restarts them',
  ],
  waiting: [
    { event: 'waiting', owner: 'seed', reason: 'r', hint: 'h', elapsedMs: 1_500, deadlineMs: 3_600_000 },
    'info: r (1.5 s of at most 60 min); h',
  ],
  'wait.over': [{ event: 'wait.over', owner: 'seed', elapsedMs: 61_000 }, 'info: seed: the wait is over after 61 s'],
  'flannel.seeded': [
    { event: 'flannel.seeded', key: '/k', api: 'v3', value: '{}' },
    'info: created /k (etcd API v3): {}',
  ],
  'flannel.present': [
    { event: 'flannel.present', key: '/k', api: 'v3' },
    'debug: /k (etcd API v3) is there already and as wanted',
  ],
  'flannel.drift': [
    { event: 'flannel.drift', key: '/k', found: 'F', wanted: 'W' },
    'warn: /k is F and the cluster file asks for W; it is left as it is',
  ],
  'storage.undeclared': [
    { event: 'storage.undeclared', node: 'a1' },
    'info: nothing to do: the cluster file declares no storage for a1',
  ],
  'storage.attached': [{ event: 'storage.attached', message: 'group g' }, 'info: storage is attached: group g'],
  'brake.applied': [
    { event: 'brake.applied', why: '90 % used', release: 'systemctl stop x.mount' },
    'warn: downloads of images are stopped, containers go on: 90 % used; systemctl stop x.mount lets them go on',
  ],
  'brake.released': [{ event: 'brake.released', why: '20 % used' }, 'info: downloads of images go on: 20 % used'],
  'upgrade.phase': [
    { event: 'upgrade.phase', phase: 'rebooting', from: 'ready-to-go', about: 'upgrade to 41.2' },
    'info: upgrade: ready-to-go -> rebooting (upgrade to 41.2)',
  ],
  'upgrade.waiting': [
    { event: 'upgrade.waiting', phase: 'ready-to-go', reason: 'a2 is failed', hint: 'diyc-agent nodes' },
    'info: upgrade waits (ready-to-go): a2 is failed; diyc-agent nodes',
  ],
  'upgrade.failed': [{ event: 'upgrade.failed', message: 'm', hint: 'h' }, 'warn: m; h'],
  'upgrade.staging': [{ event: 'upgrade.staging', release: '41.2' }, 'info: staging 41.2'],
  'upgrade.discarded': [
    { event: 'upgrade.discarded', why: '41.2 is denied' },
    'warn: dropped what was staged: 41.2 is denied',
  ],
  'upgrade.denied': [
    { event: 'upgrade.denied', release: '41.2', reason: 'a1 was not ready' },
    'warn: 41.2 is not to be tried again: a1 was not ready',
  ],
  'upgrade.released': [
    { event: 'upgrade.released', group: 'default', why: 'ready' },
    'info: released the slot of group default: ready',
  ],
  'upgrade.rebooting': [
    { event: 'upgrade.rebooting', about: 'upgrade to 41.2' },
    'warn: rebooting this host: upgrade to 41.2',
  ],
  'upgrade.snapshot': [
    { event: 'upgrade.snapshot', path: '/s.db', revision: '7', verifiedBy: 'etcdutl 3.5.16' },
    'info: took a snapshot of etcd, /s.db, revision 7, and restored it aside with etcdutl 3.5.16',
  ],
  'fleet-lock.answered': [
    { event: 'fleet-lock.answered', operation: 'pre-reboot', id: 'z1', outcome: 'granted' },
    'info: FleetLock pre-reboot of z1: granted',
  ],
  'fleet-lock.serving': [
    { event: 'fleet-lock.serving', listen: '127.0.0.1:3333' },
    'info: serving FleetLock on 127.0.0.1:3333',
  ],
  'run.unchanged': [
    { event: 'run.unchanged', verb: 'boot', node: 'a1' },
    'debug: boot: nothing to do, node a1 is as the cluster file says',
  ],
  'run.finished': [{ event: 'run.finished', verb: 'boot', outcome: '3 steps', durationMs: 5 }, 'info: boot: 3 steps'],
};
const all = Object.values(samples) as readonly (readonly [AgentEvent, string])[];

describe('every event', () => {
  test.each(all.map(([event, text]) => [event.event, event, text] as const))(
    '%s has its line',
    (_name, event, text) => {
      const line = lineOf(event);
      expect(`${line.level}: ${line.message}`).toBe(text);
    },
  );
  test('has fields for programs that are flat, and whole milliseconds', () => {
    for (const [event] of all) {
      for (const [name, value] of Object.entries(lineOf(event).fields)) {
        expect(['string', 'number', 'boolean']).toContain(typeof value);
        if (name.endsWith('Ms')) expect(Number.isInteger(value)).toBe(true);
      }
    }
  });
  test('tells nothing of the content of files', () => {
    expect(JSON.stringify(all.map(([event]) => lineOf(event)))).not.toContain('SECRET');
  });
  test('one unit runs, two units run; a drift without a copy says none', () => {
    expect(lineOf({ event: 'restart.pending', units: ['a'] }).message).toStartWith('a still runs');
    expect(lineOf({ event: 'file.drifted', path: '/f', keptAs: null }).message).toBe(
      '/f was changed since the last run',
    );
  });
});

describe('an error for people', () => {
  test('says what failed and what can be done', () => {
    expect(errorText(new AgentError('oserr', 'cannot write /f', { hint: 'make room' }))).toBe(
      'error: cannot write /f\n  hint: make room\n',
    );
  });
  test('for programs is one line with a stable kind and the exit code', () => {
    const text = errorJson(new AgentError('data', 'm\nn', { hint: 'h' }));
    expect(text.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(text)).toEqual({
      schema: 1,
      error: { kind: 'data', exitCode: 65, message: 'm\nn', hint: 'h' },
    });
  });
  test('shows control characters instead of sending them', () => {
    expect(printable('a\u001b[2Jb\u0000\u007f\u009b\rc')).toBe('a\\x1b[2Jb\\x00\\x7f\\x9b\\x0dc');
    expect(printable('two\nlines\tand ünïcödé ✓')).toBe('two\nlines\tand ünïcödé ✓');
    expect(printableLine('two\n\nlines\tand \u001b[2J')).toBe('two lines and \\x1b[2J');
    expect(errorText(new AgentError('data', '\u001b[31m', { hint: '\u0007' }))).toBe(
      'error: \\x1b[31m\n  hint: \\x07\n',
    );
  });
});

describe('the terminal', () => {
  function shown(lowest: 'debug' | 'info' | 'warn' | 'error', events: readonly AgentEvent[]): string[] {
    const lines: string[] = [];
    const reporter = terminalReporter((text) => void lines.push(text), lowest);
    for (const event of events) reporter.emit(event);
    return lines;
  }
  test('shows what is loud enough, one line each, warnings and errors named', () => {
    const events = all.map(([event]) => event);
    expect(shown('debug', events)).toHaveLength(events.length);
    for (const line of shown('warn', events)) expect(line).toMatch(/^warning: /);
    expect(shown('warn', events)).toContain('warning: full disk\n');
  });
  test('leaves the failure that ends a run to the error that is printed for it', () => {
    expect(shown('info', [{ event: 'step.failed', step, message: 'full disk', ends: true, durationMs: 1 }])).toEqual(
      [],
    );
  });
  test('is not moved by what somebody wrote into etcd', () => {
    const [line] = shown('warn', [
      { event: 'flannel.drift', key: '/k', found: '\u001b]0;x\u0007\u001b[2J', wanted: 'W' },
    ]);
    expect(line).not.toContain('\u001b');
  });
});

test('the journal gets one JSON line per event, with verb and event and without time', () => {
  let text = '';
  const write = (line: string): void => {
    text += line;
  };
  const reporter = journalReporter({ write }, 'join seed');
  for (const [event] of all) reporter.emit(event);
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.length).toBeGreaterThan(5);
  for (const line of lines) {
    expect(line).toMatchObject({ verb: 'join seed', level: expect.any(String), msg: expect.any(String) });
    expect(line).not.toHaveProperty('time');
  }
  expect(text).not.toContain('SECRET');
});

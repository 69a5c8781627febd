// What iscsiadm prints and how it ends, on text captured from open-iscsi 2.1.8 (test/fixtures/iscsi/README.md).

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { type IscsiOutcome, iscsiCodes, iscsiError } from '../../agent/host/iscsi-errors.ts';
import { parseNodes, parseRecordedChap, sessionOf } from '../../agent/host/iscsiadm-output.ts';
import { exitCodes } from '../../agent/model/errors.ts';
import { randomTexts } from '../support/random-text.ts';

const captured = (name: string): string =>
  readFileSync(new URL(`../fixtures/iscsi/${name}.txt`, import.meta.url), 'utf8');

describe('nodes', () => {
  test('of a discovery and of the records of one host', () => {
    const nodes = [
      { portal: '192.168.98.253:3260', target: 'iqn.2015-05.lab.diyc:a1' },
      { portal: '192.168.98.253:3260', target: 'iqn.2015-05.lab.diyc:free' },
    ];
    expect(parseNodes(captured('discovered'))).toEqual(nodes);
    expect(parseNodes(captured('node-list-one'))).toEqual(nodes);
  });

  test('with and without a portal group, IPv6 in brackets, each portal once', () => {
    expect(parseNodes(captured('node-list-many')).map((n) => n.portal)).toEqual([
      '10.0.0.1:3260',
      '10.0.0.2:3260',
      '[fd00::2]:3261',
      '[fd00::1]:3260',
      '[fd00::3]:3260',
    ]);
  });

  test('words of other programs on the same stream are passed over', () => {
    const text = `libkmod: ERROR ../libkmod.c:895: no module\n10.0.0.1:3260,1 iqn.2024-01.lab:x\nNew interface default added\n10.0.0.1:99999,1 iqn.x\n10.0.0.9:3260 iqn.y\n`;
    expect(parseNodes(text)).toEqual([{ portal: '10.0.0.1:3260', target: 'iqn.2024-01.lab:x' }]);
    expect(parseNodes('')).toEqual([]);
  });
});

describe('the CHAP users of a record', () => {
  test('as shown, and none where the record uses no CHAP', () => {
    expect(parseRecordedChap(captured('node-show-mutual'))).toEqual({ username: 'alice', mutualUsername: 'store' });
    expect(parseRecordedChap(captured('record-chap'))).toEqual({ username: 'alice', mutualUsername: null });
    expect(parseRecordedChap(captured('record-new'))).toEqual({ username: null, mutualUsername: null });
    expect(parseRecordedChap('node.session.auth.username = x\n')).toEqual({ username: null, mutualUsername: null });
  });
});

describe('a session of the kernel', () => {
  const logged = {
    name: 'session3',
    targetname: 'iqn.2015-05.lab.diyc:a1\n',
    state: 'LOGGED_IN\n',
    initiatorname: 'iqn.1993-08.org.debian:a1\n',
    persistent_address: '192.168.98.253\n',
    persistent_port: '3260\n',
  };
  test('has its number, its portal as logged in, and the name it was logged in with', () => {
    expect(sessionOf(logged)).toEqual({
      id: 3,
      portal: '192.168.98.253:3260',
      target: 'iqn.2015-05.lab.diyc:a1',
      initiatorName: 'iqn.1993-08.org.debian:a1',
      state: 'LOGGED_IN',
    });
  });
  test('that is being made or taken down is none yet, or no longer', () => {
    for (const half of [
      { targetname: '(null)\n' },
      { targetname: null },
      { persistent_address: null },
      { persistent_port: '\n' },
      { name: 'iscsi' },
    ])
      expect(sessionOf({ ...logged, ...half })).toBeNull();
    expect(sessionOf({ ...logged, state: null, initiatorname: '(null)' })).toMatchObject({
      state: null,
      initiatorName: null,
    });
  });
});

const ended = (exitCode: number, stderr = ''): IscsiOutcome => ({
  exitCode,
  signal: null,
  timedOut: false,
  durationMs: 5,
  stdout: '',
  stderr,
});

describe('exit codes', () => {
  const attempted = 'log in to iqn.2024-01.lab:x at 10.0.0.1:3260';

  test('all that open-iscsi has, each in its place', () => {
    expect(iscsiCodes).toHaveLength(34);
    expect(iscsiCodes.every((row, code) => row.code === code)).toBe(true);
    expect(new Set(iscsiCodes.map((row) => row.name)).size).toBe(34);
  });

  test.each(iscsiCodes.map((row) => [row.code, row] as const))(
    '%i says what was attempted, why, and what can be done',
    (code, row) => {
      const error = iscsiError(ended(code, 'iscsiadm: its last words\n'), attempted);
      expect(error.kind).toBe(row.kind);
      expect(exitCodes[error.kind]).toBeGreaterThan(0);
      expect(error.retryable).toBe(row.class !== 'permanent');
      expect(error.message).toStartWith(`cannot ${attempted}: ${row.meaning}`);
      expect(error.message).toContain(`exited with ${code}`);
      expect(error.message).toEndWith('and said: its last words');
      expect(error.hint.length).toBeGreaterThan(5);
      expect(error.hint).not.toContain('last words');
    },
  );

  test('what may pass is retryable, what cannot is final', () => {
    const ofClass = (wanted: string): number[] => iscsiCodes.filter((r) => r.class === wanted).map((r) => r.code);
    expect(ofClass('success')).toEqual([0, 15, 21]);
    expect(ofClass('retry')).toEqual([3, 4, 8, 10, 11, 18, 20, 22, 23, 28, 29, 31, 32, 33]);
    expect(ofClass('limited retry')).toEqual([1, 2, 5, 9, 19]);
    expect(iscsiCodes.filter((r) => r.kind === 'unavailable').map((r) => r.code)).toEqual([4, 5, 8, 11, 18, 20, 33]);
    expect(iscsiCodes.filter((r) => r.kind === 'config').map((r) => r.code)).toEqual([19, 24]);
    expect(iscsiCodes.filter((r) => r.kind === 'noperm').map((r) => r.code)).toEqual([13]);
  });

  test('a refused login names the user and where its secret is kept', () => {
    const chap = { username: 'alice', mutualUsername: null };
    const error = iscsiError(ended(24, captured('login-auth-failed.stderr')), attempted, chap);
    expect(error.message).toContain('the CHAP user "alice"');
    expect(error.message).toContain('iSCSI login failed due to authorization failure');
    expect(error.hint).toContain('storage.iscsi.chap.passwordFile');
    expect(error.hint).toContain('access list');
    expect(error.retryable).toBe(false);
  });

  test('a target that proves itself with another secret ends with 19, and is told from one that is not there', () => {
    const words = captured('login-mutual-failed.stderr');
    const mutual = iscsiError(ended(19, words), attempted, { username: 'alice', mutualUsername: 'store' });
    expect([mutual.kind, mutual.retryable]).toEqual(['config', false]);
    expect(mutual.message).toContain('"store"');
    const plain = iscsiError(ended(19, words), attempted, { username: 'alice', mutualUsername: null });
    expect([plain.kind, plain.retryable]).toEqual(['config', true]);
  });

  test('the same words said six times are said once, and long ones end', () => {
    const refused = iscsiError(ended(11, captured('discovery-refused.stderr')), 'ask').message;
    expect(refused.split('Connection refused')).toHaveLength(2);
    expect(refused).toContain('reopen_max');
    expect(iscsiError(ended(1, 'x'.repeat(60_000)), 'ask').message.length).toBeLessThan(700);
    expect(iscsiError(ended(1, 'a\x1b[31mb\n'), 'ask').message).toContain('a\\x1b[31mb');
    expect(iscsiError(ended(1), 'ask').message).toEndWith('(iscsiadm exited with 1)');
  });

  test('a deadline and a signal are no codes', () => {
    const late = iscsiError(
      { ...ended(0), exitCode: null, signal: 'SIGTERM', timedOut: true, durationMs: 160_400 },
      attempted,
    );
    expect([late.kind, late.retryable]).toEqual(['unavailable', true]);
    expect(late.message).toContain('within 160 s');
    expect(iscsiError({ ...ended(0), exitCode: null, signal: 'SIGKILL' }, attempted).kind).toBe('tempfail');
    expect(iscsiError(ended(200), attempted)).toMatchObject({ kind: 'oserr', retryable: false });
  });
});

test('no text breaks the parsers', () => {
  const pieces = [
    '10.0.0.1:3260',
    ',',
    '1',
    '4294967295',
    ' ',
    '\n',
    'iqn.2024-01.lab:x',
    '[fd00::1]',
    ':3260',
    '[',
    ']',
    'node.session.auth.authmethod = CHAP',
    'node.session.auth.username = ',
    '<empty>',
    'session',
    '%eth0',
    '::',
  ];
  for (const text of randomTexts(3000, 11, pieces)) {
    for (const node of parseNodes(text)) {
      expect(parseNodes(`${node.portal},1 ${node.target}`)).toEqual([node]);
    }
    parseRecordedChap(text);
    const half = text.slice(0, text.length / 2);
    sessionOf({
      name: `session${half}`,
      targetname: text,
      state: half,
      initiatorname: text,
      persistent_address: half,
      persistent_port: half,
    });
    expect(iscsiError(ended(4, text), 'ask').message).not.toContain('\n');
  }
});

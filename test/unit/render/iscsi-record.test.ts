// The record of open-iscsi, on records that 2.1.8 wrote (test/fixtures/iscsi/README.md): set, added, taken out, else untouched.

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { Secret } from '../../../agent/model/secret.ts';
import type { IscsiConfig } from '../../../agent/model/storage.ts';
import {
  editIscsiRecord,
  iscsiRecordSecrets,
  iscsiRecordSettings,
  parseIscsiRecord,
  recordFileOf,
} from '../../../agent/render/iscsi-record.ts';
import { randomTexts } from '../../support/random-text.ts';
import { refusal } from '../../support/refusal.ts';

const captured = (name: string): string =>
  readFileSync(new URL(`../../fixtures/iscsi/${name}.txt`, import.meta.url), 'utf8');
const fresh = captured('record-discovered');

const config: IscsiConfig = {
  portals: ['192.168.98.253:3260'],
  target: 'iqn.2015-05.lab.diyc:a1',
  initiatorName: 'iqn.2015-05.lab:cluster:a1',
  discovery: 'sendtargets',
  chap: { username: 'alice', passwordFile: '/etc/diyc-agent/chap' },
  mutualChap: null,
  replacementTimeoutSecs: 86_400,
};

describe('a record', () => {
  test('is read as iscsid does', () => {
    const record = parseIscsiRecord(captured('record-chap'));
    expect(record.get('node.session.auth.username')).toBe('alice');
    expect(record.get('node.conn[0].address')).toBe('192.168.98.253');
    expect(record.size).toBe(captured('record-chap').match(/^[^#\n]/gm)?.length ?? 0);
    const odd = parseIscsiRecord('  a.b   =  x = "y" #z  \n#c = d\ne =\nf\na.b=2\n');
    expect([...odd]).toEqual([['a.b', '2']]);
    expect(parseIscsiRecord('a = abc def#"x\t').get('a')).toBe('abc def#"x');
  });

  test('becomes what iscsiadm itself makes of the same settings, whatever it was made by', () => {
    const edited = editIscsiRecord(fresh, [
      ['node.startup', 'automatic'],
      ['node.session.auth.authmethod', 'CHAP'],
      ['node.session.auth.username', 'alice'],
      ['node.session.auth.password', 'secretsecret12'],
    ]);
    const sorted = (text: string): string[] => text.split('\n').sort();
    expect(sorted(edited)).toEqual(sorted(captured('record-chap')));
  });

  test('is set in place, added to before its end, taken from; everything else stays byte for byte', () => {
    const edited = editIscsiRecord(fresh, [
      ['node.startup', 'onboot'],
      ['node.session.auth.username', 'alice'],
      ['node.session.nr_sessions', null],
      ['node.not.there', null],
    ]);
    expect(edited).toBe(
      fresh
        .replace('node.startup = manual', 'node.startup = onboot')
        .replace('node.session.nr_sessions = 1\n', '')
        .replace('# END RECORD', 'node.session.auth.username = alice\n# END RECORD'),
    );
    expect(editIscsiRecord(edited, [['node.startup', 'onboot']])).toBe(edited);
    expect(editIscsiRecord(fresh, [])).toBe(fresh);
  });

  test('that has a key twice keeps the one that counts', () => {
    const twice = '# BEGIN RECORD 2.1.8\na.b = 1\nc = 3\na.b = 2\n# END RECORD\n';
    expect(editIscsiRecord(twice, [['a.b', '2']])).toBe('# BEGIN RECORD 2.1.8\nc = 3\na.b = 2\n# END RECORD\n');
    expect(editIscsiRecord(twice, [['a.b', null]])).toBe('# BEGIN RECORD 2.1.8\nc = 3\n# END RECORD\n');
  });

  test('keeps an odd way of writing, and a missing line end', () => {
    const odd = '# BEGIN RECORD 2.0-871\n  a.b=1  \n\n# END RECORD';
    expect(editIscsiRecord(odd, [['a.b', '1']])).toBe(odd);
    expect(editIscsiRecord(odd, [['a.b', '2']])).toBe('# BEGIN RECORD 2.0-871\na.b = 2\n\n# END RECORD');
  });

  test.each(['', 'node.startup = manual\n', '# BEGIN RECORD 2.1.8\na = b\n', '# END RECORD\n'])(
    'anything else is refused: %j',
    async (text) => {
      expect((await refusal(() => editIscsiRecord(text, [['a', 'b']]))).kind).toBe('data');
    },
  );

  test.each(['two\nlines', ' blank', 'blank ', '', 'x'.repeat(256), 'tab\tin', 'nul\0'])(
    'a value that no line can hold is refused and not told: %j',
    async (value) => {
      const error = await refusal(() => editIscsiRecord(fresh, [['node.session.auth.password', value]]));
      expect(error.kind).toBe('bug');
      expect(error.message).toContain('node.session.auth.password');
      if (value.trim() !== '') expect(error.message).not.toContain(value);
    },
  );

  test.each(['a b', 'a=b', '#a', 'a\nb', '', 'A.b'])('so is a key: %j', async (key) => {
    expect((await refusal(() => editIscsiRecord(fresh, [[key, '1']]))).kind).toBe('bug');
  });

  test('never loses a line that it was not asked to change', () => {
    const pieces = ['a.b', ' = ', '=', '\n', '# ', 'END', 'x', ' ', 'c[0].d', '1', '\r'];
    for (const text of randomTexts(2000, 3, pieces)) {
      const record = `# BEGIN RECORD 1\n${text}\n# END RECORD\n`;
      const wanted = [
        ['a.b', 'new'],
        ['c[0].d', null],
      ] as const;
      const edited = editIscsiRecord(record, wanted);
      const values = parseIscsiRecord(edited);
      expect(values.get('a.b')).toBe('new');
      expect(values.has('c[0].d')).toBe(false);
      expect(editIscsiRecord(edited, wanted)).toBe(edited);
      const before = parseIscsiRecord(record);
      for (const [key, value] of before) if (key !== 'a.b' && key !== 'c[0].d') expect(values.get(key)).toBe(value);
    }
  });
});

describe('settings for storage under docker', () => {
  test('hold I/O back for long, without pings, and log in by nothing but the agent', () => {
    expect(iscsiRecordSettings(config)).toEqual([
      ['node.startup', 'manual'],
      ['node.session.initial_login_retry_max', '4'],
      ['node.session.auth.authmethod', 'CHAP'],
      ['node.session.auth.username', 'alice'],
      ['node.session.auth.username_in', null],
      ['node.session.timeo.replacement_timeout', '86400'],
      ['node.conn[0].timeo.login_timeout', '15'],
      ['node.conn[0].timeo.noop_out_interval', '0'],
      ['node.conn[0].timeo.noop_out_timeout', '0'],
    ]);
  });

  test('that are to fail soon need pings; for ever is not soon', () => {
    const interval = (secs: number): string | null | undefined =>
      new Map(iscsiRecordSettings({ ...config, replacementTimeoutSecs: secs })).get(
        'node.conn[0].timeo.noop_out_interval',
      );
    expect([0, 5, 120, 121, 86_400, -1].map(interval)).toEqual(['5', '5', '5', '0', '0', '0']);
  });

  test('without CHAP take out what was there; mutual CHAP names the user of the way back', () => {
    const none = new Map(iscsiRecordSettings({ ...config, chap: null }));
    expect([none.get('node.session.auth.authmethod'), none.get('node.session.auth.username')]).toEqual(['None', null]);
    const mutual = new Map(iscsiRecordSettings({ ...config, mutualChap: { username: 'store', passwordFile: '/x' } }));
    expect(mutual.get('node.session.auth.username_in')).toBe('store');
    const secrets = iscsiRecordSecrets({ chap: new Secret('a'), mutualChap: null });
    expect(JSON.stringify(secrets)).toBe(
      '[["node.session.auth.password","[secret]"],["node.session.auth.password_in",null]]',
    );
    const plain = iscsiRecordSecrets({ chap: null, mutualChap: null }).map(([key]) => [key, null] as const);
    const cleared = editIscsiRecord(captured('record-chap'), [
      ...iscsiRecordSettings({ ...config, chap: null }),
      ...plain,
    ]);
    expect(cleared).not.toContain('secretsecret12');
    expect(cleared).not.toContain('alice');
  });

  test('fit a record made by discovery and one made by hand, and are then in it', () => {
    for (const name of ['record-discovered', 'record-new', 'record-chap']) {
      const edited = editIscsiRecord(captured(name), iscsiRecordSettings(config));
      const values = parseIscsiRecord(edited);
      for (const [key, value] of iscsiRecordSettings(config)) expect(values.get(key) ?? null).toBe(value);
    }
  });
});

describe('the file of a record', () => {
  const directory = '/etc/iscsi/nodes/iqn.2015-05.lab.diyc:a1';
  const node = { portal: '192.168.98.253:3260', target: 'iqn.2015-05.lab.diyc:a1' };
  const find = (names: readonly string[], inside: readonly string[] = ['default'], portal = node.portal) =>
    recordFileOf(directory, names, { ...node, portal }, () => Promise.resolve(inside));

  test('is in a directory with the portal group, or without one the file itself', async () => {
    expect(await find(['192.168.98.253,3260,1', '192.168.98.25,3260,1', '192.168.98.253,3261,1'])).toBe(
      `${directory}/192.168.98.253,3260,1/default`,
    );
    expect(await find(['192.168.98.253,3260'])).toBe(`${directory}/192.168.98.253,3260`);
    expect(await find(['192.168.98.253,3260,1'], ['bond0'])).toBe(`${directory}/192.168.98.253,3260,1/bond0`);
    expect(await find(['192.168.98.253,3260,1'], ['.default.diyc-1', 'default'])).toBe(
      `${directory}/192.168.98.253,3260,1/default`,
    );
  });

  test('of IPv6 has no brackets, and is found however it is written', async () => {
    expect(await find(['fd00::1,3260'], [], '[fd00::1]:3260')).toBe(`${directory}/fd00::1,3260`);
    expect(await find(['fd00:0:0::2,3261,3'], ['default'], '[fd00::2]:3261')).toBe(
      `${directory}/fd00:0:0::2,3261,3/default`,
    );
  });

  test('that is not there may come; several are refused, because a login uses them all', async () => {
    for (const names of [[], ['nonsense'], ['10.0.0.1,3260']])
      expect((await refusal(() => find(names))).kind).toBe('tempfail');
    expect((await refusal(() => find(['192.168.98.253,3260', '192.168.98.253,3260,1']))).kind).toBe('data');
    expect((await refusal(() => find(['192.168.98.253,3260,1'], ['default', 'bond0']))).kind).toBe('data');
  });
});

// The short name, by cloud-init's rules.

import { expect, test } from 'bun:test';
import { shortName } from '../../../agent/metadata/hostname.ts';
import { quoted } from '../../../agent/metadata/printable.ts';
import { refusal } from '../../support/refusal.ts';

const where = '/var/cloud-init/meta-data';

test('a full name is cut at its first dot', () => {
  expect(shortName('a1.example.com', where)).toBe('a1');
  expect(shortName('a1', where)).toBe('a1');
  expect(shortName('a1.', where)).toBe('a1');
});

test('an IPv4 address becomes the name that cloud-init gives such a host', () => {
  expect(shortName('192.168.99.51', where)).toBe('ip-192-168-99-51');
});

test('letter case is kept: names of nodes are compared exactly', () => {
  expect(shortName('A1.Example.com', where)).toBe('A1');
});

test('a name of 63 characters is a name, one of 64 is not', async () => {
  expect(shortName('a'.repeat(63), where)).toBe('a'.repeat(63));
  expect((await refusal(() => shortName('a'.repeat(64), where))).message).toContain('64 characters');
});

for (const [given, named] of [
  ['a_1', 'the character "_"'],
  ['a 1', 'a space'],
  [' a1', 'a space'],
  ['a1\n', 'the character "\\n"'],
  ['a1:8080', 'the character ":"'],
  ['a1\u001b[31m', 'the character "\\u001b"'],
  ['a\u202e1', 'the character "\\u202e"'],
  ['ä1', 'the character "ä"'],
  ['a1/../b', 'the character "/"'],
  ['-a1', 'start nor end with "-"'],
  ['a1-', 'start nor end with "-"'],
  ['.example.com', 'nothing stands before the first dot'],
] as const) {
  test(`${quoted(given)} is refused: ${named}`, async () => {
    const error = await refusal(() => shortName(given, where));
    expect(error.kind).toBe('data');
    expect(error.message).toContain(named);
    expect(error.message).toContain(where);
    expect(error.message).not.toMatch(/\p{Cc}/u);
  });
}

test('what is printed is cut', () => {
  expect(quoted('x'.repeat(500)).length).toBeLessThan(90);
});

// The parser of `wipefs --parsable`, on what util-linux 2.38 printed and on the head that older ones print.

import { describe, expect, test } from 'bun:test';
import { parseSignatures } from '../../agent/host/wipefs-output.ts';
import { refusal } from '../support/refusal.ts';
import { storageFixture } from '../support/storage-fixtures.ts';

describe('signatures', () => {
  test('of a partition table: the two ends of a GPT are one, its protective table is another', async () => {
    expect(parseSignatures(await storageFixture('wipefs-gpt.txt'))).toEqual([
      { type: 'gpt', label: null },
      { type: 'PMBR', label: null },
    ]);
  });

  test('of LVM, and of a file system with its label', async () => {
    expect(parseSignatures(await storageFixture('wipefs-lvm.txt'))).toEqual([{ type: 'LVM2_member', label: null }]);
    expect(parseSignatures(await storageFixture('wipefs-volume.txt'))).toEqual([{ type: 'xfs', label: 'docker-root' }]);
  });

  test('a label with a comma, a blank, a quote and a backslash in it', async () => {
    expect(parseSignatures(await storageFixture('wipefs-hostile-label.txt'))).toEqual([
      { type: 'ext4', label: 'a, "b\\c$d' },
    ]);
  });

  test('a blank disk has none', async () => {
    expect(parseSignatures(await storageFixture('wipefs-blank.txt'))).toEqual([]);
  });

  test('the head of older versions is none', () => {
    expect(parseSignatures('# offset,uuid,label,type\n0x438,u-u-i-d,,ext4\n')).toEqual([{ type: 'ext4', label: null }]);
  });

  test.each([
    ['a line that was cut', '0x438,u,,ex'],
    ['no offset', 'sda,u,,ext4\n'],
    ['no type', '0x438,u,,\n'],
    ['too few columns', '0x438,ext4\n'],
    ['a table for people', 'DEVICE OFFSET TYPE UUID LABEL\nsda    0x438  ext4\n'],
    ['words', 'wipefs: error: /dev/sda: probing initialization failed\n'],
  ])('%s is no answer, and never "no signature"', async (_what, text) => {
    const error = await refusal(() => parseSignatures(text));
    expect(error.kind).toBe('oserr');
    expect(error.hint).toContain('wipefs');
  });
});

// The rules for a CHAP secret: what cannot work is an error, what some targets cannot do a warning, and none tells it.

import { describe, expect, test } from 'bun:test';
import { chapSecretOf, checkChapSecret, checkMutualSecret } from '../../../agent/model/chap-secret.ts';

const rules = (secret: string): string[] => checkChapSecret(secret).map((f) => `${f.severity} ${f.rule}`);

describe('a CHAP secret', () => {
  test('is the text of its file without one line end', () => {
    expect(['secret\n', 'secret\r\n', 'secret', 'secret\n\n', ' secret \n'].map(chapSecretOf)).toEqual([
      'secret',
      'secret',
      'secret',
      'secret\n',
      ' secret ',
    ]);
  });

  test.each([
    ['fourteen-chars', []],
    ['twelve.bytes', []],
    ['sixteen_bytes_ok', []],
    ['', ['error chap-secret-empty']],
    ['eleven-byte', ['error chap-secret-short']],
    ['seventeen-bytes-x', ['warning chap-secret-over-16']],
    ['x'.repeat(255), ['warning chap-secret-over-16']],
    ['x'.repeat(256), ['error chap-secret-long']],
    [' fourteen-char', ['error chap-secret-blank-end']],
    ['fourteen-char ', ['error chap-secret-blank-end']],
    ['fourteen\tchars', ['error chap-secret-control', 'warning chap-secret-special']],
    ['fourteen-chars\n', ['error chap-secret-control']],
    ['fourteen\u00e9chars', ['error chap-secret-not-ascii']],
    ['\u{1f600}\u{1f600}\u{1f600}', ['error chap-secret-not-ascii']],
    ['fourteen#chars', ['warning chap-secret-special']],
    ['fourteen chars', ['warning chap-secret-special']],
    ['fourteen"chars', ['warning chap-secret-special']],
    ['@%_+./:=-abcd12', []],
    ['short#', ['error chap-secret-short', 'warning chap-secret-special']],
  ] as const)('%j', (secret, expected) => {
    expect(rules(secret)).toEqual([...expected]);
  });

  test('is counted in bytes, and never told', () => {
    for (const secret of ['g\u00e9h\u00e9im', 'geheim#', ' geheimes wort', 'geheimgeheimgeheimgeheim', 'geheim\x00']) {
      const text = checkChapSecret(secret)
        .map((f) => `${f.message} ${f.remedy}`)
        .join(' ');
      expect(text).not.toContain('g\u00e9');
      expect(text).not.toContain('geheim');
    }
    expect(checkChapSecret('\u00e9\u00e9\u00e9').map((f) => f.message)[0]).toContain('6 bytes');
  });

  test('of the way back is another one', () => {
    expect(checkMutualSecret('fourteen-chars', 'other-fourteen')).toEqual([]);
    expect(checkMutualSecret('fourteen-chars', 'fourteen-chars').map((f) => [f.severity, f.rule])).toEqual([
      ['error', 'chap-secret-reused'],
    ]);
  });
});

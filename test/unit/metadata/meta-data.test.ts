// The meta-data document: what cloud-init would read, and refusals that say where and what to do.

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { parseMetaData } from '../../../agent/metadata/meta-data.ts';
import { isAgentError } from '../../../agent/model/errors.ts';
import { randomTexts } from '../../support/random-text.ts';
import { refusal } from '../../support/refusal.ts';

const file = '/var/cloud-init/meta-data';
const nameIn = (text: string): string | null => parseMetaData(text, file).localHostname;

test("reads seed A's meta-data", () => {
  const text = readFileSync(new URL('../../fixtures/metadata/seed-a-meta-data.yaml', import.meta.url), 'utf8');
  expect(parseMetaData(text, file)).toEqual({
    localHostname: 'a1',
    instanceId: 'iid-local01',
    seedfrom: null,
    remark: null,
  });
});

describe('flaw 4 of the 2015 script, meta-data parsed by grep and cut', () => {
  test('quotes do not become part of the name', () => {
    expect(nameIn('local-hostname: "a1"')).toBe('a1');
    expect(nameIn("local-hostname: 'a1'")).toBe('a1');
  });
  test('a comment after the name is not part of it', () => {
    expect(nameIn('local-hostname: a1  # the first\n')).toBe('a1');
    expect(nameIn('# local-hostname: a9\nlocal-hostname: a1\n')).toBe('a1');
  });
  test('another key that contains local-hostname is another key', () => {
    expect(nameIn('old-local-hostname: a9\nlocal-hostname: a1\nlocal-hostname-suffix: x\n')).toBe('a1');
    expect(nameIn('note: "local-hostname: a9"\nlocal-hostname: a1\n')).toBe('a1');
  });
  test('a value with a colon is taken whole, not cut at the colon', () => {
    expect(nameIn('local-hostname: "a1:8080"')).toBe('a1:8080');
    expect(parseMetaData('instance-id: iid:7\nlocal-hostname: a1\n', file).instanceId).toBe('iid:7');
  });
});

test('JSON is meta-data too', () => {
  expect(nameIn('{"instance-id": "i-1",\n\t"local-hostname": "a1"}')).toBe('a1');
});

test('the last of two equal keys wins, as in PyYAML', () => {
  expect(nameIn('local-hostname: a1\nlocal-hostname: a2\n')).toBe('a2');
});

test('an alias, an explicit string tag and a merged key are followed', () => {
  expect(nameIn('x: &n a1\nlocal-hostname: *n\n')).toBe('a1');
  expect(nameIn('local-hostname: !!str 12\n')).toBe('12');
  expect(nameIn('base: &b {local-hostname: a1}\n<<: *b\n')).toBe('a1');
  expect(nameIn('base: &b {local-hostname: a1}\n<<: *b\nlocal-hostname: a2\n')).toBe('a2');
});

test('an instance id is what Python makes of it', () => {
  expect(parseMetaData('instance-id: 0123\nlocal-hostname: a1\n', file).instanceId).toBe('83');
  expect(parseMetaData('instance-id: on\nlocal-hostname: a1\n', file).instanceId).toBe('True');
});

describe('a name that YAML 1.1 reads as something else is refused', () => {
  for (const [written, readAs] of [
    ['0123', '83'],
    ['on', 'True'],
    ['No', 'False'],
    ['12', '12'],
    ['1_000', '1000'],
    ['1:30', '90'],
    ['2024-01-01', '2024-01-01'],
    ['1.5', '1.5'],
    ['0x1f', '31'],
  ] as const) {
    test(`${written} is read as ${readAs}`, async () => {
      const error = await refusal(() => nameIn(`instance-id: i\nlocal-hostname: ${written}\n`));
      expect(error.kind).toBe('data');
      expect(error.message).toContain(`${file}:2`);
      expect(error.message).toContain(readAs);
      expect(error.hint).toContain(`quote it in the meta-data: local-hostname: "${written}"`);
    });
  }
  test('words that only other YAML parsers take for booleans are names', () => {
    expect(['y', 'n', 'oN', '1e3'].map((w) => nameIn(`local-hostname: ${w}`))).toEqual(['y', 'n', 'oN', '1e3']);
  });
  test('quoted they are names', () => {
    expect(nameIn('local-hostname: "0123"')).toBe('0123');
    expect(nameIn("local-hostname: 'on'")).toBe('on');
  });
});

describe('no name', () => {
  test('hostname is remarked on, since NoCloud ignores it', () => {
    expect(parseMetaData('hostname: a1\n', file)).toMatchObject({ localHostname: null });
    expect(parseMetaData('hostname: a1\n', file).remark).toContain('which NoCloud ignores');
  });
  test('null, empty and missing are the same', () => {
    for (const text of [
      'local-hostname:\n',
      'local-hostname: ~\n',
      'local-hostname: ""\n',
      '{local-hostname}',
      'a: b',
    ]) {
      expect(nameIn(text)).toBeNull();
    }
  });
});

describe('a document that cannot be understood is refused with file, line and remedy', () => {
  const cases: readonly (readonly [claim: string, text: string, place: string])[] = [
    ['empty', '', file],
    ['only a comment', '# nothing\n', file],
    ['text without keys', 'a1\n', `${file}:1`],
    ['a list', '- a\n- b\n', `${file}:1`],
    ['an unclosed quote', 'instance-id: i\nlocal-hostname: "a1\n', `${file}:`],
    ['a reserved character', 'instance-id: i\nlocal-hostname: @a1\n', `${file}:2`],
    ['two values on a line', 'local-hostname: a: b\n', `${file}:1`],
    ['two documents', 'local-hostname: a1\n---\nlocal-hostname: a2\n', `${file}:`],
    ['a NUL byte', 'instance-id: i\nlocal-hostname: a1\0\n', `${file}:2`],
    ['an escape character', 'local-hostname: a1\u001b[2J\n', `${file}:1`],
    ['an HTML page of a proxy', '<html>\n<body>502 Bad Gateway</body>\n</html>\n', `${file}:1`],
    ['an anchor that is not there', 'instance-id: i\nlocal-hostname: *nobody\n', `${file}:2`],
    ['a list as name', 'local-hostname: [a1]\n', `${file}:1`],
    ['more than 256 KiB', `x: ${'y'.repeat(300 * 1024)}\n`, file],
  ];
  for (const [claim, text, place] of cases) {
    test(claim, async () => {
      const error = await refusal(() => parseMetaData(text, file));
      expect(error.kind).toBe('data');
      expect(error.message).toContain(place);
      expect(error.hint).not.toBe('');
      expect(error.message).not.toContain('\u001b');
    });
  }
});

test('aliases are not expanded: a document that would be a billion values is read at once', () => {
  const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(9)}]`);
  expect(nameIn(`l0: &l0 x\n${levels.join('\n')}\nlocal-hostname: a1\n`)).toBe('a1');
});

test('a document nested without end is refused, not a crash', async () => {
  for (const text of ['['.repeat(200_000), '- '.repeat(100_000), '? '.repeat(100_000), '{a: '.repeat(60_000)]) {
    expect((await refusal(() => parseMetaData(text, file))).kind).toBe('data');
  }
});

test('random documents give a value or an AgentError, nothing else', () => {
  const pieces = [
    'local-hostname',
    'instance-id',
    ': ',
    ':',
    '\n',
    '\n  ',
    '- ',
    '"',
    "'",
    '{',
    '}',
    '[',
    ']',
    '&a',
    '*a',
  ];
  const more = [
    '#',
    '!!str ',
    '!!',
    '|\n',
    '>-\n',
    '<<',
    '? ',
    '---\n',
    '...',
    '%YAML 1.1\n',
    '\t',
    'a1',
    'on',
    '0123',
    ',',
  ];
  for (const text of randomTexts(4000, 1, [...pieces, ...more])) {
    try {
      parseMetaData(text, file);
    } catch (error) {
      if (!isAgentError(error) || error.kind !== 'data') throw new Error(JSON.stringify(text), { cause: error });
    }
  }
});

// The schema, its words and its compiled form agree with one another.

import { describe, expect, test } from 'bun:test';
import { schemaText } from '../../../agent/config/schema-text.ts';
import { exampleAt, hasPatternWords } from '../../../agent/config/schema-words.ts';
import { ajvOptions, validateClusterFile } from '../../../agent/config/validator.ts';
import { clusterSchema } from '../../../agent/model/cluster-schema.ts';
import { parseAddress } from '../../../agent/model/network-address.ts';

interface Found {
  readonly place: string;
  readonly part: Readonly<Record<string, unknown>>;
}

function partsOf(part: Readonly<Record<string, unknown>>, place: string): Found[] {
  const inner = (value: unknown, at: string): Found[] =>
    typeof value === 'object' && value !== null ? partsOf(value as Record<string, unknown>, at) : [];
  const properties = Object.entries((part['properties'] ?? {}) as Record<string, unknown>);
  const alternatives = (part['oneOf'] ?? []) as readonly unknown[];
  return [
    { place, part },
    ...properties.flatMap(([key, value]) => inner(value, place === '' ? key : `${place}.${key}`)),
    ...alternatives.flatMap((value) => inner(value, place)),
    ...inner(part['items'], `${place}[]`),
    ...inner(part['additionalProperties'], `${place}.*`),
    ...inner(part['propertyNames'], `${place}.*`),
  ];
}

const parts = partsOf(clusterSchema, '');

describe('the schema', () => {
  test('has words for each of its patterns', () => {
    const patterns = parts.map(({ part }) => part['pattern']).filter((pattern) => typeof pattern === 'string');
    expect(patterns.length).toBeGreaterThan(8);
    expect(patterns.filter((pattern) => !hasPatternWords(pattern))).toEqual([]);
  });

  test('has an example for each of its places, bootstrap methods of later versions aside', () => {
    const missing = parts.filter(({ place }) => exampleAt(place) === null).map(({ place }) => place);
    expect([...new Set(missing)]).toEqual([
      'etcd.bootstrap.discovery',
      'etcd.bootstrap.discovery.url',
      'etcd.bootstrap.discovery.proxy',
      'etcd.bootstrap.srv',
    ]);
  });

  test('as text is sorted, ends in a newline and is the schema', () => {
    const text = schemaText();
    expect(text.endsWith('}\n')).toBe(true);
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(clusterSchema)));
    expect(Object.keys(JSON.parse(text))).toEqual(Object.keys(clusterSchema).toSorted());
  });
});

describe('the validator', () => {
  test('takes for IPv4 what parseAddress takes', () => {
    const texts = [
      ...[
        '0.0.0.0',
        '1.2.3.4',
        '255.255.255.255',
        '256.1.1.1',
        '1.2.3',
        '1.2.3.4.5',
        '1.2.3.4.',
        '.1.2.3.4',
        '01.2.3.4',
        '1.2.3.04',
      ],
      ...[
        '',
        ' 1.2.3.4',
        '1.2.3.4\n',
        '1.2.3.4 ',
        'a.b.c.d',
        '1..2.3',
        '1.2.3.-4',
        '199.200.249.250',
        '00.0.0.0',
        '1.2.3.1000',
      ],
    ];
    for (const text of texts)
      expect([text, ajvOptions.formats.ipv4.test(text)]).toEqual([text, parseAddress(text) !== null]);
  });

  test('refuses an object that hides keys in its prototype', () => {
    expect(validateClusterFile(Object.create({ version: 1, cluster: 'c' }))).toBe(false);
  });
});

// The ledger of data formats: never down by itself, nothing from half an answer, bounded, and refused when it is not whole.

import { describe, expect, test } from 'bun:test';
import {
  emptyLedger,
  type FormatLedger,
  type FormatObservation,
  noteFormats,
  parseLedger,
} from '../../../agent/model/format-ledger.ts';
import { randomTexts } from '../../support/random-text.ts';

const at = '2026-01-01T00:00:00.000Z';

function seen(overrides: Partial<FormatObservation> = {}): FormatObservation {
  return { release: '41.1', etcdVersions: ['3.5.16'], docker: '28.0.1', dockerDriver: 'overlay2', at, ...overrides };
}

describe('what is noted', () => {
  test('the release with what it wrote', () => {
    expect(noteFormats(emptyLedger, seen())).toEqual({
      schema: 1,
      etcdCluster: '3.5',
      dockerDriver: 'overlay2',
      entries: [{ release: '41.1', etcd: '3.5', docker: '28.0.1', at }],
    });
  });

  test('the same again adds nothing; a host without deployments has a word for it', () => {
    const once = noteFormats(emptyLedger, seen());
    expect(noteFormats(once, seen({ at: 'later' }))).toEqual(once);
    expect(noteFormats(emptyLedger, seen({ release: null })).entries[0]?.release).toBe('not a deployment');
  });

  test.each<[string, string | null, readonly string[], string | null]>([
    ['the lowest of all members', null, ['3.6.1', '3.5.9', '3.6.0'], '3.5'],
    ['numbers, not letters', null, ['3.10.0', '3.9.1'], '3.9'],
    ['the major before the minor', null, ['3.0.17', '2.3.8'], '2.3'],
    ['up', '3.4', ['3.5.1', '3.5.2'], '3.5'],
    ['never down', '3.6', ['3.5.1'], '3.6'],
    ['never down from ten to nine', '3.10', ['3.9.1'], '3.10'],
    ['nothing from no answer', '3.5', [], '3.5'],
    ['nothing from an answer that nobody understands', '3.4', ['3.5.1', 'dev'], '3.4'],
    ['nothing at first, and nothing known', null, [], null],
    ['a v before it', null, ['v3.5.1'], '3.5'],
    ['what stood there and nobody understands is replaced', 'x', ['3.5.1'], '3.5'],
  ])('the version of the cluster: %s', (_name, before, etcdVersions, after) => {
    expect(noteFormats({ ...emptyLedger, etcdCluster: before }, seen({ etcdVersions })).etcdCluster).toBe(after);
  });

  test('a driver that cannot be asked is the one it was', () => {
    expect(
      noteFormats({ ...emptyLedger, dockerDriver: 'devicemapper' }, seen({ dockerDriver: null })).dockerDriver,
    ).toBe('devicemapper');
  });

  test('fifty entries, the newest last', () => {
    let ledger: FormatLedger = emptyLedger;
    for (let i = 0; i < 60; i++) ledger = noteFormats(ledger, seen({ release: `41.${i}` }));
    expect([ledger.entries.length, ledger.entries.at(-1)?.release]).toEqual([50, '41.59']);
  });
});

describe('reading', () => {
  const whole = noteFormats(emptyLedger, seen());
  test('as it was written; no file is an empty one', () => {
    expect([parseLedger(JSON.stringify(whole)), parseLedger(null)]).toEqual([whole, emptyLedger]);
  });

  test.each<[string, string]>([
    ['empty', ''],
    ['torn', JSON.stringify(whole).slice(0, 30)],
    ['of a future schema', JSON.stringify({ ...whole, schema: 2 })],
    ['without entries', JSON.stringify({ ...whole, entries: undefined })],
    ['with a version that is a number', JSON.stringify({ ...whole, etcdCluster: 3.5 })],
    ['without a driver', JSON.stringify({ ...whole, dockerDriver: undefined })],
    ['null', 'null'],
  ])('one that is %s says nothing at all', (_name, text) => {
    expect(parseLedger(text)).toBeNull();
  });

  test('no text does any harm', () => {
    for (const text of randomTexts(500, 6, [
      '{',
      '}',
      '"schema":1',
      '"entries":[]',
      ',',
      'null',
      '"etcdCluster":null',
      '"dockerDriver":null',
    ])) {
      const ledger = parseLedger(text);
      if (ledger !== null) expect(noteFormats(ledger, seen()).etcdCluster).toBe('3.5');
    }
  });
});

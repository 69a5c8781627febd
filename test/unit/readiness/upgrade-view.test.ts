// The upgrade in a readiness record: whole as it was published, left out when it is none, and the rest still read.

import { describe, expect, test } from 'bun:test';
import { parseRecord } from '../../../agent/readiness/record.ts';
import { upgradeText } from '../../../agent/render/upgrade-text.ts';
import { randomTexts } from '../../support/random-text.ts';
import { readinessRecord, releaseNamed, semaphoreWith, upgradeView } from '../../support/upgrade-builders.ts';

function parsed(upgrade: unknown) {
  return parseRecord(JSON.stringify({ ...readinessRecord('a2'), upgrade }));
}

describe('the upgrade of another node', () => {
  test.each([
    upgradeView(),
    upgradeView({ booted: null, rollback: null, verified: null }),
    upgradeView({ phase: 'ready-to-go', staged: releaseNamed('41.2'), waiting: 'w', hint: 'h' }),
  ])('is read as it was published', (view) => {
    expect(parsed(view)?.upgrade).toEqual(view);
  });

  test('of an older agent is absent, of a newer one is read with what it has besides', () => {
    expect(parseRecord(JSON.stringify({ ...readinessRecord('a2'), upgrade: undefined }))).not.toHaveProperty('upgrade');
    expect(parsed({ ...upgradeView(), phase: 'levitating', later: 1 })?.upgrade).toMatchObject({ phase: 'levitating' });
  });

  test.each<[string, unknown]>([
    ['null', null],
    ['a text', 'steady'],
    ['a list', []],
    ['no group', { ...upgradeView(), group: undefined }],
    ['no phase', { ...upgradeView(), phase: 1 }],
    ['no time', { ...upgradeView(), since: undefined }],
    ['a release in text', { ...upgradeView(), booted: '41.1' }],
    ['a release without an id', { ...upgradeView(), staged: { text: '41.2' } }],
    ['a release without a text', { ...upgradeView(), rollback: { id: 'x' } }],
    ['a verdict that is no text', { ...upgradeView(), verified: true }],
    ['a verdict that is not there', { ...upgradeView(), verified: undefined }],
    ['a reason that is no text', { ...upgradeView(), waiting: { reason: 'r' } }],
  ])('is left out when it is none: %s', (_name, upgrade) => {
    const record = parsed(upgrade);
    expect(record).toMatchObject({ node: 'a2', summary: 'ready' });
    expect(record).not.toHaveProperty('upgrade');
  });

  test('whatever stands there, the fleet can be shown', () => {
    const pieces = [
      '"group":"g"',
      '"phase":"p"',
      '"booted":null',
      '"staged":{"id":"x"}',
      '"rollback":null',
      '"verified":null',
      '"waiting":7',
      '"since":1',
      '"waiting":null',
      '"since":"t"',
      '"staged":null',
    ];
    for (const text of randomTexts(1_500, 11, [...pieces, ...pieces, ','])) {
      const body = `{${text
        .split(',')
        .filter((p) => pieces.includes(p))
        .join(',')}}`;
      const record = parsed(JSON.parse(body));
      const row = { name: 'a2', address: '192.168.99.52', record };
      const group = {
        name: 'g',
        rows: [row],
        hold: null,
        target: null,
        denied: [],
        semaphore: semaphoreWith([]),
        proofs: [],
        policy: null,
      };
      expect(upgradeText([group], () => 0)).toContain('a2');
    }
  });
});

// cloud-init's instance data: which of its values are proof of a name, and which are not.

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { parseInstanceData, seedOfSubplatform } from '../../../agent/metadata/instance-data.ts';
import { isAgentError } from '../../../agent/model/errors.ts';
import { randomTexts } from '../../support/random-text.ts';
import { refusal } from '../../support/refusal.ts';

const file = '/run/cloud-init/instance-data.json';
const fixture = (name: string): string =>
  readFileSync(new URL(`../../fixtures/metadata/${name}`, import.meta.url), 'utf8');
const parse = (value: unknown) => parseInstanceData(JSON.stringify(value), file);

test('reads name, id and seed of a NoCloud host', () => {
  expect(parseInstanceData(fixture('instance-data-nocloud.json'), file)).toEqual({
    localHostname: 'a1.example.com',
    instanceId: 'iid-local01',
    seedDirectory: '/var/cloud-init',
    detail: 'seed-dir cmdline,/var/cloud-init/',
    remark: null,
  });
});

test('reads the hyphenated keys of 17.2', () => {
  expect(parseInstanceData(fixture('instance-data-17.2.json'), file)).toMatchObject({
    localHostname: 'a2',
    instanceId: 'iid-local02',
  });
});

describe('v1.local_hostname', () => {
  test('is no proof on NoCloud: it may be the hostname of the system', () => {
    const facts = parse({
      ds: { meta_data: { 'instance-id': 'i' } },
      v1: { platform: 'nocloud', local_hostname: 'old' },
    });
    expect(facts).toMatchObject({ localHostname: null, instanceId: 'i' });
  });
  test('is believed where a raw answer of another datasource agrees with it', () => {
    const v1 = { platform: 'gce', local_hostname: 'a1', instance_id: '42' };
    expect(parse({ ds: { 'local-hostname': 'a1.c.project.internal' }, v1 })?.localHostname).toBe(
      'a1.c.project.internal',
    );
    expect(parse({ ds: { metadata: { hostname: 'a1' } }, v1 })?.localHostname).toBe('a1');
    expect(parse({ ds: { hostname: 'b1' }, v1 })?.localHostname).toBeNull();
    expect(parse({ ds: { hostname: 'a11' }, v1 })?.localHostname).toBeNull();
  });
});

test('cloud-init without a datasource is no source', () => {
  expect(parse({ ds: { meta_data: {} }, v1: { platform: 'none', instance_id: 'iid-datasource-none' } })).toBeNull();
});

describe('a value that is no name is refused', () => {
  const withName = (value: unknown, more: object = {}) =>
    parse({ ds: { meta_data: { 'local-hostname': value } }, v1: {}, ...more });
  test('redacted', async () => {
    const error = await refusal(() => withName('redacted for non-root user'));
    expect([error.kind, error.message]).toEqual(['data', expect.stringContaining('redacted')]);
  });
  test('base64 of binary data', async () => {
    const key = 'ds/meta_data/local-hostname';
    expect((await refusal(() => withName('gAE=', { base64_encoded_keys: [key] }))).message).toContain('binary');
    expect((await refusal(() => withName('ci-b64:gAE='))).message).toContain('binary');
  });
  test('a number that YAML made of it', async () => {
    const error = await refusal(() => withName(83));
    expect(error.message).toContain('is 83');
    expect(error.hint).toContain('quote it');
  });
  test('a boolean that YAML made of it', async () => {
    expect((await refusal(() => withName(true))).message).toContain('is true');
  });
});

test('a garbled file is refused, not passed over', async () => {
  for (const text of ['', '{', '[]', 'null', '"a1"', fixture('instance-data-nocloud.json').slice(0, 300)]) {
    const error = await refusal(() => parseInstanceData(text, file));
    expect(error.kind).toBe('data');
    expect(error.message).toContain(file);
  }
});

test('the seed is the last directory that cloud-init found', () => {
  expect(seedOfSubplatform('seed-dir (/var/lib/cloud/seed/nocloud)')).toBe('/var/lib/cloud/seed/nocloud');
  expect(seedOfSubplatform('seed-dir (/var/lib/cloud/seed/nocloud,/srv/seed/)')).toBe('/srv/seed');
  expect(seedOfSubplatform('seed-dir (cmdline,http://boothost/a1/)')).toBeNull();
  expect(seedOfSubplatform('config-disk (/dev/sr0)')).toBeNull();
  expect(seedOfSubplatform('seed-dir (dmi,/dev/sr0)')).toBeNull();
});

test('random documents give a value or an AgentError, nothing else', () => {
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"ds"',
    '"v1"',
    '"meta_data"',
    '"local-hostname"',
    '"a1"',
    '1',
    'null',
    'true',
  ];
  const bodies = randomTexts(1500, 2, pieces);
  const values = [1, null, [], 'x', { a: 1 }, [[]], true].flatMap((v) => [
    JSON.stringify({ ds: v, v1: v, base64_encoded_keys: v }),
    JSON.stringify({ ds: { meta_data: v, 'meta-data': v }, v1: { platform: v, local_hostname: v, instance_id: v } }),
    JSON.stringify({ ds: { meta_data: { 'local-hostname': v, seedfrom: v } }, v1: { subplatform: v } }),
  ]);
  for (const text of [...bodies, ...values]) {
    try {
      parseInstanceData(text, file);
    } catch (error) {
      if (!isAgentError(error) || error.kind !== 'data') throw new Error(text, { cause: error });
    }
  }
});

// What the build generates says the same as what it replaces: etcd's messages byte by byte, the schema's verdicts.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { ValidateFunction } from 'ajv';
import { validateClusterFile } from '../../agent/config/validator.ts';
import { generate } from '../../packaging/generate.ts';

const repository = join(import.meta.dirname, '../..');
const load = createRequire(import.meta.url);

interface Method {
  readonly path: string;
  readonly originalName?: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  requestSerialize(value: object): Buffer;
  requestDeserialize(bytes: Buffer): object;
  responseSerialize(value: object): Buffer;
  responseDeserialize(bytes: Buffer): object;
}
type Services = Readonly<Record<string, Readonly<Record<string, Method>>>>;

let folder = '';
let ours: Services = {};
let compiled: ValidateFunction | undefined;

beforeAll(async () => {
  // inside the repository, because the generated files take protobufjs and ajv's runtime from node_modules
  mkdirSync(join(repository, 'build'), { recursive: true });
  folder = mkdtempSync(join(repository, 'build/generated-test-'));
  const generated = await generate(folder);
  ours = load(generated.etcdServices);
  compiled = load(generated.schemaValidator).validateClusterFile;
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As etcd3's connection-pool.js calls the loader. */
function loaded(): Services {
  const proto = join(repository, 'node_modules/etcd3/proto/rpc.proto');
  const { loadSync } = createRequire(proto)('@grpc/proto-loader');
  const definition: Record<string, object> = loadSync(proto, {
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  const services = Object.entries(definition).filter(([, entry]) => !('format' in entry));
  return Object.fromEntries(services) as unknown as Services;
}

// a lease id uses 63 bits: as a double it would be another lease
const hugeId = '7587863450275911171';

const samples: readonly (readonly [service: string, method: string, side: 'request' | 'response', value: object])[] = [
  ['KV', 'Range', 'request', { key: Buffer.from('a'), range_end: Buffer.from('b'), limit: '7', sort_order: 'DESCEND' }],
  [
    'KV',
    'Range',
    'response',
    { kvs: [{ key: Buffer.from('a'), value: Buffer.from([0, 255]), lease: hugeId }], count: 1 },
  ],
  ['KV', 'Put', 'request', { key: Buffer.from('k'), value: Buffer.alloc(3000, 7), lease: hugeId, prev_kv: true }],
  [
    'KV',
    'Txn',
    'request',
    {
      compare: [{ result: 'EQUAL', target: 'CREATE', key: Buffer.from('k'), create_revision: '0' }],
      success: [{ request_put: { key: Buffer.from('k'), value: Buffer.from('v') } }],
      failure: [{ request_range: { key: Buffer.from('k') } }],
    },
  ],
  ['Lease', 'LeaseGrant', 'response', { header: { revision: hugeId }, ID: hugeId, TTL: '60' }],
  ['Lease', 'LeaseKeepAlive', 'request', { ID: hugeId }],
  ['Watch', 'Watch', 'request', { create_request: { key: Buffer.from('a'), start_revision: '5' } }],
  ['Watch', 'Watch', 'response', { watch_id: '1', events: [{ type: 'DELETE', kv: { key: Buffer.from('a') } }] }],
];

describe("etcd's services without a .proto file", () => {
  test('are the same services and methods', () => {
    const shape = (services: Services) =>
      Object.fromEntries(
        Object.entries(services).map(([name, methods]) => [
          name,
          Object.entries(methods).map(([method, it]) => [
            method,
            it.path,
            it.originalName,
            it.requestStream,
            it.responseStream,
          ]),
        ]),
      );
    expect(shape(ours)).toEqual(shape(loaded()));
  });

  test.each(samples)('%s.%s: a %s has the same bytes and reads back the same', (service, method, side, value) => {
    const name = `etcdserverpb.${service}`;
    const mine = ours[name]?.[method];
    const theirs = loaded()[name]?.[method];
    if (!mine || !theirs) throw new Error(`there is no ${name}.${method}`);
    const bytes = theirs[`${side}Serialize`](value);
    expect(mine[`${side}Serialize`](value).equals(bytes)).toBe(true);
    const readBack = mine[`${side}Deserialize`](bytes);
    expect(readBack).toEqual(theirs[`${side}Deserialize`](bytes));
    if (JSON.stringify(value).includes(hugeId)) expect(JSON.stringify(readBack)).toContain(hugeId);
  });
});

describe('the compiled schema', () => {
  const whole = {
    version: 1,
    cluster: 'c',
    nodes: { a: { address: '10.0.0.1' } },
    flannel: { network: '10.1.0.0/16' },
  };
  const files: readonly (readonly [claim: string, file: unknown])[] = [
    ['a whole file', whole],
    ['nothing', null],
    ['missing keys', {}],
    ['several faults at once', { ...whole, version: 2, nodes: { 'A b': { address: '10.0.0.256' } }, extra: 1 }],
    ['an unknown backend', { ...whole, flannel: { network: '10.1.0.0/16', backend: { type: 'smoke' } } }],
    [
      'upgrades of groups',
      { ...whole, upgrade: { soak: '5m', groups: { w: { nodes: ['a'], snapshotMaxAge: 'off' } } } },
    ],
    [
      'faults in groups',
      { ...whole, upgrade: { soak: 5, groups: { 'a b': { nodes: 'a', groups: {}, checkEvery: '5' } } } },
    ],
    ['a name of the prototype', JSON.parse('{"version":1,"__proto__":{"cluster":"c"}}')],
  ];

  test.each(files)('says the same of %s', (_claim, file) => {
    const verdict = (validate: ValidateFunction | undefined) => ({ ok: validate?.(file), errors: validate?.errors });
    expect(verdict(compiled)).toEqual(verdict(validateClusterFile));
  });
});

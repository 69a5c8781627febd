// Publishing under a lease, reading records of other versions, metrics.

import { describe, expect, test } from 'bun:test';
import { leaseFile } from '../../../agent/model/paths.ts';
import type { ReadinessRecord, StatusReport } from '../../../agent/model/readiness.ts';
import { renderMetrics } from '../../../agent/readiness/metrics.ts';
import { leaseTtlSecs, publish } from '../../../agent/readiness/publish.ts';
import { parseRecord } from '../../../agent/readiness/record.ts';
import { fakeEtcd } from '../../support/fake-etcd.ts';
import { fakeHost } from '../../support/fake-host.ts';
import { virtualClock } from '../../support/virtual-clock.ts';

const record: ReadinessRecord = {
  schema: 1,
  node: 'a1',
  address: '192.168.99.51',
  etcdRole: 'member',
  metadata: { region: 'eu' },
  summary: 'ready',
  conditions: [{ type: 'Identified', status: 'True', reason: 'Matched', message: 'm', severity: 'failed' }],
  versions: { agent: '0.1.0' },
  bootId: 'boot-1',
  machineId: 'm',
  reportedAt: '2026-01-01T00:00:00.000Z',
  since: '2026-01-01T00:00:00.000Z',
  subnet: '172.18.34.1/24',
};

async function publishing() {
  const clock = virtualClock();
  const etcd = fakeEtcd({ members: ['192.168.99.51'], clock });
  const host = fakeHost({ clock, etcd });
  const store = await host.etcd.leases(['http://127.0.0.1:2379']);
  return { clock, etcd, host, send: (r = record) => publish(host, store, 'c', r) };
}

describe('publish', () => {
  test('takes a lease once, keeps it from run to run, and writes it down for root alone', async () => {
    const { host, send, etcd } = await publishing();
    const first = await send();
    const second = await send({ ...record, summary: 'degraded' });
    expect([first.renewed, second.renewed, second.leaseId === first.leaseId]).toEqual([true, false, true]);
    expect((await host.files.stat(leaseFile))?.mode).toBe(0o600);
    expect(JSON.parse(etcd.keys('v3').get('/diyc/c/nodes/a1')?.value ?? '')).toMatchObject({ summary: 'degraded' });
  });
  test('keeps the lease alive beyond its time, and lets it run out when nobody reports', async () => {
    const { clock, send, etcd } = await publishing();
    await send();
    await clock.advance((leaseTtlSecs - 1) * 1000);
    await send();
    await clock.advance((leaseTtlSecs - 1) * 1000);
    expect(etcd.keys('v3').size).toBe(1);
    await clock.advance(2_000);
    expect(etcd.keys('v3').size).toBe(0);
  });
  test('makes a new lease when the old one is lost, and after a reboot', async () => {
    const { send, etcd } = await publishing();
    const first = await send();
    etcd.revoke(first.leaseId);
    const second = await send();
    const third = await send({ ...record, bootId: 'boot-2' });
    expect([second.renewed, third.renewed]).toEqual([true, true]);
    expect(new Set([first.leaseId, second.leaseId, third.leaseId]).size).toBe(3);
  });
  test('keeps a lease id beyond what a number holds', async () => {
    const { host, send } = await publishing();
    const { leaseId } = await send();
    expect(BigInt(leaseId) > BigInt(Number.MAX_SAFE_INTEGER)).toBe(true);
    expect(JSON.parse(host.files.snapshot()[leaseFile] ?? '').leaseId).toBe(leaseId);
  });
  test('that is killed after any of its effects comes back with one live record', async () => {
    for (let effect = 0; effect < 3; effect++) {
      for (const phase of ['before', 'during', 'after'] as const) {
        const { host, send, etcd } = await publishing();
        host.log.killAt(effect, phase);
        await send().catch(() => undefined);
        host.log.revive();
        const { leaseId } = await send();
        expect(etcd.keys('v3').get('/diyc/c/nodes/a1')?.leaseId).toBe(leaseId);
      }
    }
  });
});

describe('a record', () => {
  test('reads back as it was written', () => {
    expect(parseRecord(JSON.stringify(record))).toEqual(record);
  });
  test('of a newer version is shown as far as it is understood', () => {
    const newer = {
      ...record,
      deployment: { checksum: 'x' },
      conditions: [
        ...record.conditions,
        { type: 'Upgraded', status: 'True', reason: 'R', message: 'm', severity: 'info' },
        { type: 'Identified', status: 'Maybe', reason: 'R', message: 'm', severity: 'info' },
      ],
    };
    expect(parseRecord(JSON.stringify(newer))).toEqual(record);
  });
  test('of an older version gets what it lacks', () => {
    const { node, address, summary } = record;
    expect(parseRecord(JSON.stringify({ schema: 1, node, address, summary }))).toEqual({
      schema: 1,
      node,
      address,
      summary,
      etcdRole: 'client',
      metadata: {},
      conditions: [],
      versions: {},
      bootId: '',
      machineId: null,
      reportedAt: '',
      since: '',
      subnet: null,
    });
  });
  test('with fields of a wrong type is read without them', () => {
    const odd = { ...record, metadata: { a: 'x', b: 1 }, versions: 'none', conditions: [null, 7, 'x'], subnet: 7 };
    expect(parseRecord(JSON.stringify(odd))).toMatchObject({
      metadata: { a: 'x' },
      versions: {},
      conditions: [],
      subnet: null,
    });
  });
  test.each([
    '',
    'null',
    '[]',
    '{}',
    '{"schema":2,"node":"a","address":"b","summary":"ready"}',
    '{"schema":1,"node":7,"address":"b","summary":"ready"}',
    '{"schema":1,"node":"a","address":"b","summary":"splendid"}',
    '\u0000\u0001',
    'ready',
  ])('%j is none', (text) => {
    expect(parseRecord(text)).toBeNull();
  });
});

describe('metrics', () => {
  const report: StatusReport = {
    schema: 1,
    agent: '0.1.0',
    node: 'a1',
    cluster: 'c',
    address: null,
    etcdRole: 'member',
    identitySource: null,
    summary: 'degraded',
    summarySince: null,
    conditions: [
      { type: 'Identified', status: 'True', reason: 'R', message: 'm', severity: 'failed' },
      { type: 'EtcdHealthy', status: 'False', reason: 'R', message: 'm', severity: 'degraded' },
      { type: 'DockerRunning', status: 'Unknown', reason: 'R', message: 'm', severity: 'failed' },
    ],
    observedAt: '',
    bootId: 'b',
  };
  test('are one gauge per condition, one for the whole, and the version', () => {
    expect(renderMetrics(report)).toBe(
      `# HELP diyc_ready Whether every condition of this node is met.
# TYPE diyc_ready gauge
diyc_ready{node="a1"} 0
# HELP diyc_condition Conditions of this node: 1 true, 0 false, -1 unknown.
# TYPE diyc_condition gauge
diyc_condition{node="a1",type="Identified"} 1
diyc_condition{node="a1",type="EtcdHealthy"} 0
diyc_condition{node="a1",type="DockerRunning"} -1
# HELP diyc_agent_info Version of the agent that wrote this.
# TYPE diyc_agent_info gauge
diyc_agent_info{version="0.1.0"} 1
`,
    );
  });
  test('escape what Prometheus would stumble over', () => {
    expect(renderMetrics({ ...report, node: 'a"\\\n', summary: 'ready' })).toContain(
      'diyc_ready{node="a\\"\\\\\\n"} 1\n',
    );
  });
});

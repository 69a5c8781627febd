// What people read: status, nodes and plan as text, with and without colours.

import { describe, expect, test } from 'bun:test';
import type { Condition } from '../../../agent/model/condition.ts';
import type { Plan } from '../../../agent/model/plan.ts';
import type { ReadinessRecord, StatusReport } from '../../../agent/model/readiness.ts';
import type { Step } from '../../../agent/model/step.ts';
import { nodeRows, nodesText } from '../../../agent/render/nodes-text.ts';
import { planText } from '../../../agent/render/plan-text.ts';
import { ageText, statusText } from '../../../agent/render/status-text.ts';
import { clusterConfig } from '../../support/builders.ts';

const now = Date.UTC(2026, 0, 1, 12);
const ageMs = (timestamp: string): number => now - Date.parse(timestamp);
const ago = (secs: number): string => new Date(now - secs * 1000).toISOString();

const conditions: readonly Condition[] = [
  { type: 'Identified', status: 'True', reason: 'Matched', message: 'node a1', severity: 'failed', since: ago(300) },
  {
    type: 'EtcdHealthy',
    status: 'False',
    reason: 'NoQuorum',
    message: 'no quorum yet',
    hint: 'start etcd on a2',
    severity: 'degraded',
    since: ago(40),
  },
  { type: 'DockerRunning', status: 'Unknown', reason: 'NotAsked', message: 'not asked', severity: 'waiting' },
];

const report: StatusReport = {
  schema: 1,
  agent: '0.1.0',
  node: 'a1',
  cluster: 'diy-cluster',
  address: '192.168.99.51',
  etcdRole: 'member',
  identitySource: 'seed',
  summary: 'degraded',
  summarySince: ago(40),
  conditions,
  observedAt: ago(0),
  bootId: 'b',
};

describe('status', () => {
  test('is one screen, worst first, with the remedy under what is wrong', () => {
    expect(statusText(report, { color: false, ageMs, staleness: null })).toBe(
      `DEGRADED  a1 (192.168.99.51), etcd member of cluster diy-cluster, diyc-agent 0.1.0

  !!  EtcdHealthy      40s  no quorum yet
                            -> start etcd on a2
  ??  DockerRunning         not asked
  ok  Identified        5m  node a1
`,
    );
  });
  test('says where it is from when it is not of this moment, and who the host is not', () => {
    const text = statusText(
      { ...report, node: null, conditions: [], summary: 'failed' },
      { color: false, ageMs, staleness: 'as of 12s ago' },
    );
    expect(text).toBe('FAILED  this host is not identified\n        as of 12s ago\n\n');
  });
  test('shows what stands in etcd as text', () => {
    const message = 'the key is \u001b[2J\u009b1m';
    const hostile: StatusReport = {
      ...report,
      conditions: [
        { type: 'FlannelSeeded', status: 'False', reason: 'Drift', message, hint: message, severity: 'degraded' },
      ],
    };
    const text = statusText(hostile, { color: false, ageMs, staleness: null });
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    expect(text.split('the key is \\x1b[2J\\x9b1m')).toHaveLength(3);
  });
  test('has colours only when it is asked for them, and the same text otherwise', () => {
    const plain = statusText(report, { color: false, ageMs, staleness: null });
    const colored = statusText(report, { color: true, ageMs, staleness: null });
    expect(plain).not.toContain('\u001b');
    expect(colored).toContain('\u001b[33;1mDEGRADED\u001b[0m');
    expect(colored.replaceAll('\u001b', '').replaceAll(/\[[\d;]+m/g, '')).toBe(plain);
  });
});

test.each([
  [0, '0s'],
  [-5_000, '0s'],
  [119_999, '119s'],
  [120_000, '2m'],
  [7_199_000, '119m'],
  [7_200_000, '2h'],
  [172_799_000, '47h'],
  [172_800_000, '2d'],
  [Number.NaN, '-'],
])('an age of %d ms reads %s', (ms, text) => {
  expect(ageText(ms)).toBe(text);
});

describe('nodes', () => {
  const record = (overrides: Partial<ReadinessRecord>): ReadinessRecord => ({
    schema: 1,
    node: 'a1',
    address: '192.168.99.51',
    etcdRole: 'member',
    metadata: { region: 'eu', az: 'a' },
    summary: 'ready',
    conditions: [],
    versions: { agent: '0.1.0' },
    bootId: 'b',
    machineId: null,
    reportedAt: ago(7),
    since: ago(3 * 3600),
    subnet: '172.18.34.1/24',
    ...overrides,
  });
  const rows = nodeRows(clusterConfig().nodes, [
    record({ node: 'x9', address: '10.0.0.9', summary: 'waiting', subnet: null, since: '' }),
    record({ node: 'a2', address: '192.168.99.62', summary: 'degraded', conditions }),
    record({}),
  ]);

  test('are those of the file in its order, then strangers', () => {
    expect(nodesText(rows, false, ageMs)).toBe(
      `NODE  ADDRESS                              STATE     SINCE  SUBNET          MESSAGE
a1    192.168.99.51                        ready     3h     172.18.34.1/24
a2    192.168.99.62 (file: 192.168.99.52)  degraded  3h     172.18.34.1/24  EtcdHealthy: no quorum yet
a3    192.168.99.53                        absent    -      -               does not report
x9    10.0.0.9                             waiting   -      -
`,
    );
  });
  test('in the long form have role, version, last report and metadata too', () => {
    const lines = nodesText(rows, true, ageMs).split('\n');
    expect(lines[0]?.split(/ {2,}/)).toEqual([
      'NODE',
      'ADDRESS',
      'STATE',
      'SINCE',
      'SUBNET',
      'ETCD',
      'AGENT',
      'RELEASE',
      'SEEN',
      'METADATA',
      'MESSAGE',
    ]);
    expect(lines[1]).toContain('member  0.1.0  -        7s ago  az=a,region=eu');
    expect(lines[3]).toMatch(/absent +- +- +- +- +- +- +- +does not report$/);
  });
  test('show what another node sends as text: no control character, no row that it made up', () => {
    const evil = '\u001b[2J\u0007\u009b1m\rx\ny\tz';
    const hostile = record({
      node: `b1${evil}`,
      address: evil,
      metadata: { [evil]: evil },
      conditions: [{ type: 'EtcdHealthy', status: 'False', reason: 'NoQuorum', message: evil, severity: 'degraded' }],
      versions: { agent: evil },
      reportedAt: evil,
      since: evil,
      subnet: evil,
    });
    for (const long of [false, true]) {
      const text = nodesText(nodeRows(clusterConfig().nodes, [hostile]), long, ageMs);
      expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
      expect(text.split('\n')).toHaveLength(6);
      expect(text).toContain('EtcdHealthy: \\x1b[2J\\x07\\x9b1m\\x0dx y z');
    }
  });
});

describe('plan', () => {
  const write: Step<'writeFile'> = {
    kind: 'writeFile',
    component: 'etcd',
    why: 'member a1',
    path: '/etc/etcd/etcd.conf',
    content: 'A="2"\nB="3"\n',
    mode: 0o644,
    owner: null,
    sensitive: false,
    before: 'A="1"\nB="3"\n',
    keepAs: '/etc/etcd/etcd.conf.save',
    drifted: true,
  };
  const plan: Plan = {
    steps: [write, { kind: 'startUnits', component: 'agent', why: 'they are not running', units: ['etcd.service'] }],
    waitingFor: [
      {
        type: 'FlannelInstalled',
        status: 'False',
        reason: 'R',
        message: 'no flanneld',
        hint: 'install it',
        severity: 'failed',
      },
    ],
    restartPending: ['docker.service'],
  };

  test('shows each step with its reason, the difference of each file, and what is missing', () => {
    expect(planText(plan, { isLive: true, withDiff: true })).toBe(
      ` 1. etcd: replace /etc/etcd/etcd.conf
    why: member a1
    drift: the file was changed since the last run
    the present file is kept as /etc/etcd/etcd.conf.save
    --- /etc/etcd/etcd.conf
    +++ /etc/etcd/etcd.conf
    @@ -1,2 +1,2 @@
    -A="1"
    +A="2"
     B="3"
 2. agent: start etcd.service (without waiting)
    why: they are not running
restart pending: docker.service runs with the old files until it is restarted (diyc-agent apply --restart)
missing: no flanneld
  hint: install it
`,
    );
  });
  test('below a root marks what is left for the running host', () => {
    expect(planText(plan, { isLive: false, withDiff: false })).toContain(
      'start etcd.service (without waiting) [left for the running host]',
    );
  });
  test('of a sensitive file shows that it changes, and not how', () => {
    const text = planText(
      { ...plan, steps: [{ ...write, sensitive: true, content: 'TOP SECRET', before: 'OLD SECRET' }] },
      { isLive: true, withDiff: true },
    );
    expect(text).toContain('(content not shown)');
    expect(text).not.toContain('SECRET');
  });
  test('that is empty says so', () => {
    expect(planText({ steps: [], waitingFor: [], restartPending: [] }, { isLive: true, withDiff: true })).toBe(
      'nothing to do: everything is as the cluster file says\n',
    );
  });
});

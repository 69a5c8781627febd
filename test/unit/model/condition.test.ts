// Conditions: the worst decides, and `since` moves only with the status.

import { describe, expect, test } from 'bun:test';
import {
  type Condition,
  type Severity,
  statusExitCode,
  summarize,
  withSince,
  worstFirst,
} from '../../../agent/model/condition.ts';

function condition(overrides: Partial<Condition> = {}): Condition {
  return { type: 'EtcdRunning', status: 'False', reason: 'Stopped', message: 'm', severity: 'failed', ...overrides };
}

describe('the summary of a node', () => {
  test('is waiting while nothing is known', () => {
    expect(summarize([])).toBe('waiting');
  });
  test('is ready when every condition is True, whatever its severity', () => {
    const severities: readonly Severity[] = ['failed', 'degraded', 'waiting', 'info'];
    expect(summarize(severities.map((severity) => condition({ severity, status: 'True' })))).toBe('ready');
  });
  test('takes Unknown as badly as False', () => {
    expect(summarize([condition({ status: 'Unknown', severity: 'degraded' })])).toBe('degraded');
    expect(summarize([condition({ status: 'Unknown', severity: 'failed' })])).toBe('failed');
  });
  test('is the worst of all: failed before degraded before waiting; info never counts', () => {
    const waiting = condition({ severity: 'waiting' });
    const degraded = condition({ severity: 'degraded' });
    expect(summarize([condition({ severity: 'info' })])).toBe('ready');
    expect(summarize([waiting, condition({ severity: 'info' })])).toBe('waiting');
    expect(summarize([waiting, degraded])).toBe('degraded');
    expect(summarize([waiting, condition(), degraded])).toBe('failed');
  });
  test('has one exit code each', () => {
    expect((['ready', 'failed', 'degraded', 'waiting'] as const).map(statusExitCode)).toEqual([0, 1, 2, 3]);
  });
});

test('the list begins with the worst, then follows the order of a boot, and the input stays as it is', () => {
  const list = [
    condition({ type: 'Published', status: 'True' }),
    condition({ type: 'DockerRunning', severity: 'waiting' }),
    condition({ type: 'Identified', status: 'True' }),
    condition({ type: 'FlannelRunning', severity: 'waiting' }),
    condition({ type: 'EtcdHealthy', severity: 'degraded' }),
  ];
  expect(worstFirst(list).map((c) => c.type)).toEqual([
    'EtcdHealthy',
    'FlannelRunning',
    'DockerRunning',
    'Identified',
    'Published',
  ]);
  expect(list[0]?.type).toBe('Published');
});

describe('since', () => {
  const noon = '2026-01-01T12:00:00.000Z';
  const later = '2026-01-01T12:05:00.000Z';
  test('starts with the first observation', () => {
    expect(withSince([condition()], [], noon)[0]?.since).toBe(noon);
  });
  test('stays while the status stays, also when reason and message change', () => {
    const earlier = [condition({ since: noon })];
    expect(withSince([condition({ reason: 'Other', message: 'other' })], earlier, later)[0]?.since).toBe(noon);
  });
  test('moves when the status changes', () => {
    expect(withSince([condition({ status: 'True' })], [condition({ since: noon })], later)[0]?.since).toBe(later);
  });
  test('starts now where the earlier report had none', () => {
    expect(withSince([condition()], [condition()], later)[0]?.since).toBe(later);
  });
});

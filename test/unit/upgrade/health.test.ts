// As good as before the reboot: what was met counts, what was not met before does not, and nothing known is not good.

import { describe, expect, test } from 'bun:test';
import type { Condition } from '../../../agent/model/condition.ts';
import type { Baseline } from '../../../agent/model/upgrade.ts';
import { baselineOf, healthOf } from '../../../agent/upgrade/health.ts';
import { met, unmet } from '../../support/upgrade-builders.ts';

const before: Baseline = { met: ['EtcdHealthy', 'FlannelLease'], unmet: ['DockerRunning'] };
const well = [met('EtcdHealthy'), met('FlannelLease')];
const unknownNow: Condition = { ...met('EtcdHealthy'), status: 'Unknown', message: 'nobody answers' };

test('the baseline leaves out what never makes a node unready', () => {
  const conditions = [
    met('EtcdHealthy'),
    unmet('DockerRunning'),
    { ...met('FlannelLease'), status: 'Unknown' as const },
  ];
  expect(
    baselineOf([...conditions, unmet('LivePulls', { severity: 'info' }), met('LiveOverlay', { severity: 'info' })]),
  ).toEqual({
    met: ['EtcdHealthy'],
    unmet: ['DockerRunning', 'FlannelLease'],
  });
});

describe('health', () => {
  test.each<[string, readonly Condition[], Baseline | null, string | null]>([
    ['all that was met is', well, before, null],
    ['what was not met before is now', [...well, met('DockerRunning')], before, null],
    ['what was not met before still is not', [...well, unmet('DockerRunning')], before, null],
    [
      'what was met is not',
      [unmet('EtcdHealthy'), met('FlannelLease')],
      before,
      'EtcdHealthy is not met: EtcdHealthy is ill',
    ],
    [
      'what was met waits',
      [unmet('EtcdHealthy', { severity: 'waiting' }), met('FlannelLease')],
      before,
      'EtcdHealthy is not met: EtcdHealthy is ill',
    ],
    ['what was met is unknown', [unknownNow, met('FlannelLease')], before, 'EtcdHealthy is unknown: nobody answers'],
    ['what was met is not told', [met('FlannelLease')], before, 'nothing is known of EtcdHealthy'],
    [
      'something new has failed',
      [...well, unmet('StorageAttached')],
      before,
      'StorageAttached is not met: StorageAttached is ill',
    ],
    ['something new is degraded', [...well, unmet('StorageAttached', { severity: 'degraded' })], before, null],
    ['something new is for information', [...well, unmet('Upgrade', { severity: 'info' })], before, null],
    ['nothing is known', [], before, 'nothing is known of this host yet'],
    ['nothing was before either', [], { met: [], unmet: [] }, 'nothing is known of this host yet'],
    ['no baseline, all well', well, null, null],
    [
      'no baseline, something degraded',
      [...well, unmet('StorageSpace', { severity: 'degraded' })],
      null,
      'StorageSpace is not met: StorageSpace is ill',
    ],
    ['no baseline, information', [...well, unmet('Upgrade', { severity: 'info' })], null, null],
    ['two things', [unknownNow], before, 'EtcdHealthy is unknown: nobody answers; nothing is known of FlannelLease'],
  ])('%s', (_name, conditions, baseline, why) => {
    expect(healthOf(conditions, baseline)).toEqual({
      isGood: why === null,
      message: why ?? 'everything that was well before is well again',
    });
  });

  test('a host is as good as it was an instant ago, whatever that was', () => {
    for (const conditions of [well, [unmet('EtcdHealthy')], [unknownNow, unmet('DockerRunning')]]) {
      expect(healthOf(conditions, baselineOf(conditions)).isGood).toBe(true);
    }
  });
});

// The upgrade as conditions: silent where nobody looked, worst first, and never in the way of its own verification.

import { describe, expect, test } from 'bun:test';
import { summarize } from '../../../agent/model/condition.ts';
import type { UpgradePhase } from '../../../agent/model/upgrade.ts';
import { upgradeConditions } from '../../../agent/upgrade/conditions.ts';
import { releaseNamed, upgradeView } from '../../support/upgrade-builders.ts';

const conflict = (reason: string, blocks: boolean) => ({
  reason,
  message: `${reason} stands`,
  hint: `undo ${reason}`,
  blocks,
});

describe('the deployment', () => {
  test('is not spoken of where nobody looked, or there is none', () => {
    expect([upgradeConditions(null), upgradeConditions(upgradeView({ booted: null }))]).toEqual([[], []]);
  });

  test('is told with all that belongs to it', () => {
    const view = upgradeView({ staged: releaseNamed('41.2'), pinned: true, liveApplied: true });
    expect(upgradeConditions(view)).toEqual([
      {
        type: 'Deployment',
        status: 'True',
        reason: 'Booted',
        message: '41.1 (pinned); staged: 41.2; rollback: 41.0; packages were applied to the running tree',
        severity: 'degraded',
      },
    ]);
  });

  test('has the conflict that blocks before one that does not, with its remedy', () => {
    const view = upgradeView({ conflicts: [conflict('Pinned', false), conflict('Unlocked', true)], rollback: null });
    expect(upgradeConditions(view)).toEqual([
      {
        type: 'Deployment',
        status: 'False',
        reason: 'Unlocked',
        message: 'Unlocked stands; 41.1',
        hint: 'undo Unlocked',
        severity: 'degraded',
      },
    ]);
    expect(summarize(upgradeConditions(upgradeView({ conflicts: [conflict('Pinned', false)] })))).toBe('ready');
  });
});

describe('the way of it', () => {
  test.each<[UpgradePhase, string | null, string | null, string | null, 'info' | 'degraded']>([
    ['steady', null, null, null, 'info'],
    ['steady', '41.2 is staged', 'diyc-agent upgrade apply', 'Resting', 'info'],
    ['ready-to-go', 'the window opens Sat', null, 'Waiting', 'info'],
    ['rebooting', null, null, 'Rebooting', 'info'],
    ['verifying', 'not ready yet', 'h', 'Verifying', 'info'],
    ['rolling-back', null, null, 'RollingBack', 'info'],
    ['recovering', 'ready again', null, 'Recovering', 'info'],
    ['recovering', 'not ready for 10 min', 'h', 'Recovering', 'degraded'],
  ])('%s, waiting for %s', (phase, waiting, hint, reason, severity) => {
    const [found] = upgradeConditions(upgradeView({ booted: null, phase, waiting, hint }));
    if (reason === null) expect(found).toBeUndefined();
    else {
      expect(found).toEqual({
        type: 'Upgrade',
        status: 'False',
        reason,
        message: waiting ?? 'under way',
        ...(hint === null ? {} : { hint }),
        severity,
      });
    }
  });
});

test('another agent that drives the updates is told, and is no fault of the host', () => {
  const driven = upgradeView({ conflicts: [conflict('OtherUpdateDriver', true)] });
  expect(upgradeConditions(driven)[0]).toMatchObject({
    reason: 'OtherUpdateDriver',
    status: 'False',
    severity: 'info',
  });
});

// Whether a holder that does not report is dead, on its way or lost, to the millisecond, by this node's own clock alone.

import { describe, expect, test } from 'bun:test';
import { backWithinMs, deadAfterMs, judgeHolder, type Missed, missedNow } from '../../../agent/upgrade/takeover.ts';
import { holder, instant } from '../../support/upgrade-builders.ts';

const since = instant(100);
const missed: Missed = { holder: 'a2', bootId: 'boot-of-a2', since };
const after = (ms: number) => ({ bootId: 'boot-2', uptimeMs: since.uptimeMs + ms });

describe('a holder', () => {
  test.each<[string, Parameters<typeof judgeHolder>, string]>([
    ['that reports', [holder('a2'), true, missed, after(deadAfterMs)], 'reports'],
    [
      'that reports again, on its way',
      [holder('a2', { stage: 'rebooting' }), true, missed, after(backWithinMs)],
      'reports',
    ],
    ['that was never missed before', [holder('a2'), false, null, after(deadAfterMs)], 'missed'],
    ['just before it is dead', [holder('a2'), false, missed, after(deadAfterMs - 1)], 'missed'],
    ['when it is dead', [holder('a2'), false, missed, after(deadAfterMs)], 'dead'],
    [
      'missed in another boot of this node',
      [holder('a2'), false, { ...missed, since: instant(100, 'boot-1') }, after(deadAfterMs)],
      'missed',
    ],
    ['on its way', [holder('a2', { stage: 'rebooting' }), false, missed, after(backWithinMs - 1)], 'rebooting'],
    ['that is lost', [holder('a2', { stage: 'rebooting' }), false, missed, after(backWithinMs)], 'lost'],
    [
      'that comes by FleetLock',
      [holder('fleetlock/x', { kind: 'fleetlock' }), false, missed, after(backWithinMs)],
      'foreign',
    ],
  ])('%s', (_name, args, kind) => {
    expect(judgeHolder(...args).kind).toBe(kind as ReturnType<typeof judgeHolder>['kind']);
  });

  test('a dead and a lost one are told with minutes and a remedy', () => {
    expect(judgeHolder(holder('a2'), false, missed, after(7 * 60_000))).toMatchObject({
      evidence: 'a2 took the slot and never asked for its reboot; its lease ran out, and it has not reported for 7 min',
    });
    expect(judgeHolder(holder('a2', { stage: 'rebooting' }), false, missed, after(backWithinMs))).toMatchObject({
      message: 'a2 was rebooted (upgrade to 41.2) and has not reported for 30 min',
      hint: 'look at its console; once it is known why, diyc-agent reboot release a2 --yes frees its slot (with --group, where that is not your own)',
    });
  });
});

describe('who is missed', () => {
  const now = after(60_000);
  test('keeps the instant from which it was', () => {
    expect(missedNow([holder('a2')], new Set(), [missed], now)).toEqual([missed]);
  });

  test.each<[string, Parameters<typeof missedNow>, Missed[]]>([
    ['who reports is not', [[holder('a2')], new Set(['a2']), [missed], now], []],
    ['who holds no slot is not', [[], new Set(), [missed], now], []],
    ['who comes by FleetLock is not', [[holder('fleetlock/x', { kind: 'fleetlock' })], new Set(), [], now], []],
    ['who is missed first is from now on', [[holder('a2')], new Set(), [], now], [{ ...missed, since: now }]],
    [
      'another boot of the holder begins anew',
      [[holder('a2', { bootId: 'b' })], new Set(), [missed], now],
      [{ holder: 'a2', bootId: 'b', since: now }],
    ],
    [
      'another boot of this node begins anew',
      [[holder('a2')], new Set(), [missed], instant(5, 'boot-3')],
      [{ ...missed, since: instant(5, 'boot-3') }],
    ],
  ])('%s', (_name, args, expected) => {
    expect(missedNow(...args)).toEqual(expected);
  });
});

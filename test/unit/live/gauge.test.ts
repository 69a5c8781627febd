// The fuel gauge: what is left, how fast it goes, and when it says so.

import { describe, expect, test } from 'bun:test';
import { overlayCondition } from '../../../agent/live/condition.ts';
import { burnRates, gaugeLimits, gaugeOf, suggestedSizeMiB } from '../../../agent/live/gauge.ts';
import { parseHistory, remember, renderHistory } from '../../../agent/live/history.ts';
import { availableMemory, readSnapshot, readSpace, readThinPool, totalMemory } from '../../../agent/live/reading.ts';
import type { DmSnapshot, DmTarget, DmThinPool } from '../../../agent/model/device-mapper.ts';
import type { Gauge, GaugeSample, LiveOverlay, OverlayReading } from '../../../agent/model/live.ts';
import { randomTexts } from '../../support/random-text.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
const snapshotOverlay: LiveOverlay = { kind: 'snapshot', isPersistent: false };
const minutes = (n: number): number => n * 60_000;

function measured(usedBytes: number, totalBytes = GiB, memoryBytes: number | null = 8 * GiB): OverlayReading {
  return { state: 'measured', usedBytes, totalBytes, memoryBytes };
}

/** Used bytes by minutes since boot, the last one now. */
function samples(...points: readonly (readonly [min: number, usedBytes: number])[]): GaugeSample[] {
  return points.map(([min, usedBytes]) => ({ atMs: minutes(min), usedBytes, totalBytes: GiB }));
}

function gauge(reading: OverlayReading, history: readonly GaugeSample[] = [], overlay = snapshotOverlay): Gauge {
  return gaugeOf(overlay, reading, history);
}

const advice = { suggestedMiB: 2048, holdsDocker: true };

describe('a reading', () => {
  const target = (lengthSectors: number): DmTarget => ({
    name: null,
    startSector: 0,
    lengthSectors,
    target: 'snapshot',
    status: { kind: 'linear' },
  });
  const active = (allocatedSectors: number, totalSectors: number): DmSnapshot => ({
    kind: 'snapshot',
    state: 'active',
    allocatedSectors,
    totalSectors,
    metadataSectors: 8,
  });

  test('of the host of 2015: half a GiB, 60 % used', () => {
    const reading = readSnapshot(target(10_485_760), active(632_648, 1_048_576), null);
    expect(reading).toEqual({
      state: 'measured',
      usedBytes: 323_915_776,
      totalBytes: 512 * MiB,
      memoryBytes: null,
    });
  });

  test('a store never takes more than each chunk of the root once', () => {
    // 32 GiB over an image of 2 GiB: 2 GiB, 16 bytes for each 4 KiB, and two chunks of head.
    const reading = readSnapshot(target((2 * GiB) / 512), active(8, (32 * GiB) / 512), null);
    expect(reading).toMatchObject({ totalBytes: 2 * GiB + 8 * MiB + 8192 });
  });

  test.each([
    ['invalid', 'Invalid'],
    ['overflow', 'Overflow'],
    ['merge failed', 'Merge failed'],
  ] as const)('a snapshot that is %s is broken', (state, word) => {
    expect(readSnapshot(target(8), { kind: 'snapshot', state }, null)).toEqual({ state: 'broken', word });
  });

  test('one whose store does not count cannot be read', () => {
    expect(readSnapshot(target(8), { kind: 'snapshot', state: 'unknown' }, null).state).toBe('unreadable');
  });

  const pool = (change: Partial<Extract<DmThinPool, { failed: false }>>): DmTarget => ({
    ...target(GiB / 512),
    status: {
      kind: 'thin-pool',
      failed: false,
      transactionId: 1,
      usedMetadataBlocks: 1,
      totalMetadataBlocks: 100,
      usedDataBlocks: 512,
      totalDataBlocks: 2048,
      mode: 'rw',
      whenFull: 'queue',
      needsCheck: false,
      ...change,
    },
  });

  test('a thin pool is as full as the fuller of data and metadata', () => {
    expect(readThinPool(pool({}), null)).toMatchObject({ usedBytes: GiB / 4, totalBytes: GiB });
    expect(readThinPool(pool({ usedMetadataBlocks: 90 }), null)).toMatchObject({ usedBytes: Math.round(GiB * 0.9) });
  });

  test.each([{ mode: 'ro' }, { mode: 'out_of_data_space' }, { needsCheck: true }] as const)(
    'a thin pool that takes no writes is broken: %j',
    (change) => {
      expect(readThinPool(pool(change), null).state).toBe('broken');
    },
  );

  test('a thin pool that is not there cannot be read', () => {
    expect(readThinPool(undefined, null).state).toBe('unreadable');
    expect(readThinPool(target(8), null).state).toBe('unreadable');
  });

  test('a file system is as full as it says', () => {
    expect(readSpace({ totalBytes: 100, availableBytes: 30 }, '/', 7)).toEqual({
      state: 'measured',
      usedBytes: 70,
      totalBytes: 100,
      memoryBytes: 7,
    });
    expect(readSpace(null, '/', 7).state).toBe('unreadable');
    expect(readSpace({ totalBytes: 0, availableBytes: 0 }, '/', 7).state).toBe('unreadable');
  });

  test('memory is what the kernel says is available', () => {
    const meminfo = 'MemTotal:        2048000 kB\nMemFree:          100000 kB\nMemAvailable:    1024000 kB\n';
    expect([availableMemory(meminfo), totalMemory(meminfo)]).toEqual([1_048_576_000, 2_097_152_000]);
    expect([availableMemory('MemFree: 1 kB\n'), availableMemory(null), totalMemory('')]).toEqual([null, null, null]);
  });
});

describe('what is left', () => {
  test('is the rest of the overlay, or of memory where that is less', () => {
    expect(gauge(measured(256 * MiB))).toMatchObject({ remainingBytes: 768 * MiB, limitedBy: 'overlay', state: 'ok' });
    const short = gauge(measured(100 * MiB, 32 * GiB, 300 * MiB));
    expect(short).toMatchObject({ remainingBytes: 300 * MiB, limitedBy: 'memory', usedFraction: 0.25 });
  });

  test('is the rest of the overlay where memory has nothing to do with it, or is not known', () => {
    expect(gauge(measured(256 * MiB, GiB, null))).toMatchObject({ remainingBytes: 768 * MiB, limitedBy: 'overlay' });
  });

  test('more used than there is leaves nothing', () => {
    expect(gauge(measured(2 * GiB))).toMatchObject({ remainingBytes: 0, usedFraction: 1, state: 'critical' });
    expect(gauge(measured(0, 0))).toMatchObject({ remainingBytes: 0, usedFraction: 1 });
  });
});

describe('the state', () => {
  test.each([
    [0.69, 'ok'],
    [0.7, 'low'],
    [0.849, 'low'],
    [0.85, 'critical'],
    [1, 'critical'],
  ])('%s of a large overlay is %s', (fraction, state) => {
    expect(gauge(measured(fraction * 10 * GiB, 10 * GiB, null)).state).toBe(state as Gauge['state']);
  });

  test('what is left counts too: the host of 2015 was low before its last pull', () => {
    expect(gauge(measured(323_915_776, 512 * MiB))).toMatchObject({ state: 'low', cause: 'space' });
    expect(gauge(measured(100 * MiB, 32 * GiB, 60 * MiB))).toMatchObject({ state: 'critical', cause: 'space' });
  });

  test('a host with little time left is told so while there is room', () => {
    // 600 of 1024 MiB used, 15 MiB a minute: 28 minutes.
    const slow = gauge(measured(600 * MiB), samples([0, 450 * MiB], [10, 600 * MiB]));
    expect(slow).toMatchObject({ state: 'low', cause: 'time' });
    // 150 MiB a minute: less than three minutes.
    const fast = gauge(measured(600 * MiB), samples([9, 450 * MiB], [10, 600 * MiB]));
    expect(fast).toMatchObject({ state: 'critical', cause: 'time' });
  });

  test('a pull that begins on an empty overlay is not the end', () => {
    const pull = gauge(measured(300 * MiB), samples([9.5, 100 * MiB], [10, 300 * MiB]));
    expect(pull.state).toBe('ok');
    expect(pull.forecast?.secsToFull).toBeLessThan(gaugeLimits.criticalSecs);
  });

  test('what was written long ago is told, and alarms nobody', () => {
    // All of it in the first minute: the average since boot is high, the present is quiet.
    const history = samples([0, 0], [1, 600 * MiB], [12, 600 * MiB], [20, 600 * MiB]);
    const quiet = gauge(measured(600 * MiB), history);
    expect(quiet.state).toBe('ok');
    expect(quiet.forecast?.rate.window).toBe('boot');
  });

  test('a broken overlay is invalid, with the figures it last had', () => {
    const broken = gauge({ state: 'broken', word: 'Overflow' }, samples([1, 900 * MiB]));
    expect(broken).toMatchObject({ state: 'invalid', detail: 'Overflow', totalBytes: GiB, remainingBytes: null });
  });

  test('one that cannot be read, or that nobody knows, is unknown', () => {
    expect(gauge({ state: 'unreadable', why: 'no dmsetup' })).toMatchObject({ state: 'unknown', detail: 'no dmsetup' });
    expect(gaugeOf(null, measured(1), [])).toMatchObject({ state: 'unknown', usedFraction: null });
  });
});

describe('the rate', () => {
  const rate = (history: readonly GaugeSample[], window: string): number | undefined =>
    burnRates(history).find((r) => r.window === window)?.bytesPerSec;

  test('is taken over the last minute, ten minutes, and since boot', () => {
    const history = samples([0, 0], [10, 60 * MiB], [19, 60 * MiB], [20, 120 * MiB]);
    expect(rate(history, 'minute')).toBe(MiB);
    expect(rate(history, 'ten minutes')).toBe(0.1 * MiB);
    expect(rate(history, 'boot')).toBe(0.1 * MiB);
  });

  test('needs samples that are far enough apart', () => {
    expect(burnRates([])).toEqual([]);
    expect(burnRates(samples([10, 5]))).toEqual([]);
    expect(burnRates(samples([10, 0], [10.05, 100 * MiB]))).toEqual([]);
    expect(burnRates(samples([10, 0], [10.5, 100 * MiB])).map((r) => r.window)).toEqual(['minute']);
  });

  test('is never negative: what was given back is no fuel', () => {
    expect(rate(samples([10, 500 * MiB], [11, 100 * MiB]), 'minute')).toBe(0);
    expect(gauge(measured(100 * MiB), samples([10, 500 * MiB], [11, 100 * MiB])).forecast).toBeNull();
  });

  test('the forecast is the soonest end', () => {
    const { forecast } = gauge(measured(512 * MiB), samples([0, 0], [19, 452 * MiB], [20, 512 * MiB]));
    expect(forecast?.rate.window).toBe('minute');
    expect(forecast?.secsToFull).toBeCloseTo(512, 5);
  });
});

describe('the history', () => {
  /** A host that is looked at every five seconds for two days. */
  function watched(bytesPerSec: number): GaugeSample[] {
    let history: GaugeSample[] = [];
    for (let secs = 30; secs < 2 * 86_400; secs += 5) {
      const sample = { atMs: secs * 1000, usedBytes: secs * bytesPerSec, totalBytes: GiB };
      history = remember(parseHistory(renderHistory(history)), sample, false);
    }
    return history;
  }

  test('stays small however long it is kept, and keeps all three rates right', () => {
    const history = watched(1000);
    expect(history.length).toBeLessThanOrEqual(64);
    expect(renderHistory(history).length).toBeLessThan(3 * 1024);
    expect(burnRates(history).map((r) => [r.window, Math.round(r.bytesPerSec)])).toEqual([
      ['minute', 1000],
      ['ten minutes', 1000],
      ['boot', 1000],
    ]);
    expect(history[0]?.atMs).toBe(30_000);
  });

  test('windows are about as long as their names', () => {
    const [minute, ten] = burnRates(watched(1000)).map((r) => r.overMs / 60_000);
    expect(minute).toBeGreaterThan(0.8);
    expect(minute).toBeLessThan(1.3);
    expect(ten).toBeGreaterThan(8);
    expect(ten).toBeLessThan(12.6);
  });

  test('drops what another overlay or another clock left behind', () => {
    const now = { atMs: minutes(10), usedBytes: 100, totalBytes: GiB };
    const later = { ...now, atMs: minutes(20) };
    const fuller = { ...now, atMs: minutes(5), usedBytes: 200 };
    expect(remember([fuller, later], now, false)).toEqual([now]);
    expect(remember([fuller, later], now, true)).toEqual([fuller, now]);
  });

  test('comes back as it was written', () => {
    const history = samples([1, 100], [2, 200]);
    expect(parseHistory(renderHistory(history))).toEqual(history);
  });

  test.each([
    ['', 0],
    ['null', 0],
    ['[]', 0],
    ['{"schema":2,"samples":[[1,2,3]]}', 0],
    ['{"schema":1,"samples":{}}', 0],
    ['{"schema":1,"samples":[[1,2],[1,2,"3"],[1,2,-3],null,7,[1,2,3]]}', 1],
  ])('a spoilt file has what is right in it: %s', (text, count) => {
    expect(parseHistory(text)).toHaveLength(count);
  });

  test('any text is survived, and never more than is wanted is taken', () => {
    expect(parseHistory(null)).toEqual([]);
    for (const text of randomTexts(500, 3, ['[', ']', '1', ',', '{"schema":1,"samples":[', '}', '1e999'])) {
      expect(parseHistory(text).length).toBeLessThanOrEqual(64);
    }
    const many = JSON.stringify({ schema: 1, samples: Array.from({ length: 2000 }, (_, i) => [i, i, i]) });
    expect(parseHistory(many)).toHaveLength(64);
  });
});

describe('the condition', () => {
  test('tells the figures and the end', () => {
    const used = 635 * MiB;
    const history = samples([10, used - 41 * MiB], [20, used]);
    expect(overlayCondition(gauge(measured(used), history), advice)).toMatchObject({
      type: 'LiveOverlay',
      status: 'True',
      reason: 'Enough',
      message:
        "the live root's overlay: 62 % of 1.0 GiB used, 4.1 MiB/min over the last 10 minutes: full in 1 h 34 min",
    });
  });

  test('Low says what to do before it is too late', () => {
    const condition = overlayCondition(gauge(measured(750 * MiB)), advice);
    expect(condition).toMatchObject({ status: 'False', reason: 'Low', severity: 'degraded' });
    expect(condition.hint).toContain('diyc-agent storage show');
    expect(condition.hint).toContain('storage:');
    expect(condition.hint).toContain('rd.live.overlay.size=2048');
    expect(condition.hint).toContain('gives nothing back');
  });

  test('FillingUp and Critical', () => {
    const slow = gauge(measured(600 * MiB), samples([0, 450 * MiB], [10, 600 * MiB]));
    expect(overlayCondition(slow, advice)).toMatchObject({ reason: 'FillingUp', severity: 'degraded' });
    expect(overlayCondition(gauge(measured(900 * MiB)), advice)).toMatchObject({
      status: 'False',
      reason: 'Critical',
      severity: 'failed',
    });
  });

  test('Invalid says that only a reboot helps', () => {
    const condition = overlayCondition(gauge({ state: 'broken', word: 'Invalid' }, samples([1, 5])), advice);
    expect(condition).toMatchObject({ status: 'False', reason: 'Invalid', severity: 'failed' });
    expect(condition.message).toContain('(Invalid)');
    expect(condition.hint).toStartWith('reboot');
  });

  test('NotReadable is Unknown, with the reason', () => {
    expect(overlayCondition(gauge({ state: 'unreadable', why: 'dmsetup is not installed' }), advice)).toMatchObject({
      status: 'Unknown',
      reason: 'NotReadable',
      message: "how full the live root's overlay is cannot be told: dmsetup is not installed",
    });
  });

  test('memory that ends first is named', () => {
    const { message, hint } = overlayCondition(gauge(measured(700 * MiB, 32 * GiB, 200 * MiB)), {
      suggestedMiB: null,
      holdsDocker: false,
    });
    expect(message).toContain("700 MiB of the live root's overlay used, and memory for 200 MiB more");
    expect(hint).toContain('more memory');
    expect(hint).not.toContain('storage:');
  });

  test('an overlay that rests says so', () => {
    const still = gauge(measured(100 * MiB), samples([9, 100 * MiB], [10, 100 * MiB]));
    expect(overlayCondition(still, advice).message).toEndWith('not growing');
  });
});

describe('the size suggested for the next boot', () => {
  test('is twice what is there, in steps of 256 MiB', () => {
    expect(suggestedSizeMiB(gauge(measured(600 * MiB, 1000 * MiB)), null)).toBe(2048);
  });

  test('leaves memory to the programs', () => {
    expect(suggestedSizeMiB(gauge(measured(600 * MiB)), 2 * GiB)).toBe(1536);
    expect(suggestedSizeMiB(gauge(measured(600 * MiB)), GiB)).toBeNull();
  });

  test('there is none where a larger overlay would not help', () => {
    expect(suggestedSizeMiB(gauge(measured(100 * MiB, 32 * GiB, 50 * MiB)), 4 * GiB)).toBeNull();
    expect(suggestedSizeMiB(gauge(measured(1), [], { kind: 'overlayfs', isPersistent: false }), null)).toBeNull();
    expect(suggestedSizeMiB(gauge(measured(1), [], { kind: 'snapshot', isPersistent: true }), null)).toBeNull();
  });

  test('after an overflow it follows from what there was', () => {
    expect(suggestedSizeMiB(gauge({ state: 'broken', word: 'Overflow' }, samples([1, GiB])), 8 * GiB)).toBe(3072);
  });
});

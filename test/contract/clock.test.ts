// The contract of the Clock port, held against the real clock and the virtual one.

import { describe, expect, test } from 'bun:test';
import { nodeClock } from '../../agent/host/node-clock.ts';
import { virtualClock } from '../support/virtual-clock.ts';

for (const [name, make] of [
  ['the real clock', nodeClock],
  ['the virtual clock', virtualClock],
] as const) {
  describe(name, () => {
    test('a sleep takes at least its time, on both clocks', async () => {
      const clock = make();
      const [wall, monotonic] = [clock.now(), clock.monotonicMs()];
      await clock.sleep(30);
      // Timers may fire a fraction of a millisecond early by the finer clock.
      expect(clock.monotonicMs() - monotonic).toBeGreaterThanOrEqual(29);
      expect(clock.now() - wall).toBeGreaterThanOrEqual(28);
    });

    test('sleepers wake in the order of their times', async () => {
      const clock = make();
      const woken: number[] = [];
      await Promise.all([60, 5, 30].map(async (ms) => clock.sleep(ms).then(() => woken.push(ms))));
      expect(woken).toEqual([5, 30, 60]);
    });

    test('a signal ends a sleep at once, with its reason', async () => {
      const clock = make();
      const started = clock.monotonicMs();
      const controller = new AbortController();
      const asleep = clock.sleep(60_000, controller.signal);
      const reason = new Error('terminated');
      controller.abort(reason);
      await expect(asleep).rejects.toBe(reason);
      await expect(clock.sleep(60_000, controller.signal)).rejects.toBe(reason);
      expect(clock.monotonicMs() - started).toBeLessThan(5_000);
    });

    test('a signal that never fires changes nothing', async () => {
      const clock = make();
      await clock.sleep(5, new AbortController().signal);
    });

    test('a timestamp is ISO 8601 in UTC, and ages', async () => {
      const clock = make();
      const then = clock.timestamp();
      expect(then).toMatch(/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$/);
      await clock.sleep(20);
      expect(clock.ageMs(then)).toBeGreaterThanOrEqual(18);
      expect(clock.ageMs(new Date(clock.now() + 3_600_000).toISOString())).toBeLessThan(0);
      expect(clock.ageMs('yesterday')).toBeNaN();
    });

    test('chance is in [0, 1) and does not repeat', () => {
      const clock = make();
      const values = Array.from({ length: 100 }, () => clock.random());
      expect(values.every((v) => v >= 0 && v < 1)).toBe(true);
      expect(new Set(values).size).toBeGreaterThan(95);
    });
  });
}

describe('the virtual clock alone', () => {
  test('hours pass at once, in the same order for the same seed', async () => {
    const clock = virtualClock({ seed: 7 });
    const before = clock.monotonicMs();
    await clock.sleep(24 * 3_600_000);
    expect(clock.monotonicMs() - before).toBe(24 * 3_600_000);
    expect(clock.random()).toBe(virtualClock({ seed: 7 }).random());
  });

  test('a manual one stands still until it is moved', async () => {
    const clock = virtualClock({ manual: true });
    let isAwake = false;
    const asleep = clock.sleep(1_000).then(() => {
      isAwake = true;
    });
    await clock.advance(999);
    expect(isAwake).toBe(false);
    await clock.advance(1);
    await asleep;
    expect(isAwake).toBe(true);
  });

  test('what is planned happens in its time, and not while nobody sleeps', async () => {
    const clock = virtualClock();
    const seen: number[] = [];
    const started = clock.monotonicMs();
    clock.after(30_000, () => seen.push(clock.monotonicMs() - started));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(seen).toEqual([]);
    await clock.sleep(10_000);
    expect(seen).toEqual([]);
    await clock.sleep(60_000);
    expect(seen).toEqual([30_000]);
    expect(clock.monotonicMs() - started).toBe(70_000);
  });

  test('setting the wall clock moves no timer and not the monotonic clock', async () => {
    const clock = virtualClock({ manual: true });
    const before = clock.monotonicMs();
    clock.setWallClock(Date.UTC(1970, 0, 1));
    expect(clock.timestamp()).toBe('1970-01-01T00:00:00.000Z');
    expect(clock.monotonicMs()).toBe(before);
  });
});

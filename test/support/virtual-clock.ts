// A clock that moves only while somebody sleeps: scenarios of hours take milliseconds, in the same order each time.

import type { Clock } from '../../agent/ports/clock.ts';

export interface VirtualClock extends Clock {
  /** Run what is due in the next so many milliseconds, in order, and let time pass. */
  advance(ms: number): Promise<void>;
  /** Call once the time has come; for fakes that change by themselves. It makes no time pass: only sleepers do. */
  after(ms: number, act: () => void): void;
  /** Set the wall clock, as NTP or an operator does; the monotonic clock does not notice. */
  setWallClock(epochMs: number): void;
}

export interface VirtualClockOptions {
  /** Wall clock at the start; default 2026-01-01T00:00:00Z. */
  readonly startMs?: number;
  /** Monotonic clock at the start; default 60 000, as some time after a boot. */
  readonly monotonicMs?: number;
  /** Seed of `random`. */
  readonly seed?: number;
  /** True: time moves only by `advance`. Default false: a sleep is over as soon as nobody else has anything to do. */
  readonly manual?: boolean;
}

interface Waiter {
  readonly atMs: number;
  readonly order: number;
  readonly isSleeper: boolean;
  readonly wake: () => void;
}

/** A clock for tests. */
export function virtualClock(options: VirtualClockOptions = {}): VirtualClock {
  const { startMs = Date.UTC(2026, 0, 1), monotonicMs: bootedMs = 60_000, seed = 1, manual = false } = options;
  let nowMs = bootedMs;
  let wallOffsetMs = startMs - bootedMs;
  let randomState = seed >>> 0;
  let order = 0;
  let waiters: Waiter[] = [];
  let pumpIsDue = false;

  function add(ms: number, isSleeper: boolean, wake: () => void): Waiter {
    const waiter = { atMs: nowMs + Math.max(0, ms), order: order++, isSleeper, wake };
    waiters.push(waiter);
    if (!manual) schedulePump();
    return waiter;
  }

  function takeNext(untilMs: number): Waiter | null {
    let next: Waiter | null = null;
    for (const w of waiters) {
      if (w.atMs > untilMs) continue;
      if (next === null || w.atMs < next.atMs || (w.atMs === next.atMs && w.order < next.order)) next = w;
    }
    if (next !== null) waiters = waiters.filter((w) => w !== next);
    return next;
  }

  function wakeNext(untilMs: number): boolean {
    const next = takeNext(untilMs);
    if (next === null) return false;
    nowMs = Math.max(nowMs, next.atMs);
    next.wake();
    return true;
  }

  function schedulePump(): void {
    if (pumpIsDue || !waiters.some((w) => w.isSleeper)) return;
    pumpIsDue = true;
    // After all promises that can go on have gone on: then everybody sleeps, and the first to wake is next.
    setImmediate(() => {
      pumpIsDue = false;
      if (waiters.some((w) => w.isSleeper) && wakeNext(Number.POSITIVE_INFINITY)) schedulePump();
    });
  }

  return {
    now: () => nowMs + wallOffsetMs,
    timestamp: () => new Date(nowMs + wallOffsetMs).toISOString(),
    ageMs: (timestamp) => nowMs + wallOffsetMs - Date.parse(timestamp),
    monotonicMs: () => nowMs,
    random() {
      // mulberry32: small, and the same on every engine.
      randomState = (randomState + 0x6d2b79f5) >>> 0;
      let t = randomState;
      t = Math.imul(t ^ (t >>> 15), t | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    },
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        const fail = (): void => reject(reasonOf(signal));
        if (signal?.aborted === true) {
          fail();
          return;
        }
        const waiter = add(ms, true, () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        });
        function abort(): void {
          waiters = waiters.filter((w) => w !== waiter);
          fail();
        }
        signal?.addEventListener('abort', abort, { once: true });
      });
    },
    after(ms, act) {
      add(ms, false, act);
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      await settled();
      while (wakeNext(untilMs)) await settled();
      nowMs = untilMs;
    },
    setWallClock(epochMs) {
      wallOffsetMs = epochMs - nowMs;
    },
  };
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error(`cancelled: ${String(reason)}`);
}

// The real clock and the real dice.

import type { Clock } from '../ports/clock.ts';

/** Time of this machine. A sleep ends at once when its signal fires, and leaves no timer behind. */
export function nodeClock(): Clock {
  return {
    now: () => Date.now(),
    timestamp: () => new Date().toISOString(),
    ageMs: (timestamp) => Date.now() - Date.parse(timestamp),
    monotonicMs: () => performance.now(),
    random: () => Math.random(),
    sleep(ms, signal) {
      return new Promise<void>((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(reasonOf(signal));
          return;
        }
        const wake = (): void => {
          signal?.removeEventListener('abort', abort);
          resolve();
        };
        const timer = setTimeout(wake, ms);
        function abort(): void {
          clearTimeout(timer);
          if (signal !== undefined) reject(reasonOf(signal));
        }
        signal?.addEventListener('abort', abort, { once: true });
      });
    },
  };
}

function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error(`cancelled: ${String(reason)}`, { cause: reason });
}

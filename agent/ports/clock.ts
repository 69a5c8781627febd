// Time and chance, so that waits and jitter can be tested without either.

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Now as ISO 8601 in UTC. */
  timestamp(): string;
  /** Milliseconds since an ISO 8601 time; negative for one that is still to come, NaN for a text that is none. */
  ageMs(timestamp: string): number;
  /** Milliseconds that only go forward; for measuring. */
  monotonicMs(): number;
  /** Resolves after the time, or rejects with the signal's reason when it fires first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Uniform in [0, 1). */
  random(): number;
}

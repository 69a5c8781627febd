// Chance that is the same again for the same seed.

export interface Chance {
  /** Uniform in [0, 1). */
  next(): number;
  /** A whole number from low to high, both included. */
  whole(low: number, high: number): number;
  one<T>(of: readonly T[]): T;
  /** True so often, 0 to 1. */
  is(often: number): boolean;
}

/** mulberry32, as the virtual clock has it. */
export function chance(seed: number): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    whole: (low, high) => low + Math.floor(next() * (high - low + 1)),
    one(of) {
      const found = of[Math.floor(next() * of.length)];
      if (found === undefined) throw new Error('chance: nothing to choose from');
      return found;
    },
    is: (often) => next() < often,
  };
}

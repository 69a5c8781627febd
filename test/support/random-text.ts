// Random documents from a seed: the same on every run, so that what they find can be found again.

/** A generator of numbers in [0, 1) (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Texts made of pieces that mean something to the parser, and of raw bytes. */
export function randomTexts(count: number, seed: number, pieces: readonly string[]): string[] {
  const random = seededRandom(seed);
  const pick = (): string => {
    if (random() < 0.25) return String.fromCodePoint(Math.floor(random() * (random() < 0.2 ? 0xd7ff : 0x100)));
    return pieces[Math.floor(random() * pieces.length)] ?? '';
  };
  return Array.from({ length: count }, () => Array.from({ length: 1 + Math.floor(random() * 30) }, pick).join(''));
}

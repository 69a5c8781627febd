// What the gauge showed before: a few dozen samples in a small file, so that every run knows how fast the overlay fills.

import type { GaugeSample } from '../model/live.ts';
import type { AbsolutePath } from '../model/paths.ts';

/**
 * In memory and gone at a reboot, as the overlay is. With overlayfs it is the overlay's own tmpfs, so it has to stay
 * small: 64 samples are less than 3 KiB.
 */
export const gaugeFile: AbsolutePath = '/run/diyc-agent/gauge.json';

const maxSamples = 64;
/** Older than this, a sample says nothing about the present. The first one of the boot stays. */
const maxAgeMs = 24 * 3_600_000;

/** How far apart samples stay, by their age: some seconds in the last minute, below a minute in the last ten, then hours. */
const spacings = [
  { youngerThanMs: 75_000, apartMs: 4_000 },
  { youngerThanMs: 12 * 60_000, apartMs: 45_000 },
  { youngerThanMs: maxAgeMs, apartMs: 90 * 60_000 },
] as const;

/**
 * Add a sample and drop what is no longer needed. Samples of another boot or from the future are dropped: their clock
 * is not this one.
 *
 * @param givesBack whether the overlay can shrink; where it cannot, samples with more than now are another overlay's
 */
export function remember(history: readonly GaugeSample[], sample: GaugeSample, givesBack: boolean): GaugeSample[] {
  const earlier = history.filter((s) => s.atMs < sample.atMs && (givesBack || s.usedBytes <= sample.usedBytes));
  const kept: GaugeSample[] = [];
  for (const [i, s] of earlier.entries()) {
    const ageMs = sample.atMs - s.atMs;
    const spacing = spacings.find((tier) => ageMs < tier.youngerThanMs);
    const previous = kept.at(-1);
    if (i === 0 || (spacing !== undefined && s.atMs - (previous?.atMs ?? 0) >= spacing.apartMs)) kept.push(s);
  }
  // By these spacings it never happens; a file that somebody else wrote is held to it all the same.
  return [...kept.slice(0, 1), ...kept.slice(1).slice(-(maxSamples - 2)), sample];
}

/** Compact: `[[atMs,usedBytes,totalBytes],…]` and a newline. */
export function renderHistory(history: readonly GaugeSample[]): string {
  return `${JSON.stringify({ schema: 1, samples: history.map((s) => [s.atMs, s.usedBytes, s.totalBytes]) })}\n`;
}

/** The samples of the file in the order of time. A file that is missing, garbled or of another version is no history. */
export function parseHistory(text: string | null): GaugeSample[] {
  if (text === null || text.length > 64 * 1024) return [];
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return [];
  }
  if (typeof document !== 'object' || document === null || !('schema' in document) || !('samples' in document))
    return [];
  if (document.schema !== 1 || !Array.isArray(document.samples)) return [];
  const samples = document.samples.slice(-maxSamples).map(sampleOf);
  return samples.filter((s) => s !== null).sort((a, b) => a.atMs - b.atMs);
}

function sampleOf(value: unknown): GaugeSample | null {
  if (!Array.isArray(value) || value.length !== 3) return null;
  const [atMs, usedBytes, totalBytes]: unknown[] = value;
  return isAmount(atMs) && isAmount(usedBytes) && isAmount(totalBytes) ? { atMs, usedBytes, totalBytes } : null;
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

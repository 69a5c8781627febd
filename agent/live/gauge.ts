// The fuel gauge of the overlay: how much is left, how fast it goes, and when to say so. Pure.

import type {
  BurnRate,
  Gauge,
  GaugeCause,
  GaugeSample,
  GaugeState,
  LiveOverlay,
  OverlayReading,
} from '../model/live.ts';

const mebibyte = 1024 ** 2;

export const gaugeLimits = {
  /** Less than a third is left: time to move docker's data to real storage, or to plan a reboot. */
  lowFraction: 0.7,
  /** What is in flight when downloads are stopped is still unpacked, at three times its size: it needs the rest. */
  criticalFraction: 0.85,
  /** An image of 80 MB takes 250 MiB (measured in 2015 on Fedora 22): with less than that, the next pull is the last. */
  lowBytes: 256 * mebibyte,
  /** Logs, package databases and temporary files need this much to end cleanly. */
  criticalBytes: 64 * mebibyte,
  /** Long enough for a person who is told to come. */
  lowSecs: 30 * 60,
  /** Some turns of the gauge, and the time a stopped download needs to end. */
  criticalSecs: 3 * 60,
  /** Below half full the forecast is not acted on: any pull of an image looks like the end for as long as it takes. */
  forecastFromFraction: 0.5,
} as const;

/** A rate is worth something once it was measured over this long. */
const windows = [
  { window: 'minute', spanMs: 60_000, leastMs: 8_000 },
  { window: 'ten minutes', spanMs: 600_000, leastMs: 90_000 },
  { window: 'boot', spanMs: Number.POSITIVE_INFINITY, leastMs: 900_000 },
] as const;
/** Samples are some seconds apart, so a window may reach this much further back. */
const slack = 1.25;

/** True where a deleted file makes room again; a snapshot keeps every chunk that was ever written. */
export function givesBack(overlay: LiveOverlay): boolean {
  return overlay.kind !== 'snapshot';
}

/** The sample of a reading; null when nothing was measured. */
export function sampleOf(reading: OverlayReading, atMs: number): GaugeSample | null {
  if (reading.state !== 'measured') return null;
  return { atMs, usedBytes: reading.usedBytes, totalBytes: reading.totalBytes };
}

/**
 * The gauge of a live root.
 *
 * What is left is what the overlay has left or, for one that lives in memory, what memory has left when that is less:
 * dracut makes overlays of 32 GiB since 045 on hosts of 2, and there memory ends first.
 *
 * @param overlay null where the root is live and nobody can tell how it is written to
 * @param history samples in the order of time, that of this reading last; see remember()
 */
export function gaugeOf(overlay: LiveOverlay | null, reading: OverlayReading, history: readonly GaugeSample[]): Gauge {
  const last = history.at(-1);
  if (overlay === null || reading.state !== 'measured') {
    return {
      state: reading.state === 'broken' ? 'invalid' : 'unknown',
      cause: null,
      overlay,
      usedBytes: last?.usedBytes ?? null,
      totalBytes: last?.totalBytes ?? null,
      remainingBytes: null,
      limitedBy: null,
      usedFraction: null,
      rates: [],
      forecast: null,
      detail: reading.state === 'broken' ? reading.word : reading.state === 'unreadable' ? reading.why : null,
    };
  }
  const { usedBytes, totalBytes, memoryBytes } = reading;
  const overlayLeft = Math.max(0, totalBytes - usedBytes);
  const isMemoryShort = memoryBytes !== null && memoryBytes < overlayLeft;
  const remainingBytes = isMemoryShort ? memoryBytes : overlayLeft;
  const usedFraction = usedBytes + remainingBytes === 0 ? 1 : usedBytes / (usedBytes + remainingBytes);
  const rates = burnRates(history);
  const forecast = soonest(remainingBytes, rates);
  return {
    ...verdict(remainingBytes, usedFraction, rates),
    overlay,
    usedBytes,
    totalBytes,
    remainingBytes,
    limitedBy: isMemoryShort ? 'memory' : 'overlay',
    usedFraction,
    rates,
    forecast,
    detail: null,
  };
}

/** How fast it filled lately. A window without samples far enough apart has no rate. */
export function burnRates(history: readonly GaugeSample[]): BurnRate[] {
  const last = history.at(-1);
  if (last === undefined) return [];
  const rates: BurnRate[] = [];
  for (const { window, spanMs, leastMs } of windows) {
    const first = history.find((s) => last.atMs - s.atMs <= spanMs * slack);
    if (first === undefined || last.atMs - first.atMs < leastMs) continue;
    const overMs = last.atMs - first.atMs;
    // What was given back meanwhile is no fuel: a rate below zero is none.
    rates.push({ window, bytesPerSec: Math.max(0, ((last.usedBytes - first.usedBytes) / overMs) * 1000), overMs });
  }
  return rates;
}

function soonest(remainingBytes: number, rates: readonly BurnRate[]): Gauge['forecast'] {
  const fastest = rates.reduce<BurnRate | null>((a, b) => (a === null || b.bytesPerSec > a.bytesPerSec ? b : a), null);
  if (fastest === null || fastest.bytesPerSec <= 0) return null;
  return { secsToFull: remainingBytes / fastest.bytesPerSec, rate: fastest };
}

function verdict(
  remainingBytes: number,
  usedFraction: number,
  rates: readonly BurnRate[],
): { readonly state: GaugeState; readonly cause: GaugeCause } {
  const limits = gaugeLimits;
  // The average since boot tells of the past, so only what happens now counts.
  const recent = soonest(
    remainingBytes,
    rates.filter((r) => r.window !== 'boot'),
  );
  const secsLeft = usedFraction < limits.forecastFromFraction ? null : (recent?.secsToFull ?? null);
  if (usedFraction >= limits.criticalFraction || remainingBytes < limits.criticalBytes) {
    return { state: 'critical', cause: 'space' };
  }
  if (secsLeft !== null && secsLeft < limits.criticalSecs) return { state: 'critical', cause: 'time' };
  if (usedFraction >= limits.lowFraction || remainingBytes < limits.lowBytes) return { state: 'low', cause: 'space' };
  if (secsLeft !== null && secsLeft < limits.lowSecs) return { state: 'low', cause: 'time' };
  return { state: 'ok', cause: null };
}

/**
 * A size for rd.live.overlay.size: twice what is there or three times what was used, in steps of 256 MiB.
 *
 * @param memoryBytes all of the host's memory; three quarters of it are the most an overlay may take
 * @returns MiB, or null where a larger overlay would not help: the overlay has no size of its own, or memory is short
 */
export function suggestedSizeMiB(gauge: Gauge, memoryBytes: number | null): number | null {
  const { overlay, totalBytes, usedBytes, limitedBy } = gauge;
  if (overlay === null || overlay.isPersistent || limitedBy === 'memory') return null;
  if ((overlay.kind !== 'snapshot' && overlay.kind !== 'thin') || totalBytes === null) return null;
  const wanted = Math.max(2 * totalBytes, 3 * (usedBytes ?? 0)) / mebibyte;
  const most = memoryBytes === null ? Number.POSITIVE_INFINITY : (memoryBytes * 0.75) / mebibyte;
  const sizeMiB = Math.min(Math.ceil(wanted / 256) * 256, Math.floor(most / 256) * 256);
  return sizeMiB * mebibyte > totalBytes ? sizeMiB : null;
}

// The overlay's part of `storage show`: lines for people, an object for programs.

import { sizeText } from '../model/byte-size.ts';
import type { Gauge, Growth, LiveRoot } from '../model/live.ts';
import { printableLine } from '../model/printable.ts';
import { renderTable } from '../render/table.ts';
import { rateText, timeText } from './amounts.ts';
import type { BrakeState } from './brake.ts';
import { fillText } from './condition.ts';

export interface OverlayView {
  readonly live: LiveRoot;
  readonly gauge: Gauge;
  /** Null when nobody looked. */
  readonly growth: Growth | null;
  readonly brake: BrakeState;
  /** What lets downloads go on; null when the brake is off. */
  readonly release: string | null;
}

const kinds = {
  snapshot: 'device-mapper snapshot; files that are removed give nothing back',
  thin: 'device-mapper thin pool',
  overlayfs: 'overlayfs on a tmpfs',
  linear: 'none: the whole image is in memory',
} as const;

/** One paragraph, then a table of what grows. Each line without its line end. */
export function overlayLines({ live, gauge, growth, brake, release }: OverlayView): string[] {
  const { overlay } = gauge;
  const kept = overlay === null || !overlay.isPersistent ? 'lost at a reboot' : 'kept over reboots';
  const lines = [
    `live root: ${live.evidence.join('; ')}`,
    `overlay:   ${overlay === null ? 'of an unknown kind' : kinds[overlay.kind]}; ${kept}`,
    `fill:      ${fillText(gauge)}`,
  ];
  for (const rate of gauge.rates) {
    lines.push(`rate:      ${rateText(rate.bytesPerSec)} over the last ${timeText(rate.overMs / 1000)}`);
  }
  if (brake === 'on') {
    lines.push('brake:     downloads of images are stopped; containers go on');
    if (release !== null) lines.push(`           -> ${release} lets them go on`);
  }
  if (growth !== null) lines.push('', ...growthLines(growth));
  return lines;
}

function growthLines(growth: Growth): string[] {
  if (growth.growers.length === 0) return ['nothing was written since boot'];
  const rows = growth.growers.map((g) => [sizeText(g.bytes), String(g.files), printableLine(g.path)]);
  const table = renderTable([['WRITTEN', 'FILES', 'BELOW'], ...rows]);
  const incomplete = growth.isComplete ? [] : ['(not everything was looked at: there was no time for more)'];
  return [...table.trimEnd().split('\n'), ...incomplete];
}

/** The same for --json: additive only. */
export function overlayJson({ live, gauge, growth, brake }: OverlayView): Readonly<Record<string, unknown>> {
  const { overlay, state, cause, usedBytes, totalBytes, remainingBytes, limitedBy, usedFraction, detail } = gauge;
  return {
    isLive: live.isLive,
    evidence: live.evidence,
    kind: overlay?.kind ?? null,
    isPersistent: overlay?.isPersistent ?? null,
    state,
    cause,
    usedBytes,
    totalBytes,
    remainingBytes,
    limitedBy,
    usedFraction,
    secsToFull: gauge.forecast === null ? null : Math.round(gauge.forecast.secsToFull),
    rates: gauge.rates.map(({ window, bytesPerSec, overMs }) => ({
      window,
      bytesPerSec: Math.round(bytesPerSec),
      overMs: Math.round(overMs),
    })),
    detail,
    brake,
    growers: growth?.growers ?? null,
    growthIsComplete: growth?.isComplete ?? null,
  };
}

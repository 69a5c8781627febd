// The overlay of a live root as a condition: the figures, and what to do while something can still be done.

import { sizeText } from '../model/byte-size.ts';
import type { Condition } from '../model/condition.ts';
import type { Gauge } from '../model/live.ts';
import { rateText, timeText } from './amounts.ts';

const type = 'LiveOverlay';

export interface OverlayAdvice {
  /** From suggestedSizeMiB(); null where a larger overlay would not help. */
  readonly suggestedMiB: number | null;
  /** docker keeps its images on the overlay. */
  readonly holdsDocker: boolean;
}

/** The condition of a live host; a host that is not live has none. */
export function overlayCondition(gauge: Gauge, advice: OverlayAdvice): Condition {
  const message = fillText(gauge);
  switch (gauge.state) {
    case 'ok':
      return { type, status: 'True', reason: 'Enough', message, severity: 'degraded' };
    case 'low':
      return {
        type,
        status: 'False',
        reason: gauge.cause === 'time' ? 'FillingUp' : 'Low',
        message,
        hint: remedy(gauge, advice),
        severity: 'degraded',
      };
    case 'critical':
      return { type, status: 'False', reason: 'Critical', message, hint: remedy(gauge, advice), severity: 'failed' };
    case 'invalid':
      return {
        type,
        status: 'False',
        reason: 'Invalid',
        message,
        hint: `reboot: nothing else helps (by systemctl reboot --force --force where a plain one hangs)${before(advice, gauge)}`,
        severity: 'failed',
      };
    case 'unknown':
      return {
        type,
        status: 'Unknown',
        reason: 'NotReadable',
        message,
        hint: 'as root on the host, dmsetup status live-rw and df /run/overlayfs show what can be known',
        severity: 'degraded',
      };
  }
}

const windowNames = {
  minute: 'the last minute',
  'ten minutes': 'the last 10 minutes',
  boot: 'the time since boot',
} as const;

/** `62 % of 1.0 GiB used, 4.1 MiB/min over the last 10 minutes: full in 1 h 35 min`. */
export function fillText(gauge: Gauge): string {
  const what = "the live root's overlay";
  const { usedBytes, totalBytes, remainingBytes, usedFraction, forecast } = gauge;
  if (gauge.state === 'invalid') {
    const size = totalBytes === null ? '' : ` of ${sizeText(totalBytes)}`;
    return `${what}${size} is lost (${gauge.detail ?? 'Invalid'}): the root can no longer be written to, and may not be readable`;
  }
  if (usedBytes === null || totalBytes === null || remainingBytes === null || usedFraction === null) {
    return `how full ${what} is cannot be told: ${gauge.detail ?? 'it is of a kind that this agent does not know'}`;
  }
  const fill =
    gauge.limitedBy === 'memory'
      ? `${sizeText(usedBytes)} of ${what} used, and memory for ${sizeText(remainingBytes)} more (it may grow to ${sizeText(totalBytes)})`
      : `${what}: ${percent(usedFraction)} of ${sizeText(totalBytes)} used`;
  if (forecast === null) return gauge.rates.length === 0 ? fill : `${fill}, not growing`;
  const window = windowNames[forecast.rate.window];
  return `${fill}, ${rateText(forecast.rate.bytesPerSec)} over ${window}: full in ${timeText(forecast.secsToFull)}`;
}

/** Never 100 % while something is left, never 0 % once something is used. */
function percent(fraction: number): string {
  return `${Math.floor(fraction * 100)} %`;
}

function remedy(gauge: Gauge, advice: OverlayAdvice): string {
  const parts = ['diyc-agent storage show lists what grows'];
  if (gauge.overlay?.kind === 'snapshot') parts.push('removing files gives nothing back on this kind of overlay');
  if (advice.holdsDocker) parts.push("declare storage: in the cluster file, so that docker's images leave the overlay");
  const size = sizeAdvice(gauge, advice);
  if (size !== null) parts.push(size);
  if (gauge.limitedBy === 'memory') parts.push('give the host more memory: the overlay is kept in it');
  return parts.join('; ');
}

function before(advice: OverlayAdvice, gauge: Gauge): string {
  const size = sizeAdvice(gauge, advice);
  const storage = advice.holdsDocker
    ? "; declare storage: in the cluster file, so that docker's images stay off it"
    : '';
  return `${size === null ? '' : `; ${size}`}${storage}`;
}

function sizeAdvice(gauge: Gauge, advice: OverlayAdvice): string | null {
  if (advice.suggestedMiB === null || gauge.overlay === null) return null;
  return `boot with rd.live.overlay.size=${advice.suggestedMiB}`;
}

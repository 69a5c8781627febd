// Amounts for people: sizes, rates and times, written and read.

import { sizeText } from '../model/byte-size.ts';
import { AgentError } from '../model/errors.ts';

/** Per minute, which is what people watch: `4.1 MiB/min`. */
export function rateText(bytesPerSec: number): string {
  return `${sizeText(bytesPerSec * 60)}/min`;
}

/** `45 s`, `12 min`, `1 h 35 min`, `3 d 4 h`: two units at most. */
export function timeText(secs: number): string {
  const whole = Math.max(0, Math.round(secs));
  if (whole < 120) return `${whole} s`;
  const mins = Math.floor(whole / 60);
  if (mins < 60) return `${mins} min`;
  const hours = Math.floor(mins / 60);
  if (hours < 48) return mins % 60 === 0 ? `${hours} h` : `${hours} h ${mins % 60} min`;
  const days = Math.floor(hours / 24);
  if (days >= 365) return 'more than a year';
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`;
}

const factors: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kib: 1024,
  kb: 1e3,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1e6,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1e9,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1e12,
};

/**
 * A size as people write it: `80M`, `1.5G`, `300 MiB`, `80MB`, `4096`. M and MiB are 1024 x 1024, as for mkfs and
 * dracut; MB is a million, as registries show it.
 *
 * @returns whole bytes
 * @throws AgentError `usage`
 */
export function parseSize(text: string, option: string): number {
  const match = /^(\d{1,12}(?:\.\d{1,6})?) ?([a-z]{0,3})$/i.exec(text.trim());
  const factor = factors[(match?.[2] ?? '').toLowerCase()];
  const bytes = Math.round(Number(match?.[1]) * (factor ?? Number.NaN));
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new AgentError('usage', `${option} is "${text}", which is no size`, {
      hint: 'write a number above zero and a unit: 80M, 1.5G, 300MiB',
    });
  }
  return bytes;
}

// Durations as operators write them: a whole number and one unit, 30s, 5m, 6h, 1d.

const units = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const;

/** Seconds; null when the text is no duration, which the schema says. */
export function parseDuration(text: string): number | null {
  const parts = /^(0|[1-9][0-9]{0,5})([smhd])$/.exec(text);
  const unit = units.find(([letter]) => letter === parts?.[2]);
  return parts === null || unit === undefined ? null : Number(parts[1]) * unit[1];
}

/** The same in the largest unit that leaves a whole number: `5m` for 300. */
export function durationText(secs: number): string {
  const [letter, size] = units.find(([, unitSecs]) => secs !== 0 && secs % unitSecs === 0) ?? ['s', 1];
  return `${secs / size}${letter}`;
}

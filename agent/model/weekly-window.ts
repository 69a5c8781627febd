// The arithmetic of maintenance windows: what a window says, and exactly when it opens and closes on the clocks of a zone.
//
// A window is a span of the wall clock, and it is open if and only if the wall clock shows a time within it: that is how
// people who write it and people who are on call read it. What follows where clocks are changed:
//
// - Spring, 02:00 becomes 03:00: 02:30 is never shown. A window 02:00-04:00 opens at 03:00 on that day, one of 01:00-02:30
//   closes when the clock leaves it at 02:00, and one that lies wholly within the gap does not open in that week.
// - Autumn, 03:00 becomes 02:00: the hour is shown twice and counts twice. 02:00-03:00 is open for two hours, 02:00-02:30
//   opens twice. Counting it once would need a rule that nobody knows for which of the two is meant.
// - A day that a zone leaves out (Pacific/Apia had no 2011-12-30): nothing of that day is ever shown. Of a window over its
//   midnight only that part counts which lies on a day that there is.
//
// The rules of the zones are those of the engine (ICU's copy of the IANA database), which are as old as the agent.

import type { WeeklyWindow } from './upgrade.ts';

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const weekMs = 7 * dayMs;
const dayMinutes = 24 * 60;
const weekMinutes = 7 * dayMinutes;

const dayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
const longDayNames = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;

/**
 * Read a window: days, and a span of at most 24 hours that begins on each of them. Days are `daily`, one day, a range
 * (`Mon-Fri`, `Fri-Mon`) or several of these with commas; an end that is not after its start lies on the next day.
 *
 * @returns why it is no window, for people, when it is none: part of a sentence that also says what is right
 */
export function parseWeeklyWindow(text: string): WeeklyWindow | string {
  if (text.length > 100) return 'it is longer than 100 characters; each window is an item of the list by itself';
  const parts = /^(.*?)\s*\b([0-9]{1,2}:[0-9]{2})\s*-\s*([0-9]{1,2}:[0-9]{2})$/.exec(text.trim());
  if (parts === null) return malformedReason(text.trim());
  const [, daysText = '', startText = '', endText = ''] = parts;
  const days = parseDays(daysText.trim(), `${startText}-${endText}`);
  if (typeof days === 'string') return days;
  const startMinute = parseTime(startText);
  const end = parseTime(endText);
  if (startMinute === null || startMinute === dayMinutes) return noTimeReason(startText);
  if (end === null) return noTimeReason(endText);
  if (end === startMinute) return `it opens and closes at ${endText}; a whole day is written 00:00-24:00`;
  return { days, startMinute, endMinute: end > startMinute ? end : end + dayMinutes, text: text.trim() };
}

function malformedReason(text: string): string {
  const twoDays = /^(\S+)\s+([0-9:]+)\s*-\s*([A-Za-z]+)\s+([0-9:]+)$/.exec(text);
  if (twoDays !== null) {
    const [, from, start, to, end] = twoDays;
    return (
      'a window begins on a day and lasts at most 24 hours; over midnight the end is just the smaller time, and a ' +
      `longer one is several that touch each other, such as ${from} ${start}-24:00 and ${to} 00:00-${end}`
    );
  }
  if (/[\u2010-\u2015\u2212]/.test(text)) return 'the dash in it is not the hyphen "-"';
  if (/^[A-Za-z]+(\s*[-,]\s*[A-Za-z]+)*$/.test(text)) {
    return 'it has no times; where several days share theirs, the whole has to be in quotes: "Sat,Sun 02:00-04:00"';
  }
  return 'a window is days and two times of day with minutes, 02:00-04:00';
}

function noTimeReason(time: string): string {
  return (
    `${time} is no time of day: they go from 00:00 to 23:59, and 24:00 as an end; a window over midnight ends at the ` +
    'smaller time, 23:30-01:00, and lasts at most 24 hours'
  );
}

/** Minutes since midnight, 24:00 among them; null when it is no time of day. */
function parseTime(text: string): number | null {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  const minute = hours * 60 + minutes;
  return minutes > 59 || minute > dayMinutes ? null : minute;
}

function parseDays(text: string, times: string): readonly number[] | string {
  if (text === '') return `no day stands before the times; every day is written daily ${times}`;
  if (text.toLowerCase() === 'daily') return [0, 1, 2, 3, 4, 5, 6];
  const days = new Set<number>();
  for (const item of text.split(',')) {
    const [first = '', last = first, ...rest] = item.split('-').map((name) => name.trim());
    const [from, to] = [dayNumber(first), dayNumber(last)];
    if (from === null) return noDayReason(first);
    if (to === null) return noDayReason(last);
    if (rest.length > 0) return `"${item.trim()}" has more than a first and a last day; several ranges have commas`;
    for (let day = from; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === to) break;
    }
  }
  return [...days].sort((a, b) => a - b);
}

function dayNumber(name: string): number | null {
  const lower = name.toLowerCase();
  const day = dayNames.findIndex(
    (short, i) => short.toLowerCase() === lower || longDayNames[i]?.toLowerCase() === lower,
  );
  return day < 0 ? null : day;
}

function noDayReason(name: string): string {
  return `"${name}" is no day; the days are Mon, Tue, Wed, Thu, Fri, Sat, Sun, and daily for all of them`;
}

/** True when the engine knows the rules of this zone: an IANA name in any case, `Europe/Berlin`, or `UTC`. */
export function isTimeZone(timeZone: string): boolean {
  // Engines also take offsets, +02:00, which are no zones: no clock is changed in them.
  if (!/^[A-Za-z]/.test(timeZone)) return false;
  try {
    clockOf(timeZone);
    return true;
  } catch {
    return false;
  }
}

/** One takes a hundred times as long to make as to ask. */
const clocks = new Map<string, Intl.DateTimeFormat>();

/** @throws RangeError for a zone that the engine does not know */
function clockOf(timeZone: string): Intl.DateTimeFormat {
  const known = clocks.get(timeZone);
  if (known !== undefined) return known;
  const clock = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
    // Not hour12: false, by which some engines show midnight as 24:00.
    hourCycle: 'h23',
  });
  clocks.set(timeZone, clock);
  return clock;
}

interface WallTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

function wallTimeOf(ms: number, timeZone: string): WallTime {
  const fields = new Map(
    clockOf(timeZone)
      .formatToParts(ms)
      .map((part) => [part.type, Number(part.value)]),
  );
  const field = (name: keyof WallTime): number => fields.get(name) ?? 0;
  return {
    year: field('year'),
    month: field('month'),
    day: field('day'),
    hour: field('hour'),
    minute: field('minute'),
    second: field('second'),
  };
}

/** Days from 1970-01-01 to a date of the Gregorian calendar. */
function daysTo({ year, month, day }: WallTime): number {
  // Years that begin in March have their leap day at the end; months then alternate by a line of slope 153/5.
  const y = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}

/** How far the wall clock is ahead of UTC at an instant, in milliseconds. */
function offsetAt(ms: number, timeZone: string): number {
  const wall = wallTimeOf(ms, timeZone);
  const wallMs = daysTo(wall) * dayMs + wall.hour * hourMs + wall.minute * minuteMs + wall.second * secondMs;
  return wallMs - Math.floor(ms / secondMs) * secondMs;
}

/** Milliseconds since the Sunday midnight of the wall clock; 1970-01-01 was a Thursday. */
function weekPosition(ms: number, offsetMs: number): number {
  return modulo(ms + offsetMs + 4 * dayMs, weekMs);
}

function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor;
}

export interface LocalTime {
  /** 0 is Sunday. */
  readonly weekday: number;
  /** Since midnight, 0 to 1439. */
  readonly minute: number;
  readonly second: number;
}

/**
 * What the clocks of a zone show.
 *
 * @param ms since 1970-01-01 UTC
 * @throws RangeError for a zone that the engine does not know; config/ refuses those
 */
export function localTimeOf(ms: number, timeZone: string): LocalTime {
  const position = weekPosition(ms, offsetAt(ms, timeZone));
  return {
    weekday: Math.floor(position / dayMs),
    minute: Math.floor((position % dayMs) / minuteMs),
    second: Math.floor((position % minuteMs) / secondMs),
  };
}

export interface WindowState {
  readonly isOpen: boolean;
  /** When it closes; windows that touch or overlap are one. Null while closed, and where it never closes. */
  readonly closesMs: number | null;
  /** When it opens next. Null while open. */
  readonly opensMs: number | null;
  /** For people, the same text until something changes: `outside the window Sat 02:00-04:00, which opens Sat 2026-...`. */
  readonly text: string;
}

/** A minute is within a span from its start on and before its end; 0 is Sunday, 00:00. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Whether any of the windows is open, and the exact instant at which that changes, by the rules at the top.
 *
 * @param windows none: always open
 * @param nowMs since 1970-01-01 UTC
 * @throws RangeError for a zone that the engine does not know; config/ refuses those
 */
export function windowState(windows: readonly WeeklyWindow[], timeZone: string, nowMs: number): WindowState {
  if (windows.length === 0) {
    return { isOpen: true, closesMs: null, opensMs: null, text: 'no window is declared, any time is right' };
  }
  const spans = spansOf(windows);
  const isOpen = isWithin(spans, nowMs, timeZone);
  const changeMs = nextChange(spans, timeZone, Math.floor(nowMs), isOpen);
  const words = windowWords(windows);
  const when = changeMs === null ? null : instantText(changeMs, timeZone);
  if (isOpen) {
    const text =
      when === null
        ? `within the ${words}, which never ${windows.length === 1 ? 'closes' : 'close'}`
        : `within the ${words}, open until ${when}`;
    return { isOpen, closesMs: changeMs, opensMs: null, text };
  }
  return { isOpen, closesMs: null, opensMs: changeMs, text: `outside the ${words}, next open ${when ?? 'never'}` };
}

/** What of the week the windows cover, in order and without touching one another. */
function spansOf(windows: readonly WeeklyWindow[]): readonly Span[] {
  const parts = windows.flatMap(({ days, startMinute, endMinute }) =>
    days.flatMap((day): Span[] => {
      const start = day * dayMinutes + startMinute;
      const end = day * dayMinutes + endMinute;
      if (end <= weekMinutes) return [{ start, end }];
      return [
        { start, end: weekMinutes },
        { start: 0, end: end - weekMinutes },
      ];
    }),
  );
  const spans: Span[] = [];
  for (const part of parts.sort((a, b) => a.start - b.start)) {
    const last = spans.at(-1);
    if (last === undefined || part.start > last.end) spans.push(part);
    else spans[spans.length - 1] = { start: last.start, end: Math.max(last.end, part.end) };
  }
  return spans;
}

function isWithin(spans: readonly Span[], ms: number, timeZone: string): boolean {
  const minute = weekPosition(ms, offsetAt(ms, timeZone)) / minuteMs;
  return spans.some(({ start, end }) => start <= minute && minute < end);
}

/** Minutes of the week at which a span begins or ends; the end of the week is none where spans go on over it. */
function edgesOf(spans: readonly Span[]): readonly number[] {
  const edges = spans.flatMap(({ start, end }) => [start, end % weekMinutes]);
  const goesOn = spans[0]?.start === 0 && spans.at(-1)?.end === weekMinutes;
  return edges.filter((edge) => edge !== 0 || !goesOn).sort((a, b) => a - b);
}

/** Longer than any window stays away: the worst are a week, and one more in which its day or hour is left out. */
const horizonMs = 5 * weekMs;

/** The first instant after this one at which the windows are no longer as they are; null when there is none. */
function nextChange(spans: readonly Span[], timeZone: string, nowMs: number, isOpen: boolean): number | null {
  const edges = edgesOf(spans);
  let fromMs = nowMs;
  while (edges.length > 0 && fromMs < nowMs + horizonMs) {
    const edgeMs = fromMs + untilNextEdge(edges, weekPosition(fromMs, offsetAt(fromMs, timeZone)));
    const shiftMs = firstShift(fromMs, edgeMs, timeZone);
    if (shiftMs === null) return edgeMs;
    if (isWithin(spans, shiftMs, timeZone) !== isOpen) return shiftMs;
    fromMs = shiftMs;
  }
  return null;
}

/** How long a clock that nobody changes takes to its next edge, in milliseconds; more than none. */
function untilNextEdge(edges: readonly number[], position: number): number {
  const next = edges.find((edge) => edge * minuteMs > position);
  return (next ?? (edges[0] ?? 0) + weekMinutes) * minuteMs - position;
}

/** No zone has ever had its clocks changed twice within so short a time. */
const shiftStepMs = 6 * hourMs;

/** The first instant after `fromMs` and up to `toMs` at which the clocks are changed; null when they are not. */
function firstShift(fromMs: number, toMs: number, timeZone: string): number | null {
  const offset = offsetAt(fromMs, timeZone);
  let before = fromMs;
  while (before < toMs) {
    let after = Math.min(before + shiftStepMs, toMs);
    if (offsetAt(after, timeZone) === offset) {
      before = after;
      continue;
    }
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (offsetAt(middle, timeZone) === offset) before = middle;
      else after = middle;
    }
    return after;
  }
  return null;
}

function windowWords(windows: readonly WeeklyWindow[]): string {
  const rest = windows.length - 3;
  const names = windows.slice(0, 3).map(({ text }) => text);
  return `${windows.length === 1 ? 'window' : 'windows'} ${names.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

/** `Sat 2026-03-28 02:00 Europe/Berlin (UTC+01:00)`; the offset tells the two hours of an autumn night apart. */
function instantText(ms: number, timeZone: string): string {
  const { year, month, day, hour, minute } = wallTimeOf(ms, timeZone);
  const offset = offsetAt(ms, timeZone);
  const two = (n: number): string => String(n).padStart(2, '0');
  const weekday = dayNames[Math.floor(weekPosition(ms, offset) / dayMs)] ?? '';
  const date = `${weekday} ${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)} ${timeZone}`;
  if (timeZone.toUpperCase() === 'UTC') return date;
  const minutes = Math.floor(Math.abs(offset) / minuteMs);
  return `${date} (UTC${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)})`;
}

// Maintenance windows: what a text says, what clocks show, and the exact instants at which a window opens and closes.

import { describe, expect, test } from 'bun:test';
import type { WeeklyWindow } from '../../../agent/model/upgrade.ts';
import { isTimeZone, localTimeOf, parseWeeklyWindow, windowState } from '../../../agent/model/weekly-window.ts';
import { seededRandom } from '../../support/random-text.ts';

function windowOf(text: string): WeeklyWindow {
  const window = parseWeeklyWindow(text);
  if (typeof window === 'string') throw new Error(`${text}: ${window}`);
  return window;
}

const ms = (instant: string): number => Date.parse(instant);
const iso = (instant: number | null): string | null =>
  instant === null ? null : new Date(instant).toISOString().replace(':00.000Z', 'Z');

/** Each change from an instant on, `+` where it opens and `-` where it closes, for some days. */
function changes(texts: readonly string[], zone: string, from: string, days: number): string[] {
  const windows = texts.map(windowOf);
  const found: string[] = [];
  for (let now = ms(from); ; ) {
    const { isOpen, opensMs, closesMs } = windowState(windows, zone, now);
    const next = isOpen ? closesMs : opensMs;
    if (next === null || next > ms(from) + days * 86_400_000) return found;
    found.push(`${isOpen ? '-' : '+'} ${iso(next)}`);
    now = next;
  }
}

describe('a window', () => {
  const read: readonly (readonly [text: string, days: readonly number[], start: number, end: number])[] = [
    ['Sat 02:00-04:00', [6], 120, 240],
    ['daily 03:00-03:30', [0, 1, 2, 3, 4, 5, 6], 180, 210],
    ['Mon-Fri 23:30-01:00', [1, 2, 3, 4, 5], 1410, 1500],
    ['Fri-Mon 00:00-24:00', [0, 1, 5, 6], 0, 1440],
    ['Sun 22:00-00:00', [0], 1320, 1440],
    ['Sat 12:00-11:59', [6], 720, 2159],
    ['sat,SUNDAY , Mon-Tue 2:00 - 4:05', [0, 1, 2, 6], 120, 245],
    ['  Wed 00:00-00:01 ', [3], 0, 1],
  ];
  for (const [text, days, startMinute, endMinute] of read) {
    test(`is read: ${text}`, () => {
      expect(windowOf(text)).toEqual({ days, startMinute, endMinute, text: text.trim() });
    });
  }

  const refused: readonly (readonly [text: string, reason: string])[] = [
    ['', 'a window is days and two times of day with minutes, 02:00-04:00'],
    ['Sat', 'it has no times; where several days share theirs, the whole has to be in quotes'],
    ['Sat 02:00', 'a window is days and two times of day'],
    ['Sat 2-4', 'a window is days and two times of day'],
    ['02:00-04:00', 'no day stands before the times; every day is written daily 02:00-04:00'],
    ['Sbt 02:00-04:00', '"Sbt" is no day; the days are Mon, Tue, Wed, Thu, Fri, Sat, Sun, and daily for all of them'],
    ['Sat- 02:00-04:00', '"" is no day'],
    ['Mon-Tue-Wed 02:00-04:00', '"Mon-Tue-Wed" has more than a first and a last day'],
    ['Sat 24:30-25:00', '24:30 is no time of day'],
    ['Sat 24:00-01:00', '24:00 is no time of day'],
    ['Sat 22:00-26:00', '26:00 is no time of day'],
    ['Sat 02:60-04:00', '02:60 is no time of day'],
    ['Sat 02:00-02:00', 'it opens and closes at 02:00; a whole day is written 00:00-24:00'],
    ['Sat 02:00-Sun 04:00', 'such as Sat 02:00-24:00 and Sun 00:00-04:00'],
    ['Sat 02:00–04:00', 'the dash in it is not the hyphen "-"'],
    [`Sat ${' '.repeat(100)}02:00-04:00`, 'it is longer than 100 characters'],
  ];
  for (const [text, reason] of refused) {
    test(`is none: "${text.slice(0, 30)}"`, () => {
      expect(String(parseWeeklyWindow(text))).toContain(reason);
    });
  }
});

describe('a zone', () => {
  test('is known by its IANA name, and an offset is none', () => {
    const texts = [
      'UTC',
      'Europe/Berlin',
      'europe/berlin',
      'Asia/Kathmandu',
      'Berlin',
      'Europe/Berlni',
      '+02:00',
      '',
      'x y',
    ];
    expect(texts.filter(isTimeZone)).toEqual(['UTC', 'Europe/Berlin', 'europe/berlin', 'Asia/Kathmandu']);
  });

  const shown: readonly (readonly [instant: string, zone: string, weekday: number, time: string])[] = [
    ['2026-03-29T00:59:59Z', 'Europe/Berlin', 0, '01:59:59'],
    ['2026-03-29T01:00:00Z', 'Europe/Berlin', 0, '03:00:00'],
    ['2026-03-28T23:00:00Z', 'Europe/Berlin', 0, '00:00:00'],
    ['2026-01-01T00:00:00Z', 'UTC', 4, '00:00:00'],
    ['2026-01-01T00:00:07.999Z', 'Asia/Kathmandu', 4, '05:45:07'],
    ['2024-02-29T12:00:00Z', 'America/St_Johns', 4, '08:30:00'],
    ['2026-04-04T14:59:59Z', 'Australia/Lord_Howe', 0, '01:59:59'],
    ['2026-04-04T15:00:00Z', 'Australia/Lord_Howe', 0, '01:30:00'],
    ['2011-12-30T09:59:59Z', 'Pacific/Apia', 4, '23:59:59'],
    ['2011-12-30T10:00:00Z', 'Pacific/Apia', 6, '00:00:00'],
    ['1969-12-31T23:59:59.500Z', 'UTC', 3, '23:59:59'],
    ['2100-03-01T00:00:00Z', 'UTC', 1, '00:00:00'],
  ];
  for (const [instant, zone, weekday, time] of shown) {
    test(`shows ${time} in ${zone} at ${instant}`, () => {
      const [hours = 0, minutes = 0, second = 0] = time.split(':').map(Number);
      expect(localTimeOf(ms(instant), zone)).toEqual({ weekday, minute: hours * 60 + minutes, second });
    });
  }
});

describe('windows open and close', () => {
  test('at the minute, the end no longer being within', () => {
    expect(changes(['Sat 02:00-04:00'], 'UTC', '2026-01-01T00:00:00Z', 10)).toEqual([
      '+ 2026-01-03T02:00Z',
      '- 2026-01-03T04:00Z',
      '+ 2026-01-10T02:00Z',
      '- 2026-01-10T04:00Z',
    ]);
    const saturday = [windowOf('Sat 02:00-04:00')];
    expect(windowState(saturday, 'UTC', ms('2026-01-03T01:59:59.999Z')).isOpen).toBe(false);
    expect(windowState(saturday, 'UTC', ms('2026-01-03T02:00:00Z')).isOpen).toBe(true);
    expect(windowState(saturday, 'UTC', ms('2026-01-03T03:59:59.999Z')).closesMs).toBe(ms('2026-01-03T04:00:00Z'));
    expect(windowState(saturday, 'UTC', ms('2026-01-03T04:00:00Z')).opensMs).toBe(ms('2026-01-10T02:00:00Z'));
  });

  test("over midnight, and over the week's end", () => {
    expect(changes(['Sat 23:30-01:00'], 'UTC', '2026-01-01T00:00:00Z', 7)).toEqual([
      '+ 2026-01-03T23:30Z',
      '- 2026-01-04T01:00Z',
    ]);
  });

  test('as one where they touch or overlap', () => {
    const touching = ['Sat 22:00-24:00', 'Sun 00:00-02:00', 'Sun 01:30-03:00', 'Sun 03:00-04:00'];
    expect(changes(touching, 'UTC', '2026-01-01T00:00:00Z', 7)).toEqual(['+ 2026-01-03T22:00Z', '- 2026-01-04T04:00Z']);
  });

  test('never, where there are none or they cover the week', () => {
    const always = { isOpen: true, closesMs: null, opensMs: null };
    const now = ms('2026-01-01T00:00:00Z');
    expect(windowState([], 'UTC', now)).toEqual({ ...always, text: 'no window is declared, any time is right' });
    expect(windowState([windowOf('daily 00:00-24:00')], 'Europe/Berlin', now)).toEqual({
      ...always,
      text: 'within the window daily 00:00-24:00, which never closes',
    });
    expect(
      windowState(['Mon-Fri 12:00-12:30', 'daily 06:00-18:00', 'daily 18:00-06:00'].map(windowOf), 'UTC', now).closesMs,
    ).toBe(null);
  });

  test('when a spring leaves their hour out', () => {
    const spring = (text: string): string[] => changes([text], 'Europe/Berlin', '2026-03-28T22:00:00Z', 7.5);
    // 02:00 is never shown: 03:00 summer time is the first instant within.
    expect(spring('Sun 02:00-04:00')).toEqual([
      '+ 2026-03-29T01:00Z',
      '- 2026-03-29T02:00Z',
      '+ 2026-04-05T00:00Z',
      '- 2026-04-05T02:00Z',
    ]);
    // Cut off, as the clock leaves it.
    expect(spring('Sun 01:00-02:30')).toEqual([
      '+ 2026-03-29T00:00Z',
      '- 2026-03-29T01:00Z',
      '+ 2026-04-04T23:00Z',
      '- 2026-04-05T00:30Z',
    ]);
    // Wholly within the hour that is left out: not this week.
    expect(spring('Sun 02:10-02:50')).toEqual(['+ 2026-04-05T00:10Z', '- 2026-04-05T00:50Z']);
    // The hour beside it is an hour nearer.
    expect(spring('Sun 03:00-03:30').slice(0, 2)).toEqual(['+ 2026-03-29T01:00Z', '- 2026-03-29T01:30Z']);
  });

  test('when an autumn shows their hour twice', () => {
    const autumn = (text: string): string[] => changes([text], 'Europe/Berlin', '2026-10-24T22:00:00Z', 1);
    expect(autumn('Sun 02:00-03:00')).toEqual(['+ 2026-10-25T00:00Z', '- 2026-10-25T02:00Z']);
    expect(autumn('Sun 02:00-02:30')).toEqual([
      '+ 2026-10-25T00:00Z',
      '- 2026-10-25T00:30Z',
      '+ 2026-10-25T01:00Z',
      '- 2026-10-25T01:30Z',
    ]);
    expect(autumn('Sun 01:30-02:15')).toEqual([
      '+ 2026-10-24T23:30Z',
      '- 2026-10-25T00:15Z',
      '+ 2026-10-25T01:00Z',
      '- 2026-10-25T01:15Z',
    ]);
    expect(autumn('Sun 02:30-04:00')).toEqual([
      '+ 2026-10-25T00:30Z',
      '- 2026-10-25T01:00Z',
      '+ 2026-10-25T01:30Z',
      '- 2026-10-25T03:00Z',
    ]);
  });

  test('where the clocks are changed by half an hour', () => {
    // Lord Howe goes from +10:30 to +11 at 02:00, and back at 02:00.
    const howe = (text: string, from: string): string[] => changes([text], 'Australia/Lord_Howe', from, 1);
    expect(howe('Sun 02:15-03:00', '2026-10-03T12:00:00Z')).toEqual(['+ 2026-10-03T15:30Z', '- 2026-10-03T16:00Z']);
    expect(howe('Sun 02:05-02:25', '2026-10-03T12:00:00Z')).toEqual([]);
    expect(howe('Sun 01:45-02:15', '2026-04-04T12:00:00Z')).toEqual([
      '+ 2026-04-04T14:45Z',
      '- 2026-04-04T15:00Z',
      '+ 2026-04-04T15:15Z',
      '- 2026-04-04T15:45Z',
    ]);
  });

  test('where the clocks are changed at midnight', () => {
    // In Havana 2026-03-08 begins at 01:00, and 2026-11-01 has 00:00 to 01:00 twice.
    const havana = (text: string, from: string): string[] => changes([text], 'America/Havana', from, 1);
    expect(havana('Sat 23:30-00:30', '2026-03-07T12:00:00Z')).toEqual(['+ 2026-03-08T04:30Z', '- 2026-03-08T05:00Z']);
    expect(havana('Sun 00:00-02:00', '2026-03-07T12:00:00Z')).toEqual(['+ 2026-03-08T05:00Z', '- 2026-03-08T06:00Z']);
    expect(havana('Sun 00:00-00:30', '2026-10-31T12:00:00Z')).toEqual([
      '+ 2026-11-01T04:00Z',
      '- 2026-11-01T04:30Z',
      '+ 2026-11-01T05:00Z',
      '- 2026-11-01T05:30Z',
    ]);
    // In Cairo the last Thursday of October 2024 has 23:00 to 24:00 twice: one midnight, of a Friday.
    expect(changes(['Thu 23:30-00:30'], 'Africa/Cairo', '2024-10-31T12:00:00Z', 1)).toEqual([
      '+ 2024-10-31T20:30Z',
      '- 2024-10-31T21:00Z',
      '+ 2024-10-31T21:30Z',
      '- 2024-10-31T22:30Z',
    ]);
  });

  test('where a day was left out', () => {
    const apia = (text: string): string[] => changes([text], 'Pacific/Apia', '2011-12-29T12:00:00Z', 3);
    expect(apia('Fri 02:00-04:00')).toEqual([]);
    expect(apia('Thu 23:00-01:00')).toEqual(['+ 2011-12-30T09:00Z', '- 2011-12-30T10:00Z']);
    expect(apia('Fri 23:00-01:00')).toEqual(['+ 2011-12-30T10:00Z', '- 2011-12-30T11:00Z']);
    expect(windowState([windowOf('Fri 02:00-04:00')], 'Pacific/Apia', ms('2011-12-29T12:00:00Z')).opensMs).toBe(
      ms('2012-01-05T12:00:00Z'),
    );
  });

  test('in words that stay the same until they do', () => {
    const berlin = (instant: string): string =>
      windowState([windowOf('Sun 02:30-03:30')], 'Europe/Berlin', ms(instant)).text;
    expect(berlin('2026-10-24T12:00:00Z')).toBe(
      'outside the window Sun 02:30-03:30, next open Sun 2026-10-25 02:30 Europe/Berlin (UTC+02:00)',
    );
    expect(berlin('2026-10-24T23:00:00Z')).toBe(berlin('2026-10-24T12:00:00Z'));
    expect(berlin('2026-10-25T01:30:00Z')).toBe(
      'within the window Sun 02:30-03:30, open until Sun 2026-10-25 03:30 Europe/Berlin (UTC+01:00)',
    );
    const many = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri'].map((day) => windowOf(`${day} 02:00-03:00`));
    expect(windowState(many, 'UTC', ms('2026-01-03T00:00:00Z')).text).toBe(
      'outside the windows Mon 02:00-03:00, Tue 02:00-03:00, Wed 02:00-03:00 and 2 more, next open Mon 2026-01-05 02:00 UTC',
    );
    expect(windowState(many, 'America/St_Johns', ms('2026-01-03T00:00:00Z')).text).toEndWith(
      'Mon 2026-01-05 02:00 America/St_Johns (UTC-03:30)',
    );
  });
});

/** The wall clock as another reader of the same rules has it: minutes since Sunday midnight. */
function clockReader(zone: string): (instant: number) => number {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
  return (instant) => {
    const [, day = '', hour = '', minute = ''] = /^(\w+),? (\d+):(\d+)$/.exec(format.format(instant)) ?? [];
    return days.indexOf(day) * 1440 + Number(hour) * 60 + Number(minute);
  };
}

/** Whether a minute of the week is in one of the windows, each by itself. */
function isIn(windows: readonly WeeklyWindow[], minuteOfWeek: number): boolean {
  return windows.some(({ days, startMinute, endMinute }) =>
    days.some((day) => (minuteOfWeek - day * 1440 - startMinute + 2 * 10_080) % 10_080 < endMinute - startMinute),
  );
}

function randomWindows(random: () => number): WeeklyWindow[] {
  const below = (n: number): number => Math.floor(random() * n);
  return Array.from({ length: 1 + below(4) }, () => {
    const startMinute = random() < 0.5 ? below(24) * 60 : random() < 0.7 ? 60 + below(150) : below(1440);
    const length = random() < 0.6 ? 1 + below(120) : 1 + below(1440);
    const days = [0, 1, 2, 3, 4, 5, 6].filter(() => random() < 0.3);
    return {
      days: days.length === 0 ? [below(7)] : days,
      startMinute,
      endMinute: startMinute + length,
      text: 'random',
    };
  });
}

describe('against a scan minute by minute', () => {
  const stretches: readonly (readonly [zone: string, from: string])[] = [
    ['Europe/Berlin', '2026-03-19T00:00:00Z'],
    ['Europe/Berlin', '2026-10-15T00:00:00Z'],
    ['America/St_Johns', '2026-03-01T00:00:00Z'],
    ['Asia/Kathmandu', '2026-06-01T00:00:00Z'],
    ['Australia/Lord_Howe', '2026-03-27T00:00:00Z'],
    ['Australia/Lord_Howe', '2026-09-25T00:00:00Z'],
    ['America/Havana', '2026-03-01T00:00:00Z'],
    ['America/Havana', '2026-10-24T00:00:00Z'],
    ['Africa/Cairo', '2026-04-16T00:00:00Z'],
    ['Pacific/Apia', '2011-12-22T00:00:00Z'],
    ['Pacific/Chatham', '2026-03-28T00:00:00Z'],
    ['Africa/Casablanca', '2026-02-08T00:00:00Z'],
  ];
  const minutes = 17 * 1440;
  for (const [zone, from] of stretches) {
    test(`opens and closes as the clocks of ${zone} show it from ${from.slice(0, 10)} on`, () => {
      const read = clockReader(zone);
      const shown = Array.from({ length: minutes }, (_, i) => read(ms(from) + i * 60_000));
      const random = seededRandom(1884);
      for (let round = 0; round < 100; round++) {
        const windows = randomWindows(random);
        const start = Math.floor(random() * 9 * 1440);
        const within = Math.floor(random() * 60_000);
        const isOpen = isIn(windows, shown[start] ?? 0);
        const ahead = shown.slice(start + 1).findIndex((minute) => isIn(windows, minute) !== isOpen);
        const state = windowState(windows, zone, ms(from) + start * 60_000 + within);
        expect(state.isOpen).toBe(isOpen);
        const next = isOpen ? state.closesMs : state.opensMs;
        const last = ms(from) + minutes * 60_000;
        if (ahead >= 0) expect(iso(next)).toBe(iso(ms(from) + (start + 1 + ahead) * 60_000));
        else expect(next === null || next >= last).toBe(true);
        expect(isOpen ? state.opensMs : state.closesMs).toBe(null);
      }
    });
  }

  test('says of each minute of a year, taken at random, what the clock says, and changes where that does', () => {
    const random = seededRandom(365);
    for (const zone of ['Europe/Berlin', 'Australia/Lord_Howe', 'Africa/Casablanca', 'America/Havana']) {
      const read = clockReader(zone);
      const windows = ['Sun 02:10-02:50', 'Thu-Sun 23:15-01:45', 'Wed 12:00-11:00'].map(windowOf);
      let now = ms('2026-01-01T00:00:00Z');
      while (now < ms('2027-01-01T00:00:00Z')) {
        const { isOpen, opensMs, closesMs } = windowState(windows, zone, now);
        const next = (isOpen ? closesMs : opensMs) ?? Number.NaN;
        const between = Math.floor(now + random() * (next - now));
        const says = [now, between, next - 1, next].map((instant) => isIn(windows, read(instant)));
        expect([iso(now), ...says]).toEqual([iso(now), isOpen, isOpen, isOpen, !isOpen]);
        now = next;
      }
    }
  });
});

test('an answer takes less than 5 ms, the zone being known', () => {
  const windows = ['Sun 02:10-02:50', 'Sat 02:10-02:50'].map(windowOf);
  const from = ms('2026-03-22T00:51:00Z');
  windowState(windows, 'Europe/Berlin', from);
  const began = performance.now();
  for (let i = 0; i < 100; i++) windowState(windows, 'Europe/Berlin', from + i * 1000);
  expect((performance.now() - began) / 100).toBeLessThan(5);
});

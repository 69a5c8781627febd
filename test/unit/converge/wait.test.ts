// A wait has an owner, a deadline and a reason that anybody can see while it lasts.

import { describe, expect, test } from 'bun:test';
import { type Look, waitFor } from '../../../agent/converge/wait.ts';
import { AgentError } from '../../../agent/model/errors.ts';
import { effectLog } from '../../support/effect-log.ts';
import { fakeFiles } from '../../support/fake-files.ts';
import { eventList } from '../../support/packaged-host.ts';
import { virtualClock } from '../../support/virtual-clock.ts';

const place = '/run/diyc-agent/waits/me.json';

function waiting(seed = 1) {
  const clock = virtualClock({ seed });
  const log = effectLog();
  const files = fakeFiles({ clock, log });
  const reporter = eventList();
  const looks: number[] = [];
  const began = clock.monotonicMs();
  const after =
    (readyMs: number, reason: (elapsedMs: number) => string = () => 'not yet') =>
    (): Promise<Look<string>> => {
      const elapsedMs = clock.monotonicMs() - began;
      looks.push(elapsedMs);
      return Promise.resolve(
        elapsedMs >= readyMs
          ? { ready: true, value: 'there' }
          : { ready: false, reason: reason(elapsedMs), hint: 'do it' },
      );
    };
  return { clock, files, log, reporter, looks, after, elapsed: () => clock.monotonicMs() - began };
}

const owner = { owner: 'me', deadlineMs: 600_000 };

describe('a wait', () => {
  test('for what is there already writes nothing, says nothing and takes no time', async () => {
    const w = waiting();
    expect(await waitFor(w, w.reporter, owner, w.after(0))).toBe('there');
    expect([w.log.lines, w.reporter.events, w.elapsed()]).toEqual([[], [], 0]);
  });
  test('leaves its reason in a file while it lasts, and no file afterwards', async () => {
    const w = waiting();
    let during = '';
    w.clock.after(30_000, () => {
      during = w.files.snapshot()[place] ?? '';
    });
    await waitFor(w, w.reporter, owner, w.after(60_000));
    expect(JSON.parse(during)).toMatchObject({ owner: 'me', reason: 'not yet', hint: 'do it' });
    expect(w.files.snapshot()).toEqual({});
    expect(w.reporter.events.at(-1)).toMatchObject({ event: 'wait.over', owner: 'me' });
  });
  test('pauses longer and longer, from 0.2 s to 5 s, with at most half of jitter', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const w = waiting(seed);
      await waitFor(w, w.reporter, owner, w.after(120_000));
      const pauses = w.looks.slice(1).map((at, i) => at - (w.looks[i] ?? 0));
      let least = 200;
      for (const pause of pauses) {
        expect(pause).toBeGreaterThanOrEqual(least - 1e-6);
        expect(pause).toBeLessThanOrEqual(least * 1.5 + 1e-6);
        least = Math.min(least * 1.6, 5_000);
      }
      expect(Math.max(...pauses)).toBeLessThanOrEqual(7_500);
    }
  });
  test('does not ask in step with others', async () => {
    const times = await Promise.all(
      [1, 2, 3].map(async (seed) => {
        const w = waiting(seed);
        await waitFor(w, w.reporter, owner, w.after(60_000));
        return w.looks.slice(1, 6).map(Math.round).join();
      }),
    );
    expect(new Set(times).size).toBe(3);
  });
  test('says the same reason once a minute, and another one at once', async () => {
    const w = waiting();
    await waitFor(
      w,
      w.reporter,
      owner,
      w.after(300_000, (ms) => (ms < 10_000 ? 'first' : 'second')),
    );
    const said = w.reporter.events.flatMap((e) => (e.event === 'waiting' ? [e] : []));
    expect(said.filter((e) => e.reason === 'first')).toHaveLength(1);
    const second = said.filter((e) => e.reason === 'second').map((e) => e.elapsedMs);
    expect(second.length).toBeGreaterThanOrEqual(4);
    expect(second.length).toBeLessThanOrEqual(5);
    for (const [i, at] of second.slice(1).entries()) expect(at - (second[i] ?? 0)).toBeGreaterThanOrEqual(60_000);
  });
  test('ends at its deadline with the last reason and its hint, and leaves no file', async () => {
    const w = waiting();
    const error = await waitFor(
      w,
      w.reporter,
      { owner: 'me', deadlineMs: 42_000 },
      w.after(Number.POSITIVE_INFINITY),
    ).catch((e: unknown) => e);
    expect(error).toMatchObject({ kind: 'tempfail', message: 'gave up after 42 s: not yet', hint: 'do it' });
    expect(w.elapsed()).toBeGreaterThanOrEqual(42_000);
    expect(w.elapsed()).toBeLessThan(42_100);
    expect(w.files.snapshot()).toEqual({});
  });
  test('looks once even when there is no time at all', async () => {
    const w = waiting();
    expect(await waitFor(w, w.reporter, { owner: 'me', deadlineMs: 0 }, w.after(0))).toBe('there');
    const late = waiting();
    expect(await waitFor(late, late.reporter, { owner: 'me', deadlineMs: 0 }, late.after(1)).catch(String)).toContain(
      'gave up',
    );
  });
  test('passes on what the look throws, and leaves no file', async () => {
    const w = waiting();
    let turn = 0;
    const look = (): Promise<Look<never>> =>
      turn++ === 0
        ? Promise.resolve({ ready: false, reason: 'r' })
        : Promise.reject(new AgentError('data', 'broken', { hint: 'h' }));
    expect(await waitFor(w, w.reporter, owner, look).catch(String)).toContain('broken');
    expect(w.files.snapshot()).toEqual({});
  });
  test('ends when it is told to, with that reason, and leaves no file', async () => {
    const stop = new AbortController();
    const w = waiting();
    w.clock.after(20_000, () => stop.abort(new AgentError('tempfail', 'ended by SIGTERM', { hint: 'h' })));
    const error = await waitFor(w, w.reporter, { ...owner, signal: stop.signal }, w.after(600_000)).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ message: 'ended by SIGTERM' });
    expect(w.elapsed()).toBe(20_000);
    expect(w.files.snapshot()).toEqual({});
  });
  test('takes away what a killed wait left behind', async () => {
    const w = waiting();
    w.files.put({ [place]: '{"owner":"me","reason":"of an earlier life"}' });
    await waitFor(w, w.reporter, owner, w.after(0));
    expect(w.files.snapshot()).toEqual({});
  });
});

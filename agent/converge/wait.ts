// Waiting as a value: every wait has an owner, a deadline and a reason that anybody can see while it lasts.

import { AgentError, isAgentError } from '../model/errors.ts';
import { type AbsolutePath, under, waitsDirectory } from '../model/paths.ts';
import type { Clock } from '../ports/clock.ts';
import type { Files } from '../ports/files.ts';
import type { Reporter } from '../ports/reporter.ts';

/** One look: there, or not there and why. */
export type Look<T> =
  | { readonly ready: true; readonly value: T }
  | { readonly ready: false; readonly reason: string; readonly hint?: string };

export interface WaitOptions {
  /** Who waits: the name of the file below /run/diyc-agent/waits, and of the events. */
  readonly owner: string;
  readonly deadlineMs: number;
  /** Said again after this long even if the reason is the same; a journal should not look dead. */
  readonly repeatMs?: number;
  /** Ends the wait with its reason: whoever stops the unit must not have to wait as well. */
  readonly signal?: AbortSignal;
}

/** Where the reason is left while the wait lasts, and what paces it. */
export interface WaitPorts {
  readonly clock: Clock;
  readonly files: Pick<Files, 'replace' | 'remove'>;
}

const firstPauseMs = 200;
const longestPauseMs = 5_000;
const defaultRepeatMs = 60_000;

/**
 * Look until it is there. Pauses grow from 0.2 s to 5 s, each with up to half of jitter, so that a room full of hosts
 * does not ask in step. The reason stands in /run/diyc-agent/waits/<owner>.json while the wait lasts.
 *
 * @throws AgentError `tempfail` with the last reason when the deadline passes; what `look` throws passes through, and
 * so does the reason of the signal
 */
export async function waitFor<T>(
  host: WaitPorts,
  reporter: Reporter,
  options: WaitOptions,
  look: () => Promise<Look<T>>,
): Promise<T> {
  const { clock, files } = host;
  const file = under(waitsDirectory, `${options.owner}.json`);
  const beganMs = clock.monotonicMs();
  let pauseMs = firstPauseMs;
  let told = { reason: '', atMs: 0 };
  try {
    for (;;) {
      const found = await look();
      const elapsedMs = clock.monotonicMs() - beganMs;
      if (found.ready) {
        if (told.reason !== '') reporter.emit({ event: 'wait.over', owner: options.owner, elapsedMs });
        return found.value;
      }
      if (found.reason !== told.reason || elapsedMs - told.atMs >= (options.repeatMs ?? defaultRepeatMs)) {
        told = { reason: found.reason, atMs: elapsedMs };
        const hint = found.hint === undefined ? {} : { hint: found.hint };
        reporter.emit({
          event: 'waiting',
          owner: options.owner,
          reason: found.reason,
          ...hint,
          elapsedMs,
          deadlineMs: options.deadlineMs,
        });
        const note = { owner: options.owner, reason: found.reason, ...hint, since: clock.timestamp() };
        await leaveNote(files, file, note);
      }
      if (elapsedMs >= options.deadlineMs) {
        throw new AgentError('tempfail', `gave up after ${Math.round(elapsedMs / 1000)} s: ${found.reason}`, {
          hint: found.hint ?? 'it is tried again by the unit that asked for it',
        });
      }
      const leftMs = Math.max(options.deadlineMs - elapsedMs, 1);
      await clock.sleep(Math.min(pauseMs * (1 + clock.random() / 2), leftMs), options.signal);
      pauseMs = Math.min(pauseMs * 1.6, longestPauseMs);
    }
  } finally {
    await files.remove(file);
  }
}

/** A full or read-only /run takes no note; the wait goes on, and the journal has the reason. */
async function leaveNote(files: WaitPorts['files'], file: AbsolutePath, note: object): Promise<void> {
  try {
    await files.replace(file, `${JSON.stringify(note)}\n`, { mode: 0o644, owner: null });
  } catch (error) {
    if (!isAgentError(error)) throw error;
  }
}

// Carry out a plan: intent in the journal, step by step with events, commit in the journal, look again.

import { AgentError, isAgentError } from '../model/errors.ts';
import type { Plan } from '../model/plan.ts';
import { splitForRoot } from '../model/plan.ts';
import { describeStep, type Step } from '../model/step.ts';
import type { Host } from '../ports/host.ts';
import type { Reporter } from '../ports/reporter.ts';
import { execute } from './executors.ts';
import { type Memory, type RunKey, recordCommit, recordIntent, recordReboot } from './journal.ts';

export interface ApplyOptions {
  readonly verb: string;
  readonly key: RunKey;
  /** Milliseconds the whole run may take; checked before each step, and every step has a deadline of its own. */
  readonly deadlineMs: number;
  /** Ends the run between two steps; the next one goes on there. */
  readonly signal?: AbortSignal;
}

export interface Applied {
  readonly done: readonly Step[];
  /** What needs the running host and was left for it, below --root. */
  readonly deferred: readonly Step[];
  /** Steps whose failure does not leave half a configuration: a kernel module that is not there. */
  readonly failed: readonly { readonly step: Step; readonly error: AgentError }[];
}

/**
 * Apply a plan. Nothing at all is written when it is empty.
 *
 * @throws AgentError the first failure of a step that matters, after it was recorded; what was done before stays done
 * and the next run goes on from there; `tempfail` when the deadline passed between two steps, and the signal's reason when it fired between two
 */
export async function apply(
  host: Host,
  plan: Plan,
  memory: Memory,
  options: ApplyOptions,
  reporter: Reporter,
): Promise<Applied> {
  const { clock, machine, files } = host;
  const { applicable, deferred } = machine.isLive ? { applicable: plan.steps, deferred: [] } : splitForRoot(plan);
  for (const step of deferred) reporter.emit({ event: 'step.deferred', step });
  if (applicable.length === 0) return { done: [], deferred, failed: [] };

  const startedMs = clock.monotonicMs();
  const timestamp = (): string => clock.timestamp();
  const run = {
    run: machine.digest(`${clock.now()} ${clock.random()}`).slice(0, 12),
    verb: options.verb,
    key: options.key,
  };
  await recordIntent(files, memory, run, applicable, machine.digest, timestamp());

  const done: Step[] = [];
  const failed: { step: Step; error: AgentError }[] = [];
  for (const [index, step] of applicable.entries()) {
    const beganMs = clock.monotonicMs();
    if (options.signal?.aborted === true) {
      await recordCommit(files, run, 'failed', done.length, timestamp());
      options.signal.throwIfAborted();
    }
    if (beganMs - startedMs > options.deadlineMs) {
      await recordCommit(files, run, 'failed', done.length, timestamp());
      throw new AgentError(
        'tempfail',
        `the run took longer than ${options.deadlineMs} ms and stopped before it could ${describeStep(step)}`,
        {
          hint: 'run diyc-agent apply; it goes on where this run stopped',
        },
      );
    }
    reporter.emit({ event: 'step.started', step, number: index + 1, of: applicable.length });
    try {
      if (step.kind === 'writeFile' && step.drifted)
        reporter.emit({ event: 'file.drifted', path: step.path, keptAs: step.keepAs });
      // A reboot cuts off everything after it, so it is written down before.
      if (step.kind === 'reboot') await recordReboot(files, options.key, timestamp());
      await execute(host, step);
      done.push(step);
      reporter.emit({ event: 'step.finished', step, durationMs: clock.monotonicMs() - beganMs });
    } catch (cause) {
      const error = asAgentError(cause, step);
      const durationMs = clock.monotonicMs() - beganMs;
      const ends = step.kind !== 'loadModule';
      reporter.emit({ event: 'step.failed', step, message: error.message, ends, durationMs });
      if (!ends) {
        failed.push({ step, error });
        continue;
      }
      await recordCommit(files, run, 'failed', done.length, timestamp()).catch(() => {
        // The journal is on the same full or read-only disk as the step that failed; that failure is the one to tell.
      });
      throw error;
    }
  }
  await recordCommit(files, run, 'done', done.length, timestamp());
  return { done, deferred, failed };
}

function asAgentError(cause: unknown, step: Step): AgentError {
  if (isAgentError(cause)) {
    return new AgentError(cause.kind, `cannot ${describeStep(step)}: ${cause.message}`, {
      hint: cause.hint,
      retryable: cause.retryable,
      isConflict: cause.isConflict,
      cause,
    });
  }
  return new AgentError('bug', `cannot ${describeStep(step)}: ${String(cause)}`, {
    hint: 'report this with the output of diyc-agent plan',
    cause,
  });
}

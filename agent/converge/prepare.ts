// From a node's context to its plan, and from a plan to a host that is as wanted: look, decide, act, look again.

import { AgentError, isAgentError } from '../model/errors.ts';
import type { Plan } from '../model/plan.ts';
import { describeStep, fileSteps, type Step } from '../model/step.ts';
import type { ComponentSpec } from '../model/wish.ts';
import type { Component, NodeContext } from '../ports/component.ts';
import type { Host, ReadOnlyHost } from '../ports/host.ts';
import type { Reporter } from '../ports/reporter.ts';
import { type Applied, type ApplyOptions, apply } from './apply.ts';
import { type PlanOptions, planDifferences } from './differences.ts';
import { type Memory, type RunKey, rebootId, recall } from './journal.ts';
import { observe } from './observation.ts';

export interface PlanRequest {
  readonly context: NodeContext;
  readonly components: readonly Component[];
  readonly agentVersion: string;
  /** The operator allows running units to be restarted. */
  readonly restart: boolean;
  /** `boot` may reboot after the first configuration; `plan` and `apply` never do. */
  readonly mayReboot: boolean;
}

export interface Planned {
  readonly plan: Plan;
  readonly memory: Memory;
  readonly key: RunKey;
}

/** What a run is made from. */
export function runKey(host: Pick<ReadOnlyHost, 'machine'>, context: NodeContext, agentVersion: string): RunKey {
  return {
    instanceId: context.node.instanceId,
    hardwareId: context.node.hardwareId,
    inputs: host.machine.digest(JSON.stringify([context.config, context.node, context.layout])).slice(0, 16),
    agent: agentVersion,
  };
}

/** Look at the host and decide; nothing is changed. */
export async function makePlan(host: ReadOnlyHost, request: PlanRequest): Promise<Planned> {
  const { context, components } = request;
  const specs = components.map((c) => c.desire(context)).filter((s): s is ComponentSpec => s !== null);
  const [seen, memory] = await Promise.all([
    observe(
      host,
      specs.flatMap((s) => s.wishes),
    ),
    recall(host.files),
  ]);
  const { digest } = host.machine;
  const key = runKey(host, context, request.agentVersion);
  const id = rebootId(key);
  const isFirst = !memory.reboots.has(id) && memory.progress.get(id) !== 'configured';
  const options: PlanOptions = {
    restart: request.restart,
    rebootAfterFirst: request.mayReboot && context.config.firstBoot.reboot === 'always' && isFirst,
    resumesFirst: memory.progress.get(id) === 'begun',
  };
  return { plan: planDifferences(specs, seen, memory, options, digest), memory, key };
}

export interface ConvergeOutcome extends Applied {
  readonly plan: Plan;
}

const mostPasses = 3;
const conflictPauseMs = 100;

/**
 * Plan and apply until a fresh look finds nothing left to do.
 *
 * @throws AgentError what `apply` throws; `oserr` when the same files still differ after a pass that succeeded
 */
export async function converge(
  host: Host,
  request: PlanRequest,
  reporter: Reporter,
  run: { readonly verb: string; readonly deadlineMs: number; readonly signal?: AbortSignal },
): Promise<ConvergeOutcome> {
  const beganMs = host.clock.monotonicMs();
  const signal = run.signal === undefined ? {} : { signal: run.signal };
  // One deadline for all passes together.
  const options = (key: RunKey): ApplyOptions => ({
    verb: run.verb,
    key,
    deadlineMs: run.deadlineMs - (host.clock.monotonicMs() - beganMs),
    ...signal,
  });
  const { planned: first, applied: firstApplied } = await planAndApply(host, request, reporter, options);
  let applied = firstApplied;
  const endsHere = applied.done.length === 0 || applied.done.some((s) => s.kind === 'reboot');
  for (let pass = 1; !endsHere; pass++) {
    const next = await makePlan(host, { ...request, mayReboot: false });
    const left = next.plan.steps.filter((s) => leftOver(s, host, applied));
    if (left.length === 0) break;
    if (pass >= mostPasses) throw notConverging(left);
    let again: Applied;
    try {
      again = await apply(host, { ...next.plan, steps: left }, next.memory, options(next.key), reporter);
    } catch (error) {
      await pauseAfterConflict(host, error, pass + 1);
      continue;
    }
    applied = {
      done: [...applied.done, ...again.done],
      deferred: applied.deferred,
      failed: [...applied.failed, ...again.failed],
    };
  }
  return { ...applied, plan: first.plan };
}

/**
 * Two runs at once (bootcmd's and the unit's, an operator's and a timer's) plan the same files, and one of them finds
 * that the other came first. Nothing was lost by that: it looks again, and has less to do.
 */
async function planAndApply(
  host: Host,
  request: PlanRequest,
  reporter: Reporter,
  options: (key: RunKey) => ApplyOptions,
): Promise<{ readonly planned: Planned; readonly applied: Applied }> {
  for (let pass = 1; ; pass++) {
    const planned = await makePlan(host, request);
    try {
      return { planned, applied: await apply(host, planned.plan, planned.memory, options(planned.key), reporter) };
    } catch (error) {
      await pauseAfterConflict(host, error, pass);
    }
  }
}

/** What is no conflict, or one too many, is thrown again. */
async function pauseAfterConflict(host: Host, error: unknown, pass: number): Promise<void> {
  if (!isAgentError(error) || !error.isConflict || pass >= mostPasses) throw error;
  await host.clock.sleep(conflictPauseMs * (1 + host.clock.random()));
}

/** What a second look still finds and could be done now; a module that is not there stays so. */
function leftOver(step: Step, host: Host, applied: Applied): boolean {
  if (step.kind === 'loadModule') return false;
  // Queued starts are under way; a unit that failed at once is for `status` to tell, not to be started in a loop.
  if (step.kind === 'startUnits' && applied.done.some((d) => d.kind === 'startUnits')) return false;
  // So are queued restarts: systemd may not have come to them by the time of the second look.
  if (step.kind === 'restartUnits' && applied.done.some((d) => d.kind === 'restartUnits')) return false;
  return host.machine.isLive || fileSteps.has(step.kind);
}

function notConverging(left: readonly Step[]): AgentError {
  return new AgentError(
    'oserr',
    `after ${mostPasses} passes these are still to be done: ${left.map(describeStep).join('; ')}`,
    {
      hint: 'something else changes them back; find it (auditctl -w PATH -p wa), then run diyc-agent apply',
    },
  );
}

// What `boot` and `apply` share: gather, converge, say what happened.

import { components } from '../components/registry.ts';
import { type ConvergeOutcome, converge } from '../converge/prepare.ts';
import { exitCodes } from '../model/errors.ts';
import { describeStep } from '../model/step.ts';
import type { CommandContext } from './command.ts';
import { gather, tellWarnings } from './gather.ts';
import { configFile } from './options.ts';
import { requireRoot } from './permission.ts';

export interface ConvergeVerb {
  readonly verb: 'boot' | 'apply';
  readonly restart: boolean;
  readonly mayReboot: boolean;
  readonly deadlineMs: number;
}

/** @returns 0; 75 when a program this node needs is not installed on a running host */
export async function runConverge(context: CommandContext, how: ConvergeVerb): Promise<number> {
  const { host, reporter, options } = context;
  const began = host.clock.monotonicMs();
  requireRoot(host, options.root, how.verb);
  reporter.emit({ event: 'run.started', verb: how.verb, version: context.version });
  const node = await gather(host, reporter, configFile(options.config));
  tellWarnings(node.warnings, reporter);
  const request = {
    context: node,
    components,
    agentVersion: context.version,
    restart: how.restart,
    mayReboot: how.mayReboot,
  };
  const outcome = await converge(host, request, reporter, {
    verb: how.verb,
    deadlineMs: how.deadlineMs,
    signal: context.signal,
  });
  await host.programs.remember();
  if (outcome.plan.restartPending.length > 0)
    reporter.emit({ event: 'restart.pending', units: outcome.plan.restartPending });
  for (const { message, hint } of outcome.plan.waitingFor)
    reporter.emit({ event: 'config.warning', message, hint: hint ?? '' });
  if (outcome.done.length > 0) {
    reporter.emit({
      event: 'run.finished',
      verb: how.verb,
      outcome: `${outcome.done.length} ${outcome.done.length === 1 ? 'step' : 'steps'} done, this is ${node.node.name} of ${node.config.cluster}`,
      durationMs: host.clock.monotonicMs() - began,
    });
  } else {
    reporter.emit({ event: 'run.unchanged', verb: how.verb, node: node.node.name });
  }
  if (options.json) context.out(`${JSON.stringify(outcomeJson(node.node.name, outcome))}\n`);
  return host.machine.isLive && outcome.plan.waitingFor.length > 0 ? exitCodes.tempfail : 0;
}

function outcomeJson(node: string, outcome: ConvergeOutcome): object {
  return {
    schema: 1,
    node,
    changed: outcome.done.length > 0,
    done: outcome.done.map(describeStep),
    deferred: outcome.deferred.map(describeStep),
    failed: outcome.failed.map(({ step, error }) => ({
      step: describeStep(step),
      message: error.message,
      hint: error.hint,
    })),
    waitingFor: outcome.plan.waitingFor,
    restartPending: outcome.plan.restartPending,
  };
}

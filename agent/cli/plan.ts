// `plan`: what `apply` would do and why, with the difference in each file; changes nothing.

import { components } from '../components/registry.ts';
import { makePlan } from '../converge/prepare.ts';
import { isEmpty, splitForRoot } from '../model/plan.ts';
import { describeStep, fileSteps } from '../model/step.ts';
import { planText } from '../render/plan-text.ts';
import type { Action } from './command.ts';
import { gather } from './gather.ts';
import { configFile } from './options.ts';

const changesPending = 2;

/** Print the plan; 2 when something is to be done. */
export const runPlan: Action = async ({ host, reporter, options: global, version, out }, options) => {
  const node = await gather(host, reporter, configFile(global.config));
  const request = {
    context: node,
    components,
    agentVersion: version,
    restart: options['restart'] === true,
    mayReboot: false,
  };
  const { plan: planned } = await makePlan(host, request);
  const { isLive } = host.machine;
  // Below --root what needs the running host stays to be done for good, so it does not count.
  const isPending = isLive ? !isEmpty(planned) : splitForRoot(planned).applicable.length > 0;
  if (global.json) {
    const steps = planned.steps.map((step) => ({
      kind: step.kind,
      component: step.component,
      summary: describeStep(step),
      why: step.why,
      deferred: !isLive && !fileSteps.has(step.kind),
      ...(step.kind === 'writeFile' && !step.sensitive
        ? {
            path: step.path,
            before: step.before,
            after: step.content,
            drifted: step.drifted,
            keptAs: step.keepAs,
          }
        : 'path' in step
          ? { path: step.path }
          : {}),
    }));
    const { waitingFor, restartPending } = planned;
    out(
      `${JSON.stringify({ schema: 1, node: node.node.name, pending: isPending, steps, waitingFor, restartPending })}\n`,
    );
  } else {
    out(`node ${node.node.name} (${node.node.address}) of cluster ${node.config.cluster}, by ${node.node.source}\n`);
    out(planText(planned, { isLive, withDiff: options['diff'] !== false }));
  }
  return isPending ? changesPending : 0;
};

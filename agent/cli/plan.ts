// `plan`: what `apply` would do and why, with the difference in each file; changes nothing.

import { components } from '../components/registry.ts';
import { makePlan } from '../converge/prepare.ts';
import { storageOf } from '../model/cluster-config.ts';
import { isAgentError } from '../model/errors.ts';
import { isEmpty, splitForRoot } from '../model/plan.ts';
import { describeStep, fileSteps, type Step } from '../model/step.ts';
import { parseStorageResult, storageFile } from '../model/storage-result.ts';
import type { Host } from '../ports/host.ts';
import { planText } from '../render/plan-text.ts';
import type { Action } from './command.ts';
import { type Gathered, gather, tellWarnings } from './gather.ts';
import { configFile } from './options.ts';

const changesPending = 2;

/** Print the plan; 2 when something is to be done. */
export const runPlan: Action = async ({ host, reporter, options: global, version, out }, options) => {
  const node = await gather(host, reporter, configFile(global.config));
  tellWarnings(node.warnings, reporter);
  const request = {
    context: node,
    components,
    agentVersion: version,
    restart: options['restart'] === true,
    mayReboot: false,
  };
  const { plan: planned } = await makePlan(host, request);
  const { isLive } = host.machine;
  const growth = await storageGrowth(host, node);
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
    const storageGrowthSteps = growth.map((step) => ({
      kind: step.kind,
      summary: describeStep(step),
      why: step.why,
    }));
    const answer = { schema: 1, node: node.node.name, pending: isPending, steps, waitingFor, restartPending };
    out(`${JSON.stringify({ ...answer, storageGrowth: storageGrowthSteps })}\n`);
  } else {
    out(`node ${node.node.name} (${node.node.address}) of cluster ${node.config.cluster}, by ${node.node.source}\n`);
    out(planText(planned, { isLive, withDiff: options['diff'] !== false }));
    if (growth.length > 0) {
      out('storage: there is room that docker does not use yet; diyc-agent storage grow --yes would\n');
      for (const step of growth) out(`    ${describeStep(step)}: ${step.why}\n`);
    }
  }
  return isPending ? changesPending : 0;
};

/** What a grown LUN would allow; never a part of what `apply` does. Empty where nobody may look, or nothing is attached. */
async function storageGrowth(host: Host, node: Gathered): Promise<readonly Step[]> {
  const storage = storageOf(node.config, node.node.name);
  if (!host.machine.isLive || !host.machine.isRoot || storage?.docker === null || storage === null) return [];
  const result = parseStorageResult(await host.files.readText(storageFile));
  if (result?.outcome !== 'ready') return [];
  const { askSizes, dockerSpace } = await import('./storage-show.ts');
  const { planGrowth } = await import('../storage/growth.ts');
  const request = {
    cluster: node.config.cluster,
    node: node.node.name,
    docker: storage.docker,
    storageSetup: node.layout.storage.storageSetup,
  };
  try {
    await askSizes(host, node);
    const space = await dockerSpace(host, storage.docker);
    const planned = planGrowth(await host.lvm.state(), request, space?.totalBytes ?? null);
    return planned.kind === 'steps' ? planned.steps : [];
  } catch (error) {
    // What `apply` would do is known all the same; a target or an LVM that does not answer is told by `status`.
    if (!isAgentError(error)) throw error;
    return [];
  }
}

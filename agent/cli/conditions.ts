// Every condition of an identified node, as `status` and `report` both see it.

import { components, probedUnits } from '../components/registry.ts';
import { makePlan } from '../converge/prepare.ts';
import type { Condition } from '../model/condition.ts';
import { isAgentError } from '../model/errors.ts';
import { describeStep } from '../model/step.ts';
import type { ReadOnlyHost } from '../ports/host.ts';
import { observeConditions } from '../readiness/observe.ts';
import { upgradeConditions } from '../upgrade/conditions.ts';
import { readView } from '../upgrade/view.ts';
import type { Gathered } from './gather.ts';

const shownSteps = 3;

/** @param earlier conditions of the last report, for what this user may not look at */
export async function allConditions(
  host: ReadOnlyHost,
  node: Gathered,
  version: string,
  earlier: readonly Condition[],
): Promise<Condition[]> {
  const [observed, view] = await Promise.all([observedConditions(host, node, version, earlier), readView(host.files)]);
  return [...observed, ...upgradeConditions(view)];
}

/** The same without how far the upgrade is, which is judged by these. */
export async function observedConditions(
  host: ReadOnlyHost,
  node: Gathered,
  version: string,
  earlier: readonly Condition[],
): Promise<Condition[]> {
  const [observed, configured] = await Promise.all([
    observeConditions(host, node, components, probedUnits),
    configuredCondition(host, node, version, earlier),
  ]);
  return [...observed.map((c) => asLastReported(host, c, earlier)), ...configured];
}

/** What only root may ask (device-mapper, LVM): for anybody else the last report's word stands. */
function asLastReported(host: ReadOnlyHost, found: Condition, earlier: readonly Condition[]): Condition {
  if (host.machine.isRoot || found.status !== 'Unknown') return found;
  return earlier.find((c) => c.type === found.type && c.status !== 'Unknown') ?? found;
}

/** Whether a run of `apply` would find something to do. */
async function configuredCondition(
  host: ReadOnlyHost,
  node: Gathered,
  version: string,
  earlier: readonly Condition[],
): Promise<Condition[]> {
  const type = 'Configured';
  try {
    const { plan } = await makePlan(host, {
      context: node,
      components,
      agentVersion: version,
      restart: false,
      mayReboot: false,
    });
    // Units that do not run have conditions of their own.
    const pending = plan.steps.filter((s) => s.kind !== 'startUnits');
    if (pending.length > 0) {
      const drifted = pending.some((s) => s.kind === 'writeFile' && s.drifted);
      const shown = pending.slice(0, shownSteps).map(describeStep).join('; ');
      const more = pending.length > shownSteps ? ` and ${pending.length - shownSteps} more` : '';
      return [
        {
          type,
          status: 'False',
          reason: drifted ? 'Drifted' : 'Pending',
          message: `${drifted ? 'files were changed since the last run' : 'this host is not as the cluster file says'}: ${shown}${more}`,
          hint: 'diyc-agent plan shows what would change and why, diyc-agent apply does it',
          severity: 'degraded',
        },
      ];
    }
    if (plan.restartPending.length > 0) {
      return [
        {
          type,
          status: 'False',
          reason: 'RestartPending',
          message: `${plan.restartPending.join(', ')} still ${plan.restartPending.length === 1 ? 'runs' : 'run'} with files from before they were changed`,
          hint: 'diyc-agent apply --restart, one host at a time: restarting docker stops its containers',
          severity: 'degraded',
        },
      ];
    }
    return [
      {
        type,
        status: 'True',
        reason: 'AsWanted',
        message: 'every file is as the cluster file says',
        severity: 'degraded',
      },
    ];
  } catch (error) {
    if (!isAgentError(error)) throw error;
    // Without root the journal cannot be read; then the last report's word stands.
    if (error.kind === 'noperm') return earlier.filter((c) => c.type === type);
    return [
      { type, status: 'Unknown', reason: 'CannotPlan', message: error.message, hint: error.hint, severity: 'degraded' },
    ];
  }
}

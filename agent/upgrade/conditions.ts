// The upgrade as conditions: what is deployed and what is wrong with it, and how far the upgrade of this node is.

import type { Condition } from '../model/condition.ts';
import type { UpgradeView } from '../model/upgrade.ts';

/** @param view null on a host where nobody has looked at deployments: it has no such conditions */
export function upgradeConditions(view: UpgradeView | null): Condition[] {
  if (view === null) return [];
  return [...deployment(view), ...progress(view)];
}

function deployment(view: UpgradeView): Condition[] {
  if (view.booted === null) return [];
  const parts = [
    `${view.booted.text}${view.pinned ? ' (pinned)' : ''}`,
    ...(view.staged === null ? [] : [`staged: ${view.staged.text}`]),
    ...(view.rollback === null ? [] : [`rollback: ${view.rollback.text}`]),
    ...(view.liveApplied ? ['packages were applied to the running tree'] : []),
  ];
  const message = parts.join('; ');
  const [conflict] = [...view.conflicts].sort((a, b) => Number(b.blocks) - Number(a.blocks));
  if (conflict === undefined) {
    return [{ type: 'Deployment', status: 'True', reason: 'Booted', message, severity: 'degraded' }];
  }
  return [
    {
      type: 'Deployment',
      status: 'False',
      reason: conflict.reason,
      message: `${conflict.message}; ${message}`,
      hint: conflict.hint,
      // Another agent that drives the updates is somebody's choice, not a fault of the host.
      severity: conflict.blocks && conflict.reason !== 'OtherUpdateDriver' ? 'degraded' : 'info',
    },
  ];
}

function progress(view: UpgradeView): Condition[] {
  const hint = view.hint === null ? {} : { hint: view.hint };
  const reason = {
    'ready-to-go': 'Waiting',
    rebooting: 'Rebooting',
    verifying: 'Verifying',
    'rolling-back': 'RollingBack',
    recovering: 'Recovering',
    steady: 'Steady',
  }[view.phase];
  if (view.phase === 'steady') {
    if (view.waiting === null) return [];
    return [{ type: 'Upgrade', status: 'False', reason: 'Resting', message: view.waiting, ...hint, severity: 'info' }];
  }
  const isHurt = view.phase === 'rolling-back' || view.phase === 'recovering';
  return [
    {
      type: 'Upgrade',
      status: 'False',
      reason,
      message: view.waiting ?? 'under way',
      ...hint,
      severity: isHurt && view.hint !== null ? 'degraded' : 'info',
    },
  ];
}

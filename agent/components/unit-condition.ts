// What systemd says of a unit, as a condition: the same words for etcd, flanneld and docker.

import type { Condition, ConditionType } from '../model/condition.ts';
import type { InstalledUnit } from '../model/layout.ts';
import type { UnitTable } from '../ports/component.ts';

/**
 * @param waiting what the unit is waiting for, when a waiting step of the agent's has said so
 */
export function unitCondition(type: ConditionType, unit: string, units: UnitTable, waiting: string | null): Condition {
  const state = units.get(unit);
  if (state === undefined) {
    return {
      type,
      status: 'Unknown',
      reason: 'NotAsked',
      message: `systemd was not asked about ${unit}`,
      hint: `run systemctl status ${unit} on the host`,
      severity: 'degraded',
    };
  }
  if (state.load === 'not-found') {
    return {
      type,
      status: 'False',
      reason: 'UnitMissing',
      message: `${unit} is not known to systemd`,
      hint: 'install the package, or run diyc-agent apply',
      severity: 'failed',
    };
  }
  if (state.load === 'masked') {
    return {
      type,
      status: 'False',
      reason: 'UnitMasked',
      message: `${unit} is masked, so it cannot start`,
      hint: `systemctl unmask ${unit}`,
      severity: 'failed',
    };
  }
  // ExecStartPost runs once the program itself is ready.
  if (state.active === 'active' || state.sub === 'start-post') {
    return { type, status: 'True', reason: 'Running', message: `${unit} is running`, severity: 'failed' };
  }
  if (state.active === 'activating' || state.active === 'reloading' || state.jobQueued) {
    const restarting = state.sub === 'auto-restart' ? `, restarted ${state.restarts} times so far` : '';
    return {
      type,
      status: 'False',
      reason: state.sub === 'auto-restart' ? 'Restarting' : 'Starting',
      message:
        waiting ??
        `${unit} is starting (${state.sub}${restarting})${state.statusText === '' ? '' : `: ${state.statusText}`}`,
      ...(state.sub === 'auto-restart' ? { hint: `journalctl -u ${unit} -n 20 says why it ended` } : {}),
      severity: 'waiting',
    };
  }
  if (state.active === 'failed') {
    return {
      type,
      status: 'False',
      reason: 'Failed',
      message: `${unit} failed (${state.result})`,
      hint: `journalctl -u ${unit} -n 20 says why; then systemctl start ${unit}`,
      severity: 'failed',
    };
  }
  return {
    type,
    status: 'False',
    reason: 'Stopped',
    message: `${unit} is ${state.active}`,
    hint: `systemctl start ${unit}`,
    severity: 'failed',
  };
}

/** A masked unit cannot be started by anybody: that is somebody's decision, to be taken back by a person. */
export function masked(type: ConditionType, unit: InstalledUnit | null): Condition[] {
  if (unit?.maskedBy === undefined) return [];
  return [
    {
      type,
      status: 'False',
      reason: 'UnitMasked',
      message: `${unit.name} is masked by ${unit.maskedBy}, so it cannot start`,
      hint: `systemctl unmask ${unit.name}, then diyc-agent apply`,
      severity: 'failed',
    },
  ];
}

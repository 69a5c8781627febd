// `storage gauge`: what the timer of live hosts runs; one sample of the overlay, and the brake when it is nearly full.

import { brakeDecision, isOnOverlay } from '../live/brake.ts';
import { brakeDirectories, brakeUnitFile, brakeUnitName, releaseCommand, renderBrakeUnit } from '../live/brake-unit.ts';
import { fillText } from '../live/condition.ts';
import { gaugeFile, renderHistory } from '../live/history.ts';
import { type LiveLook, lookAtLive } from '../live/look.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { Host } from '../ports/host.ts';
import type { Reporter } from '../ports/reporter.ts';
import type { UnitState } from '../ports/units.ts';
import type { Action } from './command.ts';
import { requireRoot } from './permission.ts';

/** Sample, write it down in /run, apply or release the brake. Needs no cluster file. */
export const storageGauge: Action = async ({ host, reporter, options: global }) => {
  requireRoot(host, global.root, 'storage gauge');
  const look = await lookAtLive(host);
  if (look.gauge === null) return 0;
  await host.files.replace(gaugeFile, renderHistory(look.history), { mode: 0o644, owner: null });
  const directories = await downloadDirectories(host, look);
  const states = await host.units.states(brakeDirectories.map(brakeUnitName));
  // A brake that failed once fails again: it is told by its unit, not tried every few seconds.
  const isOn = states.some((s) => s.active === 'active' || s.active === 'failed' || s.jobQueued);
  switch (brakeDecision(look.gauge, isOn ? 'on' : 'off', directories.length > 0)) {
    case 'leave':
      break;
    case 'apply':
      await brake(host, directories);
      reporter.emit({
        event: 'brake.applied',
        why: fillText(look.gauge),
        release: releaseCommand(directories),
      });
      break;
    case 'release':
      await release(host, reporter, states, fillText(look.gauge));
      break;
  }
  return 0;
};

/** A brake that failed holds nothing; its failure is forgotten, so that it may be tried again when it is needed. */
async function release(host: Host, reporter: Reporter, states: readonly UnitState[], why: string): Promise<void> {
  const named = (active: UnitState['active']): string[] => states.filter((s) => s.active === active).map((s) => s.name);
  if (named('failed').length > 0) await host.units.resetFailed(named('failed'));
  if (named('active').length === 0) return;
  await host.units.queueStop(named('active'));
  reporter.emit({ event: 'brake.released', why });
}

/** Directories that downloads go to and that are on the overlay; those of programs that are not here do not exist. */
async function downloadDirectories(host: Host, look: LiveLook): Promise<readonly AbsolutePath[]> {
  const there = await Promise.all(brakeDirectories.map((directory) => host.files.exists(directory)));
  return brakeDirectories.filter((d, i) => there[i] === true && isOnOverlay(look.mounts, look.root, d));
}

async function brake(host: Host, directories: readonly AbsolutePath[]): Promise<void> {
  for (const directory of directories)
    await host.files.replace(brakeUnitFile(directory), renderBrakeUnit(directory), { mode: 0o644, owner: null });
  await host.units.reload();
  await host.units.queueStart(directories.map(brakeUnitName));
}

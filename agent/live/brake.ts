// When to stop downloads so that the root survives, and when to let them go on. Pure.

import type { Gauge, LiveRoot } from '../model/live.ts';
import { covering, type MountEntry } from '../model/mount-table.ts';
import type { AbsolutePath } from '../model/paths.ts';
import { brakeDirectories } from './brake-unit.ts';
import { givesBack } from './gauge.ts';

/** What the brake's units are: all active, or not. */
export type BrakeState = 'on' | 'off';

export type BrakeDecision = 'apply' | 'release' | 'leave';

/**
 * Apply when the gauge is critical and docker would fill the overlay. Release by itself only where room can come back:
 * when the overlay gives freed space back and is well again, or when docker's data is no longer on it. On a snapshot
 * nothing comes back, so there the operator releases it (systemctl stop of its units), or the next boot.
 *
 * @param holdsDocker docker or containerd keeps its data on the overlay
 */
export function brakeDecision(gauge: Gauge, brake: BrakeState, holdsDocker: boolean): BrakeDecision {
  if (brake === 'off') return gauge.state === 'critical' && holdsDocker ? 'apply' : 'leave';
  if (!holdsDocker) return 'release';
  const comesBack = gauge.overlay !== null && givesBack(gauge.overlay);
  return gauge.state === 'ok' && comesBack ? 'release' : 'leave';
}

/**
 * Whether files at a path are written to the overlay of this live root, the brake's own mounts left out of account:
 * with them the very directories that it protects would seem to be elsewhere, and it would be released at once.
 *
 * @param path links followed; it need not exist
 */
export function isOnOverlay(mounts: readonly MountEntry[], live: LiveRoot, path: AbsolutePath): boolean {
  if (!live.isLive || live.rootDevice === null) return false;
  // On ostree hosts /var is bound from the same file system: the device tells, not the mount.
  const unbraked = mounts.filter((m) => !isBrake(m));
  return covering(unbraked, path)?.device === live.rootDevice;
}

function isBrake(mount: MountEntry): boolean {
  return mount.fstype === 'tmpfs' && brakeDirectories.some((directory) => directory === mount.mountPoint);
}

// Verbs that change the host say so before they begin, not half-way.

import { AgentError } from '../model/errors.ts';
import type { Host } from '../ports/host.ts';

/** @throws AgentError `noperm` when this process may not change the running host */
export function requireRoot(host: Pick<Host, 'machine'>, root: string, verb: string): void {
  // A tree below --root may belong to whoever builds images; there the file system itself decides.
  if (host.machine.isRoot || root !== '/') return;
  throw new AgentError('noperm', `cannot run ${verb}: it changes the host, and you are not root`, {
    hint: `run it as root: sudo diyc-agent ${verb}`,
  });
}

/** The same for a verb that only looks, where only root may look: at disks, LVM and device-mapper. */
export function requireRootToLook(host: Pick<Host, 'machine'>, root: string, verb: string): void {
  if (host.machine.isRoot || root !== '/') return;
  throw new AgentError('noperm', `cannot run ${verb}: only root may look at disks, LVM and device-mapper`, {
    hint: `run it as root: sudo diyc-agent ${verb}`,
  });
}

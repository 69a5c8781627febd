/** Every name a lab leaves on the machine is derived from its id, so two labs do not meet and one can be cleaned up alone. */

import { join } from 'node:path';

export interface LabNames {
  readonly id: string;
  /** Everything of one run: overlays, pid files, consoles. Not under /tmp, which may be a tmpfs or an overlay. */
  readonly stateDir: string;
  readonly switchNetns: string;
}

export function labNames(id: string): LabNames {
  // interface names end at 15 characters and netns names go into paths: keep the id short and plain
  if (!/^[a-z0-9]{1,8}$/.test(id)) {
    throw new Error(`lab id ${JSON.stringify(id)}: 1 to 8 characters of a-z and 0-9`);
  }
  const root = process.env['DIYC_LAB_STATE'] ?? '/var/tmp/diyc-lab';
  return { id, stateDir: join(root, id), switchNetns: `diyclab-${id}-sw` };
}

export function hostNetns(names: LabNames, host: string): string {
  return `diyclab-${names.id}-${host}`;
}

/** The name of the host's port on the switch; it lives in the lab's own switch namespace. */
export function switchPort(host: string): string {
  return `p-${host}`;
}

export function cgroupName(names: LabNames, host: string): string {
  return `diyclab-${names.id}-${host}`;
}

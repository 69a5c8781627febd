// Which docker this host has, asked of the program itself: the engine need not run yet.

import { findProgram } from '../layout/programs.ts';
import { parseDockerVersion } from '../layout/versions.ts';
import type { Host } from '../ports/host.ts';

/** As dockerd prints it; null when it is not installed or says nothing that is understood. */
export async function dockerVersionOf(host: Host): Promise<string | null> {
  const program = await findProgram(host.files, 'dockerd');
  if (program === null) return null;
  return parseDockerVersion((await host.programs.versionText('dockerd', program)) ?? '');
}

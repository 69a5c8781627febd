// How docker is started on this host, and so how network options can be given to it.

import type { DockerLayout, InstalledUnit } from '../model/layout.ts';
import { settingValue, type UnitEntry } from './unit-file.ts';

export const dockerUnit = 'docker.service';

export interface DockerFacts {
  readonly unit: InstalledUnit | null;
  /** The unit's and its drop-ins' without the agent's own; empty without a unit. */
  readonly settings: readonly UnitEntry[];
}

const networkOptions = /\$(?:\{DOCKER_NETWORK_OPTIONS\}|DOCKER_NETWORK_OPTIONS\b)/;
const storageOptions = /\$(?:\{DOCKER_STORAGE_OPTIONS\}|DOCKER_STORAGE_OPTIONS\b)/;

/**
 * Pure: the layout of docker. The RPMs of Atomic hosts and EL 7 have $DOCKER_NETWORK_OPTIONS on their command line;
 * docker-ce and Debian's docker.io do not, so theirs has to be given again.
 */
export function dockerLayout(facts: DockerFacts): DockerLayout {
  const { unit, settings } = facts;
  const command = settingValue(settings, 'Service', 'ExecStart');
  return {
    // The agent brings no unit for docker, so a program alone is as good as none.
    installation: unit !== null ? 'packaged' : 'absent',
    unit,
    takesNetworkOptions: command !== null && networkOptions.test(command),
    takesStorageOptions: command !== null && storageOptions.test(command),
    execStart: command === null ? null : words(command),
  };
}

/** The command on one line, as it is quoted, without the variable. */
function words(command: string): string {
  return command.replace(new RegExp(networkOptions, 'g'), '').replace(/\s+/g, ' ').trim();
}

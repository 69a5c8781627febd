// Which of a unit's environment files is the component's own.

import type { AbsolutePath } from '../model/paths.ts';
import { expandSpecifiers, settingValues, type UnitEntry } from './unit-file.ts';

/**
 * The environment file that a unit reads for its component. A unit may read files of others as well (flanneld's reads
 * docker's): the one whose path has the component's name in it is preferred, then the first.
 *
 * @returns null when the unit reads none that can be written: patterns, and specifiers that only systemd knows
 */
export function ownEnvironmentFile(
  settings: readonly UnitEntry[],
  unit: string,
  component: string,
): AbsolutePath | null {
  const files = settingValues(settings, 'Service', 'EnvironmentFile').flatMap((value) => {
    const path = expandSpecifiers(value.replace(/^-/, ''), unit);
    return path !== null && isPlainPath(path) ? path : [];
  });
  return files.find((file) => file.includes(component)) ?? files[0] ?? null;
}

function isPlainPath(path: string): path is AbsolutePath {
  return path.startsWith('/') && !/[*?[\]"'\\]/.test(path);
}

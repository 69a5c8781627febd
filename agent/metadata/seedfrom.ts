// seedfrom, the place NoCloud is told to read its seed from: is it a directory of this host, and which?

import { type AbsolutePath, under } from '../model/paths.ts';

/**
 * The directory that a seedfrom names, without a slash at its end.
 *
 * @returns null for no seedfrom, for a URL, and for what only cloud-init can work out (`__dmi.…__`, `%s` in a name)
 * @see cloud-init's NoCloud: local when it starts with `/` or `file://`; `%s` stands for the name of the file
 */
export function localSeedDirectory(seedfrom: string | null): AbsolutePath | null {
  if (seedfrom === null) return null;
  const path = seedfrom.replace(/^file:\/\//, '').replace(/\/%s$/, '/');
  if (!path.startsWith('/') || path.includes('%s') || path.includes('__dmi.') || path.includes('\0')) return null;
  const names = path.split('/').filter((name) => name !== '');
  return under('/', ...names);
}

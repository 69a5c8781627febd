// A unit as its package installed it, with the settings of drop-ins: found in systemd's order, our own files left out.

import { isAgentError } from '../model/errors.ts';
import type { InstalledUnit } from '../model/layout.ts';
import { marker } from '../model/marker.ts';
import { type AbsolutePath, systemUnits, under, unitDirectories } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import { alsoEnabled, type InstallLink, installLinks, parseUnitFile, type UnitEntry } from './unit-file.ts';

/** What stands at one place where systemd looks. */
type Found =
  | { readonly kind: 'text'; readonly path: AbsolutePath; readonly text: string }
  | { readonly kind: 'mask'; readonly path: AbsolutePath };

/**
 * Find a unit where systemd would, passing over a unit that the agent itself wrote into /etc/systemd/system, so that a
 * host that brought only the program stays one that brought only the program.
 *
 * A mask (a link to /dev/null, or an empty file) switches off the unit below it: then that unit is returned with
 * `maskedBy`, and without links, since `systemctl enable` refuses a masked unit.
 *
 * @returns null when there is none, or nothing but a mask
 */
export async function findUnit(files: ReadOnlyFiles, name: string): Promise<InstalledUnit | null> {
  const places = await Promise.all(unitDirectories.map((directory) => look(files, under(directory, name))));
  const found = places.filter((place) => place !== null).filter((place) => !isOwn(place));
  const unit = found.find((place) => place.kind === 'text');
  if (unit?.kind !== 'text') return null;
  const { path, text } = unit;
  const mask = found[0]?.kind === 'mask' ? found[0].path : null;
  if (mask !== null) return { name, path, text, installLinks: [], maskedBy: mask };
  const also = await Promise.all(alsoEnabled(name, text).map((other) => linksOf(files, other)));
  return { name, path, text, installLinks: [...installLinks(name, text, path), ...also.flat()] };
}

/**
 * The settings systemd would use without us: the unit's, then those of its drop-ins in the order of their names.
 * A drop-in that may not be read is passed over: only root writes files that follow from these settings.
 */
export async function readUnitSettings(files: ReadOnlyFiles, unit: InstalledUnit): Promise<UnitEntry[]> {
  const perDirectory = await Promise.all(
    unitDirectories.map(async (directory) => {
      const place = under(directory, `${unit.name}.d`);
      return (await files.list(place)).filter((n) => n.endsWith('.conf')).map((n) => [n, under(place, n)] as const);
    }),
  );
  // The same name in a higher directory hides the lower one.
  const byName = new Map<string, AbsolutePath>();
  for (const [name, path] of perDirectory.flat()) if (!byName.has(name)) byName.set(name, path);
  const paths = [...byName.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
  const dropIns = await Promise.all(paths.map((path) => lookIfAllowed(files, path)));
  const texts = dropIns.flatMap((place) => (place?.kind === 'text' && !isOwn(place) ? place.text : []));
  return [unit.text, ...texts].flatMap(parseUnitFile);
}

async function linksOf(files: ReadOnlyFiles, name: string): Promise<InstallLink[]> {
  const places = await Promise.all(unitDirectories.map((directory) => look(files, under(directory, name))));
  const first = places.find((place) => place !== null);
  return first?.kind === 'text' ? installLinks(name, first.text, first.path) : [];
}

function isOwn(found: Found): boolean {
  return found.kind === 'text' && found.path.startsWith(`${systemUnits}/`) && found.text.startsWith(marker);
}

async function look(files: ReadOnlyFiles, path: AbsolutePath): Promise<Found | null> {
  const stat = await files.stat(path);
  if (stat === null) return null;
  if (stat.kind === 'link' && (await files.readLink(path)) === '/dev/null') return { kind: 'mask', path };
  // Null again for a link that leads nowhere.
  const text = await files.readText(path);
  if (text === null) return null;
  return text === '' ? { kind: 'mask', path } : { kind: 'text', path, text };
}

async function lookIfAllowed(files: ReadOnlyFiles, path: AbsolutePath): Promise<Found | null> {
  try {
    return await look(files, path);
  } catch (error) {
    if (isAgentError(error) && error.kind === 'noperm') return null;
    throw error;
  }
}

// Merging: stronger documents over weaker ones, each value keeping its origin and the places it replaced.

import { type KeyPath, type Located, type LocatedEntry, type LocatedMapping, type Place, pathText } from './located.ts';

/** Where the effective value of one key comes from. */
export interface Origin {
  /** `nodes.a1.address`; a list is one value. */
  readonly path: string;
  readonly at: Place;
  /** Where weaker documents gave another value, weakest first. */
  readonly overridden: readonly Place[];
}

/**
 * Merge trees given from the weakest to the strongest, by the rules at the top of documents.ts.
 *
 * @returns null when there is no tree
 */
export function mergeTrees(trees: readonly LocatedMapping[]): LocatedMapping | null {
  const [first, ...rest] = trees;
  if (first === undefined) return null;
  return rest.reduce((lower, higher) => mergeMappings(lower, higher, []), first);
}

/** Merge two mappings that stand at this path of a cluster file, or that have the keys of such a place. */
export function mergeMappings(lower: LocatedMapping, higher: LocatedMapping, path: KeyPath): LocatedMapping {
  const entries = new Map<string, LocatedEntry>(lower.entries);
  for (const [key, entry] of higher.entries) {
    const weaker = lower.entries.get(key);
    const instead = otherSpelling(key, path);
    const replaced = instead === null || higher.entries.has(instead) ? undefined : lower.entries.get(instead);
    if (replaced !== undefined && instead !== null) entries.delete(instead);
    if (weaker !== undefined) entries.set(key, mergeEntries(weaker, entry, [...path, key]));
    else entries.set(key, replaced === undefined ? entry : replacing(replaced, entry));
  }
  // A mapping stays where it was begun: that is where a missing key is looked for.
  return { ...lower, entries };
}

function mergeEntries(lower: LocatedEntry, higher: LocatedEntry, path: KeyPath): LocatedEntry {
  if (lower.value.kind === 'mapping' && higher.value.kind === 'mapping' && !isOtherBackend(lower, higher, path)) {
    return { keyAt: lower.keyAt, value: mergeMappings(lower.value, higher.value, path) };
  }
  return replacing(lower, higher);
}

function replacing(lower: LocatedEntry, higher: LocatedEntry): LocatedEntry {
  const overridden = [...lower.value.overridden, lower.value.at];
  return { keyAt: higher.keyAt, value: { ...higher.value, overridden } };
}

/** The key that says the same in another form, so that the stronger document's form is the one that counts. */
function otherSpelling(key: string, path: KeyPath): string | null {
  if (path.at(-1) !== 'iscsi' || path.at(-2) !== 'storage') return null;
  return key === 'portal' ? 'portals' : key === 'portals' ? 'portal' : null;
}

function isOtherBackend(lower: LocatedEntry, higher: LocatedEntry, path: KeyPath): boolean {
  if (path[0] !== 'flannel' || path[1] !== 'backend' || path.length !== 2) return false;
  const type = typeOf(higher.value);
  return type !== null && type !== typeOf(lower.value);
}

function typeOf(value: Located): string | null {
  const type = value.kind === 'mapping' ? value.entries.get('type')?.value : undefined;
  return type?.kind === 'scalar' ? type.source : null;
}

/** The origin of every value of a tree, in its order. */
export function originsOf(tree: LocatedMapping): Origin[] {
  const origins: Origin[] = [];
  const walk = (value: Located, path: KeyPath): void => {
    if (value.kind === 'mapping' && value.entries.size > 0) {
      for (const [key, entry] of value.entries) walk(entry.value, [...path, key]);
    } else if (path.length > 0) {
      origins.push({ path: pathText(path), at: value.at, overridden: value.overridden });
    }
  };
  walk(tree, []);
  return origins;
}

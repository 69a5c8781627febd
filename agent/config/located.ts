// A located value is a YAML value that remembers where it was written, so that a merged result can still be traced.

export interface Place {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly column: number;
  /** The key of the file below which the cluster document stands: `diyc` in user-data, else empty. */
  readonly below: string;
}

interface LocatedBase {
  readonly at: Place;
  /** Where weaker documents gave this same key another value, weakest first. */
  readonly overridden: readonly Place[];
}

export interface LocatedScalar extends LocatedBase {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  /** The text as written, without quotes. */
  readonly source: string;
}

export interface LocatedSequence extends LocatedBase {
  readonly kind: 'sequence';
  readonly items: readonly Located[];
}

export interface LocatedEntry {
  readonly keyAt: Place;
  readonly value: Located;
}

export interface LocatedMapping extends LocatedBase {
  readonly kind: 'mapping';
  /** In the order of the text; a Map, because objects put keys like `12` first. */
  readonly entries: ReadonlyMap<string, LocatedEntry>;
}

export type Located = LocatedScalar | LocatedSequence | LocatedMapping;

/** A path inside the document: keys of mappings as text, indices of lists as numbers. */
export type KeyPath = readonly (string | number)[];

/** The value as plain data for a schema validator; mappings have no prototype, so no key can reach one. */
export function toPlain(located: Located): unknown {
  switch (located.kind) {
    case 'scalar':
      return located.value;
    case 'sequence':
      return located.items.map(toPlain);
    case 'mapping': {
      const plain: Record<string, unknown> = Object.create(null);
      for (const [key, entry] of located.entries) plain[key] = toPlain(entry.value);
      return plain;
    }
  }
}

/** The entry at a path of keys; null where one of them is missing. Items of lists have their own place as key. */
export function entryAt(root: Located, path: KeyPath): LocatedEntry | null {
  let entry: LocatedEntry = { keyAt: root.at, value: root };
  for (const key of path) {
    const next = childOf(entry.value, key);
    if (next === null) return null;
    entry = next;
  }
  return entry;
}

/** The value at a path; null where a key of it is missing. */
export function valueAt(root: Located, path: KeyPath): Located | null {
  return entryAt(root, path)?.value ?? null;
}

function childOf(located: Located, key: string | number): LocatedEntry | null {
  switch (located.kind) {
    case 'scalar':
      return null;
    case 'sequence': {
      const item = typeof key === 'number' ? located.items[key] : undefined;
      return item === undefined ? null : { keyAt: item.at, value: item };
    }
    case 'mapping':
      return (typeof key === 'string' ? located.entries.get(key) : undefined) ?? null;
  }
}

/** `nodes.a1.address`, `etcd.members[1]`; keys with other characters are quoted in brackets. */
export function pathText(path: KeyPath): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else if (!/^[\w-]+$/.test(key)) text += `[${JSON.stringify(key)}]`;
    else text += text === '' ? key : `.${key}`;
  }
  return text;
}

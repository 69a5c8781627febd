// A tree of files in memory behind the ReadOnlyFiles port, for tests that only read.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { AgentError } from '../../agent/model/errors.ts';
import type { AbsolutePath } from '../../agent/model/paths.ts';
import type { ReadOnlyFiles } from '../../agent/ports/files.ts';

export type MemoryEntry =
  | string
  | Uint8Array
  | { readonly link: string }
  | { readonly directory: true }
  /** A file that only root may read. */
  | { readonly denied: true };

export type MemoryTree = Readonly<Record<string, MemoryEntry>>;

/** Files from a record of absolute paths; parent directories exist by themselves, links are followed below the root. */
export function memoryFiles(tree: MemoryTree): ReadOnlyFiles {
  const directories = new Set<string>(['/']);
  for (const path of Object.keys(tree)) {
    const parts = path.split('/');
    for (let i = 1; i < parts.length; i++) directories.add(parts.slice(0, i).join('/') || '/');
  }
  const at = (path: string): MemoryEntry | undefined => {
    if (Object.hasOwn(tree, path)) return tree[path];
    return directories.has(path) ? { directory: true } : undefined;
  };

  /** The path with every link in it resolved; null when it leads nowhere. */
  function resolve(path: string, followLast: boolean, hops = 0): string | null {
    if (hops > 40) throw new AgentError('oserr', `too many links at ${path}`, { hint: 'none' });
    let current = '';
    const parts = path.split('/').filter((p) => p !== '' && p !== '.');
    for (const [i, part] of parts.entries()) {
      current = part === '..' ? current.slice(0, current.lastIndexOf('/')) : `${current}/${part}`;
      const entry = at(current || '/');
      if (entry === undefined) return null;
      const isLast = i === parts.length - 1;
      if (typeof entry === 'object' && 'link' in entry && (followLast || !isLast)) {
        const base = entry.link.startsWith('/') ? '' : current.slice(0, current.lastIndexOf('/'));
        return resolve(`${base}/${entry.link}/${parts.slice(i + 1).join('/')}`, followLast, hops + 1);
      }
    }
    return current || '/';
  }

  async function bytes(path: AbsolutePath): Promise<Uint8Array | null> {
    const place = resolve(path, true);
    const entry = place === null ? undefined : at(place);
    if (entry === undefined) return null;
    if (typeof entry === 'string') return new TextEncoder().encode(entry);
    if (entry instanceof Uint8Array) return entry;
    if ('denied' in entry)
      throw new AgentError('noperm', `cannot read ${path}: permission denied`, { hint: 'run as root' });
    throw new AgentError('data', `cannot read ${path}: it is no regular file`, { hint: 'move it away' });
  }

  return {
    async readText(path) {
      const content = await bytes(path);
      if (content === null) return null;
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
      } catch (cause) {
        throw new AgentError('data', `cannot read ${path}: it is not UTF-8 text`, { hint: 'restore it', cause });
      }
    },
    readHead: async (path, maxBytes) => (await bytes(path))?.slice(0, maxBytes) ?? null,
    async stat(path) {
      const place = resolve(path, false);
      const entry = place === null ? undefined : at(place);
      if (entry === undefined) return null;
      const isPlain = typeof entry === 'string' || entry instanceof Uint8Array || 'denied' in entry;
      const kind = isPlain ? 'file' : 'link' in entry ? 'link' : 'directory';
      const sizeBytes = typeof entry === 'string' || entry instanceof Uint8Array ? entry.length : 0;
      return { kind, mode: 0o644, uid: 0, gid: 0, sizeBytes, modifiedMs: 0 };
    },
    async readLink(path) {
      const place = resolve(path, false);
      const entry = place === null ? undefined : at(place);
      return typeof entry === 'object' && 'link' in entry ? entry.link : null;
    },
    exists: async (path) => resolve(path, true) !== null,
    async list(path) {
      const place = resolve(path, true);
      if (place === null) return [];
      const entry = at(place);
      if (typeof entry === 'object' && 'denied' in entry) {
        throw new AgentError('noperm', `cannot read ${path}: permission denied`, { hint: 'run as root' });
      }
      const prefix = place === '/' ? '/' : `${place}/`;
      const below = [...Object.keys(tree), ...directories].filter((p) => p.startsWith(prefix) && p !== prefix);
      return [...new Set(below.map((p) => p.slice(prefix.length).split('/')[0] ?? ''))].filter((n) => n !== '').sort();
    },
  };
}

/** A directory of test/fixtures as such a record. */
export function fixtureTree(directory: string): Record<string, MemoryEntry> {
  const tree: Record<string, MemoryEntry> = {};
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    const place = `${entry.parentPath}/${entry.name}`;
    const path = place.slice(directory.length);
    if (entry.isSymbolicLink()) tree[path] = { link: readlinkSync(place) };
    else if (entry.isFile()) tree[path] = readFileSync(place, 'utf8');
  }
  return tree;
}

// A directory tree as a value: written from one, read back as one, so that tests compare whole systems.

import { chmod, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Content by path below the root; `-> target` is a symbolic link, a path that ends in `/` a directory. */
export type Tree = Readonly<Record<string, string>>;

/** Write the tree below a directory; modes by path where they matter. */
export async function writeTree(root: string, tree: Tree, modes: Readonly<Record<string, number>> = {}): Promise<void> {
  for (const [path, content] of Object.entries(tree)) {
    const place = `${root}/${path}`.replace(/\/{2,}/g, '/');
    if (path.endsWith('/')) {
      await mkdir(place, { recursive: true });
    } else {
      await mkdir(dirname(place), { recursive: true });
      if (content.startsWith('-> ')) await symlink(content.slice(3), place);
      else await writeFile(place, content);
    }
  }
  for (const [path, mode] of Object.entries(modes)) await chmod(`${root}/${path}`, mode);
}

/** Everything below a directory, sorted: files with their text, links as `-> target`, empty directories with a final `/`. */
export async function readTree(root: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  await visit(root, '', async (path, place, kind) => {
    if (kind === 'link') found[path] = `-> ${await readlink(place)}`;
    else if (kind === 'file') found[path] = await readFile(place, 'utf8');
    else found[`${path}/`] = '';
  });
  return sorted(found);
}

type Kind = 'file' | 'link' | 'directory';

async function visit(
  root: string,
  path: string,
  tell: (path: string, place: string, kind: Kind) => Promise<void>,
): Promise<void> {
  const entries = await readdir(`${root}${path}`, { withFileTypes: true });
  if (path !== '' && entries.length === 0) await tell(path, `${root}${path}`, 'directory');
  for (const entry of entries) {
    const child = `${path}/${entry.name}`;
    if (entry.isDirectory()) await visit(root, child, tell);
    else await tell(child, `${root}${child}`, entry.isSymbolicLink() ? 'link' : 'file');
  }
}

function sorted(record: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

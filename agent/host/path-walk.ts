// Looks a path up below a root, one name after the other, so that no symbolic link leads out of it unnoticed.

import { lstatSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { AgentError } from '../model/errors.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import { isAbsent } from './system-errors.ts';

/** As the kernel has it (path_resolution(7)). */
const maxLinks = 40;

/** Where a path ends below the root, after all links that were to be followed. */
export interface Place {
  /** The path below the root, free of links except, where it was not followed, the last name. */
  readonly path: AbsolutePath;
  readonly directory: AbsolutePath;
  readonly name: string;
  readonly hostPath: string;
  readonly hostDirectory: string;
  /** What stands there; null when nothing does. */
  readonly found: Stats | null;
}

export interface WalkOptions {
  readonly followLast: boolean;
  /** Refuse a link to something that does not exist, instead of finding nothing. */
  readonly forWriting?: boolean;
}

export interface PathWalk {
  /** The root is `/`: the kernel looks paths up as well as we can. */
  readonly isWholeSystem: boolean;
  /** The path on this machine of a path below the root, without looking at links. */
  hostPath(path: AbsolutePath): string;
  /** The same for messages. */
  shown(path: AbsolutePath): string;
  /** @throws AgentError `data` for a link that leads out of the root, or in a circle; `usage` when the root is no directory */
  find(path: AbsolutePath, options: WalkOptions): Place;
}

/** @param root absolute path of the directory that stands for `/`; links in the root's own path are the kernel's business */
export function createPathWalk(root: string): PathWalk {
  const prefix = root.replace(/\/+$/, '');
  const isWholeSystem = prefix === '';

  const hostPath = (path: AbsolutePath): string => (isWholeSystem ? path : path === '/' ? prefix : `${prefix}${path}`);

  function find(path: AbsolutePath, options: WalkOptions): Place {
    if (!isWholeSystem) assertRoot(root);
    const pending: Name[] = namesOf(path, null).reverse();
    const reached: string[] = [];
    let links = 0;
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (next.name === '..') {
        if (reached.pop() === undefined && !isWholeSystem) throw leadsOut(next.fromLink, path);
        continue;
      }
      const here = under('/', ...reached, next.name);
      const found = lstatOrNull(hostPath(here));
      if (found === null) {
        if (next.fromLink !== null && options.forWriting === true) throw danglingLink(next.fromLink);
        // Nothing can be a link from here on, so the rest is taken as it is written.
        return place([...reached, next.name, ...pending.reverse().map((n) => n.name)], null, path);
      }
      const isLast = pending.length === 0;
      if (!found.isSymbolicLink() || (isLast && !options.followLast)) {
        if (isLast) return place([...reached, next.name], found, path);
        reached.push(next.name);
        continue;
      }
      links++;
      if (links > maxLinks) throw circle(path);
      const target = readlinkSync(hostPath(here));
      if (target.startsWith('/')) reached.length = 0;
      pending.push(...namesOf(target, here).reverse());
    }
    // The path was the root itself, or ended in `..`.
    return place(reached, lstatOrNull(hostPath(under('/', ...reached))), path);
  }

  function place(names: readonly string[], found: Stats | null, asked: AbsolutePath): Place {
    if (names.includes('..')) {
      throw new AgentError(
        'data',
        `cannot look up ${hostPath(asked)}: it goes back (..) from a directory that does not exist`,
        {
          hint: `make the missing directory, or correct the path (namei -l ${hostPath(asked)} shows where it ends)`,
        },
      );
    }
    const path = under('/', ...names);
    const directory = under('/', ...names.slice(0, -1));
    return {
      path,
      directory,
      name: names.at(-1) ?? '',
      hostPath: hostPath(path),
      hostDirectory: hostPath(directory),
      found,
    };
  }

  function leadsOut(link: AbsolutePath | null, asked: AbsolutePath): AgentError {
    if (link === null) {
      return new AgentError('data', `the path ${asked} leads out of ${root}`, {
        hint: 'take the surplus ".." out of the path',
      });
    }
    return new AgentError('data', `${hostPath(link)} is a symbolic link that leads out of ${root}`, {
      hint: 'make the link absolute (it is then looked up below the root) or let it end inside the tree',
    });
  }

  function danglingLink(path: AbsolutePath): AgentError {
    return new AgentError(
      'data',
      `${hostPath(path)} is a symbolic link to something that does not exist below ${root}`,
      {
        hint: `make what the link points to, or remove the link ${hostPath(path)}: nothing is written through it`,
      },
    );
  }

  function circle(path: AbsolutePath): AgentError {
    return new AgentError('data', `cannot look up ${hostPath(path)}: more than ${maxLinks} symbolic links on the way`, {
      hint: `correct the links (namei -l ${hostPath(path)} shows them)`,
    });
  }

  return { isWholeSystem, hostPath, shown: hostPath, find };
}

interface Name {
  readonly name: string;
  /** The link whose target this name comes from; null for the path as it was asked for. */
  readonly fromLink: AbsolutePath | null;
}

function namesOf(path: string, fromLink: AbsolutePath | null): Name[] {
  return path
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .map((name) => ({ name, fromLink }));
}

function lstatOrNull(hostPath: string): Stats | null {
  try {
    // Not the asynchronous call: a look at a path is a microsecond, the way to a thread and back is fifty.
    return lstatSync(hostPath, { throwIfNoEntry: false }) ?? null;
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

function assertRoot(root: string): void {
  try {
    if (statSync(root).isDirectory()) return;
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  throw new AgentError('usage', `the root ${root} is no directory`, {
    hint: 'give --root the directory of an unpacked or mounted system',
  });
}

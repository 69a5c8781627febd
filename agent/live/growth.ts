// Where to look for what grows on a live root: the question that is put to the machine. Pure.

import type { Growth, LiveRoot } from '../model/live.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { GrowthQuery } from '../ports/live.ts';
import { upperDirectory } from './detect.ts';

/** Enough to see who it is, bounded so that a host in trouble is not brought to its knees by the search. */
const bounds = { depth: 3, top: 10, maxEntries: 400_000, deadlineMs: 10_000 } as const;

const notOnDisk = ['/proc', '/sys', '/dev', '/run'] as const satisfies readonly AbsolutePath[];

/**
 * With overlayfs the upper directory holds what was written and nothing else. Elsewhere it is what changed since boot.
 *
 * @param bootMs when the host was booted, milliseconds since the epoch. A clock that was set later than that hides
 * what was written before it was set.
 */
export function growthQuery(live: LiveRoot, bootMs: number): GrowthQuery {
  if (live.overlay?.kind === 'overlayfs') return { ...bounds, directory: upperDirectory, skip: [], sinceMs: 0 };
  return { ...bounds, directory: '/', skip: notOnDisk, sinceMs: bootMs };
}

/** The answer with paths as the host sees them: /run/overlayfs/var/lib is /var/lib. */
export function asSeenFromRoot(growth: Growth, query: GrowthQuery): Growth {
  const { directory } = query;
  if (directory === '/') return growth;
  return {
    ...growth,
    growers: growth.growers.map((g) => ({
      ...g,
      path: g.path === directory ? '/' : g.path.startsWith(`${directory}/`) ? g.path.slice(directory.length) : g.path,
    })),
  };
}

/** What is expensive to build is kept by the content of its inputs, and appears only when it is complete. */

import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { refuseWhenInterrupted } from './interrupt.ts';
import { during } from './progress.ts';
import { run } from './run.ts';

function cacheDir(): string {
  return process.env['DIYC_LAB_CACHE'] ?? '/var/cache/diyc-lab';
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

async function remove(dir: string): Promise<void> {
  await run(['rm', '-rf', '--one-file-system', dir], { timeoutMs: 60_000, tolerant: true });
}

/** What builds of processes that are no more have left: an interrupted one has no time to tidy up. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(cacheDir())) {
    const pid = /\.building-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !(await exists(`/proc/${pid}`))) await remove(join(cacheDir(), name));
  }
}

/**
 * The folder `<cache>/<name>-<hash of inputs>`; made by `build` in a folder beside it and renamed into place,
 * so that an interrupted or second build is never taken for a finished one.
 */
export async function cached(
  name: string,
  inputs: readonly string[],
  build: (dir: string) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 12);
  const path = join(cacheDir(), `${name}-${hash}`);
  if (await exists(path)) {
    // so that an operator can clear the cache by age
    await utimes(path, new Date(), new Date());
    return path;
  }
  refuseWhenInterrupted();
  const scratch = `${path}.building-${process.pid}`;
  await mkdir(cacheDir(), { recursive: true });
  await removeAbandoned();
  await mkdir(scratch);
  try {
    await during(`building ${name}`, () => build(scratch));
    await rename(scratch, path).catch(async (error: unknown) => {
      // somebody else was first with the same content: theirs is as good
      if (!(await exists(path))) throw error;
    });
  } finally {
    // one file system only: a build that left something mounted must not lose what is mounted there
    if (await exists(scratch)) await remove(scratch);
  }
  return path;
}

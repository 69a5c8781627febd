// Asks an installed program for its version, once for each file it was installed as.

import { stat } from 'node:fs/promises';
import type { AbsolutePath } from '../model/paths.ts';
import type { Files } from '../ports/files.ts';
import type { RememberingPrograms } from '../ports/host.ts';
import type { Exec } from './child-exec.ts';

const deadlineMs = 5_000;
const maxVersionChars = 4096;

/** Below /run: gone at the next boot, and with it whatever was wrong in it. */
const cacheFile: AbsolutePath = '/run/diyc-agent/versions.json';

interface Remembered {
  /** Device, inode, size and times of the file: an upgrade replaces it, and any of them changes. */
  readonly file: string;
  readonly text: string;
}

/**
 * The Programs port: what the program prints for --version, on either stream (flanneld writes to stderr).
 *
 * Starting a Go program of 40 MB costs as much as the rest of a run that has nothing to do, so the answer is kept for
 * as long as the file stays the same.
 */
export function installedPrograms(exec: Exec, files: Pick<Files, 'readText' | 'replace'>): RememberingPrograms {
  const asked = new Map<string, Remembered>();
  return {
    async versionText(_program, path) {
      const file = await fileMark(path);
      if (file === null) return null;
      const remembered = asked.get(path) ?? (await readCache(files))[path];
      if (remembered?.file === file) return remembered.text;
      const text = await ask(exec, path);
      if (text !== null) asked.set(path, { file, text });
      return text;
    },
    async remember() {
      if (asked.size === 0) return;
      const known = { ...(await readCache(files)), ...Object.fromEntries(asked) };
      try {
        await files.replace(cacheFile, `${JSON.stringify(known)}\n`, { mode: 0o644, owner: null });
        asked.clear();
      } catch {
        // A full or read-only /run: the program is asked again next time, and nothing else is lost.
      }
    },
  };
}

async function ask(exec: Exec, path: AbsolutePath): Promise<string | null> {
  try {
    const result = await exec.run([path, '--version'], { deadlineMs });
    const text = `${result.stdout}${result.stderr}`.slice(0, maxVersionChars);
    // The oldest flanneld print the version and exit with 2: what was printed counts, not the exit code.
    return result.timedOut || text.trim() === '' ? null : text;
  } catch {
    // Not there, not executable, made for another machine: it cannot be asked, and that is the answer.
    return null;
  }
}

async function fileMark(path: AbsolutePath): Promise<string | null> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
    return [dev, ino, size, mtimeMs, ctimeMs].join(' ');
  } catch {
    return null;
  }
}

async function readCache(files: Pick<Files, 'readText'>): Promise<Record<string, Remembered>> {
  try {
    const value: unknown = JSON.parse((await files.readText(cacheFile)) ?? '{}');
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(Object.entries(value).filter((e): e is [string, Remembered] => isRemembered(e[1])));
  } catch {
    // A cache that cannot be read is no cache.
    return {};
  }
}

function isRemembered(value: unknown): value is Remembered {
  if (typeof value !== 'object' || value === null) return false;
  const r = value as Partial<Remembered>;
  return typeof r.file === 'string' && typeof r.text === 'string';
}

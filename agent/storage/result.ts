// What the last attempt left in /run for status, report and docker's own start, kept true while disks come, grow and go.

import type { AbsolutePath } from '../model/paths.ts';
import type { StorageResult } from '../model/storage-result.ts';
import { type AttachedDisk, attachedDisk, parseStorageResult, storageFile } from '../model/storage-result.ts';
import type { Files } from '../ports/files.ts';
import type { Host } from '../ports/host.ts';

/** Write it down; what stands there already, but for its time, is left as it is. */
export async function leaveResult(files: Files, result: StorageResult): Promise<void> {
  const present = parseStorageResult(await files.readText(storageFile));
  const isSame = present !== null && JSON.stringify({ ...present, at: '' }) === JSON.stringify({ ...result, at: '' });
  // When an attempt failed decides when the next one is due.
  if (isSame && result.outcome === 'ready') return;
  await files.replace(storageFile, `${JSON.stringify(result)}\n`, { mode: 0o644, owner: null });
}

/** After `storage add` and `storage grow`: the room that a disk has grown by is in use, and is no news any more. */
export async function refreshResult(host: Pick<Host, 'files' | 'disks'>, added: AbsolutePath | null): Promise<void> {
  const present = parseStorageResult(await host.files.readText(storageFile));
  if (present?.outcome !== 'ready') return;
  const paths = new Set([...present.disks.map((d) => d.path), ...(added === null ? [] : [added])]);
  const disks: AttachedDisk[] = [];
  for (const path of paths) {
    const disk = await host.disks.inspect(path);
    if (disk !== null) disks.push(attachedDisk(path, disk));
  }
  await leaveResult(host.files, { ...present, disks });
}

/** The storage was given back. */
export async function dropResult(files: Files): Promise<void> {
  await files.remove(storageFile);
}

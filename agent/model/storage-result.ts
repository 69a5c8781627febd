// How the last attempt to attach storage ended, as left in /run for whoever asks: status, report, docker's own start.

import type { AbsolutePath } from './paths.ts';
import type { DiskState, StorageDriver } from './storage.ts';

export const storageFile: AbsolutePath = '/run/diyc-agent/storage.json';

/** A disk in use, as it was when it was attached: what has changed since shows when it is compared. */
export interface AttachedDisk {
  readonly path: AbsolutePath;
  /** Kernel name, `sda`. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly serial: string | null;
}

export interface StorageResult {
  readonly schema: 1;
  /**
   * `ready`: docker may start. `refused`: a person has to decide. `waiting`: the same attempt may succeed later.
   * `failed`: a program or a system call failed.
   */
  readonly outcome: 'ready' | 'refused' | 'waiting' | 'failed';
  readonly reason: string;
  readonly message: string;
  readonly hint: string;
  readonly at: string;
  readonly portal: string | null;
  /** With what follows, what has to be given back, whatever the cluster file says by then. */
  readonly target: string | null;
  readonly cluster: string;
  readonly node: string;
  readonly volumeGroup: string | null;
  readonly driver: StorageDriver | null;
  readonly disks: readonly AttachedDisk[];
}

export function attachedDisk(path: AbsolutePath, disk: DiskState): AttachedDisk {
  return { path, name: disk.name, sizeBytes: disk.sizeBytes, serial: disk.serial };
}

/** @returns null for no text, and for one that is not this version's */
export function parseStorageResult(text: string | null): StorageResult | null {
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as Partial<StorageResult> | null;
    const isKnown = value?.schema === 1 && typeof value.outcome === 'string' && typeof value.message === 'string';
    return isKnown && Array.isArray(value.disks) ? (value as StorageResult) : null;
  } catch {
    // Torn or foreign: it is written anew by the next attempt.
    return null;
  }
}

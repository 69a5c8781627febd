// What only a live root needs to know of the machine: device-mapper's figures, free space, what was written since boot.

import type { DmTarget } from '../model/device-mapper.ts';
import type { Growth } from '../model/live.ts';
import type { AbsolutePath } from '../model/paths.ts';

export interface Space {
  readonly totalBytes: number;
  /** What root may still write. */
  readonly availableBytes: number;
}

export interface GrowthQuery {
  readonly directory: AbsolutePath;
  /** Directories not to look into, `/proc`. */
  readonly skip: readonly AbsolutePath[];
  /** Files whose content or inode changed at or after this time count, milliseconds since the epoch; 0: all do. */
  readonly sinceMs: number;
  /** How many names below `directory` a directory in the answer has at most: with 3, /var/lib/docker. */
  readonly depth: number;
  /** How many directories are told. */
  readonly top: number;
  readonly maxEntries: number;
  readonly deadlineMs: number;
}

export interface ReadOnlyLive {
  /**
   * What device-mapper says of one device, or of all. Nothing is flushed for the answer.
   *
   * @returns empty when there is no such device; null when dmsetup is not installed
   * @throws AgentError `oserr` when dmsetup fails (no device-mapper in the kernel, not root) or does not end in time
   */
  dmStatus(device?: string): Promise<readonly DmTarget[] | null>;
  /** Space of the file system that holds the path; null when there is nothing at the path. @throws AgentError `oserr` */
  space(path: AbsolutePath): Promise<Space | null>;
  /**
   * Directories by what was written below them. Stays on the file system of `directory`, follows no link, counts what
   * is seen twice (hard links, bind mounts) once, and lets others run meanwhile.
   *
   * @throws the signal's reason when it fires
   */
  writtenSince(query: GrowthQuery, signal?: AbortSignal): Promise<Growth>;
}

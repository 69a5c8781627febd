// The file system below the root: every path is looked up there, symbolic links included.

import type { Account } from '../model/layout.ts';
import type { AbsolutePath } from '../model/paths.ts';

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  /** Permission bits only, 0o644. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export interface ReadOnlyFiles {
  /**
   * The whole file as UTF-8 text, or null when there is none.
   *
   * @throws AgentError `noperm` when it may not be read; `data` when it is larger than 1 MiB, not UTF-8, or no regular
   * file; `oserr` otherwise. A symbolic link that leads out of the root is `data`.
   */
  readText(path: AbsolutePath): Promise<string | null>;
  /** The first `maxBytes` of a file of any kind of content; null when there is none. */
  readHead(path: AbsolutePath, maxBytes: number): Promise<Uint8Array | null>;
  /** What stands at the path itself, the last link not followed; null when nothing does. */
  stat(path: AbsolutePath): Promise<FileStat | null>;
  /** Where a symbolic link points, as written; null when the path is no link. */
  readLink(path: AbsolutePath): Promise<string | null>;
  /** True when something stands at the path, links followed. */
  exists(path: AbsolutePath): Promise<boolean>;
  /** Names in a directory, sorted; empty when there is none. */
  list(path: AbsolutePath): Promise<readonly string[]>;
}

export interface FileAttributes {
  readonly mode: number;
  /** Null: leave the owner that the process gives (root). */
  readonly owner: Account | null;
}

export interface Files extends ReadOnlyFiles {
  /**
   * Replace a file in one instant: a temporary file in the same directory, fsync, rename, fsync of the directory.
   * Missing parent directories are made (0755). Where `expected` is given and the file no longer has that content
   * (null: no file), nothing is written.
   *
   * @throws AgentError `tempfail` when the file is not as expected; `noperm`, `oserr` (full disk, read-only file system)
   */
  replace(path: AbsolutePath, content: string, attributes: FileAttributes, expected?: string | null): Promise<void>;
  setAttributes(path: AbsolutePath, attributes: FileAttributes): Promise<void>;
  /** Make the directory and its parents; attributes are set on the last one only. Idempotent. */
  makeDirectory(path: AbsolutePath, attributes: FileAttributes): Promise<void>;
  /** Make or replace a symbolic link atomically. @throws AgentError `tempfail` when a file that is no link stands there */
  makeLink(path: AbsolutePath, target: string): Promise<void>;
  /** Keep a copy of a file beside it, content, mode and owner alike, fsynced; an existing copy is left as it is. */
  keepCopy(path: AbsolutePath, copy: AbsolutePath): Promise<void>;
  /** Append text and fsync. The file is made with mode 0600. */
  append(path: AbsolutePath, text: string): Promise<void>;
  /** Remove a file; no error when there is none. */
  remove(path: AbsolutePath): Promise<void>;
}

// The table of mounts as the kernel has it in /proc/PID/mountinfo (proc_pid_mountinfo(5)), and what covers a path.

import type { AbsolutePath } from './paths.ts';

export interface MountEntry {
  readonly mountId: number;
  readonly parentId: number;
  /** Device of the files below it, `8:1`; `0:…` for file systems without a block device. */
  readonly device: string;
  /** Which directory of the file system is mounted; not `/` for a bind mount. */
  readonly root: string;
  readonly mountPoint: string;
  /** Options of this mount: `rw`, `relatime`. */
  readonly options: readonly string[];
  readonly fstype: string;
  /** `/dev/mapper/live-rw`, `tmpfs`, `server:/export`. */
  readonly source: string;
  /** Options of the file system: `size=…`, `upperdir=…`. */
  readonly superOptions: readonly string[];
}

export const mountTableFile: AbsolutePath = '/proc/self/mountinfo';

/**
 * How much of the table is read. Each container is a line of up to 4 KiB, with its lower directories: a few hundred of
 * them are more than the 1 MiB that a text file may have.
 */
export const mountTableBytes = 8 * 1024 * 1024;

/** The table as it was read; null where there is none, which is not a table without mounts. */
export function decodeMountTable(bytes: Uint8Array | null): MountEntry[] | null {
  return bytes === null ? null : parseMountInfo(new TextDecoder().decode(bytes));
}

/** Each mount of a namespace counts against fs.mount-max, 100000 by default. */
const maxEntries = 100_000;

/** Every well-formed line, in the order of the table; others are passed over (the last may have been cut). */
export function parseMountInfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n', maxEntries)) {
    // Optional fields, any number of them, end with a single dash.
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    const [mountId, parentId, device, root, mountPoint, options] = fields;
    const [fstype, source, superOptions] = dash === -1 ? [] : fields.slice(dash + 1);
    if (!isNumber(mountId) || !isNumber(parentId) || device === undefined || !/^\d+:\d+$/.test(device)) continue;
    if (root === undefined || options === undefined || mountPoint?.startsWith('/') !== true) continue;
    if (fstype === undefined || source === undefined) continue;
    entries.push({
      mountId: Number(mountId),
      parentId: Number(parentId),
      device,
      root: unescapeOctal(root),
      mountPoint: unescapeOctal(mountPoint),
      options: options.split(','),
      fstype: unescapeOctal(fstype),
      source: unescapeOctal(source),
      // A comma within a value is escaped as well, so it is split first.
      superOptions: (superOptions ?? '').split(',').map(unescapeOctal),
    });
  }
  return entries;
}

function isNumber(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,10}$/.test(text);
}

/** Blanks, line ends, backslashes and, in options, commas are written as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/**
 * The mount that the files at a path belong to, looked up as the kernel does it: step by step down the path, at each
 * step into what is mounted there. A mount that another one hides is therefore not found.
 *
 * @param path absolute, free of links and of `..`; it need not exist
 * @returns null when the table has no root
 */
export function covering(entries: readonly MountEntry[], path: string): MountEntry | null {
  const ids = new Set(entries.map((e) => e.mountId));
  const isTop = (e: MountEntry): boolean => e.parentId === e.mountId || !ids.has(e.parentId);
  const top = entries.find((e) => e.mountPoint === '/' && isTop(e)) ?? entries.findLast((e) => e.mountPoint === '/');
  if (top === undefined) return null;
  const mountedOn = new Map(entries.filter((e) => e !== top).map((e) => [`${e.parentId} ${e.mountPoint}`, e]));
  let current = top;
  for (const step of stepsOf(path)) {
    // Several mounts may be stacked on one place, each on the one before it.
    for (let left = entries.length; left > 0; left--) {
      const next = mountedOn.get(`${current.mountId} ${step}`);
      if (next === undefined || next === current) break;
      current = next;
    }
  }
  return current;
}

/** `/a/b` as `/`, `/a`, `/a/b`. */
function stepsOf(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  return ['/', ...names.map((_, i) => `/${names.slice(0, i + 1).join('/')}`)];
}

/** The value of `key=value` among the file system's options; null when there is none. */
export function superOption(entry: MountEntry, key: string): string | null {
  const found = entry.superOptions.find((option) => option.startsWith(`${key}=`));
  return found === undefined ? null : found.slice(key.length + 1);
}

const memoryTypes: ReadonlySet<string> = new Set(['tmpfs', 'ramfs', 'rootfs', 'devtmpfs', 'hugetlbfs']);

/** True for file systems whose files are in memory and nowhere else. */
export function isInMemory(entry: MountEntry): boolean {
  return memoryTypes.has(entry.fstype) || /^\/dev\/z?ram\d+$/.test(entry.source);
}

// Reads what `lsblk --pairs` prints: KEY="value" words, one device a line; the only format that every lsblk has.

import { AgentError } from '../model/errors.ts';
import type { AbsolutePath } from '../model/paths.ts';

/** What is asked of a device and all that stands on it. Every column is known since util-linux 2.23. */
export const treeColumns = ['NAME', 'KNAME', 'MAJ:MIN', 'TYPE', 'SIZE', 'RO', 'MOUNTPOINT'] as const;
/** What is asked of all whole disks. */
export const diskColumns = ['KNAME', 'TYPE', 'SERIAL', 'WWN', 'MODEL'] as const;

export interface TreeRow {
  /** Kernel name, `sda`, `dm-2`. */
  readonly name: string;
  readonly path: AbsolutePath;
  /** `8:0`. */
  readonly number: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** One of its mount points, `[SWAP]` for swap; lsblk before 2.37 knows no more than one. */
  readonly mountPoint: string | null;
}

export interface DiskRow {
  readonly name: string;
  readonly type: string;
  readonly serial: string | null;
  readonly wwn: string | null;
  readonly model: string | null;
}

/**
 * The device that was asked about, and then everything made from it in the order of the tree, so that a device comes
 * after what it stands on. One that stands on several (a thin pool on its data and metadata) is told once.
 *
 * @throws AgentError `oserr` for anything that is not whole and well-formed: what is left out could be what a disk is used for
 */
export function parseTree(text: string): TreeRow[] {
  const rows = linesOf(text).map((line): TreeRow => {
    const values = pairsOf(line);
    const name = textOf(values, 'KNAME', line);
    const sizeText = textOf(values, 'SIZE', line);
    // 2.37.0 alone wrote the keys so that a shell can read them.
    const number = values.get('MAJ:MIN') ?? textOf(values, 'MAJ_MIN', line);
    const type = textOf(values, 'TYPE', line);
    if (name === '' || type === '' || !/^\d{1,15}$/.test(sizeText) || !/^\s*\d+:\d+\s*$/.test(number))
      throw unreadable(line);
    return {
      name,
      path: pathOf(name, textOf(values, 'NAME', line)),
      number: number.trim(),
      type,
      sizeBytes: Number(sizeText),
      readOnly: textOf(values, 'RO', line) !== '0',
      mountPoint: textOrNull(textOf(values, 'MOUNTPOINT', line)),
    };
  });
  if (rows.length === 0) throw unreadable('');
  return rows.filter((row, i) => rows.findIndex((other) => other.name === row.name) === i);
}

/** @throws AgentError `oserr` as `parseTree`; no line at all is no fault here, a host may have no disk */
export function parseDisks(text: string): DiskRow[] {
  return linesOf(text).map((line) => {
    const values = pairsOf(line);
    return {
      name: textOf(values, 'KNAME', line),
      type: textOf(values, 'TYPE', line),
      serial: textOrNull(textOf(values, 'SERIAL', line)),
      wwn: textOrNull(textOf(values, 'WWN', line)),
      model: textOrNull(textOf(values, 'MODEL', line)),
    };
  });
}

/** In /dev a device of device-mapper is best known by its name; in others a `!` of the kernel's name stands for `/`. */
function pathOf(kernelName: string, name: string): AbsolutePath {
  return /^dm-\d+$/.test(kernelName) ? `/dev/mapper/${name}` : `/dev/${kernelName.replaceAll('!', '/')}`;
}

function linesOf(text: string): string[] {
  // A program's output is kept up to a limit; a list that was cut there is no list.
  if (text !== '' && !text.endsWith('\n')) throw unreadable(text.slice(text.lastIndexOf('\n') + 1));
  return text.split('\n').filter((line) => line !== '');
}

function pairsOf(line: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  const pair = /([A-Z][A-Z0-9:_%-]*)="((?:[^"\\]|\\.)*)"(?: |$)/y;
  while (pair.lastIndex < line.length) {
    const found = pair.exec(line);
    if (found === null) throw unreadable(line);
    values.set(found[1] ?? '', unescapeHex(found[2] ?? ''));
  }
  return values;
}

function textOf(values: ReadonlyMap<string, string>, key: string, line: string): string {
  const value = values.get(key);
  if (value === undefined) throw unreadable(line);
  return value;
}

/** Quotes, backslashes, dollars, backticks and what cannot be printed come as `\xHH`, byte by byte. */
function unescapeHex(text: string): string {
  return text.replace(/(?:\\x[0-9a-fA-F]{2})+/g, (run) => {
    const bytes = run.split('\\x').slice(1);
    return new TextDecoder().decode(Uint8Array.from(bytes, (digits) => Number.parseInt(digits, 16)));
  });
}

function textOrNull(text: string): string | null {
  const trimmed = text.trim();
  return trimmed === '' ? null : trimmed;
}

function unreadable(line: string): AgentError {
  return new AgentError('oserr', `lsblk printed what cannot be read as pairs: ${JSON.stringify(line.slice(0, 200))}`, {
    hint: `run lsblk -P -b -o ${treeColumns.join(',')} by hand and look at what it prints`,
  });
}

// Every diagnostic of this room is made here, so that none can print a secret or a line-long value.

import type { Diagnostic } from '../model/diagnostic.ts';
import { type KeyPath, type Located, type Place, pathText } from './located.ts';

export interface Finding {
  readonly severity?: Diagnostic['severity'];
  readonly at: Place;
  readonly path: KeyPath;
  readonly value: string | null;
  readonly rule: string;
  readonly message: string;
  readonly remedy: string;
}

/** A diagnostic at a place of a document. In user-data the path starts with the key `diyc`. */
export function finding(f: Finding): Diagnostic {
  const path = pathText(f.path);
  const separator = path === '' || path.startsWith('[') || f.at.below === '' ? '' : '.';
  return {
    severity: f.severity ?? 'error',
    file: f.at.file,
    line: f.at.line,
    column: f.at.column,
    path: `${f.at.below}${separator}${path}`,
    value: f.value === null ? null : printable(f.value, f.path),
    rule: f.rule,
    message: f.message,
    remedy: f.remedy,
  };
}

/** A value as it may be printed: shortened, on one line, secrets replaced by a placeholder. */
function printable(value: string, path: KeyPath): string {
  if (holdsSecret(path)) return '[secret]';
  const withoutPasswords = value.replace(/\/\/[^/\s]*@/g, '//[secret]@');
  const escaped = JSON.stringify(withoutPasswords).slice(1, -1).replaceAll('\\"', '"').replaceAll('\\\\', '\\');
  return escaped.length > 60 ? `${escaped.slice(0, 57)}...` : escaped;
}

/** True for places where a secret may stand by mistake: a key pasted where its file's name was asked for. */
function holdsSecret(path: KeyPath): boolean {
  return path.some((key) => typeof key === 'string' && mayHoldSecret(key));
}

/** True for a text that names a secret: a key, a path, or a line of a file that has such a key. */
export function mayHoldSecret(text: string): boolean {
  return /pass|psk|secret|token|chap|credential|private|:\/\/[^/\s]*@/i.test(text);
}

/** Keys under which a secret stands inline; `pskFile` is none. */
export function isSecretKey(key: string): boolean {
  return /^(chap)?(pass|passwd|password|passphrase|psk|secret|token|preshared[_-]?key|private[_-]?key)$/i.test(key);
}

/** What a value is, for people: `a mapping`, `the number 12`, `the text "on"`. */
export function described(located: Located, path: KeyPath): string {
  if (located.kind === 'mapping') return 'a mapping';
  if (located.kind === 'sequence') return 'a list';
  if (located.value === null) return 'nothing';
  const shown = printable(located.source, path);
  if (typeof located.value === 'string') return `the text "${shown}"`;
  return typeof located.value === 'number' ? `the number ${shown}` : `the value ${shown}`;
}

/** The text of a scalar; null for mappings, lists and empty values. */
export function scalarText(located: Located): string | null {
  return located.kind === 'scalar' && located.value !== null ? located.source : null;
}

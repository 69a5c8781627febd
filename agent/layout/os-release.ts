// Which distribution this is, from os-release(5).

import type { Layout } from '../model/layout.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';

export interface OsRelease {
  readonly id: string;
  readonly family: Layout['osFamily'];
}

/** /etc/os-release, or the vendor's own copy where that is missing. */
export async function readOsRelease(files: ReadOnlyFiles): Promise<OsRelease> {
  const [etc, usrLib] = await Promise.all([files.readText('/etc/os-release'), files.readText('/usr/lib/os-release')]);
  return parseOsRelease(etc ?? usrLib ?? '');
}

/** ID and family; without an ID it is `linux` of the rpm family, as on the Atomic Hosts this agent grew up on. */
export function parseOsRelease(text: string): OsRelease {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\s*([A-Z0-9_]+)=(.*?)\s*$/.exec(line);
    if (match !== null) values.set(match[1] ?? '', unquote(match[2] ?? ''));
  }
  const id = values.get('ID') || 'linux';
  const kin = [id, ...(values.get('ID_LIKE') ?? '').split(/\s+/)];
  return { id, family: kin.includes('debian') || kin.includes('ubuntu') ? 'debian' : 'rpm' };
}

/** os-release is a shell fragment: quotes around a value, a backslash before a quote, dollar, backtick or itself. */
function unquote(value: string): string {
  const inside = /^(["'])(.*)\1$/.exec(value);
  if (inside === null) return value;
  return inside[1] === '"' ? (inside[2] ?? '').replace(/\\(["$`\\])/g, '$1') : (inside[2] ?? '');
}

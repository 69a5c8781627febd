// initiatorname.iscsi: the one name by which this node is known to targets, and how it is derived where none is declared.

import { header } from './marker.ts';

/** RFC 7143, 4.2.7.1. */
const maxNameBytes = 223;

/**
 * The text of the file. Comments are allowed: iscsid passes over every line that does not begin with one of its words,
 * and Debian's own file has them (`##`). No line may exceed the 1023 bytes of iscsid's buffer.
 */
export function renderInitiatorName(name: string): string {
  return `${header("this node's own name towards iSCSI targets; access lists of targets name it")}InitiatorName=${name}\n`;
}

/**
 * The name that iscsid would take from the text, by its own rules: blanks before the word are passed over, the name
 * ends at the first blank, the last one given wins (get_global_string_param in usr/idbm.c).
 *
 * @returns null when it would find none
 */
export function parseInitiatorName(text: string): string | null {
  const names = text.split('\n').flatMap((line) => /^\s*InitiatorName=(\S+)/.exec(line)?.[1] ?? []);
  return names.at(-1) ?? null;
}

/**
 * Who assigns the target's name, `iqn.2009-02.com.example` of `iqn.2009-02.com.example:part`.
 *
 * @returns null for names of the kinds eui and naa, which have no such part, and for what is no name
 */
export function targetAuthority(target: string): string | null {
  return /^(iqn\.\d{4}-(?:0[1-9]|1[0-2])\.[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::|$)/.exec(target.toLowerCase())?.[1] ?? null;
}

/**
 * A name that is the same at every boot of a node and no other node has: `iqn.2009-02.com.example:cluster:node`.
 *
 * Names of targets and initiators have no capitals (RFC 3722 folds them) and no `_`, so a cluster's name is written in
 * lower case and with `-`.
 *
 * @param authority of `targetAuthority`
 */
export function initiatorNameFor(authority: string, cluster: string, node: string): string {
  const part = (name: string): string => name.toLowerCase().replaceAll('_', '-');
  return `${authority.toLowerCase()}:${part(cluster)}:${part(node)}`;
}

/**
 * Why a name cannot be that of an initiator (or target), one sentence; null when it can.
 *
 * @see RFC 7143, 4.2.7; RFC 3722: letters in lower case, digits, `-`, `.` and `:`
 */
export function initiatorNameFault(name: string): string | null {
  if (name.length > maxNameBytes) return `the name has ${name.length} bytes, and ${maxNameBytes} are allowed`;
  if (!/^[a-z0-9.:-]*$/.test(name)) {
    return 'the name has a character besides lower-case letters, digits, "-", "." and ":"';
  }
  if (name.startsWith('eui.')) {
    return /^eui\.[0-9a-f]{16}$/.test(name) ? null : 'after "eui." come 16 hexadecimal digits';
  }
  if (name.startsWith('naa.')) {
    return /^naa\.(?:[0-9a-f]{16}|[0-9a-f]{32})$/.test(name) ? null : 'after "naa." come 16 or 32 hexadecimal digits';
  }
  return targetAuthority(name) === null
    ? 'it is not of the form iqn.YYYY-MM.reversed.domain:name (or eui., naa. and a number)'
    : null;
}

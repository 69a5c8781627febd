// Reads what `wipefs --parsable` prints: offset, UUID, label and type of each signature on a device.

import { AgentError } from '../model/errors.ts';
import type { Signature } from '../model/storage.ts';

/**
 * The signatures in their order, each type and label once: a GPT is there twice, at both ends of the disk.
 *
 * A comma in a label is not escaped. Neither an offset, a UUID nor a type has one, so the label is all that is between.
 *
 * @throws AgentError `oserr` for a line that is none: a signature that is not understood must not count as absent
 */
export function parseSignatures(text: string): Signature[] {
  if (text !== '' && !text.endsWith('\n')) throw unreadable(text.slice(text.lastIndexOf('\n') + 1));
  const signatures: Signature[] = [];
  for (const line of text.split('\n')) {
    // util-linux before 2.30 prints a head, `# offset,uuid,label,type`.
    if (line === '' || line.startsWith('#')) continue;
    const found = /^0x[0-9a-fA-F]+,[^,]*,(.*),([^,\s]+)$/.exec(line);
    if (found === null) throw unreadable(line);
    const [, rawLabel = '', type = ''] = found;
    const label = rawLabel === '' ? null : unescapeHex(rawLabel);
    if (!signatures.some((s) => s.type === type && s.label === label)) signatures.push({ type, label });
  }
  return signatures;
}

function unescapeHex(text: string): string {
  return text.replace(/\\x([0-9a-fA-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

function unreadable(line: string): AgentError {
  return new AgentError('oserr', `wipefs printed what cannot be read: ${JSON.stringify(line.slice(0, 200))}`, {
    hint: 'run wipefs --parsable on the disk by hand and look at what it prints',
  });
}

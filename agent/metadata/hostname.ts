// From local-hostname to the name of a node, by the rules by which cloud-init names the host.

import { AgentError } from '../model/errors.ts';
import { parseAddress } from '../model/network-address.ts';
import { quoted } from './printable.ts';

const maxLabel = 63;

const rule =
  'set local-hostname to the name of the node in the cluster file: letters, digits and "-", ' +
  `at most ${maxLabel} before the first dot, as in "local-hostname: a1"`;

/**
 * The short name that cloud-init gives a host: the part before the first dot, letter case kept (names of nodes are
 * compared exactly, in model/node-identity.ts); an IPv4 address becomes `ip-192-168-99-51`.
 *
 * @param given local-hostname as the source has it
 * @param where the file or line it comes from, for the message
 * @throws AgentError `data` when what remains is no host name label (RFC 1123); the offending character is named
 * @see cloud-init's DataSource.get_hostname
 */
export function shortName(given: string, where: string): string {
  if (parseAddress(given) !== null) return `ip-${given.replaceAll('.', '-')}`;
  const label = given.split('.')[0] ?? '';
  const fault = labelFault(label);
  if (fault === null) return label;
  throw new AgentError('data', `local-hostname ${quoted(given)} in ${where} is no host name: ${fault}`, { hint: rule });
}

/** The error for a name that is not text once it has been read: `0123` is the number 83 to YAML 1.1. */
export function notText(where: string, written: string | null, readAs: string): AgentError {
  const read =
    written === null || written === readAs ? `is ${readAs}` : `is written ${quoted(written)} and read as ${readAs}`;
  const example = written ?? readAs;
  return new AgentError('data', `local-hostname in ${where} ${read}, which is no text`, {
    hint: `quote it in the meta-data: local-hostname: ${quoted(example)}`,
  });
}

function labelFault(label: string): string | null {
  if (label === '') return 'nothing stands before the first dot';
  const offending = [...label].find((c) => !/[A-Za-z0-9-]/.test(c));
  if (offending !== undefined) return `${characterName(offending)} may not be in a host name`;
  if (label.startsWith('-') || label.endsWith('-')) return 'it may neither start nor end with "-"';
  if (label.length > maxLabel)
    return `${label.length} characters stand before the first dot, and ${maxLabel} are allowed`;
  return null;
}

function characterName(character: string): string {
  return character === ' ' ? 'a space' : `the character ${quoted(character)}`;
}

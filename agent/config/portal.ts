// A portal is an address and a port at which an iSCSI target answers; one spelling for each, as sessions report it.

import { formatIpv6, parseIpv6 } from '../model/ipv6-address.ts';
import { iscsiPort } from '../model/iscsi-portal.ts';
import { formatAddress, parseAddress } from '../model/network-address.ts';

export interface Portal {
  readonly kind: 'portal';
  /** `10.34.102.54:3260`, `[2001:db8::1]:3260`. */
  readonly text: string;
  /** The IPv4 address as a number; null for IPv6. */
  readonly address: number | null;
}

export interface RefusedPortal {
  readonly kind: 'refused';
  readonly rule: string;
  readonly message: string;
  readonly remedy: string;
}

/** A portal as written by the operator; the port may be left out. */
export function parsePortal(text: string): Portal | RefusedPortal {
  const parts = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([0-9]+))?$/.exec(text);
  if (parts === null) return text.includes('.') || parseIpv6(text) === null ? malformed : bareIpv6(text);
  const [, bracketed, plain = '', portText] = parts;
  const port = portText === undefined ? iscsiPort : portNumber(portText);
  if (port === null) return badPort;
  if (bracketed !== undefined) return ipv6Portal(bracketed, port);
  const address = parseAddress(plain);
  if (address !== null) return { kind: 'portal', text: `${formatAddress(address)}:${port}`, address };
  return /[A-Za-z]/.test(plain) && /^[A-Za-z0-9._-]+$/.test(plain) ? hostName : malformed;
}

function portNumber(text: string): number | null {
  return /^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65535 ? Number(text) : null;
}

const malformed: RefusedPortal = {
  kind: 'refused',
  rule: 'malformed-value',
  message: 'a portal must be an address, and its port behind a ":" unless it is 3260',
  remedy: 'write it like this: 10.34.102.54:3260, or "[2001:db8::54]:3260" in quotes',
};

const badPort: RefusedPortal = {
  kind: 'refused',
  rule: 'malformed-value',
  message: 'the port of a portal must be a number from 1 to 65535',
  remedy: `correct the number, or leave it out: ${iscsiPort}`,
};

const hostName: RefusedPortal = {
  kind: 'refused',
  rule: 'portal-name',
  message:
    'a portal must be an address: the names of its disks below /dev/disk/by-path have the address in them, and a name can come to mean another target',
  remedy: 'give the address that the name stands for (getent ahosts NAME)',
};

function bareIpv6(text: string): RefusedPortal {
  return {
    ...malformed,
    message: 'the address of a portal must stand in brackets when it is IPv6, or its end could be taken for the port',
    remedy: `write it in brackets and in quotes: "[${text}]:${iscsiPort}"`,
  };
}

function ipv6Portal(text: string, port: number): Portal | RefusedPortal {
  // A dotted quad at the end is legal, and is asked for in the other spelling: sessions never report it so.
  const groups = text.includes('.') ? null : parseIpv6(text);
  if (groups === null) return malformed;
  const first = groups[0] ?? 0;
  if ((first & 0xffc0) === 0xfe80) {
    return {
      kind: 'refused',
      rule: 'unusable-address',
      message: 'a link-local address says nothing without the interface it belongs to',
      remedy: 'give a global or unique local address of the target, or its IPv4 address',
    };
  }
  // Multicast, and `::` for no address at all.
  if (first >= 0xff00 || groups.every((group) => group === 0)) {
    return {
      kind: 'refused',
      rule: 'unusable-address',
      message: 'no target can have this address',
      remedy: 'give the address at which the target answers',
    };
  }
  return { kind: 'portal', text: `[${formatIpv6(groups)}]:${port}`, address: null };
}

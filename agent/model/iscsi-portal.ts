// A portal is an address and a port, `192.168.98.253:3260` or `[fd00::1]:3260`, written one way so that texts compare.

import { formatIpv6, parseIpv6 } from './ipv6-address.ts';

export interface IscsiPortal {
  /** Without brackets; an IPv6 address as RFC 5952 writes it. */
  readonly address: string;
  readonly port: number;
}

/** The port of iSCSI (RFC 7143, 14.1.4), where none is given. */
export const iscsiPort = 3260;

/**
 * Read `address`, `address:port`, `[address]:port`, each also with the portal group that open-iscsi adds (`,1`).
 *
 * @returns null for anything else; names of hosts are taken as they are
 */
export function parsePortal(text: string): IscsiPortal | null {
  const bare = /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(?:%\w+)?$/.test(text) ? `[${text}]` : text;
  const [, inner, outer, portText] =
    /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([\w.-]+))(?::(\d{1,5}))?(?:,-?\d{1,10})?$/.exec(bare) ?? [];
  const port = portText === undefined ? iscsiPort : Number(portText);
  if (port < 1 || port > 65535) return null;
  if (inner !== undefined) {
    const address = canonicalAddress(inner);
    return address === null ? null : { address, port };
  }
  return outer === undefined ? null : { address: outer.toLowerCase(), port };
}

/** The one way to write it: IPv6 in brackets, always with its port. */
export function portalText({ address, port }: IscsiPortal): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** A portal as `portalText` writes it; what is none stays as it is, and is equal to nothing but itself. */
export function normalPortal(text: string): string {
  const portal = parsePortal(text);
  return portal === null ? text : portalText(portal);
}

/** @returns null for what is no IPv6 address; its zone stays as it is */
function canonicalAddress(text: string): string | null {
  const [address = '', zone] = text.toLowerCase().split('%');
  const groups = parseIpv6(address);
  if (groups === null) return null;
  return zone === undefined ? formatIpv6(groups) : `${formatIpv6(groups)}%${zone}`;
}

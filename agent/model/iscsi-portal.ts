// A portal is an address and a port, `192.168.98.253:3260` or `[fd00::1]:3260`, written one way so that texts compare.

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

/** RFC 5952: lower case, no leading zeros, the first longest run of zeros as `::`. @returns null for what is no address */
function canonicalAddress(text: string): string | null {
  const [address = '', zone] = text.toLowerCase().split('%');
  const groups = groupsOf(address);
  if (groups === null) return null;
  let best = { at: -1, length: 1 };
  for (let at = 0; at < groups.length; at++) {
    let length = 0;
    while (groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const words = groups.map((group) => group.toString(16));
  const joined =
    best.at < 0
      ? words.join(':')
      : `${words.slice(0, best.at).join(':')}::${words.slice(best.at + best.length).join(':')}`;
  return zone === undefined ? joined : `${joined}%${zone}`;
}

/** The eight groups of an IPv6 address; null for anything else. */
function groupsOf(address: string): number[] | null {
  const halves = address.split('::');
  if (halves.length > 2) return null;
  const parts = halves.map((half) => (half === '' ? [] : half.split(':').flatMap(wordsOf)));
  const [head = [], tail] = parts;
  if ([...head, ...(tail ?? [])].some((word) => word === null)) return null;
  const known = [...head, ...(tail ?? [])].map((word) => word ?? 0);
  if (tail === undefined) return known.length === 8 ? known : null;
  if (known.length > 7) return null;
  const zeros = Array.from({ length: 8 - known.length }, () => 0);
  return [...known.slice(0, head.length), ...zeros, ...known.slice(head.length)];
}

/** One group, or the two that a dotted quad stands for. */
function wordsOf(part: string): (number | null)[] {
  if (/^[0-9a-f]{1,4}$/.test(part)) return [Number.parseInt(part, 16)];
  const octets = /^\d{1,3}(?:\.\d{1,3}){3}$/.test(part) ? part.split('.').map(Number) : [];
  const [a = 256, b = 256, c = 256, d = 256] = octets;
  return [a, b, c, d].some((octet) => octet > 255) ? [null] : [a * 256 + b, c * 256 + d];
}

// Reads /proc/net/route and `ip -o -4 addr`, two ways in which Linux tells about its IPv4 networks.

import { formatAddress } from '../model/network-address.ts';
import type { HostAddress } from '../ports/host.ts';

const routeIsUp = 0x0001;

/**
 * Destinations of the main routing table as CIDR, without the default route.
 *
 * @param text of /proc/net/route: addresses are hexadecimal in the byte order of the machine, which is little-endian
 * on everything this agent is built for
 */
export function parseRoutes(text: string): { readonly destination: string; readonly device: string }[] {
  const routes: { destination: string; device: string }[] = [];
  for (const line of text.split('\n').slice(1)) {
    const [device, destination, , flags, , , , mask] = line.trim().split(/\s+/);
    if (device === undefined || destination === undefined || flags === undefined || mask === undefined) continue;
    if ((Number.parseInt(flags, 16) & routeIsUp) === 0 || mask === '00000000') continue;
    routes.push({ destination: `${formatAddress(littleEndian(destination))}/${bitsOf(mask)}`, device });
  }
  return routes;
}

function littleEndian(hex: string): number {
  const bytes = hex.match(/../g) ?? [];
  return bytes.reverse().reduce((value, byte) => value * 256 + Number.parseInt(byte, 16), 0);
}

function bitsOf(hexMask: string): number {
  return littleEndian(hexMask).toString(2).replaceAll('0', '').length;
}

/** Addresses from `ip -o -4 addr show`: one line each, `2: br0    inet 172.18.34.1/24 brd … scope global br0\…`. */
export function parseIpAddr(text: string): HostAddress[] {
  const addresses: HostAddress[] = [];
  for (const line of text.split('\n')) {
    // A point-to-point address reads `inet 10.0.0.1 peer 10.0.0.2/32`.
    const match = /^[0-9]+:\s+(\S+)\s+inet ([0-9.]+)(?: peer [0-9.]+)?\/([0-9]+)\s/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined || match[3] === undefined) continue;
    addresses.push({ device: match[1].replace(/@.*$/, ''), address: match[2], prefixLength: Number(match[3]) });
  }
  return addresses;
}

// IPv4 networks as values: parse, contain, overlap, align; nothing here asks the machine.

export interface Network {
  /** Network address as an unsigned 32-bit number. */
  readonly base: number;
  readonly prefixLength: number;
}

/** The address as an unsigned number, or null when the text is not four decimal octets. */
export function parseAddress(text: string): number | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let value = 0;
  for (const part of parts) {
    // A leading zero is octal to some readers and decimal to others: refused rather than guessed.
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part)) return null;
    const octet = Number(part);
    if (octet > 255) return null;
    value = value * 256 + octet;
  }
  return value;
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

/** The network, or null when the text is not CIDR. Host bits are kept out of `base`: see `hasHostBits`. */
export function parseNetwork(cidr: string): Network | null {
  const [addressText, lengthText, ...rest] = cidr.split('/');
  if (addressText === undefined || lengthText === undefined || rest.length > 0) return null;
  const address = parseAddress(addressText);
  if (address === null || !/^(0|[1-9][0-9]?)$/.test(lengthText) || Number(lengthText) > 32) return null;
  const prefixLength = Number(lengthText);
  return { base: alignDown(address, prefixLength), prefixLength };
}

/** True when the CIDR's address has bits set below the prefix: 10.0.0.1/8. */
export function hasHostBits(cidr: string): boolean {
  const network = parseNetwork(cidr);
  const address = parseAddress(cidr.split('/')[0] ?? '');
  return network !== null && address !== null && network.base !== address;
}

export function formatNetwork(network: Network): string {
  return `${formatAddress(network.base)}/${network.prefixLength}`;
}

/** How many addresses the network has. */
export function networkSize(prefixLength: number): number {
  return 2 ** (32 - prefixLength);
}

export function alignDown(address: number, prefixLength: number): number {
  const size = networkSize(prefixLength);
  return Math.floor(address / size) * size;
}

export function containsAddress(network: Network, address: number): boolean {
  return address >= network.base && address < network.base + networkSize(network.prefixLength);
}

export function overlap(a: Network, b: Network): boolean {
  return containsAddress(a, b.base) || containsAddress(b, a.base);
}

/**
 * The prefix length of each node's subnet when the file does not say it.
 *
 * @see flannel's pkg/subnet/config.go: 24 for networks up to /22, else two more than the network's
 */
export function defaultSubnetLen(networkPrefix: number): number {
  return networkPrefix <= 22 ? 24 : networkPrefix + 2;
}

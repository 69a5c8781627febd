// flannel's network configuration as flannel reads it, so that two texts can be compared by what they mean.

import { defaultSubnetLen, formatAddress, type Network, networkSize, parseNetwork } from '../model/network-address.ts';

/**
 * True when flannel would make the same network of both texts. flannel (Go) matches key names without regard to case,
 * fills in SubnetLen, SubnetMin and SubnetMax, and takes udp when there is no Backend.
 */
export function sameNetwork(a: string, b: string): boolean {
  const left = meaning(a);
  const right = meaning(b);
  return left !== null && right !== null && left === right;
}

function meaning(text: string): string | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const document = lowerKeys(value);
  if (document === null) return null;
  const network = typeof document['network'] === 'string' ? parseNetwork(document['network']) : null;
  if (network === null) return null;
  const backend = lowerKeys(document['backend']) ?? {};
  const type = typeof backend['type'] === 'string' ? backend['type'].toLowerCase() : 'udp';
  const given = document['subnetlen'];
  const subnetLen = typeof given === 'number' && given !== 0 ? given : defaultSubnetLen(network.prefixLength);
  const { network: _network, subnetlen: _subnetLen, backend: _backend, ...others } = document;
  const options = { ...subnetBounds(network, subnetLen), ...withoutDefaultOptions(others) };
  return canonical({
    network: `${network.base}/${network.prefixLength}`,
    subnetLen,
    backend: { ...withoutDefaults(type, backend), type },
    options,
  });
}

/** Options that say what the backend would do anyway. */
function withoutDefaults(type: string, backend: Record<string, unknown>): Record<string, unknown> {
  const defaults: Record<string, Record<string, unknown>> = {
    vxlan: { vni: 1, port: 0, mtu: 0, gbp: false, learning: false, directrouting: false },
    udp: { port: 8285 },
    wireguard: { listenport: 51820, persistentkeepaliveinterval: 0, mtu: 0, mode: 'separate', listenportv6: 51821 },
  };
  const known = defaults[type] ?? {};
  return Object.fromEntries(Object.entries(backend).filter(([key, value]) => known[key] !== value));
}

/** flannel's own rule: the first subnet is left out, the last is the last that fits. */
function subnetBounds(network: Network, subnetLen: number): { readonly subnetmin: string; readonly subnetmax: string } {
  const subnet = networkSize(subnetLen);
  return {
    subnetmin: formatAddress(network.base + subnet),
    subnetmax: formatAddress(network.base + networkSize(network.prefixLength) - subnet),
  };
}

function withoutDefaultOptions(fields: Record<string, unknown>): Record<string, unknown> {
  const isDefault = (key: string, value: unknown): boolean =>
    key === 'enableipv4'
      ? value === true || value === null
      : value === '' || value === 0 || value === null || value === false;
  return Object.fromEntries(Object.entries(fields).filter(([key, value]) => !isDefault(key, value)));
}

/**
 * The same text with a key of the backend's (wireguard's and ipsec's PSK) taken out, for people to read. What is no
 * JSON is given back as it is: flannel could not read a key in it either.
 */
export function withoutSecrets(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  let found = false;
  const shown = JSON.stringify(value, (key, inner: unknown) => {
    if (key.toLowerCase() !== 'psk') return inner;
    found = true;
    return '[secret]';
  });
  return found ? shown : text;
}

function lowerKeys(value: unknown): Record<string, unknown> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.toLowerCase(), inner]));
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

// flannel's own rules for its network configuration, checked before flanneld refuses them in a loop.

import type { Diagnostic } from '../model/diagnostic.ts';
import {
  alignDown,
  containsAddress,
  defaultSubnetLen,
  formatAddress,
  formatNetwork,
  hasHostBits,
  type Network,
  networkSize,
  overlap,
  parseNetwork,
} from '../model/network-address.ts';
import {
  addressAt,
  type DraftAddress,
  type DraftNetwork,
  type DraftText,
  draftNodes,
  networkAt,
  numberAt,
} from './draft.ts';
import { finding } from './findings.ts';
import type { LocatedMapping } from './located.ts';
import { lineOf } from './node-checks.ts';
import { reservedNetworks } from './reserved-networks.ts';

/** flannel refuses longer prefixes: there must be room for four subnets of two hosts. */
const maxNetworkPrefix = 28;
const maxSubnetLen = 30;

/** The network itself, the size of the subnets, the range of the subnets, and whether every node gets one. */
export function checkFlannel(tree: LocatedMapping): Diagnostic[] {
  const overlay = networkAt(tree, ['flannel', 'network']);
  if (overlay === null) return [];
  if (overlay.network === null) return [malformedNetwork(overlay)];
  const network = overlay.network;
  return [
    ...hostBits(overlay),
    ...networkTooSmall(overlay, network),
    ...reserved(overlay, network),
    ...dockerDefault(overlay, network),
    ...(network.prefixLength > maxNetworkPrefix ? [] : subnetChecks(tree, overlay, network)),
  ];
}

/** A text in the form of a network that is none: an octet above 255, a prefix above 32. */
export function malformedNetwork(network: DraftText): Diagnostic {
  return finding({
    at: network.at,
    path: network.path,
    value: network.text,
    rule: 'malformed-value',
    message: 'this is no IPv4 network: four numbers up to 255 without leading zeros, "/", and a prefix length up to 32',
    remedy: 'write it like this: 172.18.0.0/16',
  });
}

/** A network whose address is not its first one: 10.0.0.1/16. */
export function hostBits(network: DraftNetwork): Diagnostic[] {
  if (network.network === null || !hasHostBits(network.text)) return [];
  const meant = formatNetwork(network.network);
  return [
    finding({
      at: network.at,
      path: network.path,
      value: network.text,
      rule: 'network-host-bits',
      message: `the address has bits set beyond its prefix; the network is ${meant}`,
      remedy: `write ${meant}`,
    }),
  ];
}

function networkTooSmall(overlay: DraftNetwork, network: Network): Diagnostic[] {
  if (network.prefixLength <= maxNetworkPrefix) return [];
  return [
    finding({
      at: overlay.at,
      path: overlay.path,
      value: overlay.text,
      rule: 'network-too-small',
      message: `flannel needs a prefix of at most ${maxNetworkPrefix}, and this is ${network.prefixLength}`,
      remedy: 'choose a larger network: a /16 has room for 255 nodes with 253 containers each',
    }),
  ];
}

function reserved(overlay: DraftNetwork, network: Network): Diagnostic[] {
  return reservedNetworks()
    .filter((r) => overlap(r.network, network))
    .map((r) =>
      finding({
        at: overlay.at,
        path: overlay.path,
        value: overlay.text,
        rule: 'network-reserved',
        message: `the network overlaps ${r.cidr}, which ${r.purpose}`,
        remedy: 'choose a private network that is free, for example 172.18.0.0/16',
      }),
    );
}

function dockerDefault(overlay: DraftNetwork, network: Network): Diagnostic[] {
  const docker0 = parseNetwork('172.17.0.0/16');
  if (docker0 === null || !overlap(docker0, network)) return [];
  return [
    finding({
      severity: 'warning',
      at: overlay.at,
      path: overlay.path,
      value: overlay.text,
      rule: 'docker-default-network',
      message:
        "the network overlaps 172.17.0.0/16, docker's own choice for docker0: a docker that once ran without flannel still has it",
      remedy: 'choose another network, for example 172.18.0.0/16, if this cluster is new',
    }),
  ];
}

interface Subnets {
  readonly tree: LocatedMapping;
  readonly overlay: DraftNetwork;
  readonly network: Network;
  readonly subnetLen: number;
}

function subnetChecks(tree: LocatedMapping, overlay: DraftNetwork, network: Network): Diagnostic[] {
  const given = numberAt(tree, ['flannel', 'subnetLen']);
  const shortest = network.prefixLength + 2;
  if (given !== null && (given.number < shortest || given.number > maxSubnetLen)) {
    // A number above the maximum is the schema's to report.
    if (given.number > maxSubnetLen) return [];
    return [
      finding({
        at: given.at,
        path: given.path,
        value: String(given.number),
        rule: 'subnet-length',
        message: `a /${given.number} is too large a subnet of ${overlay.text}: flannel wants room for four of them`,
        remedy: `give a number from ${shortest} to ${maxSubnetLen}, or leave it out: ${defaultSubnetLen(network.prefixLength)}`,
      }),
    ];
  }
  const subnets = { tree, overlay, network, subnetLen: given?.number ?? defaultSubnetLen(network.prefixLength) };
  return rangeChecks(subnets);
}

function rangeChecks(subnets: Subnets): Diagnostic[] {
  const min = addressAt(subnets.tree, ['flannel', 'subnetMin']);
  const max = addressAt(subnets.tree, ['flannel', 'subnetMax']);
  const bounds = [...boundChecks(subnets, min), ...boundChecks(subnets, max)];
  if (bounds.length > 0 || min?.address === null || max?.address === null) return bounds;
  const size = networkSize(subnets.subnetLen);
  const first = min?.address ?? subnets.network.base + size;
  const last = max?.address ?? subnets.network.base + networkSize(subnets.network.prefixLength) - size;
  if (first > last) return [reversedRange(min ?? max ?? subnets.overlay, first, last)];
  return tooFewSubnets(subnets, (last - first) / size + 1);
}

function boundChecks(subnets: Subnets, bound: DraftAddress | null): Diagnostic[] {
  if (bound === null || bound.address === null) return [];
  const base = { at: bound.at, path: bound.path, value: bound.text, rule: 'subnet-range' };
  if (!containsAddress(subnets.network, bound.address)) {
    return [
      finding({
        ...base,
        message: `this subnet lies outside flannel.network ${subnets.overlay.text} (${lineOf(subnets.overlay, bound)})`,
        remedy: `give an address inside ${subnets.overlay.text}, or leave it out`,
      }),
    ];
  }
  const aligned = alignDown(bound.address, subnets.subnetLen);
  if (aligned === bound.address) return [];
  return [
    finding({
      ...base,
      message: `no /${subnets.subnetLen} subnet begins at this address`,
      remedy: `write ${formatAddress(aligned)}`,
    }),
  ];
}

function reversedRange(at: DraftText, first: number, last: number): Diagnostic {
  return finding({
    at: at.at,
    path: at.path,
    value: at.text,
    rule: 'subnet-range',
    message: `the first subnet, ${formatAddress(first)}, comes after the last, ${formatAddress(last)}`,
    remedy: 'exchange subnetMin and subnetMax, or leave both out',
  });
}

function tooFewSubnets(subnets: Subnets, available: number): Diagnostic[] {
  const nodes = draftNodes(subnets.tree).length;
  if (nodes <= available) return [];
  return [
    finding({
      at: subnets.overlay.at,
      path: subnets.overlay.path,
      value: subnets.overlay.text,
      rule: 'too-few-subnets',
      message: `there are ${nodes} nodes, and only ${available} subnets of /${subnets.subnetLen} to give out`,
      remedy: 'choose a larger network or a longer subnetLen, or widen subnetMin and subnetMax',
    }),
  ];
}

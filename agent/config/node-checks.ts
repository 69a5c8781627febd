// Rules about the nodes' addresses that a schema cannot say.

import type { Diagnostic } from '../model/diagnostic.ts';
import { containsAddress } from '../model/network-address.ts';
import { type DraftAddress, draftNodes, networkAt } from './draft.ts';
import { finding } from './findings.ts';
import type { LocatedMapping } from './located.ts';
import { reservedNetworks } from './reserved-networks.ts';

/** Two nodes with one address, addresses no host can have, and addresses inside the overlay. */
export function checkNodes(tree: LocatedMapping): Diagnostic[] {
  const overlay = networkAt(tree, ['flannel', 'network']);
  const seen = new Map<number, { readonly name: string; readonly at: DraftAddress }>();
  const diagnostics: Diagnostic[] = [];
  for (const { name, address } of draftNodes(tree)) {
    if (address === null || address.address === null) continue;
    const other = seen.get(address.address);
    if (other !== undefined) diagnostics.push(duplicateAddress(name, address, other));
    else seen.set(address.address, { name, at: address });
    diagnostics.push(...unusableAddress(name, address, address.address));
    if (overlay?.network && containsAddress(overlay.network, address.address)) {
      diagnostics.push(addressInOverlay(name, address, `${overlay.text} (${lineOf(overlay, address)})`));
    }
  }
  return diagnostics;
}

/** The line of one place as seen from another: the file is named only when it is another one. */
export function lineOf(place: { readonly at: DraftAddress['at'] }, from: { readonly at: DraftAddress['at'] }): string {
  const line = `line ${place.at.line}`;
  return place.at.file === from.at.file ? line : `${place.at.file}, ${line}`;
}

function duplicateAddress(
  name: string,
  address: DraftAddress,
  other: { readonly name: string; readonly at: DraftAddress },
): Diagnostic {
  return finding({
    at: address.at,
    path: address.path,
    value: address.text,
    rule: 'duplicate-address',
    message: `node ${name} has the address of node ${other.name} (${lineOf(other.at, address)})`,
    remedy: `give each node its own address, or remove one of the nodes ${other.name} and ${name}`,
  });
}

function unusableAddress(name: string, address: DraftAddress, number: number): Diagnostic[] {
  const reserved = reservedNetworks().find((r) => containsAddress(r.network, number));
  // Hosts on a direct cable do use link-local addresses among themselves.
  if (reserved === undefined || reserved.cidr === '169.254.0.0/16') return [];
  return [
    finding({
      at: address.at,
      path: address.path,
      value: address.text,
      rule: 'unusable-address',
      message: `no other host can reach node ${name} at this address: ${reserved.cidr} ${reserved.purpose}`,
      remedy: 'give the address that the host has on the network that all hosts share',
    }),
  ];
}

function addressInOverlay(name: string, address: DraftAddress, overlay: string): Diagnostic {
  return finding({
    at: address.at,
    path: address.path,
    value: address.text,
    rule: 'address-in-overlay',
    message: `the address of node ${name} lies inside flannel's network ${overlay}; the overlay would hide the host`,
    remedy: 'choose a flannel.network that none of the hosts, routers and VPNs use',
  });
}

// Rules about docker's address pools that a schema cannot say.

import type { Diagnostic } from '../model/diagnostic.ts';
import { containsAddress, type Network, overlap } from '../model/network-address.ts';
import { type DraftNetwork, draftNodes, itemsAt, networkAt, numberAt } from './draft.ts';
import { finding } from './findings.ts';
import { hostBits, malformedNetwork } from './flannel-checks.ts';
import type { KeyPath, LocatedMapping } from './located.ts';
import { lineOf } from './node-checks.ts';
import { draftPortals } from './storage-part-checks.ts';

const poolsPath: KeyPath = ['docker', 'addressPools'];

interface Pool extends DraftNetwork {
  readonly network: Network;
}

/** Pools that are networks, hold at least one network of their size, and collide with nothing. */
export function checkDocker(tree: LocatedMapping): Diagnostic[] {
  const bases = itemsAt(tree, poolsPath).map((_, i) => networkAt(tree, [...poolsPath, i, 'base']));
  const diagnostics: Diagnostic[] = [];
  const checked: Pool[] = [];
  for (const [i, base] of bases.entries()) {
    if (base === null) continue;
    if (base.network === null) {
      diagnostics.push(malformedNetwork(base));
      continue;
    }
    const pool = { ...base, network: base.network };
    diagnostics.push(...hostBits(pool), ...poolSize(tree, pool, i), ...poolOverlaps(tree, pool, checked));
    checked.push(pool);
  }
  return diagnostics;
}

function poolSize(tree: LocatedMapping, pool: Pool, index: number): Diagnostic[] {
  const size = numberAt(tree, [...poolsPath, index, 'size']);
  if (size === null || size.number >= pool.network.prefixLength) return [];
  return [
    finding({
      at: size.at,
      path: size.path,
      value: String(size.number),
      rule: 'pool-size',
      message: `a /${size.number} network does not fit into the pool ${pool.text}`,
      remedy: `give a prefix length from ${pool.network.prefixLength} to 30`,
    }),
  ];
}

function poolOverlaps(tree: LocatedMapping, pool: Pool, before: readonly Pool[]): Diagnostic[] {
  const overlay = networkAt(tree, ['flannel', 'network']);
  const found: string[] = [];
  if (overlay?.network && overlap(overlay.network, pool.network)) {
    found.push(`flannel's network ${overlay.text} (${lineOf(overlay, pool)})`);
  }
  for (const other of before) {
    if (overlap(other.network, pool.network)) found.push(`the pool ${other.text} (${lineOf(other, pool)})`);
  }
  for (const { name, address } of draftNodes(tree)) {
    if (address?.address === null || address === null || !containsAddress(pool.network, address.address)) continue;
    found.push(`the address of node ${name}, ${address.text} (${lineOf(address, pool)})`);
  }
  for (const portal of draftPortals(tree)) {
    const { address } = portal.portal;
    if (address === null || !containsAddress(pool.network, address)) continue;
    found.push(`the iSCSI portal ${portal.text} (${lineOf(portal, pool)})`);
  }
  return found.map((what) =>
    finding({
      at: pool.at,
      path: pool.path,
      value: pool.text,
      rule: 'pool-overlap',
      message: `this pool overlaps ${what}; containers in it could not be told from the hosts or the overlay`,
      remedy: 'choose a network that nothing else uses, or leave addressPools out: the agent then chooses free ones',
    }),
  );
}

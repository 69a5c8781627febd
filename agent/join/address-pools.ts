// Networks for docker's user-defined networks: docker's own defaults less everything that is already in use.

import type { AddressPool } from '../model/cluster-config.ts';
import { type Network, networkSize, overlap, parseNetwork } from '../model/network-address.ts';

/** docker's local-scope pools: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/16 in pieces of /20. */
const dockerDefaults: readonly AddressPool[] = [
  ...Array.from({ length: 15 }, (_, i): AddressPool => ({ base: `172.${17 + i}.0.0/16`, size: 16 })),
  ...Array.from({ length: 16 }, (_, i): AddressPool => ({ base: `192.168.${16 * i}.0/20`, size: 20 })),
];

/**
 * The pools that collide neither with the overlay nor with a network this host has a route to. The overlay of seed A,
 * 172.18.0.0/16, is what docker would give to its first user-defined network.
 *
 * @param taken the overlay and the host's routes
 */
export function freePools(taken: readonly Network[]): AddressPool[] {
  return dockerDefaults.filter((pool) => {
    const network = parseNetwork(pool.base);
    return network !== null && networkSize(network.prefixLength) > 0 && !taken.some((t) => overlap(t, network));
  });
}

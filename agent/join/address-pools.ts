// Networks for docker's user-defined networks: docker's own defaults less everything that is already in use.

import type { AddressPool } from '../model/cluster-config.ts';
import { formatNetwork, type Network, networkSize, overlap, parseNetwork } from '../model/network-address.ts';

/** docker's local-scope pools: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/16 in pieces of /20. */
const dockerDefaults: readonly AddressPool[] = [
  ...Array.from({ length: 15 }, (_, i): AddressPool => ({ base: `172.${17 + i}.0.0/16`, size: 16 })),
  ...Array.from({ length: 16 }, (_, i): AddressPool => ({ base: `192.168.${16 * i}.0/20`, size: 20 })),
];

/**
 * The pools that collide neither with the overlay nor with a network this host has a route to, neighbours joined. The
 * overlay of seed A, 172.18.0.0/16, is what docker would give to its first user-defined network.
 *
 * @param taken the overlay and the host's routes
 */
export function freePools(taken: readonly Network[]): AddressPool[] {
  return joined(
    dockerDefaults.filter((pool) => {
      const network = parseNetwork(pool.base);
      return network !== null && !taken.some((t) => overlap(t, network));
    }),
  );
}

/** Join pairs that make up a network twice as large: thirty options become a handful. */
function joined(pools: readonly AddressPool[]): AddressPool[] {
  const networks = pools.flatMap(({ base, size }) => {
    const network = parseNetwork(base);
    return network === null ? [] : [{ ...network, size }];
  });
  for (let i = 0; i + 1 < networks.length; ) {
    const [a, b] = [networks[i], networks[i + 1]];
    const half = a === undefined ? 0 : networkSize(a.prefixLength);
    const isPair =
      a !== undefined &&
      b !== undefined &&
      a.size === b.size &&
      a.prefixLength === b.prefixLength &&
      b.base === a.base + half &&
      a.base % (half * 2) === 0;
    if (isPair) {
      networks.splice(i, 2, { ...a, prefixLength: a.prefixLength - 1 });
      // The larger one may now pair with what stands before it.
      i = Math.max(0, i - 1);
    } else i++;
  }
  return networks.map((n) => ({ base: formatNetwork(n), size: n.size }));
}

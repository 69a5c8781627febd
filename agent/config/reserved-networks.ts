// Networks that no host and no overlay can use, with the reason (RFC 6890).

import { type Network, parseNetwork } from '../model/network-address.ts';

export interface ReservedNetwork {
  readonly network: Network;
  readonly cidr: string;
  readonly purpose: string;
}

/** Of no use as a host's address, nor as part of an overlay. */
export function reservedNetworks(): readonly ReservedNetwork[] {
  return [
    ['0.0.0.0/8', 'stands for "this network"'],
    ['127.0.0.0/8', 'is loopback'],
    ['169.254.0.0/16', 'is link-local'],
    ['224.0.0.0/4', 'is multicast'],
    ['240.0.0.0/4', 'is reserved, with the broadcast address at its end'],
  ].flatMap(([cidr = '', purpose = '']) => {
    const network = parseNetwork(cidr);
    return network === null ? [] : [{ network, cidr, purpose }];
  });
}

// The key space in etcd, built here and nowhere else; ARCHITECTURE.md documents it as a protocol.

/** Every key of one cluster, under /diyc/<cluster>. */
export function nodesPrefix(cluster: string): string {
  return `/diyc/${cluster}/nodes/`;
}

/** The readiness record of one node; written by that node only, lives as long as its lease. */
export function nodeKey(cluster: string, node: string): string {
  return `${nodesPrefix(cluster)}${node}`;
}

/** flannel's own network configuration; created only if absent, never overwritten. */
export function flannelConfigKey(prefix: string): string {
  return `${prefix}/config`;
}

/** flannel's own leases. */
export function flannelSubnetsPrefix(prefix: string): string {
  return `${prefix}/subnets/`;
}

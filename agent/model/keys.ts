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

/** Everything that coordinates reboots and upgrades of one cluster. */
export function upgradePrefix(cluster: string): string {
  return `/diyc/${cluster}/upgrade/`;
}

/** Who holds a slot of a group; changed by compare-and-swap only, permanent. */
export function semaphoreKey(cluster: string, group: string): string {
  return `${upgradePrefix(cluster)}${group}/semaphore`;
}

/** What an operator wants a group to reach; permanent. */
export function targetKey(cluster: string, group: string): string {
  return `${upgradePrefix(cluster)}${group}/target`;
}

/** Releases of a group that are not to be tried again; permanent. */
export function deniedKey(cluster: string, group: string): string {
  return `${upgradePrefix(cluster)}${group}/denied`;
}

/** An operator's word that a group is to stand still; permanent until it is taken back. */
export function holdKey(cluster: string, group: string): string {
  return `${upgradePrefix(cluster)}${group}/hold`;
}

/** The last proof of a node, whatever came of it; written by that node, permanent. */
export function proofKey(cluster: string, group: string, node: string): string {
  return `${upgradePrefix(cluster)}${group}/proofs/${node}`;
}

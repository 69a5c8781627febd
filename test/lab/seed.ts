/** What a boot server would serve: the cluster file of the post and the two cloud-init files of one host. */

import { SEED_DIR, type SeedPlace } from './host.ts';
import { HOST_PREFIX } from './network.ts';

export const CLUSTER = 'diy-cluster';
export const FLANNEL_PREFIX = '/admin/flannel';
export const OVERLAY = '172.18.0.0/16';
export const NODE_KEYS = `/diyc/${CLUSTER}/nodes/`;

export const NODES: ReadonlyMap<string, string> = new Map([
  ['a1', `${HOST_PREFIX}.51`],
  ['a2', `${HOST_PREFIX}.52`],
  ['a3', `${HOST_PREFIX}.53`],
]);

/** A host nobody has written into the cluster file. */
export const STRANGER = { name: 'a9', address: `${HOST_PREFIX}.59` } as const;

export const CLUSTER_FILE = `version: 1
cluster: ${CLUSTER}
nodes:
${[...NODES].map(([name, address]) => `  ${name}: { address: ${address} }`).join('\n')}
etcd:
  members: [${[...NODES.keys()].join(', ')}]
flannel:
  prefix: ${FLANNEL_PREFIX}
  network: ${OVERLAY}
  backend: { type: vxlan }
`;

const USER_DATA = `#cloud-config
bootcmd:
  - [ /usr/bin/diyc-agent, boot ]
`;

export function seedFiles(name: string, place: SeedPlace): Record<string, string> {
  const dir = SEED_DIR[place];
  return {
    [`${dir}/meta-data`]: `instance-id: iid-${name}\nlocal-hostname: ${name}\n`,
    [`${dir}/user-data`]: USER_DATA,
    [`${dir}/cluster.yaml`]: CLUSTER_FILE,
  };
}

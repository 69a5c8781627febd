/** One host reboots: the others carry on, and it comes back as the same member with the same subnet. */

import type { Lab } from '../cluster.ts';
import { assertPingMatrix } from '../ping-matrix.ts';
import { expect, expectEqual } from '../scenario.ts';

export const name = 'reboot-one';
export const claim = 'a rebooted node comes back by itself with its subnet, while the other two keep quorum';
export const from = 'ready';

export async function run(lab: Lab): Promise<void> {
  const node = lab.host('a2');
  const others = lab.nodes.filter((other) => other !== node);
  const lease = await lab.leaseOf(node);
  const bootIds = await Promise.all(others.map((other) => other.bootId()));

  await node.reboot();
  const healthy = await lab.store.healthy();
  for (const other of others)
    expect(healthy.includes(other.address), `etcd on ${other.name} lost its health when ${node.name} rebooted`);
  await lab.untilReady();

  expectEqual((await lab.leaseOf(node))?.subnet, lease?.subnet, `subnet of ${node.name} after the reboot`);
  const now = await Promise.all(others.map((other) => other.bootId()));
  expectEqual(now.join(), bootIds.join(), 'boot ids of the nodes that were not asked to reboot');
  await assertPingMatrix(lab);
}

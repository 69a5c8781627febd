/** The power comes back after an outage: all hosts boot at the same instant and nobody is there to wait for. */

import type { Lab } from '../cluster.ts';
import { assertPingMatrix } from '../ping-matrix.ts';
import { expectEqual } from '../scenario.ts';

export const name = 'reboot-all-at-once';
export const claim = 'after a simultaneous reboot the same cluster comes back: same members, same subnets, same config';
export const from = 'ready';

export async function run(lab: Lab): Promise<void> {
  const before = await picture(lab);
  await Promise.all(lab.nodes.map((node) => node.reboot()));
  await lab.untilReady();
  expectEqual(await picture(lab), before, 'members, leases and flannel config');
  await assertPingMatrix(lab);
}

async function picture(lab: Lab): Promise<string> {
  const members = [...(await lab.store.members())].map(([member, url]) => `${member}=${url}`).toSorted();
  const leases = (await lab.leases()).map((lease) => `${lease.publicIp} has ${lease.subnet}`).toSorted();
  const config = (await lab.flannelConfig()) ?? 'none';
  return [...members, ...leases, config].join('\n');
}

/** The 2015 script rebooted after it had configured the host; whoever wants that habit gets it once, and only once. */

import type { Lab } from '../cluster.ts';
import { expectEqual } from '../scenario.ts';
import { CLUSTER_FILE } from '../seed.ts';

export const name = 'first-boot-reboots-once';
export const claim =
  'with firstBoot.reboot: always each host reboots once after its first configuration, then is ready';
export const from = 'blank';

export async function run(lab: Lab): Promise<void> {
  await lab.blankWith(`${CLUSTER_FILE}firstBoot: { reboot: always }\n`);
  await lab.powerOn();
  await lab.untilReady();
  for (const node of lab.nodes) {
    await node.untilBooted();
    expectEqual(await node.boots(), 2, `boots of ${node.name}`);
  }
  const node = lab.host('a2');
  await node.reboot();
  await lab.untilReady();
  expectEqual(await node.boots(), 3, `boots of ${node.name} after one more that was asked for`);
}

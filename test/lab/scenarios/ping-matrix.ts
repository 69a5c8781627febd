/** The post's closing test, for every pair: a container pings another across hosts, here at full size and without NAT. */

import type { Lab } from '../cluster.ts';
import { assertPingMatrix, cellText } from '../ping-matrix.ts';
import { say } from '../progress.ts';

export const name = 'ping-matrix';
export const claim = "containers reach each other across hosts at full MTU and see each other's own addresses";
export const from = 'ready';

export async function run(lab: Lab): Promise<void> {
  for (const cell of await assertPingMatrix(lab)) say(`  ${cellText(cell)}`);
}

/** The plug is pulled and put back: no goodbye, a half-written page cache, the same member afterwards. */

import type { Lab } from '../cluster.ts';
import { assertPingMatrix } from '../ping-matrix.ts';
import { expectEqual } from '../scenario.ts';
import { notYet, until, yes } from '../wait.ts';

export const name = 'power-cut-one';
export const claim = 'a node that lost its power leaves the fleet by its lease and comes back as itself';
export const from = 'ready';

export async function run(lab: Lab): Promise<void> {
  const node = lab.host('a3');
  const lease = await lab.leaseOf(node);
  await node.powerCut();
  // nobody can take the record back: only the lease does
  await until(`the readiness record of ${node.name} to expire`, 180_000, async () => {
    const summary = await lab.published(node);
    return summary === undefined ? yes(true) : notYet(`still there: ${summary}`);
  });
  await node.powerOn();
  await lab.untilReady();
  expectEqual((await lab.leaseOf(node))?.subnet, lease?.subnet, `subnet of ${node.name}`);
  await assertPingMatrix(lab);
}

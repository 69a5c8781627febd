/** A partition: the node that is cut off keeps its containers, the others keep quorum, and the cable heals it. */

import type { Lab } from '../cluster.ts';
import { cable } from '../network.ts';
import { assertPingMatrix, startPeer, stopPeer } from '../ping-matrix.ts';
import { expect, expectEqual } from '../scenario.ts';
import { notYet, until, yes } from '../wait.ts';

export const name = 'cable-pulled';
export const claim =
  'a node cut off from the others keeps its containers and its boot, says it is not ready, and recovers by itself';
export const from = 'ready';

export async function run(lab: Lab): Promise<void> {
  const node = lab.host('a3');
  const bootId = await node.bootId();
  const peer = await startPeer(node);
  await cable(lab.names, node.name, 'pulled');
  try {
    await until(`${node.name} to be no longer published as ready`, 180_000, async () => {
      const summary = await lab.published(node);
      return summary === 'ready' ? notYet('still ready') : yes(summary);
    });
    const healthy = await lab.store.healthy();
    expectEqual(healthy.length, 2, 'healthy members on the side of the majority');
    const status = await node.exec(['diyc-agent', 'status'], 30_000);
    expect(status.code !== 0, `diyc-agent status is content on a node that is cut off (${status.stdout.trim()})`);
    const pid = await node.exec(['docker', 'inspect', '--format', '{{.State.Pid}}', 'lab-peer']);
    expectEqual(pid.stdout.trim(), peer.pid, 'process of the container that ran before');
  } finally {
    await cable(lab.names, node.name, 'plugged');
  }
  await lab.untilReady(180_000);
  expectEqual(await node.bootId(), bootId, 'boot id: nobody may reboot a node for being cut off');
  await stopPeer(node);
  await assertPingMatrix(lab);
}

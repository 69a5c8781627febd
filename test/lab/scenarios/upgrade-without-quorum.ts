/** Nobody who cannot ask etcd may go away: not even a node that has only its own reboot behind it. */

import type { Lab } from '../cluster.ts';
import { commitOf, imageHosts } from '../image-host.ts';
import { mustRun, ticking, untilAllIn } from '../rollout.ts';
import { expectEqual } from '../scenario.ts';
import { pause } from '../wait.ts';
import { untilNextBoot, untilOneReboots } from './upgrade-holder-dies.ts';

export const name = 'upgrade-without-quorum';
export const claim =
  'when etcd loses its quorum in the middle of a roll-out nobody reboots; when it has it again, the roll-out goes on';
export const from = 'blank';

const WITHOUT_MS = 40_000;
const POLICY = `upgrade:
  soak: 5s
  readyWithin: 10m
`;

export async function run(lab: Lab): Promise<void> {
  await imageHosts(lab, [{ version: '41.1' }, { version: '41.2' }], POLICY);
  await lab.powerOn();
  await lab.untilReady();
  await mustRun(lab.host('a1'), ['diyc-agent', 'upgrade', 'target', '41.2']);
  await ticking(lab, async () => {
    const first = await untilOneReboots(lab);
    await untilNextBoot(first);
    const others = lab.nodes.filter((node) => node !== first);
    await Promise.all(others.map((node) => mustRun(node, ['systemctl', 'stop', 'etcd.service'])));
    await pause(WITHOUT_MS);
    for (const node of lab.nodes) {
      expectEqual(await node.boots(), node === first ? 2 : 1, `boots of ${node.name} without a quorum`);
    }
    await Promise.all(others.map((node) => mustRun(node, ['systemctl', 'start', '--no-block', 'etcd.service'])));
    await untilAllIn(lab, commitOf('41.2'), 240_000);
  });
  for (const node of lab.nodes) expectEqual(await node.boots(), 2, `boots of ${node.name}`);
}

/** A download that ends with the power: what was not staged is staged anew, and nothing else remembers it. */

import type { Lab } from '../cluster.ts';
import { commitOf, imageHosts } from '../image-host.ts';
import { jsonOf, mustRun, ticking, untilAllIn, upgradeOf } from '../rollout.ts';
import { expectEqual } from '../scenario.ts';
import { notYet, until, yes } from '../wait.ts';

export const name = 'upgrade-power-cut-while-staging';
export const claim = 'a node whose power was cut while it staged a release comes back in the old one and takes it then';
export const from = 'blank';

const MARK = '/run/lab-staging-may-end';

export async function run(lab: Lab): Promise<void> {
  await imageHosts(lab, [{ version: '41.1' }, { version: '41.2', stageUntil: MARK }]);
  await lab.powerOn();
  await lab.untilReady();
  const node = lab.host('a2');
  await mustRun(node, ['diyc-agent', 'upgrade', 'target', '41.2']);
  await ticking(lab, async () => {
    await until(`${node.name} to be staging`, 60_000, async () => {
      // not from outside its process namespace: it looks whether the process of the transaction is there
      const { transaction } = await jsonOf<{ transaction: unknown }>(node, ['rpm-ostree', 'status', '--json']);
      return transaction === null ? notYet('no transaction') : yes(transaction);
    });
    const before = await node.bootId();
    await node.powerCut();
    await node.powerOn();
    await node.untilRebooted(before);
    await until(`${node.name} to say that it is in the old release`, 60_000, async () => {
      const upgrade = await upgradeOf(lab, node);
      return upgrade?.booted?.text === '41.1' && upgrade.staged === null ? yes(true) : notYet(JSON.stringify(upgrade));
    });
    await Promise.all(lab.nodes.map((one) => mustRun(one, ['touch', MARK])));
    // gone with each boot; the others have staged by then
    await untilAllIn(lab, commitOf('41.2'), 300_000);
  });
  expectEqual((await upgradeOf(lab, node))?.waiting ?? '', '', `what ${node.name} waits for`);
}

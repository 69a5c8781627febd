/** What a bad release may cost: one node, for as long as it takes to notice. */

import type { Lab } from '../cluster.ts';
import { commitOf, imageHosts, publish } from '../image-host.ts';
import { say } from '../progress.ts';
import { denied, jsonOf, mustRun, runOnce, slots, spansOf, ticking, upgradeOf } from '../rollout.ts';
import { expect, expectEqual } from '../scenario.ts';
import { notYet, until, yes } from '../wait.ts';

export const name = 'upgrade-bad-release-stops';
export const claim =
  'a release in which docker does not start is left after one node, is denied with the reason, and is not tried again; the next release goes on';
export const from = 'blank';

const FIRST = { version: '41.1' };
/** Gone with the boot, as everything that a deployment brings: in the earlier one docker starts. */
const BAD = { version: '41.2', bootHook: 'systemctl mask --runtime docker.service' };

interface Status {
  readonly groups: readonly { readonly denied: readonly { readonly reason: string; readonly by: string }[] }[];
}

export async function run(lab: Lab): Promise<void> {
  await imageHosts(lab, [FIRST, BAD]);
  await lab.powerOn();
  await lab.untilReady();
  await mustRun(lab.host('a2'), ['diyc-agent', 'upgrade', 'target', BAD.version]);
  const [verdict] = await ticking(lab, async () => {
    const found = await until('the release to be denied', 180_000, async () => {
      const list = await denied(lab);
      return list.length > 0 ? yes(list) : notYet(JSON.stringify((await slots(lab)).holders));
    });
    await until('the slot to be free again', 120_000, async () => {
      const { holders } = await slots(lab);
      return holders.length === 0 ? yes(true) : notYet(JSON.stringify(holders));
    });
    return found;
  });
  expectEqual(verdict?.release.id, commitOf(BAD.version), 'the release that is denied');
  expect(/docker/i.test(verdict?.reason ?? ''), `the reason does not name docker: ${verdict?.reason}`);
  const tried = lab.host(verdict?.by ?? '');
  const [span] = spansOf((await slots(lab)).log).get(tried.name) ?? [];
  say(`  ${tried.name} had the slot for ${((span?.to ?? 0) - (span?.from ?? 0)) / 1_000} s: ${verdict?.reason}`);
  await lab.untilReady();
  expectEqual(await tried.boots(), 3, `boots of ${tried.name}: into the bad release and back`);

  // more chances than it will get by itself in half an hour
  for (let i = 0; i < 3; i++) for (const node of lab.nodes) await runOnce(node);
  for (const node of lab.nodes) {
    if (node !== tried) expectEqual(await node.boots(), 1, `boots of ${node.name}`);
    expectEqual((await upgradeOf(lab, node))?.booted?.text, FIRST.version, `release of ${node.name}`);
  }
  expectEqual(await tried.boots(), 3, `boots of ${tried.name} after further chances`);
  const [group] = (await jsonOf<Status>(tried, ['diyc-agent', '--json', 'upgrade', 'status'])).groups;
  expectEqual(group?.denied[0]?.by, tried.name, 'who denied it, in upgrade status');
  await mustRun(tried, ['diyc-agent', 'upgrade', 'target', BAD.version], 78);

  const fixed = { version: '41.3' };
  await publish(lab, [FIRST, BAD, fixed]);
  await mustRun(tried, ['diyc-agent', 'upgrade', 'allow', BAD.version]);
  expectEqual((await denied(lab)).length, 0, 'releases that are denied');
  await mustRun(tried, ['diyc-agent', 'upgrade', 'target', fixed.version]);
  await ticking(lab, () =>
    until('a node to have proven itself in the next release', 120_000, async () => {
      for (const node of lab.nodes) {
        const upgrade = await upgradeOf(lab, node);
        if (upgrade?.verified === commitOf(fixed.version)) return yes(true);
      }
      return notYet(JSON.stringify((await slots(lab)).holders));
    }),
  );
}

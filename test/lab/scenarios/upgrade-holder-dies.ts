/** A host that does not come back from its reboot is a reason for all others to stay where they are. */

import type { Lab } from '../cluster.ts';
import type { Host } from '../host.ts';
import { commitOf, imageHosts } from '../image-host.ts';
import { mustRun, slots, ticking, untilAllIn, upgradeOf } from '../rollout.ts';
import { expect, expectEqual } from '../scenario.ts';
import { notYet, until, yes } from '../wait.ts';

export const name = 'upgrade-holder-dies';
export const claim =
  'when the node that holds the slot loses its power in its reboot, the others stand still and say why; once it is back and has proven itself, they go on';
export const from = 'blank';

/** The leases of the records run out after 60 s, so this is a node that is known to be gone. */
const AWAY_MS = 90_000;

// A holder that dies before its reboot is taken for dead after five minutes (upgrade/takeover.ts): too long for here, and
// tried with a virtual clock in test/scenario.
export async function run(lab: Lab): Promise<void> {
  await imageHosts(lab, [{ version: '41.1' }, { version: '41.2' }]);
  await lab.powerOn();
  await lab.untilReady();
  await mustRun(lab.host('a3'), ['diyc-agent', 'upgrade', 'target', '41.2']);
  await ticking(lab, async () => {
    const holder = await untilOneReboots(lab);
    await untilNextBoot(holder);
    // its boot is counted a moment before there is something to cut off
    await until('its power to be cut', 20_000, async () => {
      await holder.powerCut();
      return yes(true);
    });
    const others = lab.nodes.filter((node) => node !== holder);
    const until90 = Date.now() + AWAY_MS;
    await until('the time that the node is away', AWAY_MS + 20_000, async () => {
      for (const node of others)
        expectEqual(await node.boots(), 1, `boots of ${node.name} while ${holder.name} is away`);
      const { holders } = await slots(lab);
      expectEqual(holders.map((h) => h.id).join(' '), holder.name, 'who holds the slot');
      return Date.now() >= until90 ? yes(true) : notYet('it goes on');
    });
    for (const node of others) {
      const waiting = (await upgradeOf(lab, node))?.waiting ?? '';
      expect(waiting.includes(holder.name), `${node.name} does not say whom it waits for: ${waiting}`);
    }
    await holder.powerOn();
    await untilAllIn(lab, commitOf('41.2'), 240_000);
  });
  for (const node of lab.nodes) expect((await node.boots()) <= 3, `${node.name} was booted too often`);
}

/** The node that has noted its reboot with the slot in its hand. */
export async function untilOneReboots(lab: Lab): Promise<Host> {
  return await until('a node to reboot for the release', 60_000, async () => {
    const [holder] = (await slots(lab)).holders;
    return holder?.stage === 'rebooting' ? yes(lab.host(holder.id)) : notYet(JSON.stringify(holder));
  });
}

export async function untilNextBoot(host: Host): Promise<void> {
  await until(`${host.name} to be in its next boot`, 60_000, async () => {
    const boots = await host.boots();
    return boots === 2 ? yes(true) : notYet(`${boots} boots`);
  });
}

/** Two people, two hosts, one instant; and two of the things that make a reboot wait: a hold, and a window that closes. */

import type { Lab } from '../cluster.ts';
import { jsonOf, mustRun, overlapping, slots, spansOf, ticking } from '../rollout.ts';
import { expect, expectEqual } from '../scenario.ts';
import { CLUSTER_FILE } from '../seed.ts';
import { notYet, until, yes } from '../wait.ts';

export const name = 'reboot-asked-twice-at-once';
export const claim =
  'of two operators who reboot two nodes at the same instant one waits for the other; what waits for a hold does not go once the window is closed';
export const from = 'blank';

interface Followed {
  readonly message: string;
}

/** Hosts without rpm-ostree: a reboot is asked for there as anywhere. */
export async function run(lab: Lab): Promise<void> {
  const closes = new Date(Math.ceil(Date.now() / 60_000) * 60_000 + 120_000);
  const policy = `upgrade:
  soak: 5s
  readyWithin: 2m
  window: ["daily ${clock(new Date(closes.getTime() - 3_600_000))}-${clock(closes)}"]
`;
  await lab.blankWith(`${CLUSTER_FILE}${policy}`);
  await lab.powerOn();
  await lab.untilReady();
  const [a1, a2, a3] = [lab.host('a1'), lab.host('a2'), lab.host('a3')];
  await ticking(lab, async () => {
    const both = await Promise.all(
      [a1, a2].map((node) =>
        node.inside(['diyc-agent', '--json', 'reboot', '--reason', 'kernel arguments', '--timeout', '80s'], 100_000),
      ),
    );
    // 137: the host went down before the one who watched could say so
    const codes = both.map((outcome) => outcome.code);
    expect(
      codes.every((code) => code === 0 || code === 137),
      `exit codes of the two: ${codes.join(', ')}`,
    );
    expect(
      both.some((outcome) => /waiting: .*a[12] \(reboot: kernel arguments\)/.test(outcome.stderr)),
      `neither was told whom it waits for: ${both.map((outcome) => outcome.stderr).join(' | ')}`,
    );
    await until('both to have rebooted and to be ready', 120_000, async () => {
      const { holders } = await slots(lab);
      const boots = [await a1.boots(), await a2.boots()];
      return holders.length === 0 && boots.every((n) => n === 2) ? yes(true) : notYet(`${boots} boots`);
    });
  });
  const spans = spansOf((await slots(lab)).log);
  expectEqual([...spans.keys()].toSorted().join(' '), 'a1 a2', 'who held the slot');
  expectEqual(overlapping(spans).join(), '', 'slots held at the same time');

  await mustRun(a3, ['diyc-agent', 'upgrade', 'hold', '--reason', 'disk swap']);
  const held = await jsonOf<Followed>(a3, ['diyc-agent', '--json', 'reboot', '--timeout', '2s'], 75);
  expect(/on hold: disk swap \(operator on a3\)/.test(held.message), `the hold is not told: ${held.message}`);
  await until('the window to close', 200_000, async () =>
    Date.now() > closes.getTime() ? yes(true) : notYet('still open'),
  );
  await mustRun(a3, ['diyc-agent', 'upgrade', 'resume']);
  await ticking(lab, () =>
    until(`${a3.name} to wait for the window`, 90_000, async () => {
      const text = await mustRun(a3, ['diyc-agent', 'status'], 0);
      return /window/.test(text) ? yes(text) : notYet(text);
    }),
  );
  expectEqual(await a3.boots(), 1, 'boots of the node whose window closed');
  const cancelled = await mustRun(a3, ['diyc-agent', 'upgrade', 'cancel']);
  expect(/taken back: the reboot/.test(cancelled), cancelled);
}

function clock(at: Date): string {
  return at.toISOString().slice(11, 16);
}

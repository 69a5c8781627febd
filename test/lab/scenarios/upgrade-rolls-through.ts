/** What the whole of it is for: a new release on every host of a cluster that is in use meanwhile. */

import type { Lab } from '../cluster.ts';
import { commitOf, imageHosts } from '../image-host.ts';
import { say } from '../progress.ts';
import { jsonOf, mustRun, overlapping, slots, spansOf, ticking, untilAllIn } from '../rollout.ts';
import { expect, expectEqual } from '../scenario.ts';
import { Watch } from '../watch.ts';

export const name = 'upgrade-rolls-through';
export const claim =
  'a release goes through three nodes one at a time; no acknowledged write is lost, etcd keeps its quorum, containers of nodes that are up reach each other';
export const from = 'blank';

interface Status {
  readonly groups: readonly {
    readonly target: { readonly release: string } | null;
    readonly rows: readonly { readonly name: string; readonly record: { readonly upgrade?: { verified: string } } }[];
  }[];
}

export async function run(lab: Lab): Promise<void> {
  await imageHosts(lab, [{ version: '41.1' }, { version: '41.2' }]);
  await lab.powerOn();
  await lab.untilReady();
  const watch = await Watch.start(lab);
  const a1 = lab.host('a1');
  const before = await lab.store.members();
  const began = Date.now();
  await mustRun(a1, ['diyc-agent', 'upgrade', 'target', '41.2']);
  await ticking(lab, () => untilAllIn(lab, commitOf('41.2'), 300_000));
  const tookMs = Date.now() - began;
  const lostWrites = await watch.stop();

  const { log } = await slots(lab);
  const spans = spansOf(log);
  const figures = [...spans].map(([node, own]) => `${node} ${own.map((s) => seconds(s.to - s.from)).join('+')}`);
  const slowest = Math.max(...watch.writeMs);
  say(`  rolled out in ${seconds(tookMs)}; slots held: ${figures.join(', ')}`);
  say(
    `  ${watch.acknowledged.length} writes, slowest ${slowest} ms; ${watch.sent} pings, ${watch.lost.length} to nodes that were away`,
  );

  expectEqual([...spans.keys()].toSorted().join(' '), 'a1 a2 a3', 'nodes that held a slot');
  for (const [node, own] of spans) expectEqual(own.length, 1, `slots that ${node} took`);
  expectEqual(overlapping(spans).join('; '), '', 'nodes that held a slot at once');
  for (const node of lab.nodes) expectEqual(await node.boots(), 2, `boots of ${node.name}`);
  for (const round of watch.reads) {
    for (const node of lab.nodes) {
      const isAway = spans.get(node.name)?.some((s) => round.at + 5_000 >= s.from && round.at <= s.to) === true;
      expect(
        isAway || round.answering.includes(node.name),
        `${new Date(round.at).toISOString()}: ${node.name} was up and no read through it was answered within 5 s`,
      );
    }
    expect(
      round.answering.length >= 2,
      `at ${new Date(round.at).toISOString()} only ${round.answering.join(', ')} answered`,
    );
  }
  expect(watch.acknowledged.length > 50, `only ${watch.acknowledged.length} writes were acknowledged`);
  expectEqual(lostWrites.join(' '), '', 'acknowledged writes that are gone');
  expect(watch.sent > 500, `only ${watch.sent} pings were sent`);
  const lost = watch.lostBetween(spans).map(({ pair, at }) => `${pair.join('-')} at ${new Date(at).toISOString()}`);
  expectEqual(lost.join(', '), '', 'pings lost between nodes that were up');
  expectEqual(
    JSON.stringify([...(await lab.store.members())].toSorted()),
    JSON.stringify([...before].toSorted()),
    'members of etcd',
  );

  const status = await jsonOf<Status>(a1, ['diyc-agent', '--json', 'upgrade', 'status']);
  const [group] = status.groups;
  expectEqual(group?.target?.release, '41.2', 'target in upgrade status');
  expectEqual(
    group?.rows.filter(({ record }) => record.upgrade?.verified === commitOf('41.2')).length,
    3,
    'nodes that upgrade status shows as proven in 41.2',
  );
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(0)}s`;
}

/** Other hosts share the slots: as Zincati's protocol has it, by hand, and from a node that is told to ask by it. */

import type { Lab } from '../cluster.ts';
import { mustRun, slots, ticking } from '../rollout.ts';
import { expect, expectEqual } from '../scenario.ts';
import { CLUSTER_FILE, NODES } from '../seed.ts';
import { notYet, until, yes } from '../wait.ts';
import { curl } from '../watch.ts';

export const name = 'fleet-lock';
export const claim =
  "a host that speaks FleetLock takes and gives back the cluster's slot, and is refused while a node has it; a node asks a FleetLock server instead of etcd when it is told to";
export const from = 'blank';

const PORT = 3333;

export async function run(lab: Lab): Promise<void> {
  const served = `${NODES.get('a1')}:${PORT}`;
  // The server that a3 asks is another cluster's where such a thing is in use; here it has the same etcd behind it, in
  // which a3 takes a slot of its own besides the one that the server gives it: hence two.
  await lab.blankWith(`${CLUSTER_FILE}upgrade:
  soak: 5s
  readyWithin: 2m
  fleetLock: { listen: "${served}" }
  groups:
    asking: { nodes: [a3], slots: 2, fleetLock: { url: "http://${served}/" } }
`);
  await lab.powerOn();
  await lab.untilReady();
  await lab.host('a1').untilActive('diyc-agent-fleetlock.service', 30_000);
  const [a2, a3] = [lab.host('a2'), lab.host('a3')];
  const ask = async (what: string, id: string, group = 'default') =>
    await curl(lab, [
      ...['--header', 'fleet-lock-protocol: true', '--data', JSON.stringify({ client_params: { id, group } })],
      `http://${served}/v1/${what}`,
    ]);

  expectEqual((await ask('pre-reboot', 'zincati-1')).status, 200, 'a free slot');
  expectEqual((await ask('pre-reboot', 'zincati-1')).status, 200, 'the same host again');
  const second = await ask('pre-reboot', 'zincati-2');
  expectEqual(second.status, 409, `another host: ${second.body}`);
  expectEqual(kindOf(second.body), 'failed_lock_semaphore_full', 'kind of the refusal');
  await mustRun(a2, ['diyc-agent', 'reboot', '--timeout', '4s'], 75);
  expectEqual(await a2.boots(), 1, 'boots of a node while a foreign host has the slot');
  expectEqual((await ask('steady-state', 'zincati-1')).status, 200, 'giving it back');
  expectEqual((await ask('steady-state', 'zincati-1')).status, 200, 'giving it back again');

  await ticking(lab, async () => {
    await until('a2 to have the slot', 60_000, async () => {
      const [holder] = (await slots(lab)).holders;
      return holder?.id === 'a2' ? yes(holder) : notYet(JSON.stringify(holder));
    });
    expectEqual((await ask('pre-reboot', 'zincati-2')).status, 409, 'a foreign host while a node has the slot');
    await until('a2 to be back', 90_000, async () => {
      const { holders } = await slots(lab);
      return holders.length === 0 && (await a2.boots()) === 2 ? yes(true) : notYet(JSON.stringify(holders));
    });
  });

  for (const { path = '/v1/pre-reboot', args, status } of MALFORMED) {
    const answer = await curl(lab, [...args, `http://${served}${path}`]);
    expectEqual(answer.status, status, `${path} ${args.join(' ')}: ${answer.body}`);
    expect(kindOf(answer.body) !== undefined, `no kind in the answer to ${args.join(' ')}: ${answer.body}`);
  }

  await a3.inside(['diyc-agent', 'reboot', '--reason', 'asked elsewhere', '--timeout', '30s'], 60_000);
  await ticking(lab, () =>
    until('a3 to be back, and its slot with the server', 120_000, async () => {
      const { log, holders } = await slots(lab, 'asking');
      const isReleased = log.some((e) => e.what === 'released' && e.holder === 'fleetlock/a3');
      return isReleased && holders.length === 0 && (await a3.boots()) === 2
        ? yes(true)
        : notYet(JSON.stringify(holders));
    }),
  );
}

const HEADER = ['--header', 'fleet-lock-protocol: true'];

const MALFORMED: readonly { readonly path?: string; readonly args: readonly string[]; readonly status: number }[] = [
  { args: ['--data', '{"client_params": {"id": "z", "group": "default"}}'], status: 400 },
  { args: HEADER, status: 405 },
  { args: [...HEADER, '--data', 'no JSON'], status: 400 },
  { args: [...HEADER, '--data', '{"client_params": {"id": "", "group": "default"}}'], status: 400 },
  { args: [...HEADER, '--data', '{"client_params": {"id": "z", "group": "../x"}}'], status: 400 },
  { args: [...HEADER, '--data', '{"client_params": {"id": "z", "group": "unheard-of"}}'], status: 400 },
  { path: '/v1/anything', args: [...HEADER, '--data', '{}'], status: 404 },
];

function kindOf(body: string): string | undefined {
  try {
    const { kind, value } = JSON.parse(body) as { kind?: unknown; value?: unknown };
    return typeof kind === 'string' && typeof value === 'string' ? kind : undefined;
  } catch {
    return undefined;
  }
}

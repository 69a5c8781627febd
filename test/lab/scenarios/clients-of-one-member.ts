/** Nodes that run no etcd are clients of those that do: the overlay, docker and readiness are theirs all the same. */

import type { Lab } from '../cluster.ts';
import { assertPingMatrix } from '../ping-matrix.ts';
import { expectEqual } from '../scenario.ts';
import { CLUSTER_FILE } from '../seed.ts';

export const name = 'clients-of-one-member';
export const claim = 'with a1 as the only etcd member a2 and a3 join as its clients, without an etcd of their own';
export const from = 'blank';

export async function run(lab: Lab): Promise<void> {
  await lab.blankWith(CLUSTER_FILE.replace(/members: \[.*\]/, 'members: [a1]'));
  await lab.powerOn();
  const [member, ...clients] = lab.nodes;
  if (member === undefined) throw new Error('a lab without hosts');
  await member.untilActive('flanneld.service', 60_000);
  const wait = await member.exec(['diyc-agent', 'wait', '--for', 'ready', '--nodes', '3', '--timeout', '90s'], 100_000);
  expectEqual(wait.code, 0, `exit code of diyc-agent wait (${wait.stderr.trim()})`);

  expectEqual([...(await lab.store.members()).keys()].join(), 'a1', 'members of etcd');
  for (const client of clients) {
    const etcd = await client.unit('etcd.service');
    expectEqual(etcd.active, 'inactive', `etcd.service on ${client.name}`);
    const data = await client.answer(['find', '/var/lib/etcd', '-name', 'member']);
    expectEqual(data.trim(), '', `etcd data on ${client.name}`);
    const status = await client.exec(['diyc-agent', 'status']);
    expectEqual(status.code, 0, `exit code of diyc-agent status on ${client.name} (${status.stdout.trim()})`);
  }
  await assertPingMatrix(lab);
}

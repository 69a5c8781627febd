/** Losing etcd changes what a node says about itself, never what it runs. */

import type { Lab } from '../cluster.ts';
import { startPeer, stopPeer } from '../ping-matrix.ts';
import { expectEqual } from '../scenario.ts';
import { notYet, until, yes } from '../wait.ts';

export const name = 'etcd-stop-degrades-and-recovers';
export const claim =
  'with its etcd stopped a node is no longer published as ready and keeps its containers; started again, it is ready';
export const from = 'ready';

export async function run(lab: Lab): Promise<void> {
  const node = lab.host('a1');
  const other = lab.host('a2');
  const here = await startPeer(node);
  const there = await startPeer(other);
  const reach = async (): Promise<number> =>
    (
      await other.exec([
        'nsenter',
        `--target=${there.pid}`,
        '--net',
        'ping',
        '-n',
        '-q',
        '-c',
        '2',
        '-i',
        '0.2',
        '-W',
        '2',
        here.address,
      ])
    ).code;

  const stop = await node.exec(['systemctl', 'stop', 'etcd.service'], 60_000);
  expectEqual(stop.code, 0, `systemctl stop etcd (${stop.stderr.trim()})`);
  await until(`${node.name} to be no longer published as ready`, 180_000, async () => {
    const summary = await lab.published(node);
    return summary === 'ready' ? notYet('still ready') : yes(summary);
  });
  const status = await node.exec(['diyc-agent', 'status'], 30_000);
  expectEqual(status.code === 0, false, `diyc-agent status is content without etcd (${status.stdout.trim()})`);

  // the promise: no workload is stopped because presence was lost
  expectEqual(await reach(), 0, 'exit code of a ping to the container on the degraded node');
  const pid = await node.exec(['docker', 'inspect', '--format', '{{.State.Pid}}', 'lab-peer']);
  expectEqual(pid.stdout.trim(), here.pid, 'process of the container that ran before');
  expectEqual((await lab.store.healthy()).length, 2, 'healthy members while one is stopped');

  const start = await node.exec(['systemctl', 'start', 'etcd.service'], 60_000);
  expectEqual(start.code, 0, `systemctl start etcd (${start.stderr.trim()})`);
  await lab.untilReady(180_000);
  expectEqual(await reach(), 0, 'exit code of the ping after the recovery');
  await Promise.all([stopPeer(node), stopPeer(other)]);
}

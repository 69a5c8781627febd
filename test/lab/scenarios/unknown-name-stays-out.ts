/** A host whose name is not in the cluster file must not found a cluster of its own nor disturb the one there is. */

import type { Lab } from '../cluster.ts';
import { expect, expectEqual } from '../scenario.ts';
import { NODES, STRANGER } from '../seed.ts';
import { notYet, until, yes } from '../wait.ts';

export const name = 'unknown-name-stays-out';
export const claim =
  'a host with an unknown name boots, runs nothing, says why with exit code 65, and the cluster does not notice';
export const from = 'ready';

const EX_DATAERR = 65;

export async function run(lab: Lab): Promise<void> {
  const stranger = await lab.add(STRANGER.name, STRANGER.address);
  try {
    await stranger.powerOn();
    await until(`cloud-init on ${stranger.name} to finish`, 60_000, async () =>
      (await stranger.has('/run/cloud-init/result.json')) ? yes(true) : notYet('no result.json yet'),
    );
    await stranger.untilActive('multi-user.target', 60_000);

    for (const unit of ['etcd.service', 'flanneld.service', 'docker.service']) {
      expect((await stranger.unit(unit)).active !== 'active', `${unit} runs on a host that is not in the cluster file`);
    }
    const data = await stranger.answer(['find', '/var/lib/etcd', '-name', 'member']);
    expectEqual(data.trim(), '', `etcd data on ${stranger.name}`);
    const boot = await stranger.exec(['diyc-agent', 'boot'], 30_000);
    expectEqual(boot.code, EX_DATAERR, `exit code of diyc-agent boot (${boot.stderr.trim()})`);
    expect(boot.stderr.includes(STRANGER.name), `the error does not name ${STRANGER.name}: ${boot.stderr.trim()}`);

    expectEqual((await lab.store.members()).size, NODES.size, 'number of etcd members');
    expect(
      (await lab.leases()).every((lease) => lease.publicIp !== STRANGER.address),
      'the stranger holds a flannel lease',
    );
    expectEqual(await lab.missing(), undefined, 'what the cluster lacks');
  } finally {
    await lab.remove(stranger);
  }
}

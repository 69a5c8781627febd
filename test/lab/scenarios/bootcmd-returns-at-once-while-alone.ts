/** The first host of three has nobody to talk to: its boot must not wait for them, and it must join when they come. */

import type { Lab } from '../cluster.ts';
import { expect, expectEqual } from '../scenario.ts';
import { notYet, pause, until, yes } from '../wait.ts';

export const name = 'bootcmd-returns-at-once-while-alone';
export const claim =
  'a lone first node gets past bootcmd to where logins work, keeps etcd waiting without a failure past 90 s, and is ready once the others are on';
export const from = 'blank';

/** cloud-init's stage with bootcmd in it; python alone takes 1 to 3 s of this on a busy machine. */
const STAGE_LIMIT_S = 15;
/** systemd's default start timeout kills a member that waits for its peers: outlast it. */
const ALONE_S = 100;

interface Stage {
  readonly start: number | null;
  readonly finished: number | null;
}

export async function run(lab: Lab): Promise<void> {
  const first = lab.host('a1');
  await first.powerOn();
  const began = Date.now();
  // not result.json: on Debian cloud-init's last stage comes after multi-user.target, and that waits for what it wants,
  // etcd among it; the stages that hold up a boot are these two
  await until('the stages of cloud-init that hold bootcmd', 60_000, async () => {
    const status: unknown = JSON.parse(await first.readText('/run/cloud-init/status.json'));
    const { v1 } = status as { v1: Record<'init-local' | 'init', Stage> };
    for (const stage of ['init-local', 'init'] as const) {
      const { start, finished } = v1[stage];
      if (start === null || finished === null) return notYet(`stage ${stage} has not finished`);
      expect(finished - start < STAGE_LIMIT_S, `cloud-init stage ${stage} took ${(finished - start).toFixed(1)} s`);
    }
    return yes(true);
  });
  await first.untilActive('basic.target', 30_000);
  await first.untilActive('systemd-user-sessions.service', 30_000);
  expectEqual((await lab.store.healthy()).length, 0, 'healthy members while there is no quorum');

  while (Date.now() - began < ALONE_S * 1000) {
    const etcd = await first.unit('etcd.service');
    expectEqual(etcd.active, 'activating', `etcd on the lone node after ${Math.round((Date.now() - began) / 1000)} s`);
    const docker = await first.unit('docker.service');
    expect(docker.active !== 'failed', 'docker failed for want of its lease; nothing would start it again');
    await pause(5_000);
  }
  expectEqual((await first.unit('etcd.service')).restarts, 0, 'restarts of etcd while it was waiting');

  await lab.powerOn();
  await lab.untilReady();
}

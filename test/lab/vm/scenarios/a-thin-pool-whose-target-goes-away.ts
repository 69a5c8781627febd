/** An installed host with docker's devicemapper on a thin pool: the target goes and comes back, is late at a boot, and grows. */

import { IMAGE } from '../../images.ts';
import { expect, expectEqual } from '../../scenario.ts';
import { pause } from '../../wait.ts';
import type { StorageLab } from '../lab.ts';
import type { Machine } from '../machine.ts';
import { conditionsOf, dockerInfo, runImage, untilCondition } from '../node-status.ts';
import { endStore, initiatorOf, siteSeed, startStore, targetOf } from '../site.ts';

export const name = 'a-thin-pool-whose-target-goes-away';
export const claim =
  'docker runs on a thin pool, outlives a target that is away, is held while it is away at a boot, and uses a LUN that grew';
export const part = 'long';
export const timeBoxMs = 12 * 60_000;

const chap = { user: 'a1', password: 'host-secret-12' };
const AWAY_MS = 15_000;

async function onPool(machine: Machine): Promise<void> {
  await machine.untilActive('docker.service', 300_000);
  expectEqual(await dockerInfo(machine, '.Driver'), 'devicemapper', 'the driver of docker');
  const status = await dockerInfo(machine, '.DriverStatus');
  expect(status.includes('[Pool Name docker--images-docker--pool]'), `docker is on another pool: ${status}`);
}

async function poolSectors(machine: Machine): Promise<number> {
  const status = await machine.answer(['dmsetup', 'status', 'docker--images-docker--pool']);
  return Number(/^0 (\d+) thin-pool /.exec(status)?.[1]);
}

export async function run(lab: StorageLab): Promise<void> {
  const iqn = targetOf('a1');
  await startStore(lab);
  try {
    await lab.storage.addTarget({ iqn, luns: [{ sizeMiB: 3072 }], chap, initiatorNames: [initiatorOf('a1')] });
    const seed = siteSeed('a1', { target: iqn, driver: 'devicemapper', chap });
    const machine = await lab.machine('a1', { root: { kind: 'installed' }, seed });
    await machine.powerOn();
    await machine.untilReachable();
    await onPool(machine);
    await runImage(machine, ['cat', '/etc/hostname']);

    // away while docker runs: nothing fails, what is written waits
    await lab.storage.stop();
    await pause(AWAY_MS);
    await lab.storage.start();
    await machine.answer(['docker', 'run', '--name', 'kept', IMAGE, 'sh', '-c', 'echo kept >/note'], 180_000);
    expectEqual(await machine.activeState('docker.service'), 'active', 'docker after the target was away');

    // grown at the target: shown, and used when the operator says so
    const before = await poolSectors(machine);
    await lab.storage.resize(iqn, 1, 4096);
    const plan = await machine.exec(['diyc-agent', 'storage', 'grow'], 120_000);
    expectEqual(plan.code, 2, `storage grow without consent: ${plan.stdout}${plan.stderr}`);
    expect(plan.stdout.includes('that /dev/sda has grown by'), `the plan does not name the disk: ${plan.stdout}`);
    expectEqual(await poolSectors(machine), before, 'the size of the pool before consent');
    await machine.answer(['diyc-agent', 'storage', 'grow', '--yes'], 180_000);
    expect((await poolSectors(machine)) > before, 'the pool has not grown');

    // away at a boot: docker is held, and comes by itself once the target is there
    await machine.shell('sync');
    await machine.powerCut();
    await lab.storage.stop();
    await machine.powerOn();
    await machine.untilReachable();
    await untilCondition(machine, 'StorageAttached', 'Attaching', 120_000);
    const held = (await conditionsOf(machine)).find((condition) => condition.type === 'DockerRunning');
    expect(held?.status === 'False', 'docker runs without its storage');
    expectEqual(
      await machine.exec(['ls', '/var/lib/docker/image']).then((o) => o.code === 0),
      false,
      'docker on the root disk',
    );
    await lab.storage.start();
    await onPool(machine);
    const kept = await machine.answer(['docker', 'cp', 'kept:/note', '-'], 60_000);
    expect(kept.includes('kept'), 'what a container wrote is gone');
  } finally {
    await endStore(lab);
  }
}

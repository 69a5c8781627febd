/** Seed B from end to end, and one boot further: a host without a disk, its images on the network, and they are there again. */

import { IMAGE } from '../../images.ts';
import { expect, expectEqual } from '../../scenario.ts';
import type { StorageLab } from '../lab.ts';
import type { Machine } from '../machine.ts';
import { dockerInfo, runImage, untilCondition } from '../node-status.ts';
import { endStore, initiatorOf, siteSeed, startStore, targetOf } from '../site.ts';

export const name = 'images-survive-a-diskless-reboot';
export const claim =
  'a netbooted host logs in with CHAP both ways, makes its storage, and after a reboot runs the images it had';
export const part = 'brief';
export const timeBoxMs = 9 * 60_000;

const chap = { user: 'a1', password: 'host-secret-12' };
const mutualChap = { user: 'storage', password: 'other-secret-1' };

async function overlaySectors(machine: Machine): Promise<number> {
  const status = await machine.answer(['dmsetup', 'status', 'live-rw']);
  return Number(/ snapshot (\d+)\//.exec(status)?.[1]);
}

async function ready(machine: Machine): Promise<void> {
  await machine.untilActive('docker.service', 240_000);
  await untilCondition(machine, 'DockerStorage', 'OnDeclaredStorage', 60_000);
  expectEqual(await dockerInfo(machine, '.Driver'), 'overlay2', 'the driver of docker');
  const source = await machine.answer(['findmnt', '-no', 'SOURCE', '/var/lib/docker']);
  expectEqual(source.trim(), '/dev/mapper/docker--images-docker--root', 'what docker is on');
}

export async function run(lab: StorageLab): Promise<void> {
  const iqn = targetOf('a1');
  await startStore(lab);
  try {
    await lab.storage.addTarget({
      iqn,
      luns: [{ sizeMiB: 2048, serial: 'lun-of-a1' }],
      chap,
      mutualChap,
      initiatorNames: [initiatorOf('a1')],
    });
    const seed = siteSeed('a1', { target: iqn, driver: 'overlay2', chap, mutualChap });
    const machine = await lab.machine('a1', { root: { kind: 'live', overlayMiB: 512 }, seed });
    await machine.powerOn();
    await machine.untilReachable();
    await ready(machine);
    const [session] = await lab.storage.sessions();
    expectEqual(session?.initiatorName, initiatorOf('a1'), 'the name the storage knows the host by');
    const tags = await machine.answer(['vgs', '--noheadings', '-o', 'vg_tags', 'docker-images']);
    expectEqual(tags.trim(), 'diyc.cluster=diy-cluster,diyc.node=a1', 'whose the group says it is');

    const before = await overlaySectors(machine);
    expectEqual(
      await runImage(machine, ['cat', '/etc/hostname']).then((text) => text.length > 0),
      true,
      'a container ran',
    );
    await machine.answer(['docker', 'run', '--name', 'kept', IMAGE, 'sh', '-c', 'echo kept >/note'], 120_000);
    const cost = (await overlaySectors(machine)) - before;
    expect(cost < 8192, `an image on the network has cost ${cost} sectors of the live root's overlay`);

    await machine.reboot();
    await ready(machine);
    const kept = await machine.answer(['docker', 'cp', 'kept:/note', '-'], 60_000);
    expect(kept.includes('kept'), 'what a container wrote before the reboot is gone');
    await machine.answer(['docker', 'run', '--rm', IMAGE, 'cat', '/etc/hostname'], 120_000);
    const journal = await machine.answer(['journalctl', '-u', 'diyc-agent-storage.service', '-o', 'cat', '--no-pager']);
    expect(!journal.includes('make volume group'), 'the second boot has made the group again');
    const everything = await machine.shell('journalctl -b --no-pager -o cat; cat /run/diyc-agent/*.json; ps axww');
    for (const secret of [chap.password, mutualChap.password])
      expect(!everything.stdout.includes(secret), 'a secret is in a log, in /run or on a command line');
  } finally {
    await endStore(lab);
  }
}

/** A live root whose docker has no storage of its own fills up: the gauge says so in time, and downloads are stopped, not containers. */

import { IMAGE } from '../../images.ts';
import { expect, expectEqual } from '../../scenario.ts';
import { notYet, until, yes } from '../../wait.ts';
import type { StorageLab } from '../lab.ts';
import type { Machine } from '../machine.ts';
import { conditionsOf, runImage, untilCondition } from '../node-status.ts';
import { endStore, siteSeed, startStore } from '../site.ts';

export const name = 'the-gauge-warns-before-the-live-root-dies';
export const claim =
  'an overlay that fills up is told while there is room; then downloads fail and containers go on, and the root is not lost';
export const part = 'long';
export const timeBoxMs = 9 * 60_000;

const BRAKE = 'var-lib-docker-tmp.mount';

async function usedPercent(machine: Machine): Promise<number> {
  const status = await machine.answer(['dmsetup', 'status', 'live-rw']);
  const [, used, total] = / snapshot (\d+)\/(\d+) /.exec(status) ?? [];
  if (total === undefined) throw new Error(`the overlay is lost: ${status}`);
  return (100 * Number(used)) / Number(total);
}

/** Writes until the overlay is that full, a few MiB at a time: as a log would, not as a bomb. */
async function fillTo(machine: Machine, percent: number): Promise<void> {
  for (let piece = 0; (await usedPercent(machine)) < percent; piece++) {
    await machine.shell(`dd if=/dev/urandom of=/var/tmp/fill-${percent}-${piece} bs=1M count=8 conv=fsync 2>/dev/null`);
  }
}

export async function run(lab: StorageLab): Promise<void> {
  await startStore(lab);
  try {
    const machine = await lab.machine('a1', { root: { kind: 'live', overlayMiB: 512 }, seed: siteSeed('a1', null) });
    await machine.powerOn();
    await machine.untilReachable();
    await machine.untilActive('docker.service', 300_000);
    await runImage(machine, ['cat', '/etc/hostname']);
    await machine.answer(['docker', 'run', '--detach', '--name', 'works', IMAGE, 'sleep', '100000'], 120_000);
    await machine.answer(['docker', 'save', '--output', '/run/image.tar', IMAGE], 120_000);

    const roomy = await machine.exec(['diyc-agent', 'storage', 'estimate', '10M'], 60_000);
    expectEqual(roomy.code, 0, `an image of 10 MB on an empty overlay: ${roomy.stdout}${roomy.stderr}`);
    const large = await machine.exec(['diyc-agent', 'storage', 'estimate', '2G'], 60_000);
    expectEqual(large.code, 2, `an image of 2 GB on an overlay of 512 MiB: ${large.stdout}${large.stderr}`);

    // by the room that is left, or, as here where it fills within minutes, by the time until it is used up
    await fillTo(machine, 72);
    const warned = await until('the gauge to warn', 120_000, async () => {
      const found = (await conditionsOf(machine)).find((condition) => condition.type === 'LiveOverlay');
      return found?.status === 'False' ? yes(found) : notYet(JSON.stringify(found));
    });
    expect(/full in|used/.test(warned.message), `the warning has no figures: ${warned.message}`);
    expect((await usedPercent(machine)) < 85, 'the first warning came with less than 15 % left');

    await fillTo(machine, 88);
    await untilCondition(machine, 'LiveOverlay', 'Critical', 120_000);
    await machine.untilActive(BRAKE, 120_000);
    const load = await machine.exec(['docker', 'load', '--input', '/run/image.tar'], 120_000);
    expect(
      load.code !== 0 && load.stderr.includes('read-only file system'),
      `docker load: ${load.stdout}${load.stderr}`,
    );
    const alive = await machine.answer(['docker', 'exec', 'works', 'cat', '/etc/hostname'], 120_000);
    expect(alive.trim().length > 0, 'the container does not answer');
    await untilCondition(machine, 'LivePulls', 'Stopped', 60_000);
    expect((await usedPercent(machine)) < 100, 'the overlay is full');

    await machine.answer(['systemctl', 'stop', BRAKE]);
    await machine.answer(['docker', 'load', '--input', '/run/image.tar'], 120_000);
  } finally {
    await endStore(lab);
  }
}

/** The lab's own ground: what it calls a live machine has what a live machine has, and loses what a live machine loses. */

import { expect, expectEqual } from '../../scenario.ts';
import type { StorageLab } from '../lab.ts';
import { seedOf } from '../seed.ts';

export const name = 'both-roots-boot';
export const claim =
  'an installed machine keeps its root over a reboot, a live one shows its overlay and keeps nothing';
export const part = 'long';
export const timeBoxMs = 6 * 60_000;

const TRACE = '/var/lib/trace';

export async function run(lab: StorageLab): Promise<void> {
  const installed = await lab.machine('a1', { root: { kind: 'installed' }, seed: seedOf('a1') });
  const live = await lab.machine('a2', { root: { kind: 'live', overlayMiB: 256 }, seed: seedOf('a2') });
  const machines = [installed, live];
  await Promise.all(machines.map((machine) => machine.powerOn()));
  await Promise.all(machines.map((machine) => machine.untilBooted()));

  for (const machine of machines) {
    expectEqual(await machine.activeState('docker.service'), 'inactive', `docker on ${machine.name}`);
    const source = await machine.answer(['cloud-init', 'query', 'subplatform']);
    expect(source.includes(`/seeds/${machine.name}/`), `${machine.name} has its seed from ${source.trim()}`);
    await machine.answer(['touch', TRACE]);
    await machine.answer(['sync']);
  }
  const status = await live.answer(['dmsetup', 'status', 'live-rw']);
  expect(/^0 \d+ snapshot \d+\/524288 \d+$/.test(status.trim()), `dmsetup status live-rw: ${status}`);
  expect(
    /^live-base: 0 \d+ linear 7:1 0$/m.test(await live.answer(['dmsetup', 'table'])),
    'live-base is not as in dracut',
  );
  expect(await live.has('/run/initramfs/live'), 'no /run/initramfs/live');

  await Promise.all(machines.map((machine) => machine.reboot()));
  expect(await installed.has(TRACE), 'the installed machine has lost its root');
  expect(!(await live.has(TRACE)), 'the live machine has kept its root');

  await installed.powerCut();
  await installed.powerOn();
  await installed.untilReachable();
  expect(await installed.has(TRACE), 'the installed machine has lost its root with its power');
}

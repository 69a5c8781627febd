/** Whatever is on a disk stays on it: another host's group, a file system, a wrong secret; and a serial number gives a disk up. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { run as runProgram } from '../../run.ts';
import { expect, expectEqual } from '../../scenario.ts';
import { notYet, until, yes } from '../../wait.ts';
import type { StorageLab } from '../lab.ts';
import type { Machine } from '../machine.ts';
import { conditionsOf, untilCondition } from '../node-status.ts';
import { endStore, initiatorOf, type StorageWish, siteSeed, startStore, storageOf, targetOf } from '../site.ts';

export const name = 'a-disk-of-somebody-else-is-refused';
export const claim =
  "a second host refuses the first one's LUN, a disk that carries something and a wrong secret, and changes nothing on any of them";
export const part = 'brief';
export const timeBoxMs = 12 * 60_000;

const UNIT = 'diyc-agent-storage.service';
const RESULT = '/run/diyc-agent/storage.json';
/** One that waits for a session of a day's replacement timeout never ends. */
const REBOOT_MS = 180_000;
const chap = { user: 'host', password: 'host-secret-12' };

async function digest(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/**
 * Tries again with another declaration, as an operator would after a change of the cluster file. An attempt that is under
 * way has read the old one: it is let come to its end, and what it left is not taken for the answer.
 */
async function declare(machine: Machine, wish: StorageWish): Promise<void> {
  const dropIn = JSON.stringify({ nodes: { [machine.name]: { storage: storageOf(wish) } } });
  await machine.shell(
    `mkdir -p /etc/diyc-agent/cluster.d; cat >/etc/diyc-agent/cluster.d/50-lab.yaml <<'END'\n${dropIn}\nEND`,
  );
  await until(`the attempt of ${machine.name} that is under way to end`, 120_000, async () => {
    const state = await machine.activeState(UNIT);
    return state === 'activating' ? notYet(state) : yes(state);
  });
  await machine.shell(`rm -f ${RESULT}; systemctl reset-failed ${UNIT}; systemctl --no-block start ${UNIT}`);
}

async function untilOutcome(machine: Machine, outcome: string): Promise<{ message: string; hint: string }> {
  return await until(`storage of ${machine.name} to be ${outcome}`, 180_000, async () => {
    const state = await machine.activeState(UNIT);
    const found = JSON.parse(await machine.readText(RESULT)) as Record<string, string>;
    const isOver = state === 'failed' || state === 'active';
    return isOver && found['outcome'] === outcome
      ? yes({ message: found['message'] ?? '', hint: found['hint'] ?? '' })
      : notYet(`${state}, ${JSON.stringify(found)}`);
  });
}

export async function run(lab: StorageLab): Promise<void> {
  const [first, second] = [targetOf('a1'), targetOf('a2')];
  const both = [initiatorOf('a1'), initiatorOf('a2')];
  await startStore(lab);
  try {
    await lab.storage.addTarget({ iqn: first, luns: [{ sizeMiB: 1024 }], chap, initiatorNames: both });
    await lab.storage.addTarget({
      iqn: second,
      luns: [{ sizeMiB: 1024, serial: 'dirty-1' }],
      chap,
      initiatorNames: both,
    });
    const dirty = lab.storage.backingFile(second, 1);
    await runProgram(['mke2fs', '-q', '-t', 'ext4', '-L', 'payroll', dirty], { timeoutMs: 30_000 });

    const owner = await lab.machine('a1', {
      root: { kind: 'installed' },
      seed: siteSeed('a1', { target: first, driver: 'overlay2', chap }),
    });
    await owner.powerOn();
    await owner.untilReachable();
    await untilCondition(owner, 'StorageAttached', 'Attached', 240_000);
    await owner.shell('sync');
    await owner.powerCut();

    const before = await digest(lab.storage.backingFile(first, 1));
    const wish: StorageWish = { target: first, driver: 'overlay2', chap };
    const machine = await lab.machine('a2', { root: { kind: 'installed' }, seed: siteSeed('a2', wish) });
    await machine.powerOn();
    await machine.untilReachable();
    const foreign = await untilOutcome(machine, 'refused');
    expect(foreign.message.includes('belongs to node a1 of cluster diy-cluster'), foreign.message);
    expectEqual(await digest(lab.storage.backingFile(first, 1)), before, "the first host's disk");
    const docker = (await conditionsOf(machine)).find((condition) => condition.type === 'DockerRunning');
    expectEqual(docker?.status, 'False', 'docker on a host without its storage');

    // a session that was opened for a disk that was refused does not hold up the next reboot
    await machine.reboot(REBOOT_MS);
    await untilOutcome(machine, 'refused');

    const full = await digest(dirty);
    await declare(machine, { ...wish, target: second });
    const carries = await untilOutcome(machine, 'refused');
    expect(carries.message.includes('ext4 "payroll"'), carries.message);
    expect(carries.hint.includes('wipe: ["dirty-1"]'), carries.hint);
    expectEqual(await digest(dirty), full, 'the disk that carries something');

    await machine.shell(
      `systemctl stop ${UNIT}; diyc-agent storage detach; printf 'not-the-secret' >/etc/diyc-agent/chap`,
    );
    const at = await machine.uptime();
    await declare(machine, { ...wish, target: second });
    const wrong = await untilOutcome(machine, 'refused');
    expect(/secret|CHAP/.test(wrong.message), wrong.message);
    expect((await machine.uptime()) - at < 120, 'a secret that is wrong was tried for minutes');
    const open = (await lab.storage.sessions()).filter((session) => session.iqn === second);
    expectEqual(open.length, 0, 'sessions after a refused login');

    await machine.shell(`printf '${chap.password}\\n' >/etc/diyc-agent/chap`);
    // the group of the first target is in the way until somebody logs out from what is declared no longer
    await declare(machine, { ...wish, target: second, wipe: ['dirty-1'] });
    const inTheWay = await untilOutcome(machine, 'refused');
    expect(inTheWay.message.includes('on none of the declared disks'), inTheWay.message);
    expectEqual(await digest(dirty), full, 'the disk that is given up, before a group can be made on it');
    await machine.answer(['iscsiadm', '-m', 'node', '-T', first, '--logout'], 60_000);
    await declare(machine, { ...wish, target: second, wipe: ['dirty-1'] });
    await untilOutcome(machine, 'ready');
    const tags = await machine.answer(['vgs', '--noheadings', '-o', 'vg_tags', 'docker-images']);
    expectEqual(tags.trim(), 'diyc.cluster=diy-cluster,diyc.node=a2', 'whose the group says it is');
  } finally {
    await endStore(lab);
  }
}

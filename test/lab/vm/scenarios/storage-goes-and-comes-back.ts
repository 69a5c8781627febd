/** The lab's own ground: a disk of the storage with CHAP both ways, and the same disk after the storage was away. */

import { expect, expectEqual } from '../../scenario.ts';
import { notYet, until, yes } from '../../wait.ts';
import { PORTAL } from '../iscsi-target.ts';
import type { StorageLab } from '../lab.ts';
import type { Machine } from '../machine.ts';
import { seedOf } from '../seed.ts';

export const name = 'storage-goes-and-comes-back';
export const claim =
  'a disk reached with CHAP both ways is there again, grown and with its data, after the storage was away';
export const part = 'long';
export const timeBoxMs = 5 * 60_000;

const IQN = 'iqn.2015-05.lab.diyc:a1';
const INITIATOR = 'iqn.2015-05.lab.diyc.host:a1';
const DISK = `/dev/disk/by-path/ip-${PORTAL}-iscsi-${IQN}-lun-1`;
const SETTINGS = {
  'auth.authmethod': 'CHAP',
  'auth.username': 'host',
  'auth.password': 'hostsecret123',
  'auth.username_in': 'storage',
  'auth.password_in': 'storagesecret1',
} as const;

async function login(machine: Machine): Promise<void> {
  await machine.shell(`echo InitiatorName=${INITIATOR} >/etc/iscsi/initiatorname.iscsi`);
  await machine.answer(['systemctl', 'start', 'iscsid.socket']);
  await machine.answer(['iscsiadm', '-m', 'discovery', '-t', 'st', '-p', PORTAL]);
  const node = ['iscsiadm', '-m', 'node', '-T', IQN, '-p', PORTAL];
  for (const [key, value] of Object.entries(SETTINGS)) {
    await machine.answer([...node, '-o', 'update', '-n', `node.session.${key}`, '-v', value]);
  }
  await machine.answer([...node, '--login']);
  await machine.answer(['udevadm', 'wait', '--timeout=30', DISK]);
}

async function sectors(machine: Machine): Promise<number> {
  return Number(await machine.answer(['blockdev', '--getsz', DISK]));
}

export async function run(lab: StorageLab): Promise<void> {
  await lab.storage.addTarget({
    iqn: IQN,
    luns: [{ sizeMiB: 64, serial: 'disk-of-a1' }],
    chap: { user: SETTINGS['auth.username'], password: SETTINGS['auth.password'] },
    mutualChap: { user: SETTINGS['auth.username_in'], password: SETTINGS['auth.password_in'] },
    initiatorNames: [INITIATOR],
  });
  const machine = await lab.machine('a1', { root: { kind: 'installed' }, seed: seedOf('a1') });
  await machine.powerOn();
  await machine.untilBooted();
  await login(machine);
  const [session] = await lab.storage.sessions();
  expectEqual(session?.initiatorName, INITIATOR, 'the name the storage knows the machine by');
  await machine.shell(`echo kept >${DISK}; sync`);

  await lab.storage.stop();
  await lab.storage.start();
  await lab.storage.resize(IQN, 1, 96);
  await until('the session to come back', 60_000, async () =>
    (await lab.storage.sessions()).length > 0 ? yes(true) : notYet('no session'),
  );
  const read = await machine.answer(['head', '-c', '4', DISK]);
  expectEqual(read, 'kept', 'what the disk holds');
  await machine.answer(['iscsiadm', '-m', 'session', '--rescan']);
  await until('the disk to have grown', 30_000, async () => {
    const now = await sectors(machine);
    return now === 96 * 2048 ? yes(now) : notYet(`${now} sectors`);
  });
  expect((await machine.answer(['lsblk', '-dno', 'SERIAL', DISK])).includes('disk-of-a1'), 'another serial number');
}

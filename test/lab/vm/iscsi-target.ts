/** The site's storage: tgtd in user space, on an address of its own in the lab's namespace; it forgets all when it ends, so this remembers. */

import { createHash } from 'node:crypto';
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LabNames } from '../lab-id.ts';
import { fromSwitch } from '../network.ts';
import { run } from '../run.ts';
import { notYet, until, yes } from '../wait.ts';
import { STORAGE_ADDRESS } from './address-plan.ts';
import { daemonLog, daemonMark, endDaemon, startDaemon } from './daemon.ts';

export const PORTAL = `${STORAGE_ADDRESS}:3260`;

export interface Account {
  readonly user: string;
  readonly password: string;
}

export interface Lun {
  readonly sizeMiB: number;
  /** What the disk says its serial number is; made up when not given. */
  readonly serial?: string;
}

export interface Target {
  readonly iqn: string;
  /** They get the numbers 1, 2, …: 0 is the target's own controller. */
  readonly luns: readonly Lun[];
  /** Who logs in must know it. */
  readonly chap?: Account;
  /** What the target answers with when it is asked to prove itself. */
  readonly mutualChap?: Account;
  /** Only these; neither given means everybody. */
  readonly initiatorNames?: readonly string[];
  readonly initiatorAddresses?: readonly string[];
}

export interface Session {
  readonly iqn: string;
  readonly initiatorName: string;
  readonly address: string;
}

export class IscsiTarget {
  readonly #names: LabNames;
  readonly #dir: string;
  /** By their number in tgtd, less one. */
  #targets: Target[] = [];

  constructor(names: LabNames) {
    this.#names = names;
    this.#dir = join(names.stateDir, 'storage');
  }

  get #daemon(): string {
    return join(this.#dir, 'tgtd');
  }

  get #env(): Readonly<Record<string, string>> {
    return { TGT_IPC_SOCKET: join(this.#dir, 'tgtd.socket') };
  }

  /** Starts it with the targets it had. */
  async start(): Promise<void> {
    await mkdir(this.#dir, { recursive: true });
    if ((await daemonMark(this.#daemon)) !== undefined) return;
    const ns = this.#names.switchNetns;
    await run(['ip', '-n', ns, 'addr', 'replace', `${STORAGE_ADDRESS}/24`, 'dev', 'br0']);
    // it adds its control port to the name
    await rm(join(this.#dir, 'tgtd.socket.0'), { force: true });
    await startDaemon(
      this.#daemon,
      fromSwitch(this.#names, ['tgtd', '--foreground', '--iscsi', `portal=${PORTAL}`]),
      this.#env,
    );
    await until('the storage to take orders', 10_000, async () => {
      const asked = await run(['tgtadm', '--mode', 'sys', '--op', 'show'], { tolerant: true, env: this.#env });
      return asked.code === 0 ? yes(true) : notYet(await daemonLog(this.#daemon, 3));
    });
    // it goes on without its portal when it could not have it, and takes orders all the same
    await until('the storage to listen', 10_000, async () => {
      const listening = await run(fromSwitch(this.#names, ['ss', '-Hltn', 'src', PORTAL]));
      return listening.stdout.includes('LISTEN') ? yes(true) : notYet(await daemonLog(this.#daemon, 5));
    });
    for (const target of this.#targets) await this.#define(target);
  }

  /** Takes it away in the middle of what it does: connections break, and nobody listens any more. */
  async stop(): Promise<void> {
    await endDaemon(this.#daemon);
  }

  /** It goes on, but nothing that is sent to it arrives: what a pulled cable looks like from a host. */
  async vanish(): Promise<void> {
    await run(['ip', '-n', this.#names.switchNetns, 'addr', 'del', `${STORAGE_ADDRESS}/24`, 'dev', 'br0']);
  }

  async reappear(): Promise<void> {
    await run(['ip', '-n', this.#names.switchNetns, 'addr', 'replace', `${STORAGE_ADDRESS}/24`, 'dev', 'br0']);
  }

  /** Ends it and forgets targets, accounts and what was on the disks. */
  async blank(): Promise<void> {
    await this.stop();
    this.#targets = [];
    await rm(this.#dir, { recursive: true, force: true });
  }

  async addTarget(target: Target): Promise<void> {
    this.#targets.push(target);
    const number = this.#targets.length;
    for (const [index, lun] of target.luns.entries()) {
      const file = this.backingFile(target.iqn, index + 1);
      await writeFile(file, '');
      await truncate(file, lun.sizeMiB * 1024 ** 2);
    }
    await this.#define(target, number);
  }

  /** On this machine: for looking at what a host has really written. */
  backingFile(iqn: string, lun: number): string {
    return join(this.#dir, `${this.#numberOf(iqn)}-${lun}.disk`);
  }

  /** Makes a disk bigger; for an instant it is not ready. A host sees the new size when it looks again (`iscsiadm -m session --rescan`). */
  async resize(iqn: string, lun: number, sizeMiB: number): Promise<void> {
    const file = this.backingFile(iqn, lun);
    await truncate(file, sizeMiB * 1024 ** 2);
    // tgtd looks at the size when it opens the file, and it opens one anew only for a medium that can be changed
    const which = ['--tid', String(this.#numberOf(iqn)), '--lun', String(lun)];
    for (const change of ['removable=1', 'online=0', `path=${file}`, 'online=1', 'removable=0']) {
      await this.#order('logicalunit', 'update', [...which, '--params', change]);
    }
  }

  /** Who is logged in, by the name each initiator gives. */
  async sessions(): Promise<readonly Session[]> {
    const shown = await this.#order('target', 'show', []);
    const found: Session[] = [];
    let iqn = '';
    let initiatorName = '';
    for (const line of shown.split('\n')) {
      const target = /^Target \d+: (\S+)/.exec(line)?.[1];
      if (target !== undefined) iqn = target;
      initiatorName = /^\s+Initiator: (\S+)/.exec(line)?.[1] ?? initiatorName;
      const address = /^\s+IP Address: (\S+)/.exec(line)?.[1];
      if (address !== undefined) found.push({ iqn, initiatorName, address });
    }
    return found;
  }

  async log(lines = 20): Promise<string> {
    return await daemonLog(this.#daemon, lines);
  }

  #numberOf(iqn: string): number {
    const index = this.#targets.findIndex((target) => target.iqn === iqn);
    if (index < 0) throw new Error(`the storage has no target ${iqn}`);
    return index + 1;
  }

  async #define(target: Target, number = this.#numberOf(target.iqn)): Promise<void> {
    const tid = ['--tid', String(number)];
    await this.#order('target', 'new', [...tid, '--targetname', target.iqn]);
    for (const [index, lun] of target.luns.entries()) {
      const unit = [...tid, '--lun', String(index + 1)];
      const file = this.backingFile(target.iqn, index + 1);
      await this.#order('logicalunit', 'new', [...unit, '--backing-store', file]);
      const id = createHash('sha256').update(`${target.iqn} ${index}`).digest('hex').slice(0, 12);
      // tgtd makes the WWN of the hexadecimal digits in the id; its own ids are numbers that come again after a restart
      await this.#order('logicalunit', 'update', [...unit, '--params', `scsi_sn=${lun.serial ?? id},scsi_id=${id}`]);
    }
    for (const [account, options] of [
      [target.chap, []],
      [target.mutualChap, ['--outgoing']],
    ] as const) {
      if (account === undefined) continue;
      const user = ['--user', account.user];
      await this.#order('account', 'new', [...user, '--password', account.password], true);
      await this.#order('account', 'bind', [...tid, ...user, ...options]);
    }
    const names = target.initiatorNames ?? [];
    const addresses = target.initiatorAddresses ?? (names.length === 0 ? ['ALL'] : []);
    for (const name of names) await this.#order('target', 'bind', [...tid, '--initiator-name', name]);
    for (const address of addresses) await this.#order('target', 'bind', [...tid, '--initiator-address', address]);
  }

  async #order(mode: string, op: string, args: readonly string[], tolerant = false): Promise<string> {
    const argv = ['tgtadm', '--lld', 'iscsi', '--mode', mode, '--op', op, ...args];
    return (await run(argv, { env: this.#env, tolerant })).stdout;
  }
}

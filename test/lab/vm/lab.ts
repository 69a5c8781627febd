/** The machine lab: machines, their switch, their boot server and their storage; what a scenario is given. */

import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LabNames } from '../lab-id.ts';
import { networkDown, switchUp } from '../network.ts';
import type { Payload } from '../payload.ts';
import { run } from '../run.ts';
import { SWITCH_ADDRESS } from './address-plan.ts';
import { BootServer, type Seed, type SeedSpelling } from './boot-server.ts';
import { endDaemon } from './daemon.ts';
import { IscsiTarget } from './iscsi-target.ts';
import { Machine, type Root } from './machine.ts';
import { type MachineImage, machineImage } from './machine-image.ts';

export interface LabOptions {
  readonly names: LabNames;
  readonly suite: string;
  readonly payload: Payload;
}

export interface MachineWish {
  readonly root: Root;
  readonly seed: Seed;
  /** bookworm's cloud-init takes an address only in the old spelling, which is the default. */
  readonly seedSpelling?: SeedSpelling;
  readonly memoryMiB?: number;
  readonly kernelWords?: readonly string[];
}

/** Enough for docker on a thin pool beside a live overlay of a few hundred MiB. */
const MEMORY_MIB = 1280;

export class StorageLab {
  readonly names: LabNames;
  readonly boot: BootServer;
  readonly storage: IscsiTarget;
  readonly #image: MachineImage;
  readonly #machines = new Map<string, Machine>();

  private constructor(names: LabNames, image: MachineImage) {
    this.names = names;
    this.#image = image;
    this.boot = new BootServer(names);
    this.storage = new IscsiTarget(names);
  }

  /** Image, switch and servers; no machine yet. */
  static async create(options: LabOptions): Promise<StorageLab> {
    const { names } = options;
    await down(names);
    await mkdir(names.stateDir, { recursive: true });
    const image = await machineImage(options.suite, options.payload, names.stateDir);
    await writeFile(join(names.stateDir, 'lab.json'), `${JSON.stringify(image)}\n`);
    await switchUp(names, SWITCH_ADDRESS);
    const lab = new StorageLab(names, image);
    await lab.boot.start();
    await lab.storage.start();
    return lab;
  }

  /** No machines, and a storage that has nothing. */
  async blank(): Promise<void> {
    await Promise.all([...this.#machines.values()].map((machine) => machine.retire()));
    this.#machines.clear();
    await this.boot.plugHttp();
    await this.storage.blank();
    await this.storage.start();
  }

  /** A machine that is off and has never booted; the names are those of the address plan, `a1` to `a4`. */
  async machine(name: string, wish: MachineWish): Promise<Machine> {
    await this.#machines.get(name)?.retire();
    await this.boot.serveSeed(name, wish.seed);
    const machine = new Machine(this.names, this.#image, name, {
      root: wish.root,
      memoryMiB: wish.memoryMiB ?? MEMORY_MIB,
      kernelWords: [this.boot.seedWord(name, wish.seedSpelling ?? 'nocloud-net;seedfrom'), ...(wish.kernelWords ?? [])],
    });
    await machine.prepare();
    this.#machines.set(name, machine);
    return machine;
  }

  /** For a person who wants to know what went wrong. */
  async report(): Promise<string> {
    const parts: string[] = [];
    for (const machine of this.#machines.values()) {
      parts.push(`--- ${machine.name} (${(await machine.isOn()) ? 'on' : 'off'}), end of its console`);
      parts.push(await machine.console(20));
      parts.push(`--- ${machine.name}, the agent's storage unit`);
      const journal = [
        'journalctl',
        '-u',
        'diyc-agent-storage.service',
        '-n',
        '40',
        '--no-pager',
        '-o',
        'short-monotonic',
      ];
      parts.push(
        await machine.exec(journal, 30_000).then(
          (outcome) => outcome.stdout + outcome.stderr,
          (error: unknown) => String(error),
        ),
      );
    }
    parts.push('--- the storage', await this.storage.log());
    return parts.join('\n');
  }
}

/** A machine of a lab that another process has started, for looking into it. */
export async function machineInLab(names: LabNames, name: string): Promise<Machine> {
  const image = JSON.parse(await readFile(join(names.stateDir, 'lab.json'), 'utf8')) as MachineImage;
  // what it was started with matters to its next power-on only
  return new Machine(names, image, name, { root: { kind: 'installed' }, memoryMiB: MEMORY_MIB, kernelWords: [] });
}

/** Leaves nothing of a lab behind, whether it was started by this process, by another, or cut off half way. */
export async function down(names: LabNames): Promise<void> {
  for (const name of await readdir(join(names.stateDir, 'machines')).catch(() => [])) {
    await endDaemon(join(names.stateDir, 'machines', name, 'qemu'));
  }
  await new BootServer(names).end();
  await new IscsiTarget(names).stop();
  await networkDown(names);
  // a run that was cut off while it made the image has these mounted
  for (const folder of ['install/root', 'tree']) {
    await run(['umount', join(names.stateDir, folder)], { tolerant: true });
  }
  const mounts = await readFile('/proc/mounts', 'utf8');
  if (mounts.split('\n').some((line) => line.split(' ')[1]?.startsWith(`${names.stateDir}/`))) {
    throw new Error(`something is still mounted below ${names.stateDir}: not removing it`);
  }
  await rm(names.stateDir, { recursive: true, force: true });
}

/** One machine of the lab: an overlay for a disk, a namespace for a network card, systemd-nspawn for the rest. */

import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { refuseWhenInterrupted } from './interrupt.ts';
import { cgroupName, hostNetns, type LabNames, switchPort } from './lab-id.ts';
import { initBelow, isAlive, kill, loadMark, mark, type ProcessMark, saveMark } from './processes.ts';
import { type Outcome, run, tail } from './run.ts';
import { notYet, until, yes } from './wait.ts';

/** Where the NoCloud seed lies, and hence in which stage bootcmd runs. */
export type SeedPlace = 'kernel command line' | 'seed directory';

export const SEED_DIR: Readonly<Record<SeedPlace, string>> = {
  // `ds=nocloud;s=…` makes the datasource local: bootcmd runs before the network
  'kernel command line': '/var/cloud-init',
  // without it bootcmd runs in the network stage
  'seed directory': '/var/lib/cloud/seed/nocloud',
};

export interface Disk {
  /** The Debian root, shared by all. */
  readonly base: string;
  /** What was installed on top of it, shared by all. */
  readonly image: string;
}

/** The text of a file; or a program's, which is put there executable; or where a link leads. */
export type DiskFile = string | { readonly program: string } | { readonly link: string };

export interface UnitState {
  readonly active: string;
  readonly sub: string;
  readonly result: string;
  readonly enabled: string;
  readonly restarts: number;
}

export class Host {
  readonly name: string;
  readonly address: string;
  readonly seedPlace: SeedPlace;
  /** What stands on the kernel line in place of what the seed's place asks for. */
  kernelLine: string | null = null;
  readonly #names: LabNames;
  readonly #dir: string;
  readonly #disk: Disk;
  #insideCount = 0;

  constructor(names: LabNames, disk: Disk, name: string, address: string, seedPlace: SeedPlace) {
    this.name = name;
    this.address = address;
    this.seedPlace = seedPlace;
    this.#names = names;
    this.#disk = disk;
    this.#dir = join(names.stateDir, 'hosts', name);
  }

  get consolePath(): string {
    return join(this.#dir, 'console');
  }

  get #markPath(): string {
    return join(this.#dir, 'launcher.pid');
  }

  /** A blank disk with these files on it; the host has to be off. */
  async prepare(files: Readonly<Record<string, DiskFile>>): Promise<void> {
    if (await this.isOn()) throw new Error(`${this.name} is on: its disk cannot be prepared`);
    await rm(this.#dir, { recursive: true, force: true });
    for (const folder of ['upper', 'work', 'root', 'docker', 'containerd']) {
      await mkdir(join(this.#dir, folder), { recursive: true });
    }
    await this.putFiles(files);
  }

  /** Writes onto the disk of a host that is off: a mounted overlay does not notice changes below it. */
  async putFiles(files: Readonly<Record<string, DiskFile>>): Promise<void> {
    if (await this.isOn()) throw new Error(`${this.name} is on: files are put on its disk while it is off`);
    for (const [path, file] of Object.entries(files)) {
      const target = join(this.#dir, 'upper', path);
      await mkdir(dirname(target), { recursive: true });
      if (typeof file === 'string') await writeFile(target, file);
      else if ('link' in file) await symlink(file.link, target);
      else {
        await writeFile(target, file.program);
        await chmod(target, 0o755);
      }
    }
  }

  async powerOn(): Promise<void> {
    if (await this.isOn()) return;
    refuseWhenInterrupted();
    const console = openSync(this.consolePath, 'a');
    try {
      const octets = this.address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
      const child = spawn('bash', [join(import.meta.dirname, 'launch-host.sh')], {
        // a session of its own: the host outlives `up`, and Ctrl-C is handled by the lab, not by the host
        detached: true,
        stdio: ['ignore', console, console],
        env: {
          ...process.env,
          LAB_BASE: this.#disk.base,
          LAB_IMAGE: this.#disk.image,
          LAB_DIR: this.#dir,
          LAB_CGROUP: cgroupName(this.#names, this.name),
          LAB_MACHINE: this.name,
          LAB_NETNS: hostNetns(this.#names, this.name),
          LAB_SWITCH: this.#names.switchNetns,
          LAB_PORT: switchPort(this.name),
          LAB_ADDRESS: this.address,
          LAB_MAC: `02:d1:${octets.join(':')}`,
          LAB_CMDLINE: this.kernelLine ?? this.#seedWord(),
        },
      });
      child.unref();
      const started = child.pid === undefined ? undefined : await mark(child.pid);
      if (started === undefined) throw new Error(`${this.name} did not start: ${await this.console()}`);
      await saveMark(this.#markPath, started);
    } finally {
      closeSync(console);
    }
  }

  #seedWord(): string {
    return this.seedPlace === 'kernel command line' ? `ds=nocloud;s=${SEED_DIR['kernel command line']}/` : '';
  }

  async launcher(): Promise<ProcessMark | undefined> {
    const saved = await loadMark(this.#markPath);
    return saved !== undefined && (await isAlive(saved)) ? saved : undefined;
  }

  async isOn(): Promise<boolean> {
    return (await this.launcher()) !== undefined;
  }

  /** The host's init as this machine sees it. */
  async init(): Promise<ProcessMark> {
    const launcher = await this.launcher();
    const init = launcher === undefined ? undefined : await initBelow(launcher);
    if (init === undefined) throw new Error(`${this.name} is not running`);
    return init;
  }

  /** As if the plug was pulled: nothing inside gets a chance to say goodbye. */
  async powerCut(): Promise<void> {
    kill(await this.init());
    await this.untilOff('its power was cut', 20_000);
  }

  /** As the power button does it. */
  async powerOff(): Promise<void> {
    await this.#press('poweroff');
    await this.untilOff('it was asked to power off', 60_000);
  }

  /** Asks for a reboot and returns when the next boot has begun. */
  async reboot(): Promise<void> {
    const before = await this.bootId();
    await this.#press('reboot');
    await this.untilRebooted(before);
  }

  async #press(verb: 'poweroff' | 'reboot'): Promise<void> {
    const outcome = await this.exec(['systemctl', '--no-block', verb]);
    if (outcome.code !== 0) throw new Error(`systemctl ${verb} on ${this.name}: ${outcome.stderr.trim()}`);
  }

  async untilRebooted(before: string): Promise<void> {
    await until(`${this.name} to come back from its reboot`, 90_000, async () => {
      const now = await this.bootId();
      return now === before ? notYet(`still boot ${before}`) : yes(now);
    });
  }

  async untilOff(why: string, timeoutMs: number): Promise<void> {
    // nspawn must be gone as well: a second one on the same overlay corrupts it
    await until(`${this.name} to be off (${why})`, timeoutMs, async () =>
      (await this.isOn()) ? notYet('still on') : yes(true),
    );
  }

  /**
   * A program as root inside. Enters the process namespace too, so it is for single actions only and always under
   * a deadline: a process from outside that lingers there holds up the host's shutdown.
   */
  async exec(argv: readonly string[], timeoutMs = 20_000): Promise<Outcome> {
    const init = await this.init();
    return await run(
      ['nsenter', `--target=${init.pid}`, '--mount', '--uts', '--ipc', '--net', '--pid', '--root', '--wd', ...argv],
      { tolerant: true, timeoutMs, env: HOST_ENV },
    );
  }

  /** Like `exec`, but from outside the process namespace: safe to repeat. Nothing that needs its own /proc/self. */
  async ask(argv: readonly string[], timeoutMs = 10_000): Promise<Outcome> {
    const init = await this.init();
    return await run(['nsenter', `--target=${init.pid}`, '--mount', '--net', '--root', '--wd', ...argv], {
      tolerant: true,
      timeoutMs,
      env: HOST_ENV,
    });
  }

  /**
   * A program that the host may go down under: a unit of the host's own, which a shutdown ends as it ends a session.
   *
   * @returns 137 as exit code when the host was rebooted before the program had ended
   */
  async inside(argv: readonly string[], timeoutMs: number): Promise<Outcome> {
    const unit = `lab-inside-${++this.#insideCount}`;
    const folder = `/var/tmp/${unit}`;
    const boot = await this.bootId();
    const script =
      'd=$1; shift; mkdir "$d"; "$@" >"$d/out" 2>"$d/err"; echo $? >"$d/code.new"; mv "$d/code.new" "$d/code"';
    const started = await this.exec([
      ...['systemd-run', '--quiet', '--collect', `--unit=${unit}`, `--setenv=PATH=${HOST_ENV.PATH}`],
      ...['sh', '-c', script, 'sh', folder, ...argv],
    ]);
    if (started.code !== 0) throw new Error(`systemd-run on ${this.name}: ${started.stderr.trim()}`);
    const code = await until(`${argv.join(' ')} on ${this.name} to end`, timeoutMs, async () => {
      if (await this.has(`${folder}/code`)) return yes(Number(await this.readText(`${folder}/code`)));
      return (await this.bootId()) === boot ? notYet('it runs') : yes(137);
    });
    return {
      code,
      stdout: await this.readText(`${folder}/out`),
      stderr: await this.readText(`${folder}/err`),
      timedOut: false,
    };
  }

  /** What a program that must succeed says, by the same way. */
  async answer(argv: readonly string[]): Promise<string> {
    const outcome = await this.ask(argv);
    if (outcome.code !== 0) throw new Error(`${argv.join(' ')} on ${this.name}: ${outcome.stderr.trim()}`);
    return outcome.stdout;
  }

  async readText(path: string): Promise<string> {
    return await this.answer(['cat', path]);
  }

  async has(path: string): Promise<boolean> {
    return (await this.ask(['test', '-e', path])).code === 0;
  }

  /** nspawn gives each boot a boot id of its own, as a kernel does. */
  async bootId(): Promise<string> {
    return (await this.readText('/proc/sys/kernel/random/boot_id')).trim();
  }

  async unit(name: string): Promise<UnitState> {
    const properties = 'ActiveState,SubState,Result,UnitFileState,NRestarts';
    // systemd drops its connections while it reloads: an answer that failed is asked for again
    const text = await until(`systemctl show ${name} on ${this.name}`, 10_000, async () => {
      const outcome = await this.ask(['systemctl', 'show', name, `--property=${properties}`]);
      return outcome.code === 0 && outcome.stdout !== '' ? yes(outcome.stdout) : notYet(outcome.stderr.trim());
    });
    const field = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? '';
    return {
      active: field('ActiveState'),
      sub: field('SubState'),
      result: field('Result'),
      enabled: field('UnitFileState'),
      restarts: Number(field('NRestarts') || 0),
    };
  }

  async untilActive(unit: string, timeoutMs: number): Promise<void> {
    await until(`${unit} on ${this.name} to be active`, timeoutMs, async () => {
      const state = await this.unit(unit);
      return state.active === 'active' ? yes(state) : notYet(`${state.active} (${state.sub}, result ${state.result})`);
    });
  }

  /** The boot's own jobs are done: cloud-init's last stage too, which still writes files when the cluster is up already. */
  async untilBooted(timeoutMs = 60_000): Promise<void> {
    await until(`the boot of ${this.name} to be over`, timeoutMs, async () => {
      const state = (await this.ask(['systemctl', 'is-system-running'])).stdout.trim();
      return state === 'running' || state === 'degraded' ? yes(state) : notYet(state || 'no answer from systemd');
    });
  }

  /** How often it was booted since it was made, reboots from inside included. */
  async boots(): Promise<number> {
    return (await readFile(this.consolePath, 'utf8')).match(/^## boot \d+ /gm)?.length ?? 0;
  }

  async console(lines = 20): Promise<string> {
    return tail(await readFile(this.consolePath, 'utf8').catch(() => '(no console yet)'), lines);
  }

  /** For a report on what went wrong: what the units say. Never an assertion. */
  async journal(lines = 40): Promise<string> {
    const outcome = await this.ask(['journalctl', '--no-pager', '--output=short-monotonic', `--lines=${lines}`]).catch(
      () => undefined,
    );
    return outcome === undefined || outcome.stdout.trim() === '' ? await this.console(lines) : outcome.stdout;
  }
}

const HOST_ENV = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C.UTF-8',
  ETCDCTL_API: '3',
  // systemd's private socket refuses a client from outside its process namespace, and systemctl's own fallback is noisy
  SYSTEMCTL_FORCE_BUS: '1',
};

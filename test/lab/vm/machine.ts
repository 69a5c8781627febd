/** One virtual machine: QEMU without acceleration, a tap on the switch, a root on disk or a live one, and a way to run commands. */

import { mkdir, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { LabNames } from '../lab-id.ts';
import { switchPort } from '../lab-id.ts';
import { cable, fromSwitch } from '../network.ts';
import { type Outcome, run, tail } from '../run.ts';
import { notYet, until, yes } from '../wait.ts';
import { type Seat, SWITCH_ADDRESS, seatOf } from './address-plan.ts';
import { daemonLog, daemonMark, endDaemon, startDaemon } from './daemon.ts';
import type { MachineImage } from './machine-image.ts';

/**
 * `installed`: a disk that is written to and kept. `live`: nothing is kept; the root is the device-mapper snapshot that
 * dracut makes of a live image, with `overlayMiB` of memory for all that is ever written to it.
 */
export type Root = { readonly kind: 'installed' } | { readonly kind: 'live'; readonly overlayMiB: number };

export interface MachineOptions {
  readonly root: Root;
  readonly memoryMiB: number;
  /** Further words of the kernel line, the seed's first of all. */
  readonly kernelWords: readonly string[];
}

/** For the connection and the way back: a machine that is cut off in the middle of an answer says nothing more. */
const GRACE_MS = 10_000;

const SHELL_SAFE = /^[\w@%+=:,./-]+$/;

/** One word of a shell's text that means `text` and nothing else. */
function quoted(text: string): string {
  return SHELL_SAFE.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Without it the kernel measures its clock against a timer of the emulator, and now and then, on a busy machine, never
 * finishes: the processor's own figure.
 */
async function tscKhz(): Promise<number> {
  const mhz = /^cpu MHz\s*:\s*([\d.]+)/m.exec(await readFile('/proc/cpuinfo', 'utf8'))?.[1];
  return Math.round(Number(mhz ?? 2000) * 1000);
}

export class Machine {
  readonly name: string;
  readonly address: string;
  readonly options: MachineOptions;
  readonly #names: LabNames;
  readonly #image: MachineImage;
  readonly #seat: Seat;
  readonly #dir: string;
  #retired = false;

  constructor(names: LabNames, image: MachineImage, name: string, options: MachineOptions) {
    this.#seat = seatOf(name);
    this.name = name;
    this.address = this.#seat.address;
    this.options = options;
    this.#names = names;
    this.#image = image;
    this.#dir = join(names.stateDir, 'machines', name);
  }

  get #qemu(): string {
    return join(this.#dir, 'qemu');
  }

  /** Off, and with the disk of a machine that has never booted. */
  async prepare(): Promise<void> {
    if (await this.isOn()) throw new Error(`${this.name} is on: its disk cannot be prepared`);
    await rm(this.#dir, { recursive: true, force: true });
    await mkdir(this.#dir, { recursive: true });
    if (this.options.root.kind === 'live') return;
    const overlay = ['-b', this.#image.disk, '-F', 'raw', join(this.#dir, 'disk.qcow2')];
    await run(['qemu-img', 'create', '-q', '-f', 'qcow2', ...overlay]);
  }

  async #kernelLine(): Promise<string> {
    const { root, kernelWords } = this.options;
    return [
      ...(root.kind === 'live'
        ? [
            `root=live:http://${SWITCH_ADDRESS}/images/squashfs.img`,
            'rd.live.image',
            `rd.live.overlay.size=${root.overlayMiB}`,
          ]
        : ['root=/dev/vda', 'rw']),
      ...kernelWords,
      'console=ttyS0 quiet loglevel=3 systemd.show_status=0',
      'net.ifnames=0 apparmor=0 mitigations=off nopti nokaslr cryptomgr.notests nowatchdog',
      `tsc=reliable no_timer_check tsc_early_khz=${await tscKhz()}`,
    ].join(' ');
  }

  async powerOn(): Promise<void> {
    if (this.#retired) throw new Error(`${this.name} is of a scenario that is over`);
    if (await this.isOn()) return;
    const port = switchPort(this.name);
    const ns = this.#names.switchNetns;
    await run(['ip', '-n', ns, 'tuntap', 'add', port, 'mode', 'tap'], { tolerant: true });
    await run(['ip', '-n', ns, 'link', 'set', port, 'master', 'br0', 'up']);
    const drive =
      this.options.root.kind === 'live'
        ? `file=${this.#image.disk},format=raw,readonly=on`
        : `file=${join(this.#dir, 'disk.qcow2')},format=qcow2,cache=unsafe,discard=unmap`;
    await startDaemon(
      this.#qemu,
      fromSwitch(this.#names, [
        'nice',
        '-n',
        '5',
        'qemu-system-x86_64',
        ...['-M', 'microvm,x-option-roms=off,pit=on,pic=on,isa-serial=on,rtc=on,auto-kernel-cmdline=on,acpi=on'],
        ...['-nodefaults', '-no-user-config', '-display', 'none'],
        ...['-accel', 'tcg,thread=multi,tb-size=512', '-cpu', 'max', '-smp', '1'],
        ...['-m', String(this.options.memoryMiB)],
        ...['-kernel', this.#image.kernel, '-initrd', this.#image.initrd, '-append', await this.#kernelLine()],
        ...['-drive', `if=none,id=root,${drive}`, '-device', 'virtio-blk-device,drive=root'],
        ...['-netdev', `tap,id=net,ifname=${port},script=no,downscript=no`],
        ...['-device', `virtio-net-device,netdev=net,mac=${this.#seat.mac}`],
        ...['-object', 'rng-random,id=rng,filename=/dev/urandom', '-device', 'virtio-rng-device,rng=rng'],
        ...['-chardev', `file,id=serial,path=${this.#consolePath},append=on`, '-serial', 'chardev:serial'],
        ...['-monitor', `unix:${join(this.#dir, 'monitor')},server,nowait`],
      ]),
    );
  }

  async isOn(): Promise<boolean> {
    return (await daemonMark(this.#qemu)) !== undefined;
  }

  /**
   * As if the plug was pulled. Told to the emulator and not done to it: what the machine's disk has been given is on the
   * disk, what the machine still had in memory is gone.
   */
  async powerCut(): Promise<void> {
    const running = await daemonMark(this.#qemu);
    if (running === undefined) return;
    await this.#monitor('quit');
    await until(`${this.name} to be off`, 10_000, async () => ((await this.isOn()) ? notYet('still on') : yes(true)));
  }

  /** Ends it for good: a scenario that has overrun its time must not reach the machine that sits here next. */
  async retire(): Promise<void> {
    this.#retired = true;
    await endDaemon(this.#qemu);
  }

  /** Pulls or plugs its network cable at the switch; a power-on plugs it. */
  async cable(state: 'plugged' | 'pulled'): Promise<void> {
    await cable(this.#names, this.name, state);
  }

  /** Asks the machine to reboot; returns when its next boot answers. */
  async reboot(timeoutMs = 240_000): Promise<void> {
    const before = await this.bootId();
    // the network may be gone before the answer is out
    const asked = await this.exec(['systemctl', '--no-block', 'reboot'], 5_000).catch(() => undefined);
    if (asked !== undefined && asked.code !== 0) throw new Error(`reboot of ${this.name}: ${asked.stderr.trim()}`);
    await this.untilRebooted(before, timeoutMs);
  }

  async untilRebooted(before: string, timeoutMs = 240_000): Promise<void> {
    await until(`${this.name} to come back from its reboot`, timeoutMs, async () => {
      const now = await this.bootId();
      return now === before ? notYet('still the boot before') : yes(now);
    });
  }

  /** Until commands can be run: networking is up, which is in the middle of the boot. */
  async untilReachable(timeoutMs = 120_000): Promise<void> {
    await until(`${this.name} to answer`, timeoutMs, async () => {
      if (!(await this.isOn())) throw new Error(`the emulator has ended: ${await daemonLog(this.#qemu, 5)}`);
      return yes(await this.bootId());
    });
  }

  /** Until nothing of the boot is left to do, cloud-init's last stage included. */
  async untilBooted(timeoutMs = 240_000): Promise<string> {
    return await until(`the boot of ${this.name} to be over`, timeoutMs, async () => {
      // it waits by itself: asking again and again costs an emulated machine much
      const asked = await this.exec(['systemctl', 'is-system-running', '--wait'], timeoutMs);
      const state = asked.stdout.trim();
      return state === 'running' || state === 'degraded' ? yes(state) : notYet(state || asked.stderr.trim());
    });
  }

  /** A program as root inside; its exit code is an answer, and 143 means that it was ended after `timeoutMs`. */
  async exec(argv: readonly string[], timeoutMs = 60_000): Promise<Outcome> {
    return await this.shell(`exec ${argv.map(quoted).join(' ')}`, timeoutMs);
  }

  /** A few lines of POSIX shell as root inside: one round trip for what would be many. */
  async shell(script: string, timeoutMs = 60_000): Promise<Outcome> {
    if (this.#retired) throw new Error(`${this.name} is of a scenario that is over`);
    const client = join(import.meta.dirname, 'channel-client.ts');
    const seconds = Math.ceil(timeoutMs / 1000);
    const asked = await run(
      fromSwitch(this.#names, [process.execPath, client, this.address, String(seconds), script]),
      { tolerant: true, timeoutMs: timeoutMs + GRACE_MS },
    );
    if (asked.code !== 0) throw new Error(`${this.name} does not answer: ${asked.stderr.trim() || 'in time'}`);
    const { code, stdout, stderr } = JSON.parse(asked.stdout) as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr, timedOut: code === 143 };
  }

  /** What a program that must succeed says. */
  async answer(argv: readonly string[], timeoutMs?: number): Promise<string> {
    const outcome = await this.exec(argv, timeoutMs);
    if (outcome.code !== 0) {
      throw new Error(
        `${argv.join(' ')} on ${this.name} exited with ${outcome.code}: ${tail(outcome.stderr || outcome.stdout, 5)}`,
      );
    }
    return outcome.stdout;
  }

  async readText(path: string): Promise<string> {
    return await this.answer(['cat', path]);
  }

  async has(path: string): Promise<boolean> {
    return (await this.exec(['test', '-e', path])).code === 0;
  }

  async bootId(): Promise<string> {
    return (await this.answer(['cat', '/proc/sys/kernel/random/boot_id'], 10_000)).trim();
  }

  /** Seconds since the kernel began. */
  async uptime(): Promise<number> {
    return Number((await this.readText('/proc/uptime')).split(' ')[0]);
  }

  /** `active`, `inactive`, `failed`, … */
  async activeState(unit: string): Promise<string> {
    return (await this.answer(['systemctl', 'show', unit, '--property=ActiveState', '--value'])).trim();
  }

  async untilActive(unit: string, timeoutMs: number): Promise<void> {
    await until(`${unit} on ${this.name} to be active`, timeoutMs, async () => {
      const state = await this.activeState(unit);
      return state === 'active' ? yes(state) : notYet(state);
    });
  }

  get #consolePath(): string {
    return join(this.#dir, 'console');
  }

  async console(lines = 20): Promise<string> {
    return tail(await readFile(this.#consolePath, 'utf8').catch(() => '(no console yet)'), lines);
  }

  /** Processor seconds the machine has cost since its power came on: the better figure on a busy machine. */
  async cpuSeconds(): Promise<number> {
    const running = await daemonMark(this.#qemu);
    if (running === undefined) return 0;
    const text = await readFile(`/proc/${running.pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // in ticks, of which there are 100 a second on every Linux there is
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  async #monitor(command: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const socket = connect({ path: join(this.#dir, 'monitor') }, () => socket.write(`${command}\n`));
      socket.setTimeout(10_000, () => socket.destroy(new Error(`the monitor of ${this.name} does not answer`)));
      socket.on('data', () => undefined);
      socket.on('error', reject);
      socket.on('close', () => resolve());
    });
  }
}

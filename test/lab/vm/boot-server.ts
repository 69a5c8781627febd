/** DHCP and HTTP on the switch: what a site's boot server does for its hosts, but for handing out the kernel. */

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LabNames } from '../lab-id.ts';
import { fromSwitch } from '../network.ts';
import { run } from '../run.ts';
import { notYet, until, yes } from '../wait.ts';
import { NETMASK, NETWORK, SEATS, SWITCH_ADDRESS } from './address-plan.ts';
import { daemonLog, daemonMark, endDaemon, startDaemon } from './daemon.ts';

/** How the kernel line says where the seed is. */
export type SeedSpelling = 'nocloud-net;seedfrom' | 'nocloud;s';

/** The files of a seed by name: `meta-data`, `user-data`, `vendor-data`, and what else a machine should find there. */
export type Seed = Readonly<Record<string, string>>;

export class BootServer {
  readonly #names: LabNames;
  readonly #dir: string;

  constructor(names: LabNames) {
    this.#names = names;
    this.#dir = join(names.stateDir, 'boot');
  }

  get #files(): string {
    return join(this.#dir, 'files');
  }

  async start(): Promise<void> {
    await mkdir(this.#files, { recursive: true });
    await this.plugHttp();
    await startDaemon(
      join(this.#dir, 'dhcp'),
      fromSwitch(this.#names, [
        'dnsmasq',
        '--keep-in-foreground',
        '--conf-file=/dev/null',
        '--user=root',
        '--port=0',
        '--interface=br0',
        '--bind-interfaces',
        '--leasefile-ro',
        '--pid-file=',
        '--log-facility=-',
        `--dhcp-range=${NETWORK},static,${NETMASK},1h`,
        // by the MAC alone: a live host has another client id at each boot
        ...SEATS.map((seat) => `--dhcp-host=${seat.mac},id:*,${seat.address},${seat.name}`),
        // no router, no name server: there is no way out
        '--dhcp-option=3',
        '--dhcp-option=6',
      ]),
    );
  }

  /** Serves files from here on, if it does not already. */
  async plugHttp(): Promise<void> {
    if ((await daemonMark(join(this.#dir, 'http'))) !== undefined) return;
    const script = join(import.meta.dirname, 'http-server.ts');
    await startDaemon(
      join(this.#dir, 'http'),
      fromSwitch(this.#names, [process.execPath, script, this.#files, SWITCH_ADDRESS, '80']),
    );
    await until('the boot server to answer', 10_000, async () => {
      const asked = await run(fromSwitch(this.#names, ['curl', '--silent', '--max-time', '2', this.url('')]), {
        tolerant: true,
      });
      return asked.code === 0 ? yes(true) : notYet(await daemonLog(join(this.#dir, 'http'), 3));
    });
  }

  async pullHttp(): Promise<void> {
    await endDaemon(join(this.#dir, 'http'));
  }

  async end(): Promise<void> {
    await endDaemon(join(this.#dir, 'http'));
    await endDaemon(join(this.#dir, 'dhcp'));
  }

  url(path: string): string {
    return `http://${SWITCH_ADDRESS}/${path}`;
  }

  /** Puts a file for everybody. */
  async serve(path: string, content: string): Promise<void> {
    const target = join(this.#files, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
  }

  /** The seed of a machine from its next boot on, in place of any other. */
  async serveSeed(machine: string, seed: Seed): Promise<void> {
    await rm(join(this.#files, 'seeds', machine), { recursive: true, force: true });
    for (const [name, text] of Object.entries(seed)) await this.serve(`seeds/${machine}/${name}`, text);
  }

  /** The word for the kernel line. */
  seedWord(machine: string, spelling: SeedSpelling): string {
    return `ds=${spelling}=${this.url(`seeds/${machine}/`)}`;
  }

  /** `ADDRESS METHOD PATH STATUS` of each request so far, the newest last. */
  async requests(): Promise<readonly string[]> {
    return (await daemonLog(join(this.#dir, 'http'), 10_000)).split('\n');
  }
}

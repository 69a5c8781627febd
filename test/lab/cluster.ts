/** The whole lab: the hosts, the switch between them, the store seen from outside, and what "ready" means on the system. */

import { mkdir, readdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Flanneld, flanneldBinary } from './flanneld.ts';
import { type Disk, Host, SEED_DIR, type SeedPlace } from './host.ts';
import { cgroupName, hostNetns, type LabNames } from './lab-id.ts';
import { suiteNamed } from './machine-sources.ts';
import { forgetHost, networkDown, switchUp } from './network.ts';
import { installPayload, type Payload } from './payload.ts';
import { isAlive, loadMark } from './processes.ts';
import { during, say } from './progress.ts';
import { rootfs } from './rootfs.ts';
import { run } from './run.ts';
import { FLANNEL_PREFIX, NODE_KEYS, NODES, seedFiles } from './seed.ts';
import { ClusterStore, type StoredKey } from './store.ts';
import { notYet, pause, type Seen, until, yes } from './wait.ts';

export interface LabOptions {
  readonly names: LabNames;
  readonly suite: string;
  readonly seedPlace: SeedPlace;
  readonly flanneld: Flanneld;
  readonly payload: Omit<Payload, 'flanneld'>;
}

export interface Lease {
  /** `172.18.34.0/24` */
  readonly subnet: string;
  readonly publicIp: string;
  readonly backend: string;
}

export class Lab {
  readonly options: LabOptions;
  readonly names: LabNames;
  readonly store: ClusterStore;
  readonly #disk: Disk;
  readonly #hosts = new Map<string, Host>();

  private constructor(options: LabOptions, disk: Disk) {
    this.options = options;
    this.names = options.names;
    this.#disk = disk;
    this.store = new ClusterStore(options.names, [...NODES.values()]);
  }

  /** Everything short of power: root, payload, network, and blank disks with their seeds. */
  static async create(options: LabOptions): Promise<Lab> {
    await down(options.names);
    const base = await rootfs(suiteNamed(options.suite));
    const flanneld = await flanneldBinary(options.flanneld);
    const { stateDir } = options.names;
    await mkdir(stateDir, { recursive: true });
    const image = join(stateDir, 'image');
    await installPayload({ ...options.payload, flanneld }, base, image, join(stateDir, 'install'));
    await writeFile(join(stateDir, 'lab.json'), `${JSON.stringify({ base, image, seedPlace: options.seedPlace })}\n`);
    const lab = new Lab(options, { base, image });
    await switchUp(lab.names);
    await lab.blank();
    return lab;
  }

  /** All hosts off, with the disks of machines that have never booted. */
  async blank(): Promise<void> {
    await Promise.all([...this.#hosts.keys()].map((name) => endHost(this.names, name)));
    this.#hosts.clear();
    for (const [name, address] of NODES) await this.add(name, address);
  }

  /** All hosts off and blank, with a cluster file of the scenario's own. */
  async blankWith(clusterFile: string): Promise<void> {
    await this.blank();
    const place = this.options.seedPlace;
    for (const node of this.nodes) await node.putFiles({ [`${SEED_DIR[place]}/cluster.yaml`]: clusterFile });
  }

  /** The version of a Debian package that all hosts have. */
  async installedVersion(name: string): Promise<string> {
    const status = await readFile(join(this.#disk.base, 'var/lib/dpkg/status'), 'utf8');
    const stanza = status.split('\n\n').find((text) => text.startsWith(`Package: ${name}\n`));
    const version = /^Version: (\S+)$/m.exec(stanza ?? '')?.[1];
    if (version === undefined) throw new Error(`the hosts have no package ${name}`);
    return version;
  }

  /** A program of the hosts' own, on this machine. */
  ownProgram(argv: readonly string[]): string[] {
    return ['chroot', this.#disk.base, ...argv];
  }

  /** A further host, off, with a blank disk and the cluster file of the others. */
  async add(name: string, address: string): Promise<Host> {
    const host = new Host(this.names, this.#disk, name, address, this.options.seedPlace);
    await host.prepare(seedFiles(name, this.options.seedPlace));
    this.#hosts.set(name, host);
    return host;
  }

  async remove(host: Host): Promise<void> {
    await endHost(this.names, host.name);
    this.#hosts.delete(host.name);
  }

  host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`no host ${name} in this lab`);
    return host;
  }

  /** The hosts of the cluster file. */
  get nodes(): readonly Host[] {
    return [...NODES.keys()].map((name) => this.host(name));
  }

  async powerOn(hosts: readonly Host[] = this.nodes): Promise<void> {
    await Promise.all(hosts.map((host) => host.powerOn()));
  }

  /** flannel's leases as they stand in etcd. */
  async leases(): Promise<Lease[]> {
    return (await this.#flannelKeys('/subnets')).map((entry) => {
      const value: unknown = JSON.parse(entry.value);
      const { PublicIP, BackendType } = value as { PublicIP?: unknown; BackendType?: unknown };
      return {
        subnet: (entry.key.split('/').at(-1) ?? '').replace(/-(\d+)$/, '/$1'),
        publicIp: String(PublicIP),
        backend: String(BackendType),
      };
    });
  }

  /** The text of flannel's config key, in the store that this flanneld reads. */
  async flannelConfig(): Promise<string | undefined> {
    return (await this.#flannelKeys('')).find((entry) => entry.key === `${FLANNEL_PREFIX}/config`)?.value;
  }

  async #flannelKeys(folder: string): Promise<StoredKey[]> {
    const path = `${FLANNEL_PREFIX}${folder}`;
    return this.options.flanneld.store === 'v2' ? await this.store.listV2(path) : await this.store.list(`${path}/`);
  }

  async leaseOf(host: Host): Promise<Lease | undefined> {
    return (await this.leases()).find((lease) => lease.publicIp === host.address);
  }

  /** The addresses of a link of a host, as the kernel has them; `undefined` when there is no such link. */
  async link(host: Host, name: string): Promise<{ addresses: string[]; mtu: number } | undefined> {
    const outcome = await run(['ip', '-n', hostNetns(this.names, host.name), '-json', 'addr', 'show', 'dev', name], {
      tolerant: true,
    });
    if (outcome.code !== 0) return undefined;
    const [link] = JSON.parse(outcome.stdout) as { mtu: number; addr_info: { local: string; prefixlen: number }[] }[];
    return link && { mtu: link.mtu, addresses: link.addr_info.map((info) => `${info.local}/${info.prefixlen}`) };
  }

  /** The summary in a node's readiness record, or undefined when there is none. */
  async published(host: Host): Promise<string | undefined> {
    const entry = await this.store.get(`${NODE_KEYS}${host.name}`);
    if (entry === undefined) return undefined;
    if (!entry.hasLease)
      throw new Error(`the readiness record of ${host.name} has no lease: it would outlive its node`);
    const record: unknown = JSON.parse(entry.value);
    return String((record as { summary?: unknown }).summary);
  }

  /** What is still missing on the way to a working cluster, or nothing. */
  async missing(): Promise<string | undefined> {
    const healthy = await this.store.healthy();
    if (healthy.length < NODES.size)
      return `etcd healthy on ${healthy.length} of ${NODES.size} (${healthy.join(', ') || 'none'})`;
    const leases = await this.leases();
    for (const node of this.nodes) {
      const lease = leases.find((one) => one.publicIp === node.address);
      if (lease === undefined) return `no flannel lease of ${node.name}`;
      const docker0 = await this.link(node, 'docker0');
      if (docker0 === undefined) return `no docker0 on ${node.name}`;
      const gateway = lease.subnet.replace(/0\/(\d+)$/, '1/$1');
      if (!docker0.addresses.includes(gateway))
        return `docker0 on ${node.name} has ${docker0.addresses.join(', ')} and not ${gateway}`;
    }
    for (const node of this.nodes) {
      const summary = await this.published(node);
      if (summary !== 'ready') return `${node.name} publishes ${summary ?? 'nothing'}`;
    }
    return undefined;
  }

  async untilReady(timeoutMs = 120_000): Promise<void> {
    let last = '';
    await during('three nodes getting ready', () =>
      until('three ready nodes', timeoutMs, async (): Promise<Seen<true>> => {
        const missing = await this.missing();
        if (missing === undefined) return yes(true);
        if (missing !== last) say(`  ${missing}`);
        last = missing;
        return notYet(missing);
      }),
    );
  }

  /** For a person who wants to know what went wrong. */
  async report(): Promise<string> {
    const parts: string[] = [];
    for (const host of this.#hosts.values()) {
      parts.push(`--- ${host.name} (${(await host.isOn()) ? 'on' : 'off'}), end of its journal`);
      parts.push(await host.journal(25).catch((error: unknown) => String(error)));
    }
    return parts.join('\n');
  }
}

/** A host of a lab that another process has started, for looking into it. */
export async function hostInLab(names: LabNames, name: string): Promise<Host> {
  const saved: unknown = JSON.parse(await readFile(join(names.stateDir, 'lab.json'), 'utf8'));
  const { base, image, seedPlace } = saved as { base: string; image: string; seedPlace: SeedPlace };
  return new Host(names, { base, image }, name, NODES.get(name) ?? '', seedPlace);
}

/** Where cgroup v2 is mounted on this machine, if it is: the same tree as the hosts' own mounts of it. */
async function cgroupRoot(): Promise<string | undefined> {
  const mounts = await readFile('/proc/mounts', 'utf8');
  return mounts
    .split('\n')
    .map((line) => line.split(' '))
    .find((fields) => fields[2] === 'cgroup2')?.[1];
}

async function removeCgroup(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) await removeCgroup(join(dir, entry.name));
  }
  await rmdir(dir).catch(() => undefined);
}

/** Ends everything that belongs to a host: what is in its cgroup, and the launcher that would boot it again. */
async function endHost(names: LabNames, name: string): Promise<void> {
  const launcher = await loadMark(join(names.stateDir, 'hosts', name, 'launcher.pid'));
  if (launcher !== undefined && (await isAlive(launcher))) {
    // the launcher leads a process group of its own, see Host.powerOn
    try {
      process.kill(-launcher.pid, 'SIGKILL');
    } catch {
      // it went by itself
    }
  }
  const root = await cgroupRoot();
  const cgroup = root === undefined ? undefined : join(root, cgroupName(names, name));
  if (cgroup !== undefined && (await stat(cgroup).catch(() => undefined)) !== undefined) {
    await writeFile(join(cgroup, 'cgroup.kill'), '1').catch(() => undefined);
    for (let tries = 0; tries < 40; tries++) {
      if (/^populated 0$/m.test(await readFile(join(cgroup, 'cgroup.events'), 'utf8'))) break;
      await pause(100);
    }
    await removeCgroup(cgroup);
  }
  if (launcher !== undefined) {
    await until(`the launcher of ${name} to end`, 10_000, async () =>
      (await isAlive(launcher)) ? notYet('still there') : yes(true),
    );
  }
  await forgetHost(names, name);
}

/** Leaves nothing of a lab behind, whether it was started by this process, by another, or cut off half way. */
export async function down(names: LabNames): Promise<void> {
  const hosts = await readdir(join(names.stateDir, 'hosts')).catch(() => []);
  await Promise.all(hosts.map((name) => endHost(names, name)));
  await networkDown(names);
  // a run that was cut off while it installed the payload has this mounted
  await run(['umount', join(names.stateDir, 'install/root')], { tolerant: true });
  const mounts = await readFile('/proc/mounts', 'utf8');
  if (mounts.split('\n').some((line) => line.split(' ')[1]?.startsWith(`${names.stateDir}/`))) {
    throw new Error(`something is still mounted below ${names.stateDir}: not removing it`);
  }
  await rm(names.stateDir, { recursive: true, force: true });
}

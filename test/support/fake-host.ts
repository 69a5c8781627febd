// A whole host in memory, for scenarios and the crash matrix; it fails loudly on a question that nobody scripted.

import { createHash } from 'node:crypto';
import { AgentError } from '../../agent/model/errors.ts';
import { type AbsolutePath, agentBinary } from '../../agent/model/paths.ts';
import type { DeviceState, Engine, EngineFacts, Host, HostAddress, Machine, Network } from '../../agent/ports/host.ts';
import { type EffectLog, effectLog } from './effect-log.ts';
import { type FakeDisk, type FakeDisks, fakeDisks } from './fake-disks.ts';
import { type FakeEtcd, fakeEtcd } from './fake-etcd.ts';
import { type FakeFiles, type FakeTree, fakeFiles } from './fake-files.ts';
import {
  type FakeAnswer,
  type FakeFleetLock,
  type FakeHttpServer,
  fakeFleetLock,
  fakeHttpServer,
} from './fake-fleet-lock.ts';
import { type FakeIscsi, type FakeTarget, fakeIscsi } from './fake-iscsi.ts';
import { type FakeLive, type FakeLiveOptions, fakeLive } from './fake-live.ts';
import { type FakeLvm, fakeLvm } from './fake-lvm.ts';
import { type FakeOsTree, type FakeOsTreeOptions, fakeOsTree } from './fake-os-tree.ts';
import { type FakePeer, type FakeReach, fakeReach } from './fake-reach.ts';
import { type FakePeople, type FakeSessions, fakeSessions } from './fake-sessions.ts';
import { type FakeSnapshots, fakeSnapshots } from './fake-snapshots.ts';
import { type FakeUnit, type FakeUnits, fakeUnits } from './fake-units.ts';
import { type VirtualClock, virtualClock } from './virtual-clock.ts';

export interface FakeHostOptions {
  /** Files at the start, by path. */
  readonly files?: FakeTree;
  readonly units?: Readonly<Record<string, FakeUnit>>;
  /** The node's address on eth0, with prefix length; default 192.168.99.51/24. */
  readonly address?: string;
  /** Devices besides lo and eth0. */
  readonly devices?: readonly DeviceState[];
  /** Routes besides the one of eth0. */
  readonly routes?: readonly { readonly destination: string; readonly device: string }[];
  /** What a program prints for --version, by path; null: it cannot be run. */
  readonly versions?: Readonly<Record<string, string | null>>;
  /** `down`: the socket does not answer; `denied`: it may not be opened. Default: nobody scripted it. */
  readonly engine?: EngineFacts | 'down' | 'denied';
  /** A cluster shared with other hosts; default: none of its own member runs (every connection is refused). */
  readonly etcd?: FakeEtcd;
  /** Shared with other hosts and with `etcd`. */
  readonly clock?: VirtualClock;
  /** Modules that modprobe does not find. */
  readonly missingModules?: readonly string[];
  /** Firewall chains besides the built-in ones, `filter DOCKER-USER`. */
  readonly chains?: readonly string[];
  /** Disks at the start, by a name of /dev/disk. */
  readonly disks?: Readonly<Record<AbsolutePath, FakeDisk>>;
  /** iSCSI targets that this host can reach. */
  readonly targets?: readonly FakeTarget<FakeDisk>[];
  readonly live?: FakeLiveOptions;
  /** What docker-storage-setup does; default: nobody scripted it. */
  readonly storageSetup?: (host: FakeHost) => Promise<string>;
  /** An image-based host; default: it is none. */
  readonly osTree?: Omit<FakeOsTreeOptions, 'log'>;
  /** Default: nobody is logged in. */
  readonly people?: FakePeople;
  /** What can be reached from here, by `address:port` or URL; any other question fails loudly. */
  readonly peers?: Readonly<Record<string, FakePeer>>;
  /** FleetLock servers of others, by base URL. */
  readonly fleetLockServers?: Readonly<Record<string, FakeAnswer>>;
  readonly machine?: Partial<Pick<Machine, 'isLive' | 'isRoot' | 'program'>> & {
    readonly bootId?: string;
    readonly hardwareId?: string | null;
    readonly machineId?: string | null;
  };
}

export interface FakeHost extends Host {
  readonly files: FakeFiles;
  readonly units: FakeUnits;
  readonly clock: VirtualClock;
  readonly log: EffectLog;
  readonly disks: FakeDisks;
  readonly lvm: FakeLvm;
  readonly iscsi: FakeIscsi<FakeDisk>;
  readonly live: FakeLive;
  readonly osTree: FakeOsTree;
  readonly sessions: FakeSessions;
  readonly reach: FakeReach;
  readonly snapshots: FakeSnapshots;
  readonly fleetLock: FakeFleetLock;
  readonly httpServer: FakeHttpServer;
  /** What was done, one line per effect. */
  readonly effects: readonly string[];
  /** Rules by chain, head first: `filter DOCKER-USER` → `-i flannel.1 -j ACCEPT`. */
  readonly firewall: ReadonlyMap<string, readonly string[]>;
  /** Loaded kernel modules. */
  readonly modules: ReadonlySet<string>;
  setEngine(engine: EngineFacts | 'down' | 'denied'): void;
  setDevice(device: DeviceState): void;
  removeDevice(name: string): void;
  setRoutes(routes: readonly { readonly destination: string; readonly device: string }[]): void;
  setVersion(path: string, text: string | null): void;
  addChain(chain: string): void;
  /** Every rule is gone, as after `firewall-cmd --reload`; the chains stay. */
  flushFirewall(): void;
  /**
   * Power on again: /run and what is in memory is gone, a new boot id, enabled units start, no kill is planned. What
   * that means for a staged deployment: see FakeOsTree.
   */
  boot(how?: 'orderly' | 'power-cut', choice?: 'default' | 'fallback'): void;
}

const builtInChains = [
  'filter INPUT',
  'filter FORWARD',
  'filter OUTPUT',
  'raw PREROUTING',
  'raw OUTPUT',
  'nat PREROUTING',
  'nat INPUT',
  'nat OUTPUT',
  'nat POSTROUTING',
] as const;

/** A host for tests. */
export function fakeHost(options: FakeHostOptions = {}): FakeHost {
  const { address = '192.168.99.51/24', machine: given = {} } = options;
  const clock = options.clock ?? virtualClock();
  const log = effectLog();
  const uptime = { live: () => `${(clock.monotonicMs() / 1000).toFixed(2)} 0.00\n` };
  const tree: FakeTree = { '/run/systemd/system': { directory: true }, '/proc/uptime': uptime, ...options.files };
  const files = fakeFiles({ tree, clock, log });
  const units = fakeUnits({ units: options.units ?? {}, files, clock, log });
  const [ownAddress = '', prefixText = '24'] = address.split('/');
  const etcd = options.etcd ?? fakeEtcd({ members: [ownAddress], clock, mode: 'refused' });

  let boots = 1;
  let bootedAtMs = 0;
  let engine = options.engine;
  let devices = new Map<string, DeviceState>();
  let routes = [...(options.routes ?? [])];
  const versions = new Map(Object.entries(options.versions ?? {}));
  const modules = new Set<string>();
  const rules = new Map<string, string[]>();
  const chains = new Set<string>([...builtInChains, ...(options.chains ?? [])]);

  function plugIn(): void {
    const lo: DeviceState = {
      name: 'lo',
      addresses: [{ device: 'lo', address: '127.0.0.1', prefixLength: 8 }],
      mtu: 65536,
      ports: [],
    };
    const eth0Address: HostAddress = { device: 'eth0', address: ownAddress, prefixLength: Number(prefixText) };
    const eth0: DeviceState = { name: 'eth0', addresses: [eth0Address], mtu: 1500, ports: [] };
    devices = new Map([lo, eth0, ...(options.devices ?? [])].map((d) => [d.name, d]));
  }
  plugIn();

  const network: Network = {
    async addresses() {
      log.assertAlive();
      return [...devices.values()].flatMap((d) => d.addresses);
    },
    async device(name) {
      log.assertAlive();
      return devices.get(name) ?? null;
    },
    async routes() {
      log.assertAlive();
      const own = networkOf(ownAddress, Number(prefixText));
      return [{ destination: own, device: 'eth0' }, ...routes];
    },
  };

  const fakeEngine: Engine = {
    async facts() {
      log.assertAlive();
      if (engine === undefined)
        throw new Error('fake host: nobody scripted the docker engine; give engine: facts, "down" or "denied"');
      if (engine === 'down') {
        throw new AgentError('unavailable', 'cannot ask the docker engine: there is no /var/run/docker.sock', {
          hint: 'see systemctl status docker.service',
        });
      }
      if (engine === 'denied') {
        throw new AgentError('noperm', 'cannot ask the docker engine: /var/run/docker.sock may not be opened', {
          hint: 'run as root',
        });
      }
      return engine;
    },
  };

  const machine: Machine = {
    isLive: given.isLive ?? true,
    isRoot: given.isRoot ?? true,
    program: given.program ?? agentBinary,
    async bootId() {
      log.assertAlive();
      return given.bootId !== undefined && boots === 1 ? given.bootId : `boot-${boots}`;
    },
    async uptimeMs() {
      log.assertAlive();
      return clock.monotonicMs() - bootedAtMs;
    },
    async hardwareId() {
      log.assertAlive();
      return given.hardwareId === undefined ? 'hardware-1' : given.hardwareId;
    },
    async machineId() {
      log.assertAlive();
      return given.machineId === undefined ? '0123456789abcdef0123456789abcdef' : given.machineId;
    },
    digest: (text) => createHash('sha256').update(text, 'utf8').digest('hex'),
    async inventory() {
      log.assertAlive();
      return { kernel: '6.1.0', architecture: 'x64', cpus: '4', memoryMiB: '8192', distribution: 'Fake Linux 1' };
    },
  };

  const disks = fakeDisks({ clock, log });
  for (const [path, disk] of Object.entries(options.disks ?? {})) disks.plug(path as AbsolutePath, disk);
  const iscsi = fakeIscsi<FakeDisk>({
    files,
    log,
    targets: options.targets ?? [],
    plug: disks.plug,
    unplug: disks.unplug,
  });

  const sessions = fakeSessions({ log, ...(options.people === undefined ? {} : { people: options.people }) });
  const osTree = fakeOsTree({ releases: [], ...options.osTree, log });

  const host: FakeHost = {
    files,
    units,
    clock,
    log,
    network,
    machine,
    engine: fakeEngine,
    etcd: etcd.clientFor(ownAddress, log),
    programs: {
      // A fake answers at once, so there is nothing to keep.
      remember: () => Promise.resolve(),
      async versionText(_program, path) {
        log.assertAlive();
        const text = versions.get(path);
        if (text !== undefined) return text;
        if (!(await files.exists(path))) return null;
        throw new Error(`fake host: nobody scripted what ${path} --version prints; give versions: { '${path}': … }`);
      },
    },
    kernel: {
      async loadModule(name) {
        log.run(`modprobe ${name}`, () => {
          if (options.missingModules?.includes(name) === true) {
            throw new AgentError('oserr', `cannot load the kernel module ${name}: modprobe exited with 1`, {
              hint: 'ls /lib/modules',
            });
          }
          modules.add(name);
          files.put({ '/proc/modules': [...modules].map((m) => `${m} 16384 0 - Live 0x0\n`).join('') });
          files.put({ [`/sys/module/${name}`]: { directory: true } });
          if (name === 'br_netfilter') files.put({ '/proc/sys/net/bridge/bridge-nf-call-iptables': '1\n' });
        });
      },
      async removeDevice(name) {
        log.run(`remove device ${name}`, () => void devices.delete(name));
      },
      async hasFirewallChain(table, chain) {
        log.assertAlive();
        return chains.has(`${table} ${chain}`);
      },
      async ensureFirewallRule(table, chain, rule) {
        log.assertAlive();
        const place = `${table} ${chain}`;
        if (!chains.has(place)) {
          throw new AgentError(
            'oserr',
            `cannot insert a rule into the chain ${chain} of the ${table} table: no such chain`,
            {
              hint: 'docker makes its own chains when it starts',
            },
          );
        }
        const text = rule.join(' ');
        const present = rules.get(place) ?? [];
        if (present.includes(text)) return false;
        log.run(`iptables -t ${table} -I ${chain} ${text}`, () => rules.set(place, [text, ...present]));
        return true;
      },
    },
    disks,
    lvm: fakeLvm({ disks, log }),
    iscsi,
    live: fakeLive(options.live),
    osTree,
    sessions,
    reach: fakeReach({ clock, log, peers: options.peers ?? {} }),
    snapshots: fakeSnapshots({ etcd, address: ownAddress, files, log }),
    fleetLock: fakeFleetLock({ log, servers: options.fleetLockServers ?? {} }),
    httpServer: fakeHttpServer(log),
    storageSetup: {
      async run() {
        if (options.storageSetup === undefined) throw new Error('fake host: nobody scripted docker-storage-setup');
        return await options.storageSetup(host);
      },
    },
    get effects() {
      return log.lines;
    },
    firewall: rules,
    modules,
    setEngine(next) {
      engine = next;
    },
    setDevice: (device) => void devices.set(device.name, device),
    removeDevice: (name) => void devices.delete(name),
    setRoutes(next) {
      routes = [...next];
    },
    setVersion: (path, text) => void versions.set(path, text),
    addChain: (chain) => void chains.add(chain),
    flushFirewall: () => rules.clear(),
    boot(how = 'orderly', choice = 'default') {
      log.revive();
      boots++;
      bootedAtMs = clock.monotonicMs();
      files.drop('/run');
      files.drop('/sys/module');
      files.drop('/proc/sys/net/bridge');
      files.put({ '/run/systemd/system': { directory: true }, '/proc/modules': '' });
      modules.clear();
      rules.clear();
      plugIn();
      // Local disks are there again; LUNs come with the login.
      disks.boot(true);
      iscsi.boot();
      units.boot();
      sessions.boot();
      if (options.osTree !== undefined) osTree.boot(how, choice);
    },
  };
  return host;
}

function networkOf(address: string, prefixLength: number): string {
  const octets = address.split('.').map(Number);
  const bits = octets.reduce((value, octet) => value * 256 + octet, 0);
  const size = 2 ** (32 - prefixLength);
  const base = Math.floor(bits / size) * size;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.')}/${prefixLength}`;
}

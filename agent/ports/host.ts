// The port to the machine. ReadOnlyHost can only ask; a verb that must not change anything is given no more.

import type { AbsolutePath } from '../model/paths.ts';
import type { Clock } from './clock.ts';
import type { Files, ReadOnlyFiles } from './files.ts';
import type { FleetLockClient, HttpServer } from './fleet-lock.ts';
import type { ReadOnlyLive } from './live.ts';
import type { OsTree, ReadOnlyOsTree } from './os-tree.ts';
import type { Disks, Iscsi, Lvm, ReadOnlyDisks, ReadOnlyIscsi, ReadOnlyLvm, StorageSetup } from './storage.ts';
import type { EndpointHealth, KeyStore, SwapStore } from './store.ts';
import type { EtcdSnapshots, Reach, Sessions, Surveyed } from './survey.ts';
import type { ReadOnlyUnits, Units } from './units.ts';

export interface HostAddress {
  readonly device: string;
  readonly address: string;
  readonly prefixLength: number;
}

export interface DeviceState {
  readonly name: string;
  readonly addresses: readonly HostAddress[];
  readonly mtu: number;
  /** Devices enslaved to it, for a bridge: the containers' veths. */
  readonly ports: readonly string[];
}

export interface Network {
  /** Every IPv4 address of the host. */
  addresses(): Promise<readonly HostAddress[]>;
  /** One device, null when there is none of that name. */
  device(name: string): Promise<DeviceState | null>;
  /** Destinations of the routing table as CIDR, without the default route. */
  routes(): Promise<readonly { readonly destination: string; readonly device: string }[]>;
}

/** Programs the agent may ask for their version; nothing else is ever run through this. */
export type VersionedProgram = 'etcd' | 'flanneld' | 'dockerd';

export interface Programs {
  /** First lines a program prints for --version, stdout and stderr; null when it cannot be run. */
  versionText(program: VersionedProgram, path: AbsolutePath): Promise<string | null>;
}

/** Asking is reading; keeping the answers for the next run is not, so only verbs that may change the host do it. */
export interface RememberingPrograms extends Programs {
  remember(): Promise<void>;
}

export interface EngineFacts {
  readonly version: string;
  readonly storageDriver: string;
  readonly runningContainers: number;
}

export interface Engine {
  /** @throws AgentError `unavailable` when the engine's socket does not answer within the deadline, `noperm` when it may not be opened */
  facts(): Promise<EngineFacts>;
}

export interface EtcdClient {
  /** A store for one of the two APIs; nothing is contacted before the first call on it. */
  keys(api: 'v2' | 'v3', endpoints: readonly string[]): Promise<KeyStore>;
  leases(endpoints: readonly string[]): Promise<SwapStore>;
  /** Ask each endpoint's /health, all at once, each with its own deadline; never throws. */
  health(endpoints: readonly string[], deadlineMs: number): Promise<readonly EndpointHealth[]>;
  /** Every member's own view of the cluster, all asked at once, each with its own deadline; never throws. */
  survey(endpoints: readonly string[], deadlineMs: number): Promise<readonly Surveyed[]>;
}

/** Facts of the machine that are read once and are not files of the tree below --root. */
export interface Machine {
  /** False below --root, or where systemd is not PID 1. */
  readonly isLive: boolean;
  readonly isRoot: boolean;
  /** Where this program lives on the host; below --root and when run from source, where packages install it. */
  readonly program: AbsolutePath;
  bootId(): Promise<string>;
  /** Milliseconds since the kernel started, by its own clock: it only goes forward, whatever sets the time. */
  uptimeMs(): Promise<number>;
  /** DMI product UUID where it may be read, else the machine id, else null. */
  hardwareId(): Promise<string | null>;
  machineId(): Promise<string | null>;
  /** Text digest, hexadecimal SHA-256. */
  digest(text: string): string;
  /** Facts for the record of the fleet: kernel, memory, CPU count, distribution; from systeminformation. */
  inventory(): Promise<Readonly<Record<string, string>>>;
}

export interface ReadOnlyHost {
  readonly files: ReadOnlyFiles;
  readonly units: ReadOnlyUnits;
  readonly network: Network;
  readonly programs: Programs;
  readonly engine: Engine;
  readonly etcd: EtcdClient;
  readonly disks: ReadOnlyDisks;
  readonly lvm: ReadOnlyLvm;
  readonly iscsi: ReadOnlyIscsi;
  readonly live: ReadOnlyLive;
  readonly osTree: ReadOnlyOsTree;
  readonly sessions: Sessions;
  readonly reach: Reach;
  readonly clock: Clock;
  readonly machine: Machine;
}

export interface Kernel {
  loadModule(name: string): Promise<void>;
  removeDevice(name: string): Promise<void>;
  hasFirewallChain(table: 'filter' | 'raw' | 'nat', chain: string): Promise<boolean>;
  /** Insert an iptables rule at the head of the chain unless it is already in it. @returns whether it was inserted */
  ensureFirewallRule(table: 'filter' | 'raw' | 'nat', chain: string, rule: readonly string[]): Promise<boolean>;
}

export interface Host extends ReadOnlyHost {
  readonly files: Files;
  readonly units: Units;
  readonly programs: RememberingPrograms;
  readonly kernel: Kernel;
  readonly disks: Disks;
  readonly lvm: Lvm;
  readonly iscsi: Iscsi;
  readonly storageSetup: StorageSetup;
  readonly osTree: OsTree;
  readonly snapshots: EtcdSnapshots;
  readonly fleetLock: FleetLockClient;
  readonly httpServer: HttpServer;
}

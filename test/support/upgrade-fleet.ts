// A fleet of fake hosts with one fake etcd and one time: each runs the real coordinator, reports, goes down and comes up.

import { leaveAsk } from '../../agent/cli/ask.ts';
import type { ClusterConfig, ClusterNode } from '../../agent/model/cluster-config.ts';
import { upgradeOf } from '../../agent/model/cluster-config.ts';
import { type Condition, summarize } from '../../agent/model/condition.ts';
import type { Deployment, OsState } from '../../agent/model/deployment.ts';
import { isAgentError } from '../../agent/model/errors.ts';
import { deniedKey, holdKey, nodeKey, nodesPrefix, semaphoreKey } from '../../agent/model/keys.ts';
import type { NodeIdentity } from '../../agent/model/node-identity.ts';
import { upgradeFile, upgradeViewFile } from '../../agent/model/paths.ts';
import type { ReadinessRecord } from '../../agent/model/readiness.ts';
import type { Semaphore } from '../../agent/model/semaphore.ts';
import type {
  Ask,
  DeniedReleases,
  Errand,
  UpgradeGroup,
  UpgradeMemory,
  UpgradeView,
} from '../../agent/model/upgrade.ts';
import type { Host } from '../../agent/ports/host.ts';
import type { SwapStore } from '../../agent/ports/store.ts';
import { leaseTtlSecs } from '../../agent/readiness/publish.ts';
import { parseRecord } from '../../agent/readiness/record.ts';
import { upgradeConditions } from '../../agent/upgrade/conditions.ts';
import type { Coordination } from '../../agent/upgrade/coordination.ts';
import { coordinate } from '../../agent/upgrade/coordinator.ts';
import type { FleetPlace } from '../../agent/upgrade/fleet-state.ts';
import { readMemory, writeMemory } from '../../agent/upgrade/memory.ts';
import { emptySemaphore, parseSemaphore } from '../../agent/upgrade/semaphore.ts';
import { etcdSlots } from '../../agent/upgrade/slots.ts';
import { readView } from '../../agent/upgrade/view.ts';
import { clusterConfig } from './builders.ts';
import { type EffectLog, effectLog, Killed } from './effect-log.ts';
import { type FakeEtcd, fakeEtcd } from './fake-etcd.ts';
import type { FakeAnswer } from './fake-fleet-lock.ts';
import { type FakeHost, fakeHost } from './fake-host.ts';
import type { FakeRelease } from './fake-os-tree.ts';
import { checksumOf, upgradeGroup } from './upgrade-builders.ts';
import { type VirtualClock, virtualClock } from './virtual-clock.ts';

/** `dead`: it never comes up again. `unbootable`: the boot loader goes back to the deployment before. */
export type Behaviour = 'good' | 'unready' | 'unbootable' | 'greenboot-red' | 'dead';

export interface FleetOptions {
  readonly nodes?: number;
  /** The first so many are etcd members; default all. */
  readonly members?: number;
  /** Default: all nodes in one group, which does nothing by itself. */
  readonly groups?: readonly (Partial<UpgradeGroup> & { readonly nodes: readonly string[] })[];
  /** What the nodes are in; default 41.1. Null: no host has deployments. */
  readonly version?: string | null;
  readonly greenboot?: boolean;
  readonly fleetLockServers?: Readonly<Record<string, FakeAnswer>>;
  readonly seed?: number;
  /** All report at the same instants, and so do all else; default: one after the other. */
  readonly isInStep?: boolean;
  /** Between what the coordinator does and the world: a test's own faults. */
  readonly between?: (node: FleetNode, coordination: Coordination) => Coordination;
}

/** An order to reboot, as the machine got it. */
export interface Order {
  readonly node: string;
  readonly atMs: number;
  readonly bootId: string;
  readonly errand: Errand | null;
  /** As the node remembered it at that instant. */
  readonly memory: UpgradeMemory | null;
}

export interface FleetNode {
  readonly name: string;
  readonly address: string;
  readonly isMember: boolean;
  readonly group: UpgradeGroup;
  readonly host: FakeHost;
  /** Its own wall clock, over the time that all share. */
  readonly clock: VirtualClock;
  state: 'up' | 'stopping' | 'down';
  /** When what is under way (going down, coming up) is over; null: not by itself. */
  nextMs: number | null;
  how: 'orderly' | 'power-cut';
  /** Something besides its release is wrong with it. */
  isIll: boolean;
  /** How long it is away when it goes down, milliseconds. */
  bootMs: number;
}

interface Inner extends FleetNode {
  /** Counted up when everything that runs there ends. */
  life: number;
  runs: number;
  lease: { readonly id: string; readonly life: number } | null;
  reportMs: number;
  timerMs: number;
  memberMs: number | null;
  isReporting: boolean;
  isOrdered: boolean;
  killAtLine: { readonly line: number; readonly phase: 'before' | 'during' | 'after' } | null;
}

export interface Fleet {
  readonly config: ClusterConfig;
  readonly etcd: FakeEtcd;
  readonly time: VirtualClock;
  readonly nodes: readonly FleetNode[];
  /** Every order to reboot so far. */
  readonly orders: readonly Order[];
  /** `12:00 a1 up in 41.2`, for people who read a failure. */
  readonly history: readonly string[];
  /** What ended a run of a coordinator, except kills. */
  readonly failures: readonly { readonly node: string; readonly error: Error }[];
  /** The smallest number of nodes that were up at once since the beginning. */
  readonly leastUp: number;
  /** Whether etcd was without a quorum at any time. */
  readonly lostQuorum: boolean;
  /** Called after each step of time, and after each order. */
  watch(see: { step?(): void; ordered?(order: Order): void }): void;
  node(name: string): FleetNode;
  /** Let time pass. */
  run(ms: number): Promise<void>;
  /** Let time pass until it is so. @returns whether it came to be */
  runUntil(isSo: () => boolean, withinMs: number): Promise<boolean>;
  /** Offer a release, which behaves so where it is booted. */
  publish(
    version: string,
    behaviour?: Behaviour | ((node: string) => Behaviour),
    packages?: FakeRelease['packages'],
  ): void;
  /** Change how a release that was published behaves where it is booted from now on. */
  behave(version: string, behaviour: (node: string) => Behaviour): void;
  behaviourIn(version: string): (node: string) => Behaviour;
  /** Whether a hold stands in etcd. */
  isHeld(group: string): boolean;
  bootId(name: string): string;
  /** Whether the node's etcd member runs. */
  runsEtcd(name: string): boolean;
  /** How long the node has been up, milliseconds; 0 while it is not. */
  upMs(name: string): number;
  /** Start the unit; a second one of the unit's own does nothing while the first is under way. */
  start(name: string, isByHand?: boolean): void;
  /** As the verbs do it. @throws AgentError `tempfail` while something else is under way there */
  ask(
    name: string,
    ask: Pick<Ask, 'kind'> & Partial<Pick<Ask, 'release' | 'reason' | 'outsideWindow' | 'acceptOutage' | 'deny'>>,
  ): Promise<void>;
  /** @returns false when it is too late for it */
  cancel(name: string): Promise<boolean>;
  powerOff(name: string, how?: 'orderly' | 'power-cut', awayMs?: number | null): void;
  powerOn(name: string): void;
  /** Everything of the agent that runs there now ends; the host stays up. */
  kill(name: string): void;
  /** Kill the coordinator at the n-th effect of the host since the beginning, across boots. */
  killAt(name: string, line: number, phase: 'before' | 'during' | 'after'): void;
  /** What a `kill` of `killAt` does besides: null is a mere kill. */
  onKilled: ((name: string) => void) | null;
  memory(name: string): UpgradeMemory | null;
  booted(name: string): Deployment;
  state(name: string): OsState | null;
  view(name: string): UpgradeView | null;
  semaphore(group?: string): Semaphore;
  denied(group?: string): readonly string[];
  /** Where an operator on a node writes. */
  place(group?: string): FleetPlace;
  releaseByHand(holder: string, group?: string): Promise<void>;
}

const stepMs = 5_000;
const reportEveryMs = 20_000;
const timerEveryMs = 10 * 60_000;
const stopWithinMs = 15_000;
const memberAfterMs = 5_000;
const warmMs = 30_000;

/** A release of that version, by its name only. */
export function fakeRelease(version: string, packages: FakeRelease['packages'] = {}): FakeRelease {
  return { version, checksum: checksumOf(version), packages: { etcd: 'etcd-3.4.23-1.x86_64', ...packages } };
}

/** A fleet for tests. */
export function upgradeFleet(options: FleetOptions = {}): Fleet {
  const { nodes: count = 3, members = count, version = '41.1', seed = 1 } = options;
  const time = virtualClock({ manual: true, seed });
  const named = Array.from({ length: count }, (_, i): ClusterNode => {
    return { name: `a${i + 1}`, address: `192.168.99.${51 + i}`, metadata: {}, storage: null };
  });
  const groups = (options.groups ?? [{ nodes: named.map((n) => n.name) }]).map((group) => ({
    ...upgradeGroup(group),
    nodes: group.nodes,
  }));
  const config = clusterConfig({
    nodes: named,
    etcd: { members: named.slice(0, members).map((n) => n.name) },
    upgrade: { groups, fleetLockListen: null },
  });
  const etcd = fakeEtcd({ members: named.slice(0, members).map((n) => n.address), clock: time });
  const behaviours = new Map<string, (node: string) => Behaviour>();
  const orders: Order[] = [];
  const history: string[] = [];
  const failures: { node: string; error: Error }[] = [];
  const watchers: { step?(): void; ordered?(order: Order): void }[] = [];
  const operatorLog = effectLog();
  let leastUp = count;
  let lostQuorum = false;
  let fault: Error | null = null;

  function tell(text: string): void {
    history.push(`${new Date(time.now()).toISOString().slice(11, 19)} ${text}`);
  }

  const nodes = named.map(({ name, address }, i): Inner => {
    const clock = ownClock(time);
    const isMember = i < members;
    const host = fakeHost({
      address: `${address}/24`,
      clock,
      etcd,
      engine: { version: '20.10.24', storageDriver: 'overlay2', runningContainers: 3 },
      ...(version === null ? {} : { osTree: { releases: [fakeRelease(version)] } }),
      units: {
        'reboot.target': { state: {} },
        ...(options.greenboot === true
          ? { 'greenboot-healthcheck.service': { state: { active: 'active' as const, sub: 'exited' } } }
          : {}),
      },
      ...(options.fleetLockServers === undefined ? {} : { fleetLockServers: options.fleetLockServers }),
      machine: { bootId: `boot-1-of-${name}` },
    });
    return {
      name,
      address,
      isMember,
      group: upgradeOf(config, name),
      host,
      clock,
      state: 'up',
      nextMs: null,
      how: 'orderly',
      isIll: false,
      bootMs: 90_000,
      life: 0,
      runs: 0,
      lease: null,
      reportMs: 60_000 + (options.isInStep === true ? 0 : i * 3_000),
      timerMs: 60_000 + (options.isInStep === true ? 0 : (i + 1) * 40_000),
      memberMs: null,
      isReporting: false,
      isOrdered: false,
      killAtLine: null,
    };
  });

  function find(name: string): Inner {
    const found = nodes.find((n) => n.name === name);
    if (found === undefined) throw new Error(`fleet: there is no node ${name}`);
    return found;
  }

  function behaviourOf(node: FleetNode): Behaviour {
    const booted = bootedIn(node);
    return behaviours.get(booted ?? '')?.(node.name) ?? 'good';
  }

  const states = new Map<string, OsState | null>();

  /** The tree answers at once: what it says is there after the microtasks of this very turn. */
  async function lookAtTree(node: Inner): Promise<void> {
    states.set(node.name, await fakeStateOf(node.host));
  }

  function bootedIn(node: FleetNode): string | null {
    return states.get(node.name)?.deployments.find((d) => d.booted)?.version ?? null;
  }

  /** Nothing that began before the host went down, or was killed, does anything any more. */
  function lifeOf(node: Inner): () => void {
    const { life } = node;
    return () => {
      if (node.life !== life) throw new Killed(`with all of ${node.name}`);
    };
  }

  async function conditionsOf(node: Inner, host: Pick<Host, 'etcd'>): Promise<Condition[]> {
    const upMs = await node.host.machine.uptimeMs();
    const endpoints = node.isMember
      ? ['http://127.0.0.1:2379']
      : named.slice(0, members).map((n) => `http://${n.address}:2379`);
    const health = await host.etcd.health(endpoints, 2_000);
    const isWarm = upMs >= warmMs;
    const isIll = node.isIll || (isWarm && behaviourOf(node) === 'unready');
    return [
      said('Configured', true, 'degraded'),
      said(
        'EtcdHealthy',
        health.some((h) => h.outcome === 'healthy'),
        'degraded',
      ),
      said('FlannelLease', isWarm, 'waiting'),
      said('DockerRunning', isWarm && !isIll, isWarm ? 'failed' : 'waiting'),
    ];
  }

  function storeOf(node: FleetNode, log: EffectLog): Promise<SwapStore> {
    const own = node.isMember ? ['http://127.0.0.1:2379'] : [];
    const others = named.slice(0, members).filter((n) => n.name !== node.name);
    const endpoints = [...own, ...others.map((n) => `http://${n.address}:2379`)];
    return etcd.clientFor(node.address, log).leases(endpoints);
  }

  async function recordsFrom(store: SwapStore): Promise<ReadonlyMap<string, ReadinessRecord>> {
    const values = await store.list(nodesPrefix(config.cluster));
    const records = values.map((v) => parseRecord(v.value)).filter((r): r is ReadinessRecord => r !== null);
    return new Map(records.map((r) => [r.node, r]));
  }

  async function coordinationOf(node: Inner): Promise<Coordination> {
    const assertAlive = lifeOf(node);
    const noteOrder = (): void => ordered(node);
    const host = mortal<Host>(node.host, assertAlive, noteOrder);
    const store = mortal(await storeOf(node, node.host.log), assertAlive, noteOrder);
    const identity: NodeIdentity = {
      name: node.name,
      address: node.address,
      etcdRole: node.isMember ? 'member' : 'client',
      metadata: {},
      instanceId: null,
      hardwareId: null,
      source: 'a test',
    };
    const coordination: Coordination = {
      host,
      reporter: { emit: () => undefined },
      config,
      node: identity,
      group: node.group,
      store,
      isLiveRoot: false,
      bootUrls: [],
      signal: new AbortController().signal,
      conditions: () => conditionsOf(node, host),
      records: () => recordsFrom(store),
    };
    return options.between?.(node, coordination) ?? coordination;
  }

  function ordered(node: Inner): void {
    const isAsked = node.host.units.isRebooting || (version !== null && node.host.osTree.isRebooting);
    if (!isAsked || node.isOrdered || node.state !== 'up') return;
    node.isOrdered = true;
    node.host.units.change('reboot.target', { jobQueued: true });
    const memory = memoryOf(node);
    const order = {
      node: node.name,
      atMs: time.monotonicMs(),
      bootId: memory?.began.bootId ?? '',
      errand: memory?.errand ?? null,
      memory,
    };
    orders.push(order);
    tell(`${node.name} is told to reboot (${memory?.errand?.kind ?? 'nobody knows why'})`);
    for (const watcher of watchers) watcher.ordered?.(order);
  }

  function memoryOf(node: FleetNode): UpgradeMemory | null {
    const text = node.host.files.snapshot()[upgradeFile];
    try {
      return text === undefined ? null : (JSON.parse(text) as UpgradeMemory);
    } catch {
      return null;
    }
  }

  function start(node: Inner, isByHand: boolean): void {
    if (node.state !== 'up' || (node.runs > 0 && !isByHand)) return;
    const { life } = node;
    node.runs++;
    const run = async (): Promise<void> => {
      await coordinate(await coordinationOf(node));
    };
    run()
      .catch((error: unknown) => {
        if (error instanceof Killed) {
          if (node.life === life) killed(node);
        } else if (isAgentError(error) && error.kind !== 'bug') failures.push({ node: node.name, error });
        else fault ??= error instanceof Error ? error : new Error(String(error));
      })
      .finally(() => {
        if (node.life !== life) return;
        node.runs--;
        node.timerMs = time.monotonicMs() + timerEveryMs;
        ordered(node);
      });
  }

  function killed(node: Inner): void {
    tell(`${node.name}: the coordinator is killed`);
    node.killAtLine = null;
    end(node);
    node.host.log.revive();
    ordered(node);
    fleet.onKilled?.(node.name);
  }

  /** Whatever runs there is over. */
  function end(node: Inner): void {
    node.life++;
    node.runs = 0;
    node.isReporting = false;
  }

  async function report(node: Inner): Promise<void> {
    const assertAlive = lifeOf(node);
    const host = mortal<Host>(node.host, assertAlive, () => undefined);
    const store = mortal(await storeOf(node, effectLog()), assertAlive, () => undefined);
    const view = await readView(host.files);
    const conditions = [...(await conditionsOf(node, host)), ...upgradeConditions(view)];
    const bootId = await host.machine.bootId();
    const record: ReadinessRecord = {
      schema: 1,
      node: node.name,
      address: node.address,
      etcdRole: node.isMember ? 'member' : 'client',
      metadata: {},
      summary: summarize(conditions),
      conditions,
      versions: {},
      bootId,
      machineId: null,
      reportedAt: node.clock.timestamp(),
      since: node.clock.timestamp(),
      subnet: null,
      ...(view === null ? {} : { upgrade: view }),
    };
    try {
      const isKept = node.lease?.life === bootLife(node) && (await store.keepLeaseAlive(node.lease.id));
      const id = isKept && node.lease !== null ? node.lease.id : await store.grantLease(leaseTtlSecs);
      node.lease = { id, life: bootLife(node) };
      await store.putUnderLease(nodeKey(config.cluster, node.name), JSON.stringify(record), id);
    } catch (error) {
      if (!isAgentError(error)) throw error;
    }
    if (isLookDue(node, view)) start(node, false);
  }

  const bootsOf = new Map<string, number>();
  const bootLife = (node: Inner): number => bootsOf.get(node.name) ?? 0;

  /** As the report of the agent does it. */
  function isLookDue(node: Inner, view: UpgradeView | null): boolean {
    const memory = memoryOf(node);
    if (memory !== null && (memory.phase !== 'steady' || memory.ask !== null)) {
      const { lookAgain } = memory;
      if (lookAgain === null) return true;
      const uptimeMs = time.monotonicMs() - (bootedAt.get(node.name) ?? 0);
      return lookAgain.bootId !== bootIdOf(node) || uptimeMs >= lookAgain.uptimeMs;
    }
    if (version === null) return false;
    const ageMs = view === null ? Number.POSITIVE_INFINITY : node.clock.ageMs(view.seenAt);
    return !(ageMs >= 0 && ageMs < timerEveryMs);
  }

  const bootedAt = new Map<string, number>();
  const bootIds = new Map<string, string>();
  const bootIdOf = (node: FleetNode): string => bootIds.get(node.name) ?? `boot-1-of-${node.name}`;

  function powerOff(node: Inner, how: 'orderly' | 'power-cut', awayMs: number | null): void {
    if (node.state === 'down') return;
    end(node);
    node.state = 'down';
    node.how = how;
    node.nextMs = awayMs === null ? null : time.monotonicMs() + awayMs;
    node.memberMs = null;
    if (node.isMember) etcd.setMember(node.address, 'unreachable');
    tell(`${node.name} is down (${how})`);
  }

  async function powerOn(node: Inner): Promise<void> {
    node.nextMs = null;
    node.isOrdered = false;
    node.host.boot(node.how);
    await lookAtTree(node);
    const behaviour = behaviourOf(node);
    if (behaviour === 'dead') {
      tell(`${node.name} does not come up in ${bootedIn(node)}`);
      return;
    }
    if (behaviour === 'unbootable') {
      node.host.boot('power-cut', 'fallback');
      await lookAtTree(node);
    }
    node.state = 'up';
    bootsOf.set(node.name, bootLife(node) + 1);
    bootedAt.set(node.name, time.monotonicMs());
    bootIds.set(node.name, await node.host.machine.bootId());
    if (options.greenboot === true) {
      const isRed = behaviourOf(node) === 'greenboot-red';
      node.host.units.change('greenboot-healthcheck.service', {
        active: isRed ? 'failed' : 'active',
        mainStartMs: time.monotonicMs(),
      });
    }
    node.reportMs = time.monotonicMs() + 10_000;
    if (options.isInStep === true) node.reportMs = Math.ceil(node.reportMs / reportEveryMs) * reportEveryMs;
    node.timerMs = time.monotonicMs() + 60_000;
    node.memberMs = time.monotonicMs() + memberAfterMs;
    arm(node);
    tell(`${node.name} is up in ${bootedIn(node) ?? 'what it was in'}`);
  }

  function arm(node: Inner): void {
    const { killAtLine } = node;
    if (killAtLine === null) return;
    const left = killAtLine.line - node.host.log.lines.length;
    if (left >= 0) node.host.log.killAt(left, killAtLine.phase);
  }

  async function tick(node: Inner): Promise<void> {
    const nowMs = time.monotonicMs();
    ordered(node);
    if (node.state === 'up' && node.isOrdered) {
      node.state = 'stopping';
      node.nextMs = nowMs + stopWithinMs;
    }
    if (node.state === 'stopping' && node.nextMs !== null && nowMs >= node.nextMs) {
      powerOff(node, 'orderly', node.bootMs);
      return;
    }
    if (node.state === 'down') {
      if (node.nextMs !== null && nowMs >= node.nextMs) await powerOn(node);
      return;
    }
    if (node.memberMs !== null && nowMs >= node.memberMs) {
      node.memberMs = null;
      if (node.isMember) etcd.setMember(node.address, 'up');
    }
    if (node.state === 'up' && nowMs >= node.timerMs) start(node, false);
    if (nowMs >= node.reportMs && !node.isReporting) {
      node.reportMs = nowMs + reportEveryMs;
      node.isReporting = true;
      const { life } = node;
      report(node)
        .catch((error: unknown) => {
          if (!(error instanceof Killed)) fault ??= error instanceof Error ? error : new Error(String(error));
        })
        .finally(() => {
          if (node.life === life) node.isReporting = false;
        });
    }
  }

  async function step(): Promise<void> {
    for (const node of nodes) await tick(node);
    await time.advance(stepMs);
    for (const node of nodes) await lookAtTree(node);
    leastUp = Math.min(leastUp, nodes.filter((n) => n.state !== 'down').length);
    if (!etcd.hasQuorum) lostQuorum = true;
    for (const watcher of watchers) watcher.step?.();
    if (fault !== null) throw fault;
  }

  function place(group = groups[0]?.name ?? 'default'): Promise<FleetPlace> {
    const [first] = nodes;
    if (first === undefined) throw new Error('fleet: it has no nodes');
    return storeOf(first, operatorLog).then((store) => ({ store, clock: time, cluster: config.cluster, group }));
  }

  let operatorPlace: FleetPlace | null = null;

  const fleet: Fleet = {
    config,
    etcd,
    time,
    nodes,
    orders,
    history,
    failures,
    get leastUp() {
      return leastUp;
    },
    get lostQuorum() {
      return lostQuorum;
    },
    onKilled: null,
    watch: (see) => void watchers.push(see),
    node: find,
    async run(ms) {
      const untilMs = time.monotonicMs() + ms;
      operatorPlace ??= await place();
      while (time.monotonicMs() < untilMs) await step();
    },
    async runUntil(isSo, withinMs) {
      const untilMs = time.monotonicMs() + withinMs;
      operatorPlace ??= await place();
      while (!isSo() && time.monotonicMs() < untilMs) await step();
      return isSo();
    },
    publish(released, behaviour = 'good', packages = {}) {
      behaviours.set(released, typeof behaviour === 'function' ? behaviour : () => behaviour);
      for (const { host } of nodes) host.osTree.publish(fakeRelease(released, packages));
    },
    behave: (released, behaviour) => void behaviours.set(released, behaviour),
    behaviourIn: (released) => behaviours.get(released) ?? (() => 'good'),
    isHeld: (group) => etcd.keys('v3').has(holdKey(config.cluster, group)),
    bootId: (name) => bootIdOf(find(name)),
    runsEtcd(name) {
      const node = find(name);
      return node.isMember && node.state !== 'down' && node.memberMs === null;
    },
    upMs(name) {
      return find(name).state === 'down' ? 0 : time.monotonicMs() - (bootedAt.get(name) ?? 0);
    },
    start: (name, isByHand = false) => start(find(name), isByHand),
    async ask(name, { kind, release = null, reason = 'asked for', ...given }) {
      const node = find(name);
      await leaveAsk(await coordinationOf(node), { kind, release, reason }, given);
      start(node, false);
    },
    async cancel(name) {
      const { host } = find(name);
      const { memory, text } = await readMemory(host.files);
      if (memory === null || (memory.phase !== 'steady' && memory.phase !== 'ready-to-go')) return false;
      await writeMemory(host.files, { ...memory, ask: null, lookAgain: null }, text);
      return true;
    },
    powerOff: (name, how = 'power-cut', awayMs = 90_000) => powerOff(find(name), how, awayMs),
    powerOn(name) {
      const node = find(name);
      if (node.state === 'down') node.nextMs = time.monotonicMs();
    },
    kill: (name) => end(find(name)),
    killAt(name, line, phase) {
      const node = find(name);
      node.killAtLine = { line, phase };
      arm(node);
    },
    memory: (name) => memoryOf(find(name)),
    booted(name) {
      const found = states.get(name)?.deployments.find((d) => d.booted);
      if (found === undefined) throw new Error(`fleet: nobody has looked at ${name} yet; let time pass first`);
      return found;
    },
    state: (name) => states.get(name) ?? null,
    view(name) {
      const text = find(name).host.files.snapshot()[upgradeViewFile];
      return text === undefined ? null : (JSON.parse(text) as UpgradeView);
    },
    semaphore(group = groups[0]?.name ?? 'default') {
      const stored = etcd.keys('v3').get(semaphoreKey(config.cluster, group));
      const parsed = stored === undefined ? null : parseSemaphore(stored.value);
      return parsed ?? emptySemaphore(group, 1);
    },
    denied(group = groups[0]?.name ?? 'default') {
      const stored = etcd.keys('v3').get(deniedKey(config.cluster, group));
      const value = stored === undefined ? null : (JSON.parse(stored.value) as DeniedReleases);
      return (value?.denied ?? []).map((d) => d.release.text);
    },
    place(group) {
      if (operatorPlace === null) throw new Error('fleet: let time pass before an operator comes');
      return { ...operatorPlace, group: group ?? operatorPlace.group };
    },
    async releaseByHand(holder, group) {
      const { store, clock, cluster, group: name } = fleet.place(group);
      const names = groups.map((g) => g.name);
      const slots = etcdSlots({ store, clock, cluster, group: name, groups: [...new Set(['default', ...names])] });
      await slots.release(holder, 'operator', 'it is known why');
    },
  };
  return fleet;
}

/** A wall clock of its own over the time that all share. */
function ownClock(time: VirtualClock): VirtualClock {
  let aheadMs = 0;
  const now = (): number => time.now() + aheadMs;
  return {
    ...time,
    now,
    timestamp: () => new Date(now()).toISOString(),
    ageMs: (timestamp) => now() - Date.parse(timestamp),
    setWallClock(epochMs) {
      aheadMs = epochMs - time.now();
    },
  };
}

function said(type: Condition['type'], isMet: boolean, severity: Condition['severity']): Condition {
  return { type, status: isMet ? 'True' : 'False', reason: 'Said', message: `${type} ${isMet}`, severity };
}

async function fakeStateOf({ osTree, log }: FakeHost): Promise<OsState | null> {
  try {
    log.assertAlive();
    return await osTree.state();
  } catch (error) {
    if (isAgentError(error)) return null;
    throw error;
  }
}

/** The same ports, for as long as whoever asks is alive; `after` is called when anything was done. */
function mortal<T extends object>(target: T, assertAlive: () => void, after: () => void): T {
  return new Proxy(target, {
    get(of, key) {
      const value: unknown = Reflect.get(of, key);
      if (typeof value === 'function') {
        return (...args: readonly unknown[]): unknown => {
          assertAlive();
          const answer: unknown = Reflect.apply(value, of, args);
          after();
          if (!(answer instanceof Promise)) return answer;
          return answer.then((found: unknown) => {
            after();
            assertAlive();
            return found;
          });
        };
      }
      return typeof value === 'object' && value !== null ? mortal(value, assertAlive, after) : value;
    },
  });
}

// One fleet through one list of events, with the laws that must hold at every step and what must have become of it in the end.

import { AgentError, isAgentError } from '../../agent/model/errors.ts';
import { objections } from '../../agent/model/proof.ts';
import { allowRelease, setHold, setTarget } from '../../agent/upgrade/fleet-state.ts';
import { strategyOf } from '../../agent/upgrade/strategies/registry.ts';
import { type Behaviour, type Fleet, type FleetNode, type Order, upgradeFleet } from '../support/upgrade-fleet.ts';
import { eventfulMs, eventsOf, type Happening, type SimEvent, type World, worldOf } from './events.ts';
import type { Plant } from './plants.ts';
import { type Chance, chance } from './random.ts';

export interface Simulated {
  /** The first law that was broken and how; null when all held. */
  readonly broken: { readonly law: string; readonly how: string; readonly atMs: number } | null;
  readonly steps: number;
  readonly reboots: number;
  readonly denials: number;
  readonly takeovers: number;
  readonly history: readonly string[];
}

const minute = 60_000;
const hour = 60 * minute;
/** Within it everybody has to come to rest once nothing is wrong any more. */
const restWithinMs = 9 * hour;
/** As long as a call on the store may take until it is given up, and some more. */
const graceMs = 60_000;

class Broken extends Error {
  readonly law: string;

  constructor(law: string, how: string) {
    super(how);
    this.law = law;
  }
}

/** @param events those of the seed when none are given */
export async function simulate(
  seed: number,
  {
    events = eventsOf(seed, worldOf(seed)),
    plant = null,
  }: { events?: readonly SimEvent[]; plant?: (() => Plant) | null } = {},
): Promise<Simulated> {
  const world = worldOf(seed);
  const dice = chance(seed + 77);
  const lossy = new Set<string>();
  /** How long each trapped node is away. */
  const traps = new Map<string, number>();
  const wellAt = new Map<string, readonly string[]>();
  const planted = plant?.() ?? null;
  const fleet = upgradeFleet({
    nodes: world.nodes,
    members: world.members,
    groups: world.groups,
    seed,
    isInStep: seed % 2 === 0,
    between: (node, coordination) => {
      const real = throughTheNet(node, coordination, dice, lossy, (key) => {
        laws.swapped(key);
        const awayMs = traps.get(node.name);
        const isHolder = fleet.semaphore(node.group.name).holders.some((h) => h.id === node.name);
        if (awayMs === undefined || !key.endsWith('/semaphore') || !isHolder) return;
        traps.delete(node.name);
        fleet.powerOff(node.name, 'power-cut', awayMs);
      });
      const faulty = planted?.(node, real) ?? real;
      // What was true when the proof was made: noted where the coordinator asks, whatever it is told.
      const etcd = new Proxy(faulty.host.etcd, {
        get: (of, key): unknown =>
          key === 'survey'
            ? async (...args: Parameters<typeof of.survey>) => {
                const found = await of.survey(...args);
                wellAt.set(
                  node.name,
                  fleet.nodes.filter((n) => fleet.runsEtcd(n.name)).map((n) => n.name),
                );
                return found;
              }
            : Reflect.get(of, key),
      });
      return {
        ...faulty,
        host: new Proxy(faulty.host, { get: (of, key): unknown => (key === 'etcd' ? etcd : Reflect.get(of, key)) }),
      };
    },
  });
  const laws = lawsOf(fleet, world, wellAt);
  let steps = 0;
  let broken: Simulated['broken'] = null;
  fleet.watch({
    step: () => {
      steps++;
      laws.step();
    },
    ordered: (order) => laws.ordered(order),
  });
  try {
    await fleet.run(minute);
    const things = thingsOf(fleet, lossy, traps, dice);
    await happen(fleet, things, events);
    const versions = events.flatMap((e) => (e.kind === 'publish' ? [e.version] : []));
    await putRight(fleet, things, versions);
    const untilMs = fleet.time.monotonicMs() + restWithinMs;
    while (whoIsNotAtRest(fleet).length > 0 && fleet.time.monotonicMs() < untilMs) await fleet.run(minute);
    if (whoIsNotAtRest(fleet).length > 0) {
      throw new Broken('everybody comes to rest', whoIsNotAtRest(fleet).join('; '));
    }
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    broken = { law: error.law, how: error.message, atMs: fleet.time.monotonicMs() };
  }
  const logs = world.groups.flatMap((g) => fleet.semaphore(g.name).log);
  return {
    broken,
    steps,
    reboots: fleet.orders.length,
    denials: laws.denials(),
    takeovers: logs.filter((e) => e.what === 'taken over').length,
    history: fleet.history,
  };
}

/** Calls on the store take their time; some of a lossy node's fail, having done what they were to or not. */
function throughTheNet(
  node: FleetNode,
  coordination: Parameters<Plant>[1],
  dice: Chance,
  lossy: ReadonlySet<string>,
  swapped: (key: string) => void,
): Parameters<Plant>[1] {
  const { store, host } = coordination;
  const lost = new AgentError('unavailable', 'etcd did not answer in time', { hint: 'wait' });
  const slow = new Proxy(store, {
    get: (of, key): unknown => {
      const value: unknown = Reflect.get(of, key);
      if (typeof value !== 'function' || key === 'close') return value;
      return async (...args: readonly unknown[]): Promise<unknown> => {
        await host.clock.sleep(dice.next() * 150);
        const fate = lossy.has(node.name) ? dice.next() : 1;
        if (fate < 0.25) throw lost;
        const answer: unknown = await Reflect.apply(value, of, args);
        if (key === 'swap' && answer === true) swapped((args as Parameters<typeof store.swap>)[0].key);
        await host.clock.sleep(dice.next() * 150);
        if (fate < 0.5) throw lost;
        return answer;
      };
    },
  });
  return { ...coordination, store: slow };
}

interface Things {
  happen(event: Happening): Promise<void>;
  /** What was begun for a while is over. */
  end(event: Happening): void;
  disarm(): void;
}

function thingsOf(fleet: Fleet, lossy: Set<string>, traps: Map<string, number>, dice: Chance): Things {
  let newest = '41.1';
  let held = 0;
  const address = (name: string): string => fleet.node(name).address;
  return {
    async happen(event) {
      switch (event.kind) {
        case 'partition': {
          const far = event.side.map(address);
          fleet.etcd.partition(
            far,
            fleet.nodes.map((n) => n.address).filter((a) => !far.includes(a)),
          );
          return;
        }
        case 'loss':
          lossy.add(event.node);
          return;
        case 'power-cut':
          return fleet.powerOff(event.node, 'power-cut', event.forMs);
        case 'trap':
          traps.set(event.node, event.forMs);
          return;
        case 'kill':
          return fleet.kill(event.node);
        case 'two-runs':
          fleet.start(event.node, true);
          return fleet.start(event.node, true);
        case 'clock':
          return fleet.node(event.node).clock.setWallClock(fleet.time.now() + event.aheadMs);
        case 'ill':
          fleet.node(event.node).isIll = true;
          return;
        case 'login':
          return fleet.node(event.node).host.sessions.set([{ id: '4', user: 'kim', where: 'pts/1', isOwn: false }]);
        case 'publish':
          newest = event.version;
          return fleet.publish(event.version, (node) => event.bad[node] ?? 'good');
        case 'hold':
          await setHold(fleet.place(event.group), { schema: 1, reason: `no. ${++held}`, by: 'op', at: String(held) });
          return;
        case 'resume':
          await setHold(fleet.place(event.group), null);
          return;
        case 'target': {
          const release = event.release === 'newest' ? newest : event.release;
          const at = `t${++held}`;
          await setTarget(fleet.place(event.group), release === null ? null : { schema: 1, release, by: 'op', at });
          return;
        }
        case 'ask':
          if (fleet.node(event.node).state !== 'up') return;
          return await fleet.ask(event.node, { kind: event.ask, deny: event.deny });
        case 'cancel':
          await fleet.cancel(event.node);
          return;
        case 'allow': {
          const [first] = fleet.denied(event.group);
          if (first !== undefined) await allowRelease(fleet.place(event.group), first);
          return;
        }
        case 'release': {
          const gone = fleet.semaphore(event.group).holders.filter((h) => fleet.node(h.id).state === 'down');
          if (gone.length > 0) await fleet.releaseByHand(dice.one(gone).id, event.group);
          return;
        }
      }
    },
    disarm: () => traps.clear(),
    end(event) {
      if (event.kind === 'partition') fleet.etcd.heal();
      if (event.kind === 'loss') lossy.delete(event.node);
      if (event.kind === 'clock') fleet.node(event.node).clock.setWallClock(fleet.time.now());
      if (event.kind === 'ill') fleet.node(event.node).isIll = false;
      if (event.kind === 'login') fleet.node(event.node).host.sessions.set([]);
    },
  };
}

async function happen(fleet: Fleet, things: Things, events: readonly SimEvent[]): Promise<void> {
  const due = events
    .flatMap((event) => [
      { atMs: event.atMs, act: () => things.happen(event) },
      ...('forMs' in event && event.kind !== 'trap' && event.kind !== 'power-cut'
        ? [{ atMs: event.atMs + event.forMs, act: async () => things.end(event) }]
        : []),
    ])
    .filter((e) => e.atMs < eventfulMs)
    .sort((a, b) => a.atMs - b.atMs);
  const beganMs = fleet.time.monotonicMs();
  for (const { atMs, act } of due) {
    const leftMs = atMs - (fleet.time.monotonicMs() - beganMs);
    if (leftMs > 0) await fleet.run(leftMs);
    await tried(fleet, act);
  }
  await fleet.run(Math.max(0, eventfulMs - (fleet.time.monotonicMs() - beganMs)));
}

/** An operator who is refused, or whose store does not answer, goes away. */
async function tried(fleet: Fleet, act: () => Promise<void>): Promise<void> {
  let isOver = false;
  const done = act()
    .catch((error: unknown) => {
      if (!isAgentError(error)) throw error;
    })
    .finally(() => {
      isOver = true;
    });
  // A store that does not answer takes time, and time passes only when the fleet lets it.
  for (let i = 0; i < 4 && !isOver; i++) await fleet.time.advance(0);
  while (!isOver) await fleet.run(5_000);
  await done;
}

async function putRight(fleet: Fleet, things: Things, versions: readonly string[]): Promise<void> {
  const names = fleet.nodes.map((n) => n.name);
  things.disarm();
  // A host that is dead in a release is taken out of it by hand.
  for (const version of versions) {
    const before = fleet.behaviourIn(version);
    fleet.behave(version, (node): Behaviour => (before(node) === 'dead' ? 'unbootable' : before(node)));
  }
  for (const node of names) {
    for (const kind of ['loss', 'ill', 'login'] as const) things.end({ kind, node, forMs: 0 });
    things.end({ kind: 'clock', node, aheadMs: 0, forMs: 0 });
  }
  things.end({ kind: 'partition', side: [], forMs: 0 });
  for (const { name, group } of fleet.nodes) {
    fleet.powerOn(name);
    await tried(fleet, async () => void (await setHold(fleet.place(group.name), null)));
  }
}

/** Who is neither steady without a slot, nor waits for something that is really in the way. */
function whoIsNotAtRest(fleet: Fleet): string[] {
  return fleet.nodes.flatMap((node) => {
    const why = whyNotAtRest(fleet, node);
    return why === null ? [] : [`${node.name} ${why}`];
  });
}

function whyNotAtRest(fleet: Fleet, { name, state, group, clock }: FleetNode): string | null {
  if (state !== 'up') return `is ${state}`;
  const memory = fleet.memory(name);
  const isHeld = fleet.semaphore(group.name).holders.some((h) => h.id === name);
  const is = `${memory?.phase}${isHeld ? ' with a slot' : ''}: ${memory?.waiting?.reason ?? 'says nothing'}`;
  if (memory === null) return isHeld ? 'holds a slot and remembers nothing' : null;
  if (memory.untoldDenial !== null) return `${is}; ${memory.untoldDenial.release.text} is denied and nobody knows`;
  if (memory.phase === 'steady') return isHeld ? is : null;
  if (memory.phase === 'recovering' || memory.phase === 'verifying') {
    // In a release that is bad, without a way back: it says so, and keeps its slot.
    const isBad = fleet.behaviourIn(fleet.booted(name).version ?? '')(name) === 'unready';
    return isBad && memory.waiting?.hint !== undefined ? null : is;
  }
  if (memory.phase !== 'ready-to-go' || isHeld || memory.waiting === null) return is;
  if (!strategyOf(group.strategy).permits(group, clock.now()).go) return null;
  const { reason } = memory.waiting;
  if (reason.startsWith('canaries go first')) return null;
  // A node that is stuck in a bad release stands in everybody's way, and is named.
  const stuck = fleet.nodes.filter(
    (n) => n.name !== name && fleet.behaviourIn(fleet.booted(n.name).version ?? '')(n.name) === 'unready',
  );
  return stuck.some((n) => reason.includes(n.name)) ? null : is;
}

interface Laws {
  step(): void;
  /** A key was changed by compare-and-swap. */
  swapped(key: string): void;
  ordered(order: Order): void;
  denials(): number;
}

function lawsOf(fleet: Fleet, world: World, wellAt: ReadonlyMap<string, readonly string[]>): Laws {
  const limit = Math.floor((world.members - 1) / 2);
  const majority = Math.floor(world.members / 2) + 1;
  /** Since when something stands in the store: `g1 denied 41.2`, `g1 held`. */
  const since = new Map<string, number>();
  const everDenied = new Set<string>();
  const untold = new Map<string, string>();
  const toldOf = new Map<string, number>();
  const lastOrder = new Map<string, Order>();
  /** How much each node had done when its memory was last looked at. */
  const effects = new Map<string, number>();
  const lastEvents = new Map<string, string>();
  let lost: Broken | null = null;
  const isMember = (name: string): boolean => fleet.node(name).isMember;

  /** Members that were told to reboot and have not been back since. */
  function away(): string[] {
    for (const [name, { atMs }] of lastOrder) {
      const isBack = fleet.node(name).state === 'up' && fleet.time.monotonicMs() - fleet.upMs(name) > atMs;
      if (isBack) lastOrder.delete(name);
    }
    return [...lastOrder.keys()].filter(isMember);
  }

  function standing(what: string, isSo: boolean): void {
    if (!isSo) since.delete(what);
    else if (!since.has(what)) since.set(what, fleet.time.monotonicMs());
  }

  function standings(): void {
    for (const { name } of world.groups) {
      standing(`${name} held`, fleet.isHeld(name));
      const denied = fleet.denied(name);
      for (const key of since.keys()) {
        const [, version] = key.split(`${name} denied `);
        if (version !== undefined && !denied.includes(version)) since.delete(key);
      }
      for (const version of denied) {
        standing(`${name} denied ${version}`, true);
        everDenied.add(`${name} ${version}`);
      }
    }
  }

  const stoodFor = (what: string): number => fleet.time.monotonicMs() - (since.get(what) ?? Number.POSITIVE_INFINITY);

  function slots(): void {
    for (const { name, slots: most = 1 } of world.groups) {
      const { holders } = fleet.semaphore(name);
      if (holders.length > most) {
        throw new Broken('no more holders than slots', `${name} has ${most}: ${holders.map((h) => h.id).join(', ')}`);
      }
    }
    const members = world.groups.flatMap((g) => fleet.semaphore(g.name).holders).filter((h) => h.isMember);
    if (members.length > limit) {
      throw new Broken('members that may be away keep the quorum', members.map((h) => h.id).join(', '));
    }
  }

  /** At the very instant of the release: the node may go again right after it. */
  function soak(): Broken | null {
    for (const { name } of world.groups) {
      const { log } = fleet.semaphore(name);
      const released = log.filter((e) => e.what === 'released' && e.by === e.holder && e.why.startsWith('ready in'));
      for (const event of released.slice(-3)) {
        const key = JSON.stringify(event);
        if (toldOf.has(key)) continue;
        toldOf.set(key, 1);
        const needed = (fleet.node(event.holder).group.soakSecs ?? 0) * 1_000;
        const upMs = fleet.upMs(event.holder);
        if (upMs < needed)
          throw new Broken('the soak is kept', `${event.holder} releases after ${upMs} of ${needed} ms`);
      }
    }
    return null;
  }

  function verdicts(): void {
    for (const { name, group, host } of fleet.nodes) {
      if (effects.get(name) === host.effects.length) continue;
      effects.set(name, host.effects.length);
      const memory = fleet.memory(name);
      const before = untold.get(name);
      const now = memory?.untoldDenial?.release.text;
      if (before !== undefined && now !== before && !everDenied.has(`${group.name} ${before}`)) {
        throw new Broken('a verdict reaches the fleet', `${name} forgot that ${before} is denied`);
      }
      if (now === undefined) untold.delete(name);
      else untold.set(name, now);
      const version = memory?.verified?.text ?? '';
      // What did not hold before the reboot is not asked for after it: a node that was ill finds nothing out.
      const wasIll = memory?.baseline?.unmet.includes('DockerRunning') === true;
      if (!wasIll && fleet.behaviourIn(version)(name) === 'unready') {
        throw new Broken('a bad release is not verified', `${name} is content with ${version}`);
      }
    }
  }

  return {
    denials: () => everDenied.size,
    swapped(key) {
      const group = world.groups.find((g) => key.endsWith(`/${g.name}/semaphore`));
      if (group === undefined) return;
      lost ??= soak();
      const log = fleet.semaphore(group.name).log.map((e) => JSON.stringify(e));
      const last = lastEvents.get(group.name);
      if (last !== undefined && !log.includes(last)) {
        lost ??= new Broken('nothing that happened to a slot is forgotten', `${group.name} forgot ${last}`);
      }
      lastEvents.set(group.name, log.at(-1) ?? '');
    },
    step() {
      if (lost !== null) throw lost;
      standings();
      away();
      slots();
      verdicts();
    },
    ordered(order) {
      standings();
      const { node, memory, errand } = order;
      const { group } = fleet.node(node);
      lastOrder.set(node, order);
      const isFallBack = memory?.phase === 'rolling-back';
      if (memory === null || errand === null)
        throw new Broken('a reboot has a reason', `${node} reboots, nobody knows why`);
      if (errand.kind === 'upgrade' && stoodFor(`${group.name} denied ${errand.release.text}`) > graceMs) {
        throw new Broken('nobody goes into a denied release', `${node} goes into ${errand.release.text}`);
      }
      if (!isFallBack && stoodFor(`${group.name} held`) > graceMs) {
        throw new Broken('nobody goes on hold', `${node} goes (${errand.kind})`);
      }
      if (!isFallBack) {
        const { proof } = memory;
        const isProven = memory.phase === 'rebooting' && proof !== null && objections(proof).length === 0;
        if (!isProven || proof.bootId !== fleet.bootId(node)) {
          throw new Broken(
            'no reboot without a proof of this boot',
            `${node} goes (${errand.kind}) in ${memory.phase}`,
          );
        }
      }
      if (!isMember(node)) return;
      const gone = away();
      if (gone.length > limit) throw new Broken('members that are away keep the quorum', `away: ${gone.join(', ')}`);
      if (isFallBack) return;
      const well = (wellAt.get(node) ?? []).filter((n) => !gone.includes(n) && n !== node);
      if (well.length < majority) {
        throw new Broken(
          'who stays has the quorum',
          `${node} goes, and well are ${well.join(', ') || 'none'}; away: ${gone.join(', ')}`,
        );
      }
    },
  };
}

/** Fewer events that break the same law. */
export async function shrink(
  seed: number,
  events: readonly SimEvent[],
  law: string,
  plant: (() => Plant) | null,
  most = 80,
): Promise<readonly SimEvent[]> {
  let runs = 0;
  const breaks = async (some: readonly SimEvent[]): Promise<boolean> => {
    runs++;
    return (await simulate(seed, { events: some, plant })).broken?.law === law;
  };
  let least = events;
  for (let size = Math.ceil(events.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = least.length - size; at >= 0 && runs < most; at -= size) {
      const fewer = [...least.slice(0, at), ...least.slice(at + size)];
      if (await breaks(fewer)) least = fewer;
    }
  }
  return least;
}

/** For whoever has to find out: the law, how to run it again, and what is needed for it. */
export async function explained(
  seed: number,
  broken: NonNullable<Simulated['broken']>,
  plant: (() => Plant) | null = null,
): Promise<string> {
  const events = await shrink(seed, eventsOf(seed, worldOf(seed)), broken.law, plant);
  const { history, broken: again } = await simulate(seed, { events, plant });
  return [
    `seed ${seed} breaks "${broken.law}": ${again?.how ?? broken.how}`,
    `world: ${JSON.stringify(worldOf(seed))}`,
    ...events.map((e) => `  ${Math.round(e.atMs / 1_000)} s ${JSON.stringify({ ...e, atMs: undefined })}`),
    'history:',
    ...history.slice(-40).map((line) => `  ${line}`),
  ].join('\n');
}

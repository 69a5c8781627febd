// A whole etcd cluster in memory: members that answer, refuse, stay silent or are cut off, quorum, both APIs, leases.

import { EndpointFailure, endpointFailover } from '../../agent/host/endpoint-failover.ts';
import { AgentError } from '../../agent/model/errors.ts';
import type { EtcdClient } from '../../agent/ports/host.ts';
import type { EndpointHealth, KeyStore, StoredValue, SwapStore } from '../../agent/ports/store.ts';
import type { Surveyed } from '../../agent/ports/survey.ts';
import type { EffectLog } from './effect-log.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** `silent` accepts connections and never answers; `unreachable` does not even accept them. */
export type MemberMode = 'up' | 'refused' | 'silent' | 'unreachable';

export interface StoredKey {
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly leaseId: string | null;
}

export interface FakeEtcd {
  /** What one node sees: loopback is its own member, if it has one. */
  clientFor(address: string, log: EffectLog): EtcdClient;
  setMember(address: string, mode: MemberMode): void;
  setAll(mode: MemberMode): void;
  /** Who cannot reach whom; both directions have to be said. Default: everybody reaches everybody. */
  cut(from: string, to: string): void;
  /**
   * The network falls apart: members hear only those of their own side, and hosts reach only members of their own.
   * Addresses that are on no side are reached by, and reach, everybody.
   */
  partition(...sides: readonly (readonly string[])[]): void;
  /** Everybody reaches everybody again. */
  heal(): void;
  /** From now on (or no more) the endpoint, as written, does what it is asked to and its answer is lost. */
  loseAnswers(endpoint: string, isLost: boolean): void;
  /** As `member add`: it is one at once, and counts; a learner does not. Not started: it has no name and refuses. */
  addMember(address: string, member?: { readonly isLearner?: boolean; readonly isStarted?: boolean }): void;
  /** As `member remove`; nobody answers there any more, unless it is cut off and knows nothing of it. */
  removeMember(address: string): void;
  /** Change what a member tells in a survey. */
  describe(address: string, telling: Partial<Telling>): void;
  /** Raise or disarm an alarm of the cluster. */
  setAlarm(alarm: string, isRaised: boolean): void;
  /** Hand the leadership to an up voter. */
  setLeader(address: string): void;
  /** The member's id, decimal text. */
  memberId(address: string): string;
  /** Whether members serve the v2 API (etcd 3.4 and 3.5 only when told to). */
  setV2(isServed: boolean): void;
  readonly hasQuorum: boolean;
  /** Keys that stand now, by API; leases that ran out are gone. */
  keys(api: 'v2' | 'v3'): ReadonlyMap<string, StoredKey>;
  /** Write behind everybody's back, as another node or an operator. */
  put(api: 'v2' | 'v3', key: string, value: string): void;
  remove(api: 'v2' | 'v3', key: string): void;
  /** Take a lease away, with all its keys. */
  revoke(leaseId: string): void;
  readonly revision: number;
}

/** What a member says of itself. */
export interface Telling {
  readonly name: string;
  readonly version: string;
  readonly dbSizeBytes: number;
  /** How many entries it has yet to apply. */
  readonly appliedBehind: number;
}

export interface FakeEtcdOptions {
  /** Addresses of the members, `a1` and so on by name. */
  readonly members: readonly string[];
  readonly clientPort?: number;
  readonly clock: VirtualClock;
  readonly mode?: MemberMode;
  /** Default true, so that either API can be tested. */
  readonly servesV2?: boolean;
  readonly deadlineMs?: number;
}

interface Lease {
  readonly ttlSecs: number;
  expiresMs: number;
}

interface Member {
  readonly id: string;
  readonly isLearner: boolean;
  readonly isStarted: boolean;
  telling: Telling;
}

/** The cluster as a member knew it when it last heard of a leader. */
interface Known {
  readonly roster: ReadonlyMap<string, Member>;
  readonly term: number;
  readonly index: number;
  readonly alarms: readonly string[];
}

/** An etcd cluster for tests. */
export function fakeEtcd(options: FakeEtcdOptions): FakeEtcd {
  const { clientPort = 2379, clock, mode = 'up', deadlineMs = 5_000 } = options;
  const modes = new Map<string, MemberMode>(options.members.map((address) => [address, mode]));
  const roster = new Map<string, Member>();
  const known = new Map<string, Known>();
  const alarms = new Set<string>();
  const sideOf = new Map<string, number>();
  const mute = new Set<string>();
  let leader: string | null = null;
  let term = 2;
  const stores = { v2: new Map<string, StoredKey>(), v3: new Map<string, StoredKey>() };
  const leases = new Map<string, Lease>();
  const cuts = new Set<string>();
  let servesV2 = options.servesV2 ?? true;
  let revision = 1;
  // As large as real ones: beyond what a number holds.
  let nextLease = 7_587_850_000_000_000_001n;

  const isUp = (address: string): boolean => modes.get(address) === 'up';
  const isVoter = (address: string): boolean => roster.get(address)?.isLearner === false;
  const voters = (): string[] => [...roster.keys()].filter(isVoter);

  function areApart(a: string, b: string): boolean {
    const [sideA, sideB] = [sideOf.get(a), sideOf.get(b)];
    return sideA !== undefined && sideB !== undefined && sideA !== sideB;
  }

  /** Whether this member hears of a leader: more than half of the voters run and hear each other, and it hears them. */
  function isInQuorum(address: string): boolean {
    if (!isUp(address) || !roster.has(address)) return false;
    const heard = voters().filter((other) => isUp(other) && !areApart(other, address));
    return heard.length > voters().length / 2;
  }

  const hasQuorum = (): boolean => voters().some(isInQuorum);
  const raftIndex = (): number => revision + 8;

  /** Members that hear of a leader know everything; the others keep what they knew. */
  function tell(): void {
    const now = { roster: new Map(roster), term, index: raftIndex(), alarms: [...alarms] };
    for (const address of roster.keys()) if (isInQuorum(address)) known.set(address, now);
  }

  /** Whoever led and no longer can is followed by the first who can. */
  function elect(): void {
    if (leader !== null && isVoter(leader) && isInQuorum(leader)) return;
    leader = voters().find(isInQuorum) ?? null;
    if (leader !== null) term++;
  }

  /** Leases run out only while there is a leader, and a new leader gives each its full time again. */
  function changeModes(change: () => void): void {
    expire();
    tell();
    const had = hasQuorum();
    change();
    elect();
    tell();
    if (!had && hasQuorum())
      for (const lease of leases.values()) lease.expiresMs = clock.monotonicMs() + lease.ttlSecs * 1000;
  }

  let membersMade = 0;
  function newMember(isLearner: boolean, isStarted: boolean): Member {
    const number = ++membersMade;
    const telling = { name: `a${number}`, version: '3.4.23', dbSizeBytes: 20_480, appliedBehind: 0 };
    return { id: String(10_501_334_649_042_878_700n + BigInt(number)), isLearner, isStarted, telling };
  }
  for (const address of options.members) roster.set(address, newMember(false, true));

  function expire(): void {
    if (!hasQuorum()) return;
    for (const [id, lease] of leases) if (lease.expiresMs <= clock.monotonicMs()) revoke(id);
  }

  function revoke(id: string): void {
    leases.delete(id);
    for (const [key, stored] of stores.v3) {
      if (stored.leaseId !== id) continue;
      stores.v3.delete(key);
      revision++;
    }
  }

  function write(api: 'v2' | 'v3', key: string, value: string, leaseId: string | null): void {
    revision++;
    const createRevision = stores[api].get(key)?.createRevision ?? revision;
    stores[api].set(key, { value, createRevision, modRevision: revision, leaseId });
  }

  function memberOf(endpoint: string, from: string): string {
    const url = new URL(endpoint);
    const isLoopback = url.hostname === 'localhost' || url.hostname.startsWith('127.');
    return Number(url.port) === clientPort ? (isLoopback ? from : url.hostname) : '';
  }

  function modeFrom(from: string, endpoint: string): MemberMode {
    const address = memberOf(endpoint, from);
    if (cuts.has(`${from}>${address}`) || areApart(from, address)) return 'unreachable';
    return modes.get(address) ?? 'refused';
  }

  /** One attempt at one endpoint, taking the time it would take. */
  async function attempt<T>(from: string, endpoint: string, attemptMs: number, answer: () => T): Promise<T> {
    const now = modeFrom(from, endpoint);
    if (now === 'refused') throw new EndpointFailure('refused the connection', null);
    const address = memberOf(endpoint, from);
    if (now === 'up' && roster.get(address)?.isLearner === true)
      throw new EndpointFailure('failed: etcdserver: rpc not supported for learner', null);
    if (now === 'up' && isInQuorum(address)) {
      expire();
      const result = answer();
      if (!mute.has(endpoint)) return result;
    }
    await clock.sleep(attemptMs);
    throw new EndpointFailure(`did not answer within ${attemptMs} ms (no quorum?)`, null);
  }

  function storeFor(api: 'v2' | 'v3', from: string, endpoints: readonly string[], log: EffectLog): SwapStore {
    const failover = endpointFailover({ endpoints, deadlineMs, monotonicMs: clock.monotonicMs });
    const keys = stores[api];
    let isClosed = false;

    async function call<T>(attempted: string, answer: () => T, failed?: (error: unknown) => void): Promise<T> {
      log.assertAlive();
      if (isClosed) throw new AgentError('bug', `cannot ${attempted}: the store is closed`, { hint: 'report this' });
      const result = await failover.run(attempted, (endpoint, attemptMs) =>
        attempt(from, endpoint, attemptMs, () => {
          log.assertAlive();
          if (api === 'v2' && !servesV2) throw v2Missing(attempted, endpoint);
          return answer();
        }).catch((error: unknown) => {
          failed?.(error);
          throw error;
        }),
      );
      log.assertAlive();
      return result;
    }

    const isDirectory = (key: string): boolean =>
      api === 'v2' && !keys.has(key) && [...keys.keys()].some((k) => k.startsWith(`${key}/`));

    return {
      api,
      read: (key) =>
        call(`read ${key} from etcd (${api})`, () => {
          if (isDirectory(key)) throw directory(key);
          return keys.get(key)?.value ?? null;
        }),
      list: (prefix) =>
        call(`list ${prefix} in etcd (${api})`, () =>
          [...keys]
            .filter(([key]) => key.startsWith(prefix))
            .map(([key, { value }]): StoredValue => ({ key, value }))
            .sort((a, b) => (a.key < b.key ? -1 : 1)),
        ),
      createIfAbsent: (key, value) =>
        call(`create ${key} in etcd (${api})`, () => {
          if (isDirectory(key)) throw directory(key);
          const current = keys.get(key)?.value;
          if (current !== undefined) return { created: false, current };
          return log.run(`etcd ${api} create ${key}`, () => {
            write(api, key, value, null);
            return { created: true, current: value };
          });
        }),
      grantLease: (ttlSecs) =>
        call(`get a lease of ${ttlSecs} s from etcd`, () =>
          log.run(`etcd grant lease of ${ttlSecs} s`, () => {
            const id = String(nextLease++);
            leases.set(id, { ttlSecs, expiresMs: clock.monotonicMs() + ttlSecs * 1000 });
            return id;
          }),
        ),
      keepLeaseAlive: (leaseId) =>
        call(`keep the lease ${leaseId} alive in etcd`, () => {
          const lease = leases.get(leaseId);
          if (lease === undefined) return false;
          return log.run('etcd keep lease alive', () => {
            lease.expiresMs = clock.monotonicMs() + lease.ttlSecs * 1000;
            return true;
          });
        }),
      putUnderLease: (key, value, leaseId) =>
        call(`write ${key} to etcd (v3)`, () => {
          if (!leases.has(leaseId)) {
            throw new AgentError('tempfail', `cannot write ${key} to etcd (v3): the lease is gone`, {
              hint: 'nothing is to be done: the next report takes a new lease',
            });
          }
          log.run(`etcd v3 put ${key}`, () => write('v3', key, value, leaseId));
        }),
      readVersioned: (asked) =>
        call(`read ${asked.join(', ')} from etcd (v3)`, () =>
          asked.map((key) => {
            const stored = keys.get(key);
            return { key, value: stored?.value ?? null, revision: String(stored?.modRevision ?? 0) };
          }),
        ),
      swap({ key, value }, guards) {
        const attempted = `${value === null ? 'remove' : 'write'} ${key} in etcd (v3), if nothing has changed`;
        let mayBeDone = false;
        return call(
          attempted,
          () => {
            if (guards.every((guard) => String(keys.get(guard.key)?.modRevision ?? 0) === guard.revision)) {
              log.run(`etcd v3 ${value === null ? 'remove' : 'swap'} ${key}`, () => {
                if (value !== null) write('v3', key, value, null);
                else if (keys.delete(key)) revision++;
              });
              return true;
            }
            if (!mayBeDone) return false;
            throw new AgentError('unavailable', `cannot tell whether it came to pass to ${attempted}`, {
              hint: 'look again',
            });
          },
          (error) => {
            if (error instanceof EndpointFailure && error.reason !== 'refused the connection') mayBeDone = true;
          },
        );
      },
      close() {
        isClosed = true;
      },
    };
  }

  async function viewOf(from: string, endpoint: string, surveyDeadlineMs: number): Promise<Surveyed> {
    const address = memberOf(endpoint, from);
    const now = modeFrom(from, endpoint);
    if (now === 'refused') return { endpoint, view: null, detail: 'refused the connection' };
    tell();
    const last = known.get(address);
    const self = last?.roster.get(address);
    // One that has never been part of a quorum does not serve clients yet.
    if (now !== 'up' || last === undefined || self === undefined) {
      await clock.sleep(surveyDeadlineMs);
      return { endpoint, view: null, detail: `did not answer within ${surveyDeadlineMs} ms` };
    }
    const hears = isInQuorum(address);
    const canCommit = hears && !self.isLearner;
    if (!hears && !self.isLearner) await clock.sleep(surveyDeadlineMs);
    const { version, dbSizeBytes, appliedBehind } = (roster.get(address) ?? self).telling;
    const view = {
      clusterId: '14841639068965178418',
      memberId: self.id,
      leaderId: hears && leader !== null ? (roster.get(leader)?.id ?? '0') : '0',
      isLearner: self.isLearner,
      raftTerm: String(last.term),
      raftIndex: String(last.index),
      raftAppliedIndex: String(last.index - appliedBehind),
      dbSizeBytes,
      version,
      alarms: [...last.alarms, ...(hears ? [] : ['etcdserver: no leader'])],
      members: self.isLearner
        ? []
        : [...last.roster].map(([memberAddress, { id, isLearner, isStarted, telling }]) => ({
            id,
            name: isStarted ? telling.name : '',
            isLearner,
            peerUrls: [`http://${memberAddress}:2380`],
          })),
      canCommit,
    };
    if (canCommit) return { endpoint, view, detail: 'answers, and is part of a quorum' };
    const why = self.isLearner ? 'is a learner' : 'knows of no leader';
    return { endpoint, view, detail: `answers for itself, but ${why}` };
  }

  async function healthOf(from: string, endpoint: string, healthDeadlineMs: number): Promise<EndpointHealth> {
    const now = modeFrom(from, endpoint);
    if (now === 'refused')
      return { endpoint, outcome: 'refused', detail: 'refuses connections (etcd is not running there?)' };
    if (now === 'up' && isInQuorum(memberOf(endpoint, from)))
      return { endpoint, outcome: 'healthy', detail: 'is healthy' };
    if (now === 'up') return { endpoint, outcome: 'unhealthy', detail: 'says it is not healthy: RAFT NO LEADER' };
    await clock.sleep(healthDeadlineMs);
    if (now === 'silent') {
      return { endpoint, outcome: 'silent', detail: 'accepts connections but does not answer (no quorum yet?)' };
    }
    return {
      endpoint,
      outcome: 'unreachable',
      detail: `accepted no connection within ${healthDeadlineMs} ms (host down, or packets dropped?)`,
    };
  }

  function rosterEntry(address: string): Member {
    const member = roster.get(address);
    if (member === undefined)
      throw new Error(`fake etcd: ${address} is no member; members are ${[...roster.keys()].join(', ')}`);
    return member;
  }

  elect();
  tell();
  return {
    clientFor: (address, log): EtcdClient => ({
      async keys(api, endpoints): Promise<KeyStore> {
        log.assertAlive();
        return storeFor(api, address, endpoints, log);
      },
      async leases(endpoints) {
        log.assertAlive();
        return storeFor('v3', address, endpoints, log);
      },
      async health(endpoints, healthDeadlineMs) {
        log.assertAlive();
        return await Promise.all(endpoints.map((endpoint) => healthOf(address, endpoint, healthDeadlineMs)));
      },
      async survey(endpoints, surveyDeadlineMs) {
        log.assertAlive();
        return await Promise.all(endpoints.map((endpoint) => viewOf(address, endpoint, surveyDeadlineMs)));
      },
    }),
    setMember(address, next) {
      // Also one that was removed while it was cut off: it still runs.
      if (!modes.has(address)) rosterEntry(address);
      changeModes(() => modes.set(address, next));
    },
    setAll(next) {
      changeModes(() => {
        for (const address of roster.keys()) modes.set(address, next);
      });
    },
    cut: (from, to) => void cuts.add(`${from}>${to}`),
    partition(...sides) {
      changeModes(() => {
        sideOf.clear();
        for (const [i, side] of sides.entries()) for (const address of side) sideOf.set(address, i);
      });
    },
    heal() {
      changeModes(() => {
        cuts.clear();
        sideOf.clear();
      });
    },
    loseAnswers(endpoint, isLost) {
      if (isLost) mute.add(endpoint);
      else mute.delete(endpoint);
    },
    addMember(address, { isLearner = false, isStarted = true } = {}) {
      changeModes(() => {
        roster.set(address, newMember(isLearner, isStarted));
        modes.set(address, isStarted ? 'up' : 'refused');
      });
    },
    removeMember(address) {
      rosterEntry(address);
      changeModes(() => {
        roster.delete(address);
        // A member that hears of its own removal ends.
        if (!voters().some((other) => areApart(other, address))) modes.set(address, 'refused');
      });
    },
    describe(address, telling) {
      const member = rosterEntry(address);
      member.telling = { ...member.telling, ...telling };
    },
    setAlarm(alarm, isRaised) {
      if (isRaised) alarms.add(alarm);
      else alarms.delete(alarm);
    },
    setLeader(address) {
      if (!isVoter(address) || !isInQuorum(address)) throw new Error(`fake etcd: ${address} cannot lead`);
      leader = address;
      term++;
    },
    memberId: (address) => rosterEntry(address).id,
    setV2(isServed) {
      servesV2 = isServed;
    },
    get hasQuorum() {
      return hasQuorum();
    },
    keys(api) {
      expire();
      return stores[api];
    },
    put: (api, key, value) => write(api, key, value, null),
    remove(api, key) {
      stores[api].delete(key);
      revision++;
    },
    revoke,
    get revision() {
      return revision;
    },
  };
}

function directory(key: string): AgentError {
  return new AgentError('data', `cannot use ${key} in etcd (v2): the key is a directory`, {
    hint: 'choose another prefix',
  });
}

function v2Missing(attempted: string, endpoint: string): AgentError {
  return new AgentError('unavailable', `cannot ${attempted}: ${endpoint} does not serve the etcd v2 API`, {
    hint: 'set ETCD_ENABLE_V2=true on every member, or install flannel 0.18 or newer, which reads v3',
    retryable: false,
  });
}

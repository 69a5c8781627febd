// A whole etcd cluster in memory: members that answer, refuse or stay silent, quorum, both APIs, leases that run out.

import { EndpointFailure, endpointFailover } from '../../agent/host/endpoint-failover.ts';
import { AgentError } from '../../agent/model/errors.ts';
import type { EtcdClient } from '../../agent/ports/host.ts';
import type { EndpointHealth, KeyStore, LeaseStore, StoredValue } from '../../agent/ports/store.ts';
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
  heal(): void;
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

export interface FakeEtcdOptions {
  /** Addresses of the members. */
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

/** An etcd cluster for tests. */
export function fakeEtcd(options: FakeEtcdOptions): FakeEtcd {
  const { members, clientPort = 2379, clock, mode = 'up', deadlineMs = 5_000 } = options;
  const modes = new Map<string, MemberMode>(members.map((address) => [address, mode]));
  const stores = { v2: new Map<string, StoredKey>(), v3: new Map<string, StoredKey>() };
  const leases = new Map<string, Lease>();
  const cuts = new Set<string>();
  let servesV2 = options.servesV2 ?? true;
  let revision = 1;
  // As large as real ones: beyond what a number holds.
  let nextLease = 7_587_850_000_000_000_001n;

  const isUp = (address: string): boolean => modes.get(address) === 'up';
  const hasQuorum = (): boolean => members.filter(isUp).length > members.length / 2;

  /** Leases run out only while there is a leader, and a new leader gives each its full time again. */
  function changeModes(change: () => void): void {
    expire();
    const had = hasQuorum();
    change();
    if (!had && hasQuorum())
      for (const lease of leases.values()) lease.expiresMs = clock.monotonicMs() + lease.ttlSecs * 1000;
  }

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
    if (cuts.has(`${from}>${address}`)) return 'unreachable';
    return modes.get(address) ?? 'refused';
  }

  /** One attempt at one endpoint, taking the time it would take. */
  async function attempt<T>(from: string, endpoint: string, attemptMs: number, answer: () => T): Promise<T> {
    const now = modeFrom(from, endpoint);
    if (now === 'refused') throw new EndpointFailure('refused the connection', null);
    if (now !== 'up' || !hasQuorum()) {
      await clock.sleep(attemptMs);
      throw new EndpointFailure(`did not answer within ${attemptMs} ms (no quorum?)`, null);
    }
    expire();
    return answer();
  }

  function storeFor(api: 'v2' | 'v3', from: string, endpoints: readonly string[], log: EffectLog): LeaseStore {
    const failover = endpointFailover({ endpoints, deadlineMs, monotonicMs: clock.monotonicMs });
    const keys = stores[api];
    let isClosed = false;

    async function call<T>(attempted: string, answer: () => T): Promise<T> {
      log.assertAlive();
      if (isClosed) throw new AgentError('bug', `cannot ${attempted}: the store is closed`, { hint: 'report this' });
      const result = await failover.run(attempted, (endpoint, attemptMs) =>
        attempt(from, endpoint, attemptMs, () => {
          log.assertAlive();
          if (api === 'v2' && !servesV2) throw v2Missing(attempted, endpoint);
          return answer();
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
      close() {
        isClosed = true;
      },
    };
  }

  async function healthOf(from: string, endpoint: string, healthDeadlineMs: number): Promise<EndpointHealth> {
    const now = modeFrom(from, endpoint);
    if (now === 'refused')
      return { endpoint, outcome: 'refused', detail: 'refuses connections (etcd is not running there?)' };
    if (now === 'up' && hasQuorum()) return { endpoint, outcome: 'healthy', detail: 'is healthy' };
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
    }),
    setMember(address, next) {
      if (!modes.has(address)) throw new Error(`fake etcd: ${address} is no member; members are ${members.join(', ')}`);
      changeModes(() => modes.set(address, next));
    },
    setAll(next) {
      changeModes(() => {
        for (const address of members) modes.set(address, next);
      });
    },
    cut: (from, to) => void cuts.add(`${from}>${to}`),
    heal: () => cuts.clear(),
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

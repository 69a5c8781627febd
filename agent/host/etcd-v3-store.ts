// etcd's v3 API through etcd3: single calls with deadlines, nothing kept running between them.

import * as etcd from 'etcd3';
import { AgentError } from '../model/errors.ts';
import type { SwapStore } from '../ports/store.ts';
import { EndpointFailure, endpointFailover } from './endpoint-failover.ts';
import { EndpointClient, unwrapped } from './etcd-endpoint-client.ts';
import { etcdError } from './etcd-errors.ts';

export interface EtcdStoreOptions {
  /** In the order in which they are asked. */
  readonly endpoints: readonly string[];
  /** For one call, all endpoints together. */
  readonly deadlineMs: number;
}

/**
 * A SwapStore over etcd3, one client per endpoint.
 *
 * The library's own retries, random order of hosts and circuit breaker are switched off: endpoints are asked in the
 * order given, each once, and the callers decide about trying again.
 */
export function etcdV3Store({ endpoints, deadlineMs }: EtcdStoreOptions): SwapStore {
  const clients = new Map<string, EndpointClient>();
  const failover = endpointFailover({ endpoints, deadlineMs });
  let isClosed = false;

  function clientOf(endpoint: string): EndpointClient {
    const made = clients.get(endpoint);
    if (made !== undefined) return made;
    const client = new EndpointClient(endpoint, ['KV', 'Lease']);
    clients.set(endpoint, client);
    return client;
  }

  /** A connection that failed is not used again: gRPC would wait longer and longer before it tries the endpoint anew. */
  function drop(endpoint: string): void {
    clients.get(endpoint)?.end();
    clients.delete(endpoint);
  }

  function call<T>(
    attempted: string,
    attempt: (client: etcd.Etcd3, options: { deadline: number }) => Promise<T>,
  ): Promise<T> {
    if (isClosed)
      return Promise.reject(new AgentError('bug', `cannot ${attempted}: the store is closed`, { hint: 'report this' }));
    return failover.run(attempted, async (endpoint, attemptMs) => {
      try {
        return await attempt(clientOf(endpoint), { deadline: Date.now() + attemptMs });
      } catch (thrown) {
        const error = etcdError(etcd, unwrapped(thrown), attempted, attemptMs);
        if (error instanceof EndpointFailure) drop(endpoint);
        throw error;
      }
    });
  }

  return {
    api: 'v3',

    read: (key) =>
      call(`read ${key} from etcd (v3)`, async ({ kv }, options) => {
        const { kvs } = await kv.range({ key: Buffer.from(key) }, options);
        return kvs[0]?.value.toString('utf8') ?? null;
      }),

    list: (prefix) =>
      call(`list ${prefix} in etcd (v3)`, async ({ kv }, options) => {
        const { start, end } = etcd.Range.prefix(prefix);
        const { kvs } = await kv.range(
          { key: start, range_end: end, sort_order: 'Ascend', sort_target: 'Key' },
          options,
        );
        return kvs.map((found) => ({ key: found.key.toString('utf8'), value: found.value.toString('utf8') }));
      }),

    createIfAbsent: (key, value) =>
      call(`create ${key} in etcd (v3)`, async ({ kv }, options) => {
        const bytes = Buffer.from(key);
        const outcome = await kv.txn(
          {
            compare: [{ key: bytes, target: 'Create', result: 'Equal', create_revision: 0 }],
            success: [{ request_put: { key: bytes, value: Buffer.from(value) } }],
            failure: [{ request_range: { key: bytes } }],
          },
          options,
        );
        if (outcome.succeeded) return { created: true, current: value };
        const current = outcome.responses[0]?.response_range.kvs[0]?.value;
        if (current === undefined) throw new EndpointFailure('answered a transaction without its result', outcome);
        return { created: false, current: current.toString('utf8') };
      }),

    grantLease: (ttlSecs) =>
      call(`get a lease of ${ttlSecs} s from etcd`, async ({ leaseClient }, options) => {
        const { ID } = await leaseClient.leaseGrant({ TTL: ttlSecs }, options);
        return ID;
      }),

    keepLeaseAlive: (leaseId) =>
      call(`keep the lease ${leaseId} alive in etcd`, async ({ leaseClient }, options) => {
        // The library's Lease would keep a timer running; one message on the stream is all a run-and-exit reporter needs.
        const stream = await leaseClient.leaseKeepAlive(options);
        try {
          const ttl = await new Promise<string>((resolve, reject) => {
            stream.on('data', (answer) => resolve(answer.TTL));
            stream.on('error', (error) => reject(etcd.castGrpcError(error)));
            stream.on('end', () => reject(new EndpointFailure('ended the keepalive without an answer', null)));
            stream.write({ ID: leaseId });
            // Nothing more will be asked; and of a stream still open for writing the library would take an error as its own.
            stream.end();
          });
          return Number(ttl) > 0;
        } finally {
          stream.cancel();
        }
      }),

    putUnderLease: (key, value, leaseId) =>
      call(`write ${key} to etcd (v3)`, async ({ kv }, options) => {
        await kv.put({ key: Buffer.from(key), value: Buffer.from(value), lease: leaseId }, options);
      }),

    readVersioned: (keys) =>
      call(`read ${keys.join(', ')} from etcd (v3)`, async ({ kv }, options) => {
        // A transaction without operations reads nothing, and so asks for no quorum either.
        if (keys.length === 0) return [];
        const success = keys.map((key) => ({ request_range: { key: Buffer.from(key) } }));
        const { responses } = await kv.txn({ success }, options);
        return keys.map((key, i) => {
          const answer = responses[i]?.response_range;
          if (answer === undefined) throw new EndpointFailure('answered a transaction without its result', responses);
          const found = answer.kvs[0];
          return found === undefined
            ? { key, value: null, revision: '0' }
            : { key, value: found.value.toString('utf8'), revision: found.mod_revision };
        });
      }),

    swap(write, guards) {
      const attempted = `${write.value === null ? 'remove' : 'write'} ${write.key} in etcd (v3), if nothing has changed`;
      const key = Buffer.from(write.key);
      const change =
        write.value === null
          ? { request_delete_range: { key } }
          : { request_put: { key, value: Buffer.from(write.value) } };
      const compare = guards.map((guard) => ({
        key: Buffer.from(guard.key),
        target: 'Mod' as const,
        result: 'Equal' as const,
        // Of a key that is not there etcd compares a revision of 0 (etcd: server/etcdserver/txn, applyCompare).
        mod_revision: guard.revision,
      }));
      let mayBeDone = false;
      return call(attempted, async ({ kv }, options) => {
        const { succeeded } = await kv.txn({ compare, success: [change] }, options).catch((thrown: unknown) => {
          mayBeDone ||= !wasNeverSent(unwrapped(thrown));
          throw thrown;
        });
        if (succeeded || !mayBeDone) return succeeded;
        // An endpoint before this one took the request and its answer is lost: the change seen now may be our own.
        throw new AgentError('unavailable', `cannot tell whether it came to pass to ${attempted}: an answer was lost`, {
          hint: 'nothing is to be done: what stands there is read again before the next attempt',
        });
      });
    },

    close() {
      isClosed = true;
      for (const endpoint of [...clients.keys()]) drop(endpoint);
    },
  };
}

/** A call without a connection never left this host; of any other that failed nobody knows how far it came. */
function wasNeverSent(error: unknown): boolean {
  const text = error instanceof Error ? error.message : '';
  // grpc-js's words where no address of the endpoint could be connected to, or there is none.
  return text.includes('No connection established') || text.includes('Name resolution failed');
}

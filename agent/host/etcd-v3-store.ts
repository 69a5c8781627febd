// etcd's v3 API through etcd3: single calls with deadlines, nothing kept running between them.

import * as etcd from 'etcd3';
import { AgentError } from '../model/errors.ts';
import type { LeaseStore } from '../ports/store.ts';
import { EndpointFailure, endpointFailover } from './endpoint-failover.ts';
import { etcdError } from './etcd-errors.ts';

export interface EtcdStoreOptions {
  /** In the order in which they are asked. */
  readonly endpoints: readonly string[];
  /** For one call, all endpoints together. */
  readonly deadlineMs: number;
}

/** A watch or a list of a thousand nodes is larger than the library's 4 MiB. */
const maxMessageBytes = 64 * 1024 * 1024;

/**
 * A LeaseStore over etcd3, one client per endpoint.
 *
 * The library's own retries, random order of hosts and circuit breaker are switched off: endpoints are asked in the
 * order given, each once, and the callers decide about trying again.
 */
export function etcdV3Store({ endpoints, deadlineMs }: EtcdStoreOptions): LeaseStore {
  const clients = new Map<string, etcd.Etcd3>();
  const failover = endpointFailover({ endpoints, deadlineMs });
  let isClosed = false;

  function clientOf(endpoint: string): etcd.Etcd3 {
    const made = clients.get(endpoint);
    if (made !== undefined) return made;
    const client = new etcd.Etcd3({
      hosts: endpoint,
      faultHandling: { global: passThrough, host: () => passThrough },
      grpcOptions: {
        'grpc.max_receive_message_length': maxMessageBytes,
        // A proxy of the environment is for the world outside, never between the nodes.
        'grpc.enable_http_proxy': 0,
        'grpc.enable_retries': 0,
        'grpc.service_config_disable_resolution': 1,
        'grpc.use_local_subchannel_pool': 1,
      },
    });
    clients.set(endpoint, client);
    return client;
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
      } catch (error) {
        if (error instanceof AgentError || error instanceof EndpointFailure) throw error;
        throw etcdError(etcd, error, attempted, attemptMs);
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
          });
          return Number(ttl) > 0;
        } finally {
          stream.end();
          stream.cancel();
        }
      }),

    putUnderLease: (key, value, leaseId) =>
      call(`write ${key} to etcd (v3)`, async ({ kv }, options) => {
        await kv.put({ key: Buffer.from(key), value: Buffer.from(value), lease: leaseId }, options);
      }),

    close() {
      isClosed = true;
      for (const client of clients.values()) client.close();
      clients.clear();
    },
  };
}

type Policy = NonNullable<NonNullable<etcd.IOptions['faultHandling']>['global']>;

/** A fault-handling policy that handles nothing: calls once and lets errors through. */
const passThrough: Policy = {
  _altReturn: undefined as never,
  onSuccess: () => ({ dispose: () => undefined }),
  onFailure: () => ({ dispose: () => undefined }),
  execute: async (fn) => await fn({ signal: new AbortController().signal }),
};

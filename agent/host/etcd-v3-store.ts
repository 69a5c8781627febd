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
  const clients = new Map<string, EndpointClient>();
  const failover = endpointFailover({ endpoints, deadlineMs });
  let isClosed = false;

  function clientOf(endpoint: string): EndpointClient {
    const made = clients.get(endpoint);
    if (made !== undefined) return made;
    const client = new EndpointClient(endpoint);
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
        const error = etcdError(etcd, thrown instanceof Passed ? thrown.cause : thrown, attempted, attemptMs);
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

    close() {
      isClosed = true;
      for (const endpoint of [...clients.keys()]) drop(endpoint);
    },
  };
}

/** An error on its way through the library, wrapped so that the library does not act on it. */
class Passed extends Error {
  constructor(cause: unknown) {
    super('passed through', { cause });
    this.name = 'Passed';
  }
}

type Policy = NonNullable<NonNullable<etcd.IOptions['faultHandling']>['global']>;

/** A fault-handling policy that handles nothing: calls once and lets errors through. */
const passThrough: Policy = {
  _altReturn: undefined as never,
  onSuccess: () => ({ dispose: () => undefined }),
  onFailure: () => ({ dispose: () => undefined }),
  async execute(work) {
    try {
      return await work({ signal: new AbortController().signal });
    } catch (error) {
      throw error instanceof Passed ? error : new Passed(error);
    }
  },
};

/** The library's client for one endpoint, without its fault handling, and with an end that is one. */
class EndpointClient extends etcd.Etcd3 {
  constructor(endpoint: string) {
    super({
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
  }

  /** The library's own `close` waits a second for a connection that is still being made; the process shall end before. */
  end(): void {
    const services = ['KV', 'Lease'] as const;
    const closed = services.map((name) => this.pool.withConnection(name, ({ client }) => client.close()));
    void Promise.allSettled(closed).then(() => this.close());
  }
}

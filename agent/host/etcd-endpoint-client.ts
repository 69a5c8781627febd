// etcd3's client for one endpoint, with the library's own fault handling switched off and an end that is one.

import * as etcd from 'etcd3';

/** A watch or a list of a thousand nodes is larger than the library's 4 MiB. */
const maxMessageBytes = 64 * 1024 * 1024;

type Service = 'KV' | 'Lease' | 'Cluster' | 'Maintenance';

/** An error on its way through the library, wrapped so that the library does not act on it. */
class Passed extends Error {
  constructor(cause: unknown) {
    super('passed through', { cause });
    this.name = 'Passed';
  }
}

/** The error itself, out of the wrapping in which it came through the library. */
export function unwrapped(thrown: unknown): unknown {
  return thrown instanceof Passed ? thrown.cause : thrown;
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

/** The library's client for one endpoint; its errors have to be `unwrapped`. */
export class EndpointClient extends etcd.Etcd3 {
  readonly #services: readonly Service[];

  /** @param services those that will be called: each has a connection of its own, and all are closed by `end` */
  constructor(endpoint: string, services: readonly Service[]) {
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
    this.#services = services;
  }

  /** The library's own `close` waits a second for a connection that is still being made; the process shall end before. */
  end(): void {
    const closed = this.#services.map((name) => this.pool.withConnection(name, ({ client }) => client.close()));
    void Promise.allSettled(closed).then(() => this.close());
  }
}

// Asks the endpoints of etcd one after the other until one answers, all within one deadline.

import { AgentError } from '../model/errors.ts';

/** Why one endpoint gave no answer; the next one may. Thrown by an attempt, never seen outside this folder. */
export class EndpointFailure extends Error {
  readonly reason: string;

  constructor(reason: string, cause: unknown) {
    super(reason, { cause });
    this.name = 'EndpointFailure';
    this.reason = reason;
  }
}

export interface Failover {
  /**
   * Run the attempt on the endpoint that answered last, then on the others in their order.
   *
   * @param attempted for people: `read /admin/flannel/config`
   * @throws AgentError `unavailable` naming every endpoint and why it gave no answer; what an attempt throws as an
   * AgentError is an answer, and is passed on at once
   */
  run<T>(attempted: string, attempt: (endpoint: string, deadlineMs: number) => Promise<T>): Promise<T>;
}

/** No attempt gets less than this, so that a slow member far down the list still has a chance to answer. */
const shortestAttemptMs = 1_000;

export interface FailoverOptions {
  readonly endpoints: readonly string[];
  /** For one call, all endpoints together; each gets an equal share of what is left. */
  readonly deadlineMs: number;
  /** Where the time comes from; tests have their own. */
  readonly monotonicMs?: () => number;
}

/** Failover over the endpoints of one store. */
export function endpointFailover(options: FailoverOptions): Failover {
  const { endpoints, deadlineMs, monotonicMs = (): number => performance.now() } = options;
  let first = 0;
  return {
    async run(attempted, attempt) {
      const started = monotonicMs();
      const failures: string[] = [];
      for (let i = 0; i < endpoints.length; i++) {
        const index = (first + i) % endpoints.length;
        const endpoint = endpoints[index];
        const leftMs = deadlineMs - (monotonicMs() - started);
        if (endpoint === undefined || leftMs <= 0) break;
        const shareMs = Math.min(leftMs, Math.max(shortestAttemptMs, leftMs / (endpoints.length - i)));
        try {
          const answer = await attempt(endpoint, Math.ceil(shareMs));
          first = index;
          return answer;
        } catch (error) {
          if (!(error instanceof EndpointFailure)) throw error;
          failures.push(`${endpoint} ${error.reason}`);
        }
      }
      throw new AgentError('unavailable', `cannot ${attempted}: ${whyNot(failures)}`, {
        hint:
          'see systemctl status etcd.service on the members, and whether their client port is open from this node; ' +
          'a cluster answers only while more than half of its members run',
      });
    },
  };
}

function whyNot(failures: readonly string[]): string {
  if (failures.length === 0) return 'no etcd endpoint is known';
  return `no etcd endpoint answered: ${failures.join('; ')}`;
}

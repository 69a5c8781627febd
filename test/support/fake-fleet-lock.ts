// FleetLock without a network: servers in memory, and a client that asks them; both may belong to fake hosts.

import { AgentError } from '../../agent/model/errors.ts';
import type { FleetLockClient, HttpRequest, HttpResponse, HttpServer } from '../../agent/ports/fleet-lock.ts';
import { fleetLockAnswer, parseFleetLock } from '../../agent/upgrade/fleet-lock-protocol.ts';
import type { EffectLog } from './effect-log.ts';

export type FakeAnswer = (request: HttpRequest) => Promise<HttpResponse>;

export interface FakeHttpServer extends HttpServer {
  /** What serves there now answers; null where nothing is served. */
  ask(listen: string, request: HttpRequest): Promise<HttpResponse | null>;
  /** Where something is served. */
  readonly served: readonly string[];
}

/** Serves in memory. */
export function fakeHttpServer(log: EffectLog): FakeHttpServer {
  const answers = new Map<string, FakeAnswer>();
  return {
    get served() {
      return [...answers.keys()];
    },
    async ask(listen, request) {
      return (await answers.get(listen)?.(request)) ?? null;
    },
    async serve(listen, answer, signal) {
      log.assertAlive();
      if (signal.aborted) return;
      if (!/^(\/|\[[0-9a-f:]+\]:[0-9]+$|[0-9.]+:[0-9]+$)/.test(listen)) {
        throw new AgentError('usage', `cannot listen on "${listen}"`, { hint: 'write 192.168.99.51:3333' });
      }
      if (answers.has(listen)) {
        throw new AgentError('oserr', `cannot listen on ${listen}: the address is taken`, { hint: 'ss -lntp' });
      }
      answers.set(listen, answer);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      answers.delete(listen);
    },
  };
}

export interface FakeFleetLock extends FleetLockClient {
  /** Every request, `pre-reboot a1 default`. */
  readonly asked: readonly string[];
  /** By base URL, without a slash at its end; null: nothing listens there any more. */
  set(baseUrl: string, answer: FakeAnswer | null): void;
}

export interface FakeFleetLockOptions {
  readonly log: EffectLog;
  /** What answers, by base URL; whatever is not named refuses connections. */
  readonly servers?: Readonly<Record<string, FakeAnswer>>;
}

/** A client without a network. A request is an effect: an agent that is killed after it has asked, and is not told. */
export function fakeFleetLock({ log, servers = {} }: FakeFleetLockOptions): FakeFleetLock {
  const answers = new Map<string, FakeAnswer | null>(Object.entries(servers));
  const asked: string[] = [];
  return {
    asked,
    set: (baseUrl, answer) => void answers.set(baseUrl, answer),
    async ask(baseUrl, operation, { id, group }) {
      const line = `${operation} ${id} ${group}`;
      const base = baseUrl.replace(/\/+$/, '');
      const body = JSON.stringify({ client_params: { id, group } });
      const request = { method: 'POST', path: `/v1/${operation}`, headers: { 'fleet-lock-protocol': 'true' }, body };
      const answer = await log.run(`FleetLock ${line}`, () => {
        asked.push(line);
        const sent = answers.get(base)?.(request);
        // Nobody hears of it when the agent is killed now.
        sent?.catch(() => undefined);
        return sent;
      });
      if (answer === undefined) {
        throw new AgentError('unavailable', `the FleetLock server ${base}/v1/${operation} refuses connections`, {
          hint: 'see whether the server runs',
        });
      }
      if (answer.status === 200) return { granted: true, kind: '', message: '' };
      const { kind, value } = answer.json as { readonly kind: string; readonly value: string };
      return { granted: false, kind, message: value };
    },
  };
}

/** A FleetLock server that knows nothing but its slots. */
export function slotServer(slots: number, groups: readonly string[] = ['default']): FakeAnswer {
  const holders = new Map<string, Set<string>>(groups.map((group) => [group, new Set()]));
  return async (request) => {
    const parsed = parseFleetLock(request, groups);
    if ('refused' in parsed) return parsed.refused;
    const held = holders.get(parsed.group) ?? new Set();
    if (parsed.operation === 'steady-state') {
      held.delete(parsed.id);
      return fleetLockAnswer({ outcome: 'released' });
    }
    if (!held.has(parsed.id) && held.size >= slots) {
      return fleetLockAnswer({ outcome: 'full', message: `all slots are held: ${[...held].join(', ')}` });
    }
    held.add(parsed.id);
    return fleetLockAnswer({ outcome: 'granted' });
  };
}

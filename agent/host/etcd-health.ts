// Asks etcd members for their health and puts the answer, or its absence, into words.

import { request } from 'node:http';
import type { EndpointHealth } from '../ports/store.ts';
import { errorCode } from './system-errors.ts';

type Finding = Omit<EndpointHealth, 'endpoint'>;

const maxBodyBytes = 16 * 1024;

/**
 * GET /health of every endpoint at once, each with its own deadline. Never throws.
 *
 * A member that waits for its peers accepts connections and never answers: that is `silent`, and normal while the
 * cluster comes up for the first time.
 */
export function askHealth(endpoints: readonly string[], deadlineMs: number): Promise<readonly EndpointHealth[]> {
  return Promise.all(endpoints.map(async (endpoint) => ({ endpoint, ...(await askOne(endpoint, deadlineMs)) })));
}

function askOne(endpoint: string, deadlineMs: number): Promise<Finding> {
  return new Promise((resolve) => {
    let connected = false;
    // An AbortSignal, not `timeout`: that one only counts idle time.
    const signal = AbortSignal.timeout(deadlineMs);
    const failed = (error: unknown): void => resolve(findingOf(error, connected, signal.aborted ? deadlineMs : null));
    try {
      const ask = request(new URL('/health', endpoint), { signal, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          if (body.length < maxBodyBytes) body += chunk;
        });
        response.on('error', failed);
        response.on('end', () => resolve(verdictOf(response.statusCode ?? 0, body)));
      });
      ask.on('socket', (socket) => {
        if (socket.connecting) socket.once('connect', () => (connected = true));
        else connected = true;
      });
      ask.on('error', failed);
      ask.end();
    } catch (error) {
      resolve({ outcome: 'unreachable', detail: `is no URL that can be asked: ${textOf(error)}` });
    }
  });
}

function verdictOf(status: number, body: string): Finding {
  const answer = parseBody(body);
  // The value is the string "true", since etcd 2.
  if (status === 200 && answer['health'] === 'true') return { outcome: 'healthy', detail: 'is healthy' };
  if (answer['health'] === undefined) {
    return { outcome: 'unhealthy', detail: `answers HTTP ${status} without a health: is that etcd?` };
  }
  const reason = answer['reason'];
  const said = typeof reason === 'string' && reason !== '' ? `: ${reason.slice(0, 200)}` : ' (no leader, or an alarm)';
  return { outcome: 'unhealthy', detail: `says it is not healthy${said}` };
}

function parseBody(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function findingOf(error: unknown, connected: boolean, passedMs: number | null): Finding {
  if (passedMs !== null) {
    return connected
      ? { outcome: 'silent', detail: 'accepts connections but does not answer (no quorum yet?)' }
      : {
          outcome: 'unreachable',
          detail: `accepted no connection within ${passedMs} ms (host down, or packets dropped?)`,
        };
  }
  switch (errorCode(error)) {
    case 'ECONNREFUSED':
      return { outcome: 'refused', detail: 'refuses connections (etcd is not running there?)' };
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return { outcome: 'unreachable', detail: 'has a name that cannot be resolved' };
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return { outcome: 'unreachable', detail: 'cannot be reached (no route to it)' };
    default:
      return connected
        ? { outcome: 'silent', detail: `broke the connection off: ${textOf(error)}` }
        : { outcome: 'unreachable', detail: `cannot be reached: ${textOf(error)}` };
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

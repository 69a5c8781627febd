// Asks a FleetLock server for a reboot slot, or gives one back, and tells its refusal from its absence.

import type { IncomingMessage } from 'node:http';
import { AgentError } from '../model/errors.ts';
import { printableLine } from '../model/printable.ts';
import type { FleetLockAnswer, FleetLockClient } from '../ports/fleet-lock.ts';
import { connectionFailure } from './connection-failure.ts';
import { beginRequest } from './web-request.ts';

export interface FleetLockClientOptions {
  readonly deadlineMs?: number;
}

const usualDeadlineMs = 10_000;
const maxBodyBytes = 64 * 1024;
const maxKindLength = 64;
const maxMessageLength = 500;

interface Answered {
  readonly status: number;
  /** Null when it was longer than an error of the protocol can be. */
  readonly body: string | null;
}

/**
 * The FleetLockClient port, after coreos.github.io/zincati/development/fleetlock/protocol.
 *
 * 200 grants, whatever the body. Redirects are not followed: the protocol's header is there so that a request that was
 * sent on by accident takes no slot. No proxy of the environment is used.
 */
export function fleetLockClient({ deadlineMs = usualDeadlineMs }: FleetLockClientOptions = {}): FleetLockClient {
  return {
    async ask(baseUrl, operation, { id, group }) {
      const url = operationUrl(baseUrl, operation);
      const shown = `${url.origin}${url.pathname}`;
      const body = JSON.stringify({ client_params: { id, group } });
      return answerOf(await post(url, shown, body, deadlineMs), shown);
    },
  };
}

function operationUrl(baseUrl: string, operation: string): URL {
  const url = URL.parse(baseUrl);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new AgentError(
      'config',
      `cannot ask a FleetLock server: "${printableLine(baseUrl)}" is no http or https URL`,
      {
        hint: 'give the base URL of the server, http://192.168.99.10:3333/fleet',
      },
    );
  }
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/${operation}`;
  url.search = '';
  url.hash = '';
  return url;
}

async function post(url: URL, shown: string, body: string, deadlineMs: number): Promise<Answered> {
  let connected = false;
  const signal = AbortSignal.timeout(deadlineMs);
  const headers = {
    'fleet-lock-protocol': 'true',
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  };
  try {
    const ask = await beginRequest(url, { method: 'POST', headers, signal });
    return await new Promise((resolve, reject) => {
      ask.on('response', (response) => {
        response.on('error', reject);
        const status = response.statusCode ?? 0;
        if (status === 200) {
          response.destroy();
          resolve({ status, body: null });
        } else {
          collect(response, (text) => resolve({ status, body: text }));
        }
      });
      ask.on('socket', (socket) => {
        if (socket.connecting) socket.once('connect', () => (connected = true));
        else connected = true;
      });
      ask.on('error', reject);
      ask.end(body);
    });
  } catch (error) {
    const why = connectionFailure(error, connected, signal.aborted ? deadlineMs : null);
    throw new AgentError('unavailable', `the FleetLock server ${shown} ${why}`, {
      hint: `see whether the server runs and answers from this host: curl -v ${url.origin}`,
      cause: error,
    });
  }
}

function collect(response: IncomingMessage, done: (text: string | null) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maxBodyBytes) chunks.push(chunk);
    else {
      done(null);
      response.destroy();
    }
  });
  response.on('end', () => done(Buffer.concat(chunks).toString('utf8')));
}

function answerOf({ status, body }: Answered, shown: string): FleetLockAnswer {
  if (status === 200) return { granted: true, kind: '', message: '' };
  if (status >= 300 && status < 400) {
    throw new AgentError('unavailable', `the FleetLock server ${shown} answers with a redirect (HTTP ${status})`, {
      hint: 'give the URL that it leads to as the base URL: redirects of this protocol are not followed',
      retryable: false,
    });
  }
  const said = refusalOf(body);
  if (said !== null) return { granted: false, ...said };
  if (status >= 500) {
    throw new AgentError('unavailable', `the FleetLock server ${shown} failed with HTTP ${status}`, {
      hint: 'look at the log of the server, or of the proxy before it',
    });
  }
  return {
    granted: false,
    kind: `http_${status}`,
    message: `answered HTTP ${status} without a reason (is this the base URL of a FleetLock server?)`,
  };
}

/** The protocol's error, made fit for a line; null when the body is none. */
function refusalOf(body: string | null): { readonly kind: string; readonly message: string } | null {
  let value: unknown;
  try {
    value = JSON.parse(body ?? '');
  } catch {
    return null;
  }
  const { kind, value: message }: Readonly<Record<string, unknown>> =
    typeof value === 'object' && value !== null ? { ...value } : {};
  if (typeof kind !== 'string' || kind === '' || typeof message !== 'string') return null;
  return {
    kind: printableLine(kind).slice(0, maxKindLength),
    message: printableLine(message).slice(0, maxMessageLength),
  };
}

// Looks whether something can be reached from this very host: a TCP port, or a web server that answers.

import { connect } from 'node:net';
import type { Reach, Reached } from '../ports/survey.ts';
import { connectionFailure } from './connection-failure.ts';
import { beginRequest } from './web-request.ts';

/** The Reach port. A certificate that this host does not trust is no answer: who knows who that is. */
export function hostReach(): Reach {
  return { tcp: reachTcp, http: reachHttp };
}

function reachTcp(address: string, port: number, deadlineMs: number): Promise<Reached> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    try {
      const socket = connect({ host: address, port });
      const settle = (reached: Reached): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(reached);
      };
      timer = setTimeout(
        () => settle({ ok: false, detail: connectionFailure(null, false, deadlineMs) }),
        Math.max(1, deadlineMs),
      );
      socket.once('connect', () => settle({ ok: true, detail: 'accepts connections' }));
      // Stays on: an error after the verdict must not end the process.
      socket.on('error', (error) => settle({ ok: false, detail: connectionFailure(error, false, null) }));
    } catch (error) {
      clearTimeout(timer);
      resolve({ ok: false, detail: `is no address that can be asked: ${textOf(error)}` });
    }
  });
}

async function reachHttp(url: string, deadlineMs: number): Promise<Reached> {
  const target = URL.parse(url);
  if (target === null || (target.protocol !== 'http:' && target.protocol !== 'https:')) {
    return { ok: false, detail: 'is no http or https URL' };
  }
  const signal = AbortSignal.timeout(Math.max(1, deadlineMs));
  try {
    const ask = await beginRequest(target, { method: 'GET', headers: {}, signal });
    return await new Promise((resolve) => {
      let connected = false;
      ask.on('response', (response) => {
        const status = response.statusCode ?? 0;
        // The head is the answer: boot servers hand out images of a gigabyte.
        response.on('error', () => undefined);
        response.destroy();
        resolve({ ok: status > 0 && status < 500, detail: `answers HTTP ${status}` });
      });
      ask.on('socket', (socket) => {
        if (socket.connecting) socket.once('connect', () => (connected = true));
        else connected = true;
      });
      ask.on('error', (error) => {
        resolve({ ok: false, detail: connectionFailure(error, connected, signal.aborted ? deadlineMs : null) });
      });
      ask.end();
    });
  } catch (error) {
    return { ok: false, detail: `is no URL that can be asked: ${textOf(error)}` };
  }
}

function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 200);
}

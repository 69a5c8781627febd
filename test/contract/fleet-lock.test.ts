// FleetLock both ways: the client and the server on loopback, and the fakes, held to the same story.

import { afterEach, describe, expect, test } from 'bun:test';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fleetLockClient } from '../../agent/host/fleet-lock-client.ts';
import { nodeHttpServer } from '../../agent/host/http-server.ts';
import type { FleetLockClient } from '../../agent/ports/fleet-lock.ts';
import { fleetLockAnswer } from '../../agent/upgrade/fleet-lock-protocol.ts';
import { effectLog } from '../support/effect-log.ts';
import { type FakeAnswer, fakeFleetLock, fakeHttpServer, slotServer } from '../support/fake-fleet-lock.ts';
import { freePort, untilServed } from '../support/loopback.ts';
import { refusal } from '../support/refusal.ts';
import { silentServer } from '../support/silent-server.ts';

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

interface Subject {
  readonly client: FleetLockClient;
  readonly baseUrl: string;
  readonly deadUrl: string;
}

async function real(answer: FakeAnswer): Promise<Subject> {
  const listen = `127.0.0.1:${await freePort()}`;
  const end = new AbortController();
  const served = nodeHttpServer().serve(listen, answer, end.signal);
  cleanUps.push(async () => {
    end.abort();
    await served;
  });
  await untilServed(listen);
  return {
    client: fleetLockClient(),
    baseUrl: `http://${listen}`,
    deadUrl: `http://127.0.0.1:${await freePort()}`,
  };
}

async function fake(answer: FakeAnswer): Promise<Subject> {
  const server = fakeHttpServer(effectLog());
  const end = new AbortController();
  const served = server.serve('127.0.0.1:3333', answer, end.signal);
  cleanUps.push(async () => {
    end.abort();
    await served;
    expect(server.served).toEqual([]);
  });
  const client = fakeFleetLock({
    log: effectLog(),
    servers: {
      'http://127.0.0.1:3333': async (request) =>
        (await server.ask('127.0.0.1:3333', request)) ?? { status: 404, json: {} },
    },
  });
  return { client, baseUrl: 'http://127.0.0.1:3333', deadUrl: 'http://127.0.0.1:3334' };
}

for (const [name, make] of [
  ['client and server on loopback', real],
  ['the fakes', fake],
] as const) {
  describe(name, () => {
    const [a1, a2] = [
      { id: 'a1', group: 'default' },
      { id: 'a2', group: 'default' },
    ];

    test('a slot goes to one, stays his, and is free again when he gives it back', async () => {
      const { client, baseUrl } = await make(slotServer(1));
      const granted = { granted: true, kind: '', message: '' };
      expect(await client.ask(baseUrl, 'steady-state', a1)).toEqual(granted);
      expect(await client.ask(baseUrl, 'pre-reboot', a1)).toEqual(granted);
      expect(await client.ask(baseUrl, 'pre-reboot', a1)).toEqual(granted);
      expect(await client.ask(baseUrl, 'pre-reboot', a2)).toEqual({
        granted: false,
        kind: 'failed_lock_semaphore_full',
        message: 'all slots are held: a1',
      });
      expect(await client.ask(`${baseUrl}/`, 'steady-state', a1)).toEqual(granted);
      expect(await client.ask(`${baseUrl}/`, 'pre-reboot', a2)).toEqual(granted);
    });

    test('a refusal of the server comes back with its kind and words', async () => {
      const { client, baseUrl } = await make(slotServer(1));
      const { granted, kind, message } = await client.ask(baseUrl, 'pre-reboot', { id: 'a1', group: 'other' });
      expect([granted, kind]).toEqual([false, 'unknown_group']);
      expect(message).toContain('default');
      expect((await client.ask(baseUrl, 'pre-reboot', { id: 'a\n1', group: 'default' })).kind).toBe('bad_client_id');
      expect((await client.ask(`${baseUrl}/base`, 'pre-reboot', a1).catch(() => null))?.granted ?? false).toBe(false);
    });

    test('a server that cannot reach its store refuses; that is an answer', async () => {
      const { client, baseUrl } = await make(async () =>
        fleetLockAnswer({ outcome: 'store unavailable', message: 'etcd has no leader' }),
      );
      expect(await client.ask(baseUrl, 'pre-reboot', a1)).toEqual({
        granted: false,
        kind: 'store_unavailable',
        message: 'etcd has no leader',
      });
    });

    test('nobody there is unavailable, and may be tried again', async () => {
      const { client, deadUrl } = await make(slotServer(1));
      const error = await refusal(() => client.ask(deadUrl, 'pre-reboot', a1));
      expect([error.kind, error.retryable]).toEqual(['unavailable', true]);
      expect(error.message).toContain('refuses connections');
    });
  });
}

describe('the client against servers of others', () => {
  const client = { id: 'a1', group: 'default' };

  async function stranger(act: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
    const server = createServer(act);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanUps.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const answering = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Promise<string> =>
    stranger((request, response) => {
      request.resume();
      response.writeHead(status, headers);
      response.end(body);
    });

  test('the request is the protocol to the letter', async () => {
    let seen: unknown;
    const url = await stranger((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const { host, connection, 'user-agent': agent, ...headers } = request.headers;
        seen = { method: request.method, url: request.url, headers, body: JSON.parse(body) };
        expect([host, connection, agent]).not.toContain(undefined);
        response.end();
      });
    });
    expect((await fleetLockClient().ask(`${url}/base//?q#f`, 'pre-reboot', client)).granted).toBe(true);
    expect(seen).toEqual({
      method: 'POST',
      url: '/base/v1/pre-reboot',
      headers: { 'fleet-lock-protocol': 'true', 'content-type': 'application/json', 'content-length': '47' },
      body: { client_params: client },
    });
  });

  test('200 grants whatever stands in the body, also when that never ends', async () => {
    const url = await stranger((_request, response) => void response.writeHead(200).write('{"kind":"failed_lock"'));
    expect((await fleetLockClient().ask(url, 'pre-reboot', client)).granted).toBe(true);
  });

  for (const status of [201, 204, 403, 404]) {
    test(`${status} without the words of the protocol refuses`, async () => {
      const answer = await fleetLockClient().ask(await answering(status, ''), 'pre-reboot', client);
      expect([answer.granted, answer.kind]).toEqual([false, `http_${status}`]);
      expect(answer.message).toContain(`HTTP ${status}`);
    });
  }

  for (const [what, body] of [
    ['no kind', '{"value":"x"}'],
    ['an empty kind', '{"kind":"","value":"x"}'],
    ['a kind that is no text', '{"kind":1,"value":"x"}'],
    ['null', 'null'],
    ['a page', '<html>'],
    ['more than an error can be', `{"kind":"a","value":"${'x'.repeat(70_000)}"}`],
  ] as const) {
    test(`${what} is no error of the protocol`, async () => {
      const answer = await fleetLockClient().ask(await answering(409, body), 'pre-reboot', client);
      expect(answer.kind).toBe('http_409');
    });
  }

  test('what a server says cannot move the cursor, nor fill the screen', async () => {
    const body = JSON.stringify({ kind: `k\n${'x'.repeat(100)}`, value: `\u001b[2J${'y'.repeat(5_000)}` });
    const { kind, message } = await fleetLockClient().ask(await answering(409, body), 'pre-reboot', client);
    expect(kind).toStartWith('k x');
    expect(kind).toHaveLength(64);
    expect(message).toStartWith('\\x1b[2J');
    expect(message).toHaveLength(500);
  });

  test('a redirect is not followed, and not tried again', async () => {
    let followed = 0;
    const target = await stranger((_request, response) => {
      followed++;
      response.end();
    });
    for (const status of [301, 302, 307, 308]) {
      const url = await answering(status, '', { location: `${target}/v1/pre-reboot` });
      const error = await refusal(() => fleetLockClient().ask(url, 'pre-reboot', client));
      expect([error.kind, error.retryable]).toEqual(['unavailable', false]);
      expect(error.hint).toContain('redirects');
    }
    expect(followed).toBe(0);
  });

  test('a proxy that fails is unavailable', async () => {
    const error = await refusal(async () =>
      fleetLockClient().ask(await answering(502, '<html>'), 'pre-reboot', client),
    );
    expect([error.kind, error.retryable]).toEqual(['unavailable', true]);
    expect(error.message).toContain('HTTP 502');
  });

  test('silence, a head without an end and half a body end with the deadline', async () => {
    const silent = await silentServer();
    cleanUps.push(() => silent.close());
    const half = await stranger((_request, response) => void response.writeHead(409).write('{"kind":'));
    for (const url of [`http://${silent.address}`, `https://${silent.address}`, half]) {
      const error = await refusal(() => fleetLockClient({ deadlineMs: 200 }).ask(url, 'pre-reboot', client));
      expect(error.kind).toBe('unavailable');
      expect(error.message).toContain('did not answer within 200 ms');
    }
  });

  test('who hangs up, before the answer or in the middle of it, is unavailable at once', async () => {
    const mute = await stranger((request) => void request.socket.destroy());
    const half = await stranger((request, response) => {
      response.writeHead(409, { 'content-length': '100' }).write('{"kind":', () => request.socket.destroy());
    });
    for (const url of [mute, half]) {
      const error = await refusal(() => fleetLockClient().ask(url, 'pre-reboot', client));
      expect([error.kind, error.retryable]).toEqual(['unavailable', true]);
      expect(error.message).toContain('broke the connection off');
    }
  });

  test('a password in the URL is not told', async () => {
    const url = `http://someone:geheim@127.0.0.1:${await freePort()}/base`;
    const error = await refusal(() => fleetLockClient().ask(url, 'pre-reboot', client));
    expect(`${error.message} ${error.hint}`).not.toContain('geheim');
    expect(error.message).toContain('/base/v1/pre-reboot');
  });

  for (const url of ['', 'ftp://127.0.0.1', 'nonsense']) {
    test(`"${url}" is an error of the cluster file`, async () => {
      expect((await refusal(() => fleetLockClient().ask(url, 'pre-reboot', client))).kind).toBe('config');
    });
  }
});

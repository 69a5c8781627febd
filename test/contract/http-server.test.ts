// The HTTP server against clients that mean well and clients that do not, over a port and over a socket.

import { afterEach, describe, expect, test } from 'bun:test';
import { existsSync, lstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { nodeHttpServer } from '../../agent/host/http-server.ts';
import type { HttpRequest, HttpResponse } from '../../agent/ports/fleet-lock.ts';
import { effectLog } from '../support/effect-log.ts';
import { fakeHttpServer } from '../support/fake-fleet-lock.ts';
import { freePort, placeOf, untilServed } from '../support/loopback.ts';
import { refusal } from '../support/refusal.ts';

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

type Answer = (request: HttpRequest) => Promise<HttpResponse>;

const echo: Answer = async ({ method, path, headers, body }) => ({
  status: 200,
  json: { method, path, mark: headers['x-mark'] ?? null, bytes: body?.length ?? null },
});

function directory(): string {
  const made = mkdtempSync(`${tmpdir()}/diyc-agent-http-`);
  cleanUps.push(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

interface Running {
  readonly listen: string;
  /** Fire the signal and wait until the server has ended. */
  end(): Promise<void>;
}

async function running(listen: string, answer: Answer = echo, requestTimeoutMs = 10_000): Promise<Running> {
  const controller = new AbortController();
  const served = nodeHttpServer({ requestTimeoutMs }).serve(listen, answer, controller.signal);
  const end = async (): Promise<void> => {
    controller.abort();
    await served;
  };
  cleanUps.push(end);
  await untilServed(listen);
  return { listen, end };
}

const onPort = async (answer: Answer = echo, requestTimeoutMs = 10_000): Promise<Running> =>
  running(`127.0.0.1:${await freePort()}`, answer, requestTimeoutMs);

interface Connection {
  readonly socket: Socket;
  /** All that came until the server ended the connection. */
  readonly closed: Promise<string>;
  /** Resolves once so many bytes' worth of text is there. */
  until(text: string): Promise<string>;
}

function open(listen: string, bytes: string): Connection {
  let received = '';
  const listeners: (() => void)[] = [];
  const socket = connect(placeOf(listen), () => socket.write(bytes));
  cleanUps.push(() => void socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString();
    for (const listener of listeners) listener();
  });
  socket.on('error', () => undefined);
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(received)));
  return {
    socket,
    closed,
    until: (text) =>
      new Promise((resolve) => {
        const look = (): void => void (received.includes(text) && resolve(received));
        listeners.push(look);
        look();
      }),
  };
}

const request = (head: string, body = '', more = 'connection: close\r\n'): string =>
  `${head} HTTP/1.1\r\nhost: a\r\n${more}${body === '' ? '' : `content-length: ${body.length}\r\n`}\r\n${body}`;

interface Received {
  readonly status: number;
  readonly head: string;
  readonly json: unknown;
}

function parsed(text: string): Received {
  const at = text.indexOf('\r\n\r\n');
  const head = text.slice(0, at);
  return { status: Number(head.split(' ')[1]), head: head.toLowerCase(), json: JSON.parse(text.slice(at + 4)) };
}

async function said(listen: string, bytes: string): Promise<Received> {
  return parsed(await open(listen, bytes).closed);
}

describe('where it listens', () => {
  test('a port, a port of IPv6, a socket with mode 0660 that is gone afterwards', async () => {
    const socket = `${directory()}/fleet.sock`;
    for (const listen of [`127.0.0.1:${await freePort()}`, `[::1]:${await freePort('::1')}`, socket]) {
      const server = await running(listen);
      expect((await said(listen, request('GET /v1'))).json).toEqual({
        method: 'GET',
        path: '/v1',
        mark: null,
        bytes: 0,
      });
      if (listen === socket) expect(lstatSync(socket).mode & 0o777).toBe(0o660);
      await server.end();
      await expect(open(listen, request('GET /')).closed).resolves.toBe('');
    }
    expect(existsSync(socket)).toBe(false);
  });

  for (const [name, server] of [
    ['the server', nodeHttpServer()],
    ['the fake server', fakeHttpServer(effectLog())],
  ] as const) {
    test(`${name}: what is no address, and what is taken`, async () => {
      const signal = new AbortController();
      for (const listen of ['', 'nonsense', 'a1:3333', ':3333', '[::1]', 'http://127.0.0.1:3333']) {
        expect((await refusal(() => server.serve(listen, echo, signal.signal))).kind).toBe('usage');
      }
      const listen = `127.0.0.1:${await freePort()}`;
      const served = server.serve(listen, echo, signal.signal);
      if (name === 'the server') await untilServed(listen);
      const error = await refusal(() => server.serve(listen, echo, signal.signal));
      expect(error.kind).toBe('oserr');
      expect(error.message).toContain('the address is taken');
      signal.abort();
      await served;
    });

    test(`${name}: a signal that fired before it began`, async () => {
      await server.serve('127.0.0.1:1', echo, AbortSignal.abort());
    });
  }

  test('ports and paths that cannot be', async () => {
    for (const listen of ['127.0.0.1:0', '127.0.0.1:65536', '1.2.3:80', `/run/${'x'.repeat(108)}`, '/run/']) {
      expect((await refusal(() => nodeHttpServer().serve(listen, echo, new AbortController().signal))).kind).toBe(
        'usage',
      );
    }
  });

  test('an address of another host', async () => {
    const error = await refusal(() => nodeHttpServer().serve('192.0.2.1:3333', echo, new AbortController().signal));
    expect(error.kind).toBe('oserr');
    expect(error.message).toContain('does not have the address');
  });

  test('a socket that a killed server left is replaced; nothing else is', async () => {
    const path = `${directory()}/fleet.sock`;
    const child = Bun.spawnSync([
      process.execPath,
      '-e',
      `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
    ]);
    expect(child.signalCode).toBe('SIGKILL');
    expect(lstatSync(path).isSocket()).toBe(true);
    const server = await running(path);
    const taken = await refusal(() => nodeHttpServer().serve(path, echo, new AbortController().signal));
    expect(taken.message).toContain('another process listens there');
    expect((await said(path, request('GET /'))).status).toBe(200);
    await server.end();
    writeFileSync(path, 'precious');
    const error = await refusal(() => nodeHttpServer().serve(path, echo, new AbortController().signal));
    expect(error.message).toContain('no socket');
    expect(existsSync(path)).toBe(true);
    const nowhere = await refusal(() => nodeHttpServer().serve(`${path}x/y`, echo, new AbortController().signal));
    expect([nowhere.kind, nowhere.message]).toEqual([
      'oserr',
      `cannot listen on ${path}x/y: its directory is not there`,
    ]);
  });

  test('a socket somebody listens on but does not answer at is somebody', async () => {
    const path = `${directory()}/other.sock`;
    const other = createTcpServer();
    await new Promise<void>((resolve) => other.listen(path, resolve));
    cleanUps.push(() => void other.close());
    expect((await refusal(() => nodeHttpServer().serve(path, echo, new AbortController().signal))).kind).toBe('oserr');
    expect(existsSync(path)).toBe(true);
  });
});

for (const [name, listenOn] of [
  ['a port', async () => `127.0.0.1:${await freePort()}`],
  ['a socket', async () => `${directory()}/fleet.sock`],
] as const) {
  describe(`clients at ${name}`, () => {
    const start = async (answer: Answer = echo, requestTimeoutMs = 10_000): Promise<string> =>
      (await running(await listenOn(), answer, requestTimeoutMs)).listen;

    test('method, path without the query, headers in lower case, body', async () => {
      const listen = await start();
      const { status, head, json } = await said(
        listen,
        request('POST /v1/pre-reboot?a=b#c', '{"ä":1}', 'X-Mark: ja\r\nX-MARK: nein\r\nconnection: close\r\n'),
      );
      expect([status, json]).toEqual([
        200,
        { method: 'POST', path: '/v1/pre-reboot', mark: 'ja, nein', bytes: '{"ä":1}'.length - 1 },
      ]);
      expect(head).toContain('content-type: application/json');
    });

    for (const [what, bytes, status, kind] of [
      ['not HTTP', '\u0016\u0003\u0001\u0000\u0000hello\r\n\r\n', 400, 'bad_request'],
      ['HTTP/2 by prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'bad_request'],
      ['a huge header', request('GET /', '', `x: ${'a'.repeat(200_000)}\r\n`), 431, 'headers_too_large'],
      ['a header above the limit', request('GET /', '', `x: ${'a'.repeat(8_300)}\r\n`), 431, 'headers_too_large'],
      ['a huge path', request(`GET /${'a'.repeat(9_000)}`), 431, 'headers_too_large'],
      ['many headers', request('GET /', '', 'a: b\r\n'.repeat(2_000)), 431, 'headers_too_large'],
      ['a broken chunk', request('POST /', '', 'transfer-encoding: chunked\r\n').concat('zz\r\n'), 400, 'bad_request'],
      [
        'two lengths',
        request('POST /', '', 'content-length: 2\r\ncontent-length: 3\r\n').concat('{}x'),
        400,
        'bad_request',
      ],
      [
        'a length beside chunks',
        request('POST /', '', 'transfer-encoding: chunked\r\ncontent-length: 3\r\n').concat('3\r\nabc\r\n0\r\n\r\n'),
        400,
        'bad_request',
      ],
    ] as const) {
      test(`${what}: ${status}, and the server goes on`, async () => {
        const listen = await start();
        const answer = await said(listen, bytes);
        expect([answer.status, answer.json]).toEqual([status, { kind, value: expect.any(String) }]);
        expect((await said(listen, request('GET /'))).status).toBe(200);
      });
    }

    for (const [what, bytes] of [
      ['half a head', 'GET / HT'],
      ['half a body', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab'],
    ] as const) {
      test(`${what}, and then nothing: 408 when the time has passed`, async () => {
        const listen = await start(echo, 300);
        const answer = await said(listen, bytes);
        expect([answer.status, answer.json]).toEqual([408, { kind: 'request_timeout', value: expect.any(String) }]);
      });
    }

    test('a byte now and then keeps nothing open', async () => {
      const listen = await start(echo, 300);
      const { socket, closed } = open(listen, 'GET / HTTP/1.1\r\n');
      const drip = setInterval(() => void (socket.writable && socket.write('a: b\r\n')), 50);
      expect(parsed(await closed).status).toBe(408);
      clearInterval(drip);
    });

    test('a handler may take longer than a request may take to arrive', async () => {
      const listen = await start(async (r) => {
        // Longer than the limit and than the interval at which it is looked at.
        await new Promise((resolve) => setTimeout(resolve, 700));
        return await echo(r);
      }, 200);
      expect((await said(listen, request('POST /', '{}'))).status).toBe(200);
    });

    test('who hangs up in the middle harms nobody', async () => {
      let handled = 0;
      const listen = await start(async (r) => {
        handled++;
        return await echo(r);
      });
      const { socket, closed } = open(listen, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab');
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.end();
      await closed;
      expect((await said(listen, request('GET /'))).status).toBe(200);
      expect(handled).toBe(1);
    });

    test('a body at the limit is taken, one above it is null, and what has no end is cut off', async () => {
      const listen = await start();
      const bytes = async (size: number): Promise<unknown> =>
        ((await said(listen, request('POST /', 'x'.repeat(size)))).json as { readonly bytes: unknown }).bytes;
      expect(await bytes(16 * 1024)).toBe(16 * 1024);
      expect(await bytes(16 * 1024 + 1)).toBeNull();
      expect(await bytes(200_000)).toBeNull();
      const endless = open(listen, request('POST /', '', 'transfer-encoding: chunked\r\n'));
      const flood = (): void => {
        while (endless.socket.writable && endless.socket.write(`10000\r\n${'x'.repeat(65_536)}\r\n`));
      };
      endless.socket.on('drain', flood);
      endless.socket.once('connect', flood);
      await endless.closed;
      expect((await said(listen, request('GET /'))).status).toBe(200);
    });

    test('requests in one go are answered in their order, and not without end', async () => {
      const listen = await start();
      const two = open(listen, request('GET /1', '', '') + request('GET /2'));
      const paths = [...(await two.closed).matchAll(/"path":"([^"]+)"/g)].map((found) => found[1]);
      expect(paths).toEqual(['/1', '/2']);
      const flood = await open(listen, request('GET /', '', '').repeat(2_000)).closed;
      expect(flood.split('HTTP/1.1 200').length - 1).toBeLessThanOrEqual(100);
    });

    test('a connection is kept for the next request', async () => {
      const listen = await start();
      const connection = open(listen, request('GET /1', '', ''));
      await connection.until('"/1"');
      connection.socket.write(request('GET /2'));
      expect(await connection.closed).toContain('"/2"');
    });

    test('CONNECT, Upgrade and Expect take nothing along', async () => {
      const listen = await start();
      await open(listen, 'CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n').closed;
      const upgrade = 'connection: upgrade, close\r\nupgrade: websocket\r\n';
      expect((await said(listen, request('GET /', '', upgrade))).status).toBe(200);
      const patient = open(
        listen,
        request('POST /', '', 'expect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n'),
      );
      await patient.until('100 Continue');
      patient.socket.write('{}');
      expect(await patient.closed).toContain('"bytes":2');
    });

    test('a handler that fails is 500 and nothing more', async () => {
      const failures: Readonly<Record<string, () => HttpResponse>> = {
        '/throw': () => {
          throw new Error('geheim');
        },
        '/unwritable': () => ({ status: 200, json: 1n }),
        '/header': () => ({ status: 200, json: {}, headers: { 'x-a': 'a\r\nb: c' } }),
        '/status': () => ({ status: 99_999, json: {} }),
      };
      const listen = await start(async (r) => failures[r.path]?.() ?? (await echo(r)));
      for (const path of Object.keys(failures)) {
        const { status, json } = await said(listen, request(`GET ${path}`));
        expect([path, status, json]).toEqual([path, 500, { kind: 'internal', value: expect.any(String) }]);
        expect(JSON.stringify(json)).not.toContain('geheim');
      }
      expect((await said(listen, request('GET /'))).status).toBe(200);
    });

    test('of 200 at once as many as may be connected are answered, and then the next', async () => {
      const listen = await start();
      const all = await Promise.all(Array.from({ length: 200 }, () => open(listen, request('GET /')).closed));
      const answered = all.filter((text) => text.startsWith('HTTP/1.1 200'));
      expect(answered.length).toBeGreaterThanOrEqual(32);
      expect(all.every((text) => text === '' || text.startsWith('HTTP/1.1 200'))).toBe(true);
      expect((await said(listen, request('GET /'))).status).toBe(200);
    });

    test('no more than 64 connections are held', async () => {
      const listen = await start();
      const held = Array.from({ length: 100 }, () => open(listen, 'GET / HT'));
      const refused = await new Promise<number>((resolve) => {
        let closed = 0;
        for (const { closed: end } of held) void end.then(() => ++closed === 36 && resolve(closed));
      });
      expect(refused).toBe(36);
    });

    test('at the end those under way get their answer, the others are closed, and nobody new gets in', async () => {
      let release = (): void => undefined;
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      let arrived = (): void => undefined;
      const handling = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      const server = await running(await listenOn(), async (r) => {
        if (r.path === '/slow') {
          arrived();
          await gate;
        }
        return await echo(r);
      });
      const idle = open(server.listen, request('GET /1', '', ''));
      await idle.until('"/1"');
      const half = open(server.listen, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab');
      const slow = open(server.listen, request('GET /slow', '', ''));
      await handling;
      const ended = server.end();
      await idle.closed;
      expect(await open(server.listen, request('GET /')).closed).toBe('');
      release();
      expect(await slow.closed).toContain('"/slow"');
      await ended;
      expect(await half.closed).toBe('');
    });
  });
}

test('a handler that never ends is left behind after the grace', async () => {
  const controller = new AbortController();
  const listen = `127.0.0.1:${await freePort()}`;
  let arrived = (): void => undefined;
  const handling = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const served = nodeHttpServer({ graceMs: 50 }).serve(
    listen,
    () => {
      arrived();
      return new Promise<HttpResponse>(() => undefined);
    },
    controller.signal,
  );
  await untilServed(listen);
  const stuck = open(listen, request('GET /'));
  await handling;
  controller.abort();
  await served;
  expect(await stuck.closed).toBe('');
});

test('two servers of one process do not know of each other', async () => {
  const [first, second] = [await onPort(), await onPort(async () => ({ status: 418, json: {} }))];
  expect((await said(first.listen, request('GET /'))).status).toBe(200);
  await first.end();
  expect((await said(second.listen, request('GET /'))).status).toBe(418);
});

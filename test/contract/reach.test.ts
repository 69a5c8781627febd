// The contract of the Reach port, held against loopback and against the fake.

import { afterEach, describe, expect, test } from 'bun:test';
import { createServer } from 'node:http';
import { createServer as createTcpServer, type Server } from 'node:net';
import { hostReach } from '../../agent/host/reach.ts';
import type { Reach } from '../../agent/ports/survey.ts';
import { effectLog } from '../support/effect-log.ts';
import { fakeReach } from '../support/fake-reach.ts';
import { silentServer } from '../support/silent-server.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const at = server.address();
  if (at === null || typeof at === 'string') throw new Error('no port');
  return at.port;
}

async function web(status: number, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const server = createServer((_request, response) => {
    response.writeHead(status, headers);
    // Never ended: only the head may be waited for.
    response.write('x'.repeat(100_000));
  });
  cleanUps.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return await portOf(server);
}

async function closedPort(): Promise<number> {
  const server = createTcpServer();
  const port = await portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function silentPort(): Promise<number> {
  const silent = await silentServer();
  cleanUps.push(() => silent.close());
  return Number(silent.address.split(':')[1]);
}

interface Subject {
  readonly reach: Reach;
  readonly ports: { readonly silent: number; readonly closed: number; readonly ok: number; readonly failing: number };
}

async function real(): Promise<Subject> {
  const ports = { silent: await silentPort(), closed: await closedPort(), ok: await web(404), failing: await web(503) };
  return { reach: hostReach(), ports };
}

async function fake(): Promise<Subject> {
  const reach = fakeReach({
    clock: virtualClock(),
    log: effectLog(),
    peers: {
      '127.0.0.1:1': 'accepts',
      '127.0.0.1:2': 'refused',
      'http://127.0.0.1:1/': 'silent',
      'http://127.0.0.1:2/': 'refused',
      'http://127.0.0.1:3/': 404,
      'http://127.0.0.1:4/': 503,
    },
  });
  return { reach, ports: { silent: 1, closed: 2, ok: 3, failing: 4 } };
}

for (const [name, make] of [
  ['this host', real],
  ['the fake reach', fake],
] as const) {
  describe(name, () => {
    test('a port that accepts, and one that does not', async () => {
      const { reach, ports } = await make();
      expect(await reach.tcp('127.0.0.1', ports.silent, 5_000)).toEqual({ ok: true, detail: 'accepts connections' });
      expect(await reach.tcp('127.0.0.1', ports.closed, 5_000)).toEqual({
        ok: false,
        detail: 'refuses connections (nothing listens there)',
      });
    });

    test('a web server answers with any status below 500', async () => {
      const { reach, ports } = await make();
      expect(await reach.http(`http://127.0.0.1:${ports.ok}/`, 5_000)).toEqual({
        ok: true,
        detail: 'answers HTTP 404',
      });
      expect(await reach.http(`http://127.0.0.1:${ports.failing}/`, 5_000)).toEqual({
        ok: false,
        detail: 'answers HTTP 503',
      });
    });

    test('what accepts and says nothing has not answered', async () => {
      const { reach, ports } = await make();
      expect(await reach.http(`http://127.0.0.1:${ports.silent}/`, 200)).toEqual({
        ok: false,
        detail: 'accepts connections but did not answer within 200 ms',
      });
      expect(await reach.http(`http://127.0.0.1:${ports.closed}/`, 5_000)).toEqual({
        ok: false,
        detail: 'refuses connections (nothing listens there)',
      });
    });
  });
}

describe('this host', () => {
  const reach = hostReach();

  test('TLS that never comes about ends with the deadline', async () => {
    const reached = await reach.http(`https://127.0.0.1:${await silentPort()}/`, 200);
    expect(reached).toEqual({ ok: false, detail: 'accepts connections but did not answer within 200 ms' });
  });

  test('a redirect is an answer, and is not followed', async () => {
    const port = await web(302, { location: `http://127.0.0.1:${await closedPort()}/` });
    expect(await reach.http(`http://127.0.0.1:${port}/`, 5_000)).toEqual({ ok: true, detail: 'answers HTTP 302' });
  });

  test('what is no web server has not answered', async () => {
    const server = createTcpServer((socket) => socket.end('220 mail ready\r\n').on('error', () => undefined));
    cleanUps.push(() => void server.close());
    const reached = await reach.http(`http://127.0.0.1:${await portOf(server)}/`, 5_000);
    expect(reached.ok).toBe(false);
    expect(reached.detail).toStartWith('broke the connection off');
  });

  test('who hangs up has not answered', async () => {
    const server = createTcpServer((socket) => void socket.destroy());
    cleanUps.push(() => void server.close());
    const reached = await reach.http(`http://127.0.0.1:${await portOf(server)}/`, 5_000);
    expect(reached.ok).toBe(false);
    expect(reached.detail).toStartWith('broke the connection off');
  });

  test('a proxy of the environment is not used', async () => {
    const port = await web(200);
    const names = ['http_proxy', 'HTTP_PROXY', 'NODE_USE_ENV_PROXY'];
    const before = names.map((name) => process.env[name]);
    for (const name of names)
      process.env[name] = name.startsWith('NODE') ? '1' : `http://127.0.0.1:${await closedPort()}`;
    try {
      expect((await reach.http(`http://127.0.0.1:${port}/`, 5_000)).ok).toBe(true);
    } finally {
      for (const [i, name] of names.entries()) {
        const value = before[i];
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  });

  for (const url of ['ftp://127.0.0.1/', 'nonsense', 'http://', 'http://127.0.0.1:99999/', '']) {
    test(`"${url}" is no URL, and no exception`, async () => {
      const { ok, detail } = await reach.http(url, 1_000);
      expect(ok).toBe(false);
      expect(detail).toStartWith('is no ');
    });
  }

  for (const port of [-1, 65_536, Number.NaN, 1.5]) {
    test(`port ${port} is none, and no exception`, async () => {
      expect((await reach.tcp('127.0.0.1', port, 1_000)).ok).toBe(false);
    });
  }

  test('a name that is none cannot be resolved', async () => {
    expect((await reach.tcp('nobody.invalid', 80, 5_000)).detail).toBe('has a name that cannot be resolved');
  });
});

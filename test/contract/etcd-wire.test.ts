// How the etcd adapters behave on the wire where no real etcd can be made to: odd answers, and the end of the process.

import { afterEach, describe, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { createServer, type RequestListener } from 'node:http';
import { fileURLToPath } from 'node:url';
import { askHealth } from '../../agent/host/etcd-health.ts';
import { etcdV2Store } from '../../agent/host/etcd-v2-store.ts';
import { freePort } from '../support/real-etcd.ts';
import { refusal } from '../support/refusal.ts';
import { silentServer } from '../support/silent-server.ts';

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

/** @returns the URL of a server that answers each request this way */
function answering(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  cleanUps.push(() => server.closeAllConnections());
  cleanUps.push(() => void server.close());
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(`http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`);
    });
  });
}

const saying = (status: number, body: string): Promise<string> =>
  answering((_request, response) => void response.writeHead(status).end(body));

async function silent(): Promise<string> {
  const server = await silentServer();
  cleanUps.push(server.close);
  return `http://${server.address}`;
}

describe('health', () => {
  for (const [what, status, body, outcome, detail] of [
    ['of etcd 3.4', 200, '{"health":"true"}', 'healthy', 'is healthy'],
    ['of etcd 3.5', 200, '{"health":"true","reason":""}', 'healthy', 'is healthy'],
    ['without a leader', 503, '{"health":"false","reason":"RAFT NO LEADER"}', 'unhealthy', 'RAFT NO LEADER'],
    ['without a reason', 503, '{"health":"false"}', 'unhealthy', 'no leader, or an alarm'],
    ['as a boolean is not etcd', 200, '{"health":true}', 'unhealthy', 'not healthy'],
    ['of another program', 200, '<html>', 'unhealthy', 'is that etcd?'],
    ['of a list', 200, '[]', 'unhealthy', 'is that etcd?'],
    ['of nothing at all', 404, '', 'unhealthy', 'HTTP 404'],
  ] as const) {
    test(`${what}: ${outcome}`, async () => {
      const [found] = await askHealth([await saying(status, body)], 1_000);
      expect([found?.outcome, found?.detail]).toEqual([outcome, expect.stringContaining(detail)]);
    });
  }

  test('an answer that stops in its middle is silence', async () => {
    const url = await answering((_request, response) => void response.writeHead(200).write('{"hea'));
    expect((await askHealth([url], 300))[0]?.outcome).toBe('silent');
  });

  test('what is no URL, and what has no address, is unreachable; nothing is thrown', async () => {
    const found = await askHealth(['not a url', 'ftp://x', 'http://no-such-host.invalid:2379'], 3_000);
    expect(found.map((f) => f.outcome)).toEqual(['unreachable', 'unreachable', 'unreachable']);
  });

  test('an address that swallows packets is unreachable', async () => {
    // TEST-NET-1 (RFC 5737) belongs to nobody; a network may also refuse it at once.
    const [found] = await askHealth(['http://192.0.2.254:2379'], 400);
    expect(found?.outcome).toBe('unreachable');
  });

  test('all are asked at once', async () => {
    const started = performance.now();
    const endpoints = await Promise.all([silent(), silent(), silent()]);
    await askHealth(endpoints, 400);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe('the v2 store', () => {
  test('an etcd without the v2 API says what to do, and is not asked again', async () => {
    const url = await saying(404, '404 page not found\n');
    const error = await refusal(() => etcdV2Store({ endpoints: [url], deadlineMs: 1_000 }).read('/x'));
    expect([error.kind, error.retryable]).toEqual(['unavailable', false]);
    expect(error.hint).toContain('ETCD_ENABLE_V2=true');
  });

  test('a member in an election is passed over', async () => {
    const troubled = await saying(500, '{"errorCode":301,"message":"During Leader Election"}');
    const good = await saying(200, '{"action":"get","node":{"key":"/x","value":"v"}}');
    expect(await etcdV2Store({ endpoints: [troubled, good], deadlineMs: 2_000 }).read('/x')).toBe('v');
    const error = await refusal(() => etcdV2Store({ endpoints: [troubled], deadlineMs: 1_000 }).read('/x'));
    expect(error.message).toContain('During Leader Election');
  });

  test('a silent member first in the list still leaves time for the next', async () => {
    const good = await saying(200, '{"action":"get","node":{"key":"/x","value":"v"}}');
    const store = etcdV2Store({ endpoints: [await silent(), good], deadlineMs: 3_000 });
    expect(await store.read('/x')).toBe('v');
    const started = performance.now();
    expect(await store.read('/x')).toBe('v');
    // The one that answered is asked first from then on.
    expect(performance.now() - started).toBeLessThan(500);
  });

  test('an answer that never ends is cut off by the deadline', async () => {
    const url = await answering((_request, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(drip));
    });
    const started = performance.now();
    expect((await refusal(() => etcdV2Store({ endpoints: [url], deadlineMs: 1_000 }).read('/x'))).kind).toBe(
      'unavailable',
    );
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  test('a refusal by etcd itself is a matter of permission, and JSON that means nothing is no answer', async () => {
    const denied = await saying(401, '{"errorCode":110,"message":"The request requires user authentication"}');
    expect((await refusal(() => etcdV2Store({ endpoints: [denied], deadlineMs: 1_000 }).read('/x'))).kind).toBe(
      'noperm',
    );
    const odd = await saying(200, '{"node":{}}');
    const error = await refusal(() => etcdV2Store({ endpoints: [odd], deadlineMs: 1_000 }).read('/x'));
    expect([error.kind, error.retryable]).toEqual(['unavailable', false]);
  });

  test('a key removed between the attempt and the look is worth another attempt', async () => {
    const url = await answering((request, response) => {
      if (request.method === 'PUT') response.writeHead(412).end('{"errorCode":105,"message":"Key already exists"}');
      else response.writeHead(404).end('{"errorCode":100,"message":"Key not found"}');
    });
    const error = await refusal(() => etcdV2Store({ endpoints: [url], deadlineMs: 1_000 }).createIfAbsent('/x', 'v'));
    expect(error.kind).toBe('tempfail');
  });
});

describe('the v3 store', () => {
  const client = fileURLToPath(new URL('../../agent/host/etcd-client.ts', import.meta.url));

  /** @returns what a process that uses the store once prints, and how long it lives after closing the store */
  function useOnce(
    endpoints: readonly string[],
    deadlineMs: number,
  ): Promise<{ said: string; livedMs: number; code: number | null }> {
    const script = `
      import { etcdClient } from '${client}';
      const store = await etcdClient({ deadlineMs: ${deadlineMs} }).leases(${JSON.stringify(endpoints)});
      const tell = (e) => console.log(e.kind, e.message);
      await store.read('/x').then((v) => console.log('value', v), tell);
      await store.keepLeaseAlive('1').then((v) => console.log('kept', v), tell);
      store.close();
      console.log('closed');
    `;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    cleanUps.push(() => void child.kill('SIGKILL'));
    return new Promise((resolve) => {
      let said = '';
      let closedAt = Number.NaN;
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString('utf8');
        if (said.includes('closed')) closedAt = performance.now();
      });
      child.once('close', (code) => resolve({ said, livedMs: performance.now() - closedAt, code }));
    });
  }

  test('a process ends right after closing it, also when nothing ever answered', async () => {
    for (const endpoint of [await silent(), `http://127.0.0.1:${await freePort()}`]) {
      const { said, livedMs, code } = await useOnce([endpoint], 1_000);
      expect(said).toContain('unavailable');
      expect(code).toBe(0);
      expect(livedMs).toBeLessThan(700);
    }
  }, 20_000);

  test('a proxy of the environment is not asked', async () => {
    process.env['http_proxy'] = 'http://127.0.0.1:1';
    cleanUps.push(() => void delete process.env['http_proxy']);
    const endpoint = await silent();
    const { said } = await useOnce([endpoint], 1_000);
    expect(said).toContain('did not answer within');
  }, 20_000);
});

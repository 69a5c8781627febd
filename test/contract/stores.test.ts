// The contract of the key stores, of coordinated changes and of health, held against a real etcd and against the fake cluster.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { etcdClient } from '../../agent/host/etcd-client.ts';
import { nodeClock } from '../../agent/host/node-clock.ts';
import type { Clock } from '../../agent/ports/clock.ts';
import type { EtcdClient } from '../../agent/ports/host.ts';
import type { KeyStore, SwapStore } from '../../agent/ports/store.ts';
import { effectLog } from '../support/effect-log.ts';
import { fakeEtcd } from '../support/fake-etcd.ts';
import { findEtcd, freePort, type RealEtcd, startEtcd } from '../support/real-etcd.ts';
import { refusal } from '../support/refusal.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const deadlineMs = 2_000;

interface Subject {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly endpoint: string;
  /** Nothing listens there. */
  readonly refusing: string;
  /** Another way to the endpoint; its answers can be lost on the way. */
  readonly detour: string;
  /** From now on, and back: what is asked by the detour is done, and nobody is told. */
  loseAnswers(isLost: boolean): Promise<void>;
  /** From now on the endpoint accepts connections and answers nothing, and back. */
  silence(isSilent: boolean): Promise<void>;
  stop(): Promise<void>;
}

async function fake(): Promise<Subject> {
  const clock = virtualClock();
  const address = '192.168.99.51';
  const cluster = fakeEtcd({ members: [address], clock, deadlineMs });
  return {
    client: cluster.clientFor(address, effectLog()),
    clock,
    endpoint: `http://${address}:2379`,
    refusing: 'http://192.168.99.1:2379',
    detour: 'http://127.0.0.1:2379',
    loseAnswers: async (isLost) => cluster.loseAnswers('http://127.0.0.1:2379', isLost),
    silence: async (isSilent) => cluster.setMember(address, isSilent ? 'silent' : 'up'),
    stop: async () => undefined,
  };
}

const program = await findEtcd();

async function real(): Promise<Subject> {
  if ('missing' in program) throw new Error(program.missing);
  const directory = await mkdtemp(`${tmpdir()}/diyc-agent-etcd-`);
  let etcd: RealEtcd;
  try {
    etcd = await startEtcd(program.path, directory, ['--enable-v2=true']);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  const detour = await lossyDoor(etcd.endpoint);
  return {
    client: etcdClient({ deadlineMs }),
    clock: nodeClock(),
    endpoint: etcd.endpoint,
    refusing: `http://127.0.0.1:${await freePort()}`,
    detour: detour.url,
    loseAnswers: async (isLost) => detour.loseAnswers(isLost),
    silence: async (isSilent) => (isSilent ? await etcd.freeze() : etcd.thaw()),
    async stop() {
      detour.close();
      await etcd.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A way to etcd that passes everything on, or only what goes to it. */
async function lossyDoor(
  endpoint: string,
): Promise<{ readonly url: string; loseAnswers(isLost: boolean): void; close(): void }> {
  const { hostname, port } = new URL(endpoint);
  let isLossy = false;
  const open = new Set<Socket>();
  const door = createServer((outside) => {
    const inside = connect(Number(port), hostname);
    for (const socket of [outside, inside]) {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
    }
    outside.on('error', () => inside.destroy()).pipe(inside);
    inside.on('error', () => outside.destroy());
    inside.on('end', () => outside.end());
    inside.on('data', (chunk: Buffer) => {
      if (!isLossy) outside.write(chunk);
    });
  });
  const doorPort = await freePort();
  await new Promise<void>((resolve) => door.listen(doorPort, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${doorPort}`,
    loseAnswers(isLost) {
      isLossy = isLost;
    },
    close() {
      door.close();
      for (const socket of open) socket.destroy();
    },
  };
}

const unlessEtcd = 'missing' in program ? ` (skipped: ${program.missing})` : '';
let keyNumber = 0;
const freshKey = (): string => `/diyc/test/${++keyNumber}`;

for (const { name, make, isPossible } of [
  { name: 'the fake etcd', make: fake, isPossible: true },
  { name: `a real etcd${unlessEtcd}`, make: real, isPossible: !('missing' in program) },
]) {
  describe.skipIf(!isPossible)(name, () => {
    let subject: Subject;
    let leases: SwapStore;
    beforeAll(async () => {
      subject = await make();
      leases = await subject.client.leases([subject.endpoint]);
    }, 60_000);
    afterAll(async () => {
      leases?.close();
      await subject?.stop();
    });

    for (const api of ['v2', 'v3'] as const) {
      describe(api, () => {
        let store: KeyStore;
        beforeAll(async () => {
          store = await subject.client.keys(api, [subject.endpoint]);
        });
        afterAll(() => store.close());

        test('says which API it speaks', () => {
          expect(store.api).toBe(api);
        });

        test('a key that is not there is null, and its directory is empty', async () => {
          expect(await store.read('/nothing/here')).toBeNull();
          expect(await store.list('/nothing/here/')).toEqual([]);
        });

        test('a key is created once; the second attempt is told what stands there', async () => {
          const key = freshKey();
          const value = '{"Network":"172.18.0.0/16","Backend":{"Type":"vxlan"}}\n+&=% ä';
          expect(await store.createIfAbsent(key, value)).toEqual({ created: true, current: value });
          expect(await store.createIfAbsent(key, 'other')).toEqual({ created: false, current: value });
          expect(await store.read(key)).toBe(value);
        });

        test('of many who create at once exactly one does', async () => {
          const key = freshKey();
          const outcomes = await Promise.all(
            Array.from({ length: 12 }, (_, i) => store.createIfAbsent(key, `from ${i}`)),
          );
          expect(outcomes.filter((o) => o.created)).toHaveLength(1);
          expect(new Set(outcomes.map((o) => o.current)).size).toBe(1);
        });

        test('a list has what begins with the prefix, in order, and nothing else', async () => {
          for (const key of ['/list/b', '/list/a', '/list/sub/c', '/listing', '/lis'])
            await store.createIfAbsent(key, `value of ${key}`);
          expect(await store.list('/list/')).toEqual([
            { key: '/list/a', value: 'value of /list/a' },
            { key: '/list/b', value: 'value of /list/b' },
            { key: '/list/sub/c', value: 'value of /list/sub/c' },
          ]);
          expect((await store.list('/list/s')).map((v) => v.key)).toEqual(['/list/sub/c']);
        });

        test('an empty value is a value', async () => {
          const key = freshKey();
          await store.createIfAbsent(key, '');
          expect(await store.read(key)).toBe('');
        });

        test('an endpoint that refuses is passed over', async () => {
          const both = await subject.client.keys(api, [subject.refusing, subject.endpoint]);
          expect((await both.createIfAbsent(freshKey(), 'x')).created).toBe(true);
          both.close();
        });

        test('when all refuse, the error names each and the remedy', async () => {
          const none = await subject.client.keys(api, [subject.refusing]);
          const error = await refusal(() => none.read('/x'));
          expect([error.kind, error.retryable]).toEqual(['unavailable', true]);
          expect(error.message).toContain(subject.refusing);
          expect(error.hint).toContain('etcd.service');
          none.close();
        });

        test('without endpoints there is an error, not a hang', async () => {
          const none = await subject.client.keys(api, []);
          expect((await refusal(() => none.read('/x'))).kind).toBe('unavailable');
        });

        test('one that accepts and never answers costs no more than the deadline', async () => {
          const store2 = await subject.client.keys(api, [subject.endpoint]);
          await store2.read('/x');
          await subject.silence(true);
          try {
            const started = subject.clock.monotonicMs();
            const error = await refusal(() => store2.read('/x'));
            const tookMs = subject.clock.monotonicMs() - started;
            expect(error.kind).toBe('unavailable');
            expect(error.message).toContain('did not answer within');
            expect(tookMs).toBeGreaterThan(deadlineMs * 0.9);
            expect(tookMs).toBeLessThan(deadlineMs * 1.5);
          } finally {
            await subject.silence(false);
            store2.close();
          }
        }, 20_000);
      });
    }

    test('v2 and v3 keys are two worlds', async () => {
      const [v2, v3] = [
        await subject.client.keys('v2', [subject.endpoint]),
        await subject.client.keys('v3', [subject.endpoint]),
      ];
      const key = freshKey();
      await v2.createIfAbsent(key, 'v2');
      expect(await v3.read(key)).toBeNull();
      expect(await v3.createIfAbsent(key, 'v3')).toEqual({ created: true, current: 'v3' });
      expect(await v2.read(key)).toBe('v2');
      v2.close();
      v3.close();
    });

    test('a directory of the v2 API is no key', async () => {
      const v2 = await subject.client.keys('v2', [subject.endpoint]);
      await v2.createIfAbsent('/directory/key', 'x');
      expect((await refusal(() => v2.read('/directory'))).kind).toBe('data');
      expect((await refusal(() => v2.createIfAbsent('/directory', 'x'))).kind).toBe('data');
      v2.close();
    });

    test('a key under a lease lives as long as the lease is kept alive', async () => {
      const key = freshKey();
      const lease = await leases.grantLease(2);
      expect(lease).toMatch(/^[0-9]{10,}$/);
      await leases.putUnderLease(key, 'one', lease);
      await leases.putUnderLease(key, 'two', lease);
      for (let i = 0; i < 4; i++) {
        await subject.clock.sleep(900);
        expect(await leases.keepLeaseAlive(lease)).toBe(true);
      }
      expect(await leases.read(key)).toBe('two');
      const givenUpAt = subject.clock.monotonicMs() + 15_000;
      while ((await leases.read(key)) !== null && subject.clock.monotonicMs() < givenUpAt)
        await subject.clock.sleep(200);
      expect(await leases.read(key)).toBeNull();
      expect(await leases.keepLeaseAlive(lease)).toBe(false);
      const error = await refusal(() => leases.putUnderLease(key, 'late', lease));
      expect([error.kind, error.retryable]).toEqual(['tempfail', true]);
    }, 30_000);

    test('a lease that never was is gone', async () => {
      expect(await leases.keepLeaseAlive('1234567890123456789')).toBe(false);
    });

    describe('a value that is changed only as it was seen', () => {
      const revisionOf = async (key: string): Promise<string> => (await leases.readVersioned([key]))[0]?.revision ?? '';

      test('a key that is not there has no value and the revision 0', async () => {
        const key = freshKey();
        expect(await leases.readVersioned([key])).toEqual([{ key, value: null, revision: '0' }]);
        expect(await leases.readVersioned([])).toEqual([]);
      });

      test('it is created once, for whoever saw that it was not there', async () => {
        const key = freshKey();
        const absent = [{ key, revision: '0' }];
        expect(await leases.swap({ key, value: 'first' }, absent)).toBe(true);
        expect(await leases.swap({ key, value: 'second' }, absent)).toBe(false);
        const [found] = await leases.readVersioned([key]);
        expect(found).toEqual({ key, value: 'first', revision: expect.stringMatching(/^[1-9][0-9]*$/) });
      });

      test('it is replaced once, for whoever saw what stands there', async () => {
        const key = freshKey();
        await leases.swap({ key, value: 'one' }, []);
        const seen = await revisionOf(key);
        expect(await leases.swap({ key, value: 'two' }, [{ key, revision: seen }])).toBe(true);
        expect(await leases.swap({ key, value: 'three' }, [{ key, revision: seen }])).toBe(false);
        expect(await leases.swap({ key, value: 'three' }, [{ key, revision: '0' }])).toBe(false);
        expect(await leases.read(key)).toBe('two');
      });

      test('the same value written again is a change all the same', async () => {
        const key = freshKey();
        await leases.swap({ key, value: 'same' }, []);
        const seen = await revisionOf(key);
        await leases.swap({ key, value: 'same' }, []);
        expect(BigInt(await revisionOf(key))).toBeGreaterThan(BigInt(seen));
        expect(await leases.swap({ key, value: 'mine' }, [{ key, revision: seen }])).toBe(false);
      });

      test('it is removed, and then it is as if it had never been', async () => {
        const key = freshKey();
        await leases.swap({ key, value: 'here' }, []);
        const seen = await revisionOf(key);
        expect(await leases.swap({ key, value: null }, [{ key, revision: '0' }])).toBe(false);
        expect(await leases.swap({ key, value: null }, [{ key, revision: seen }])).toBe(true);
        expect(await leases.readVersioned([key])).toEqual([{ key, value: null, revision: '0' }]);
        expect(await leases.swap({ key, value: null }, [{ key, revision: seen }])).toBe(false);
        expect(await leases.swap({ key, value: null }, [{ key, revision: '0' }])).toBe(true);
        expect(await leases.swap({ key, value: 'again' }, [{ key, revision: '0' }])).toBe(true);
      });

      test('all guards count, also those of other keys and of keys that are not there', async () => {
        const [key, other, absent] = [freshKey(), freshKey(), freshKey()];
        await leases.swap({ key: other, value: 'other' }, []);
        const seen = await revisionOf(other);
        const guards = [
          { key, revision: '0' },
          { key: other, revision: seen },
          { key: absent, revision: '0' },
        ];
        expect(await leases.swap({ key, value: 'x' }, [...guards.slice(0, 2), { key: absent, revision: seen }])).toBe(
          false,
        );
        expect(await leases.read(key)).toBeNull();
        expect(await leases.swap({ key, value: 'x' }, guards)).toBe(true);
        await leases.swap({ key: absent, value: 'came' }, []);
        expect(
          await leases.swap({ key, value: 'y' }, [
            { key, revision: await revisionOf(key) },
            { key: absent, revision: '0' },
          ]),
        ).toBe(false);
        expect(await leases.read(key)).toBe('x');
      });

      test('several are read in the order asked, those that are not there among them', async () => {
        const [a, b, absent] = [freshKey(), freshKey(), freshKey()];
        await leases.swap({ key: a, value: 'a' }, []);
        await leases.swap({ key: b, value: '' }, []);
        const found = await leases.readVersioned([b, absent, a, b]);
        expect(found.map(({ key, value }) => [key, value])).toEqual([
          [b, ''],
          [absent, null],
          [a, 'a'],
          [b, ''],
        ]);
        expect(BigInt(found[0]?.revision ?? 0)).toBe(BigInt(found[2]?.revision ?? 0) + 1n);
      });

      test('several are read as of one instant, whoever writes meanwhile', async () => {
        const [a, b] = [freshKey(), freshKey()];
        const writer = (async () => {
          for (let i = 0; i < 100; i++) {
            await leases.swap({ key: a, value: String(i) }, []);
            await leases.swap({ key: b, value: String(i) }, []);
          }
        })();
        for (let i = 0; i < 100; i++) {
          const [foundA, foundB] = await leases.readVersioned([a, b]);
          // b follows a: it is as far as a or one behind, never ahead.
          const behind = Number(foundA?.value ?? -1) - Number(foundB?.value ?? -1);
          expect([0, 1]).toContain(behind);
        }
        await writer;
      }, 30_000);

      test('what is written is what is read: every script, and a megabyte', async () => {
        const key = `${freshKey()}/ä 鍵`;
        for (const value of ['', 'Grüße, 世界 \u{1f600} \u0000 \n"', '€'.repeat(349_525)]) {
          expect(await leases.swap({ key, value }, [])).toBe(true);
          expect((await leases.readVersioned([key]))[0]?.value === value).toBe(true);
        }
      });

      test('of twenty who change at once exactly one does, each time', async () => {
        const key = freshKey();
        const clients = await Promise.all(Array.from({ length: 20 }, () => subject.client.leases([subject.endpoint])));
        for (let round = 0; round < 5; round++) {
          const outcomes = await Promise.all(
            clients.map(async (client, i) => {
              const [seen] = await client.readVersioned([key]);
              return { i, revision: seen?.revision ?? '', client };
            }),
          );
          expect(new Set(outcomes.map((o) => o.revision)).size).toBe(1);
          const won = await Promise.all(
            outcomes.map(async ({ i, revision, client }) =>
              (await client.swap({ key, value: `${round} by ${i}` }, [{ key, revision }])) ? i : null,
            ),
          );
          const winners = won.filter((i) => i !== null);
          expect(winners).toHaveLength(1);
          expect(await leases.read(key)).toBe(`${round} by ${winners[0]}`);
        }
        for (const client of clients) client.close();
      }, 30_000);

      test('an endpoint that refuses is passed over, and a refusal there decides nothing', async () => {
        const key = freshKey();
        const both = await subject.client.leases([subject.refusing, subject.endpoint]);
        expect(await both.swap({ key, value: 'x' }, [{ key, revision: '0' }])).toBe(true);
        both.close();
        const again = await subject.client.leases([subject.refusing, subject.endpoint]);
        expect(await again.swap({ key, value: 'y' }, [{ key, revision: '0' }])).toBe(false);
        again.close();
        const none = await subject.client.leases([subject.refusing]);
        expect((await refusal(() => none.swap({ key, value: 'z' }, []))).kind).toBe('unavailable');
        expect((await refusal(() => none.readVersioned([key]))).kind).toBe('unavailable');
        none.close();
        expect(await leases.read(key)).toBe('x');
      });

      for (const [what, others] of [
        ['with no other endpoint', false],
        ['also when another endpoint answers', true],
      ] as const) {
        test(`when the answer is lost it is not said that nothing was written, ${what}`, async () => {
          const key = freshKey();
          const endpoints = others ? [subject.detour, subject.endpoint] : [subject.detour];
          const lossy = await subject.client.leases(endpoints);
          await lossy.readVersioned([key]);
          await subject.loseAnswers(true);
          try {
            const error = await refusal(() => lossy.swap({ key, value: 'mine' }, [{ key, revision: '0' }]));
            expect([error.kind, error.retryable]).toEqual(['unavailable', true]);
          } finally {
            await subject.loseAnswers(false);
            lossy.close();
          }
          expect(await leases.read(key)).toBe('mine');
        }, 20_000);
      }

      test('a refusal whose answer is lost is unknown, too', async () => {
        const key = freshKey();
        await leases.swap({ key, value: 'before' }, []);
        const [seen] = await leases.readVersioned([key]);
        const lossy = await subject.client.leases([subject.detour, subject.endpoint]);
        await lossy.readVersioned([key]);
        await leases.swap({ key, value: 'another' }, []);
        await subject.loseAnswers(true);
        try {
          // Refused at the first, unheard; refused at the second: nobody can know that it was not our own change.
          const guards = [{ key, revision: seen?.revision ?? '' }];
          expect((await refusal(() => lossy.swap({ key, value: 'mine' }, guards))).kind).toBe('unavailable');
        } finally {
          await subject.loseAnswers(false);
          lossy.close();
        }
        expect(await leases.read(key)).toBe('another');
      }, 20_000);

      test('one that accepts and never answers costs no more than the deadline', async () => {
        const key = freshKey();
        const store = await subject.client.leases([subject.endpoint]);
        await store.read(key);
        await subject.silence(true);
        try {
          const started = subject.clock.monotonicMs();
          expect((await refusal(() => store.swap({ key, value: 'x' }, []))).kind).toBe('unavailable');
          expect((await refusal(() => store.readVersioned([key]))).kind).toBe('unavailable');
          expect(subject.clock.monotonicMs() - started).toBeLessThan(2 * deadlineMs * 1.5);
        } finally {
          await subject.silence(false);
          store.close();
        }
      }, 20_000);
    });

    test('health tells the healthy from the refusing, and both answers come at once', async () => {
      const found = await subject.client.health([subject.endpoint, subject.refusing], 2_000);
      expect(found.map((f) => [f.endpoint, f.outcome])).toEqual([
        [subject.endpoint, 'healthy'],
        [subject.refusing, 'refused'],
      ]);
    });

    test('health of one that accepts and does not answer is silent, within its deadline', async () => {
      await subject.silence(true);
      try {
        const started = subject.clock.monotonicMs();
        const [found] = await subject.client.health([subject.endpoint], 500);
        expect(found?.outcome).toBe('silent');
        expect(found?.detail).toContain('accepts connections but does not answer');
        expect(subject.clock.monotonicMs() - started).toBeLessThan(1_500);
      } finally {
        await subject.silence(false);
      }
    }, 20_000);

    test('a closed store is a fault of ours', async () => {
      const store = await subject.client.leases([subject.endpoint]);
      await store.read('/x');
      store.close();
      expect((await refusal(() => store.read('/x'))).kind).toBe('bug');
    });
  });
}

describe.skipIf('missing' in program)(`a member that comes up late${unlessEtcd}`, () => {
  let subject: Subject;
  beforeAll(async () => {
    subject = await real();
  }, 60_000);
  afterAll(() => subject.stop());

  for (const api of ['v2', 'v3'] as const) {
    test(`is found at the very next call, however often it refused before (${api})`, async () => {
      const port = await freePort();
      const store = await subject.client.keys(api, [`http://127.0.0.1:${port}`]);
      for (let i = 0; i < 12; i++) {
        expect((await refusal(() => store.read('/x'))).message).toContain('refused the connection');
        await subject.clock.sleep(250);
      }
      const { hostname, port: etcdPort } = new URL(subject.endpoint);
      const door = createServer((socket) => {
        const inside = connect(Number(etcdPort), hostname);
        socket.on('error', () => inside.destroy()).pipe(inside);
        inside.on('error', () => socket.destroy()).pipe(socket);
      });
      await new Promise<void>((resolve) => door.listen(port, '127.0.0.1', resolve));
      try {
        expect(await store.read('/x')).toBeNull();
      } finally {
        store.close();
        door.close();
      }
    }, 20_000);
  }
});

// The contract of surveys: what each member says for itself, held against the fake and against three real members.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { etcdClient } from '../../agent/host/etcd-client.ts';
import { EndpointClient, unwrapped } from '../../agent/host/etcd-endpoint-client.ts';
import { nodeClock } from '../../agent/host/node-clock.ts';
import type { Clock } from '../../agent/ports/clock.ts';
import type { EtcdClient } from '../../agent/ports/host.ts';
import type { MemberView, Surveyed } from '../../agent/ports/survey.ts';
import { effectLog } from '../support/effect-log.ts';
import { fakeEtcd } from '../support/fake-etcd.ts';
import { findEtcd, freePort, type RealEtcd, startEtcds } from '../support/real-etcd.ts';
import { silentServer } from '../support/silent-server.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const deadlineMs = 1_500;

interface Subject {
  readonly client: EtcdClient;
  readonly clock: Clock;
  /** Of three members, `a1` to `a3`. */
  readonly endpoints: readonly string[];
  /** Nothing listens there. */
  readonly refusing: string;
  /** A change of the store. */
  write(): Promise<void>;
  /** Members that accept connections and do nothing; from now on, and back. */
  freeze(members: readonly number[], isFrozen: boolean): Promise<void>;
  /** Members that are gone for good. */
  end(members: readonly number[]): Promise<void>;
  /** As `etcdctl member remove`, asked through another member. */
  removeMember(member: number, through: number): Promise<void>;
  /** As `etcdctl member add --learner` of a member that never starts. */
  addLearner(through: number): Promise<void>;
  raiseAlarm(through: number): Promise<void>;
  stop(): Promise<void>;
}

async function fake(): Promise<Subject> {
  const clock = virtualClock();
  const addresses = ['192.168.99.51', '192.168.99.52', '192.168.99.53'];
  const cluster = fakeEtcd({ members: addresses, clock });
  const at = (i: number): string => addresses[i] ?? '';
  return {
    client: cluster.clientFor('192.168.99.60', effectLog()),
    clock,
    endpoints: addresses.map((address) => `http://${address}:2379`),
    refusing: 'http://192.168.99.1:2379',
    write: async () => cluster.put('v3', '/x', 'x'),
    async freeze(members, isFrozen) {
      for (const i of members) cluster.setMember(at(i), isFrozen ? 'silent' : 'up');
    },
    async end(members) {
      for (const i of members) cluster.setMember(at(i), 'refused');
    },
    removeMember: async (member) => cluster.removeMember(at(member)),
    addLearner: async () => cluster.addMember('192.168.99.54', { isLearner: true, isStarted: false }),
    raiseAlarm: async () => cluster.setAlarm('NOSPACE', true),
    stop: async () => undefined,
  };
}

const program = await findEtcd();

async function real(): Promise<Subject> {
  if ('missing' in program) throw new Error(program.missing);
  const directory = await mkdtemp(`${tmpdir()}/diyc-agent-survey-`);
  let members: RealEtcd[];
  try {
    members = await startEtcds(program.path, directory, ['a1', 'a2', 'a3']);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  const endpoints = members.map(({ endpoint }) => endpoint);
  async function through(member: number, ask: (client: EndpointClient) => Promise<unknown>): Promise<void> {
    const client = new EndpointClient(endpoints[member] ?? '', ['Cluster', 'Maintenance']);
    try {
      // A member takes the others for healthy when they were connected for five seconds (etcd: HealthInterval).
      for (let i = 0; ; i++) {
        try {
          await ask(client);
          return;
        } catch (thrown) {
          if (i === 40 || !String(unwrapped(thrown)).includes('unhealthy cluster')) throw unwrapped(thrown);
          await new Promise((resolve) => setTimeout(resolve, 250));
        }
      }
    } finally {
      client.end();
    }
  }
  return {
    client: etcdClient(),
    clock: nodeClock(),
    endpoints,
    refusing: `http://127.0.0.1:${await freePort()}`,
    async write() {
      const store = await etcdClient().leases(endpoints);
      await store.swap({ key: '/x', value: 'x' }, []);
      store.close();
    },
    async freeze(some, isFrozen) {
      for (const i of some) {
        if (isFrozen) await members[i]?.freeze();
        else members[i]?.thaw();
      }
    },
    async end(some) {
      for (const i of some) await members[i]?.stop();
    },
    async removeMember(member, by) {
      const [view] = await etcdClient().survey([endpoints[by] ?? ''], deadlineMs);
      const id = view?.view?.members.find(({ name }) => name === `a${member + 1}`)?.id ?? '';
      await through(by, (client) => client.cluster.memberRemove({ ID: id }));
    },
    async addLearner(by) {
      const peer = `http://127.0.0.1:${await freePort()}`;
      await through(by, (client) => client.cluster.memberAdd({ peerURLs: [peer], isLearner: true }));
    },
    async raiseAlarm(by) {
      await through(by, (client) => client.maintenance.alarm({ action: 'Activate', alarm: 'Nospace' }));
    },
    async stop() {
      for (const member of members) await member.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const unlessEtcd = 'missing' in program ? ` (skipped: ${program.missing})` : '';

for (const { name, make, isPossible } of [
  { name: 'the fake etcd', make: fake, isPossible: true },
  { name: `a real etcd${unlessEtcd}`, make: real, isPossible: !('missing' in program) },
]) {
  describe.skipIf(!isPossible)(name, () => {
    let subject: Subject;
    beforeEach(async () => {
      subject = await make();
    }, 60_000);
    afterEach(async () => {
      await subject?.stop();
    }, 30_000);

    const ask = (...members: readonly number[]): Promise<readonly Surveyed[]> =>
      subject.client.survey(
        (members.length === 0 ? [0, 1, 2] : members).map((i) => subject.endpoints[i] ?? ''),
        deadlineMs,
      );

    async function views(...members: readonly number[]): Promise<MemberView[]> {
      return (await ask(...members)).map(({ view, detail }) => {
        if (view === null) throw new Error(`no view: ${detail}`);
        return view;
      });
    }

    /** Ask until it is so: elections take their time. */
    async function until<T>(look: () => Promise<T>, isSo: (found: T) => boolean): Promise<T> {
      const giveUpAt = subject.clock.monotonicMs() + 20_000;
      for (;;) {
        const found = await look();
        if (isSo(found)) return found;
        if (subject.clock.monotonicMs() > giveUpAt) throw new Error(`never so: ${JSON.stringify(found)}`);
        await subject.clock.sleep(100);
      }
    }

    test('three that are well agree on each other and on one leader', async () => {
      await subject.write();
      const found = await views();
      expect(new Set(found.map((v) => v.clusterId)).size).toBe(1);
      expect(new Set(found.map((v) => v.raftTerm)).size).toBe(1);
      expect(new Set(found.map((v) => v.memberId)).size).toBe(3);
      expect(new Set(found.map((v) => v.leaderId)).size).toBe(1);
      expect(found.map((v) => v.memberId)).toContain(found[0]?.leaderId ?? '');
      for (const [i, view] of found.entries()) {
        expect(view).toMatchObject({ isLearner: false, alarms: [], canCommit: true });
        expect(view.version).toMatch(/^3\.\d+\.\d+/);
        expect(view.memberId).toMatch(/^[0-9]{10,}$/);
        expect(view.dbSizeBytes).toBeGreaterThan(0);
        expect(Number(view.raftIndex)).toBeGreaterThan(0);
        expect(Number(view.raftAppliedIndex)).toBeLessThanOrEqual(Number(view.raftIndex));
        expect(view.members.map((m) => m.name).sort()).toEqual(['a1', 'a2', 'a3']);
        expect(view.members.find((m) => m.id === view.memberId)?.name).toBe(`a${i + 1}`);
        expect(view.members.every((m) => m.peerUrls.length === 1 && !m.isLearner)).toBe(true);
      }
    }, 60_000);

    test('one that is down is missing, and the other two are enough', async () => {
      await subject.end([2]);
      const found = await until(
        () => ask(),
        ([a, b]) => a?.view?.canCommit === true && b?.view?.canCommit === true,
      );
      expect(found[2]?.view).toBeNull();
      expect(found[2]?.detail).toContain('refused the connection');
      expect(found[0]?.view?.members).toHaveLength(3);
      expect(found[0]?.view?.leaderId).not.toBe('0');
    }, 60_000);

    test('one without the others answers for itself, knows of no leader, and can commit nothing', async () => {
      await subject.freeze([1, 2], true);
      const [left] = await until(
        () => ask(0),
        ([only]) => only?.view?.leaderId === '0',
      );
      expect(left?.view).toMatchObject({ leaderId: '0', canCommit: false });
      expect(left?.view?.members).toHaveLength(3);
      expect(left?.view?.alarms.join()).toContain('no leader');
      expect(left?.detail).toContain('knows of no leader');
      await subject.freeze([1, 2], false);
      const back = await until(
        () => ask(),
        (all) => all.every(({ view }) => view?.canCommit === true),
      );
      expect(back[0]?.view?.leaderId).not.toBe('0');
    }, 60_000);

    test('one that was cut off tells what it last knew, not what has become of the cluster', async () => {
      await subject.freeze([0], true);
      await until(
        () => ask(1, 2),
        (both) => both.every(({ view }) => view?.canCommit === true),
      );
      await subject.removeMember(0, 1);
      const [news] = await views(1);
      expect(news?.members.map((m) => m.name).sort()).toEqual(['a2', 'a3']);
      await subject.end([1, 2]);
      await subject.freeze([0], false);
      const [stale] = await until(
        () => ask(0),
        ([only]) => only?.view?.leaderId === '0',
      );
      expect(stale?.view?.members.map((m) => m.name).sort()).toEqual(['a1', 'a2', 'a3']);
      expect(stale?.view).toMatchObject({ leaderId: '0', canCommit: false });
    }, 60_000);

    test('one that was added and has not started has no name; a learner is told as one', async () => {
      await subject.addLearner(0);
      const found = await until(
        () => views(),
        (all) => all.every((v) => v.members.length === 4),
      );
      for (const view of found) {
        expect(view.members.filter((m) => m.isLearner).map((m) => m.name)).toEqual(['']);
        expect(view.canCommit).toBe(true);
      }
    }, 60_000);

    test('an alarm is told by every member', async () => {
      await subject.raiseAlarm(1);
      const found = await until(
        () => views(),
        (all) => all.every((v) => v.alarms.length > 0),
      );
      expect(found.map((v) => v.alarms)).toEqual([['NOSPACE'], ['NOSPACE'], ['NOSPACE']]);
    }, 60_000);

    test('those that refuse or say nothing cost no more than the deadline, all together', async () => {
      await subject.freeze([2], true);
      const started = subject.clock.monotonicMs();
      const found = await subject.client.survey([subject.refusing, subject.endpoints[2] ?? ''], deadlineMs);
      expect(subject.clock.monotonicMs() - started).toBeLessThan(deadlineMs * 1.5);
      expect(found.map((f) => f.view)).toEqual([null, null]);
      expect(found.map((f) => f.endpoint)).toEqual([subject.refusing, subject.endpoints[2] ?? '']);
      expect(found[0]?.detail).toContain('refused the connection');
      expect(found[1]?.detail).toContain(`did not answer within ${deadlineMs} ms`);
      await subject.freeze([2], false);
    }, 60_000);
  });
}

describe('what is no member', () => {
  const cleanUps: (() => Promise<void> | void)[] = [];
  afterAll(async () => {
    for (const cleanUp of cleanUps) await cleanUp();
  });

  let refusing = '';
  beforeAll(async () => {
    refusing = `http://127.0.0.1:${await freePort()}`;
  });

  async function saying(body: string): Promise<string> {
    const server = createServer((request, response) => {
      if (request.url === '/version') response.end(body);
      else response.writeHead(404).end('404 page not found\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanUps.push(() => server.closeAllConnections());
    cleanUps.push(() => void server.close());
    const address = server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  for (const [what, body, detail] of [
    ['etcd 2.3', '{"etcdserver":"2.3.8","etcdcluster":"2.3.0"}', 'is etcd 2.3.8, which has the v2 API only'],
    ['etcd 2.0', '{"releaseVersion":"2.0.0","internalVersion":"2"}', 'is etcd 2.0.0, which has the v2 API only'],
    ['etcd 0.4', 'etcd 0.4.9', 'is etcd 0.4.9, which has the v2 API only'],
  ] as const) {
    test(`${what} is told as what it is`, async () => {
      const [found] = await etcdClient().survey([await saying(body)], deadlineMs);
      expect([found?.view, found?.detail]).toEqual([null, detail]);
    });
  }

  test('another server, silence, and what is no URL: nothing is thrown, and nothing is taken for a view', async () => {
    const silent = await silentServer();
    cleanUps.push(silent.close);
    const endpoints = [
      await saying('<html>'),
      `http://${silent.address}`,
      refusing,
      'not a url',
      '',
      'http://no-such-host.invalid:2379',
    ];
    const started = performance.now();
    const found = await etcdClient().survey(endpoints, deadlineMs);
    expect(performance.now() - started).toBeLessThan(deadlineMs * 2);
    expect(found.map((f) => [f.endpoint, f.view])).toEqual(endpoints.map((endpoint) => [endpoint, null]));
    expect(found.every((f) => f.detail !== '')).toBe(true);
    expect(found.map((f) => f.detail).join('\n')).not.toContain('v2 API');
  }, 20_000);

  test('without endpoints there are no views', async () => {
    expect(await etcdClient().survey([], deadlineMs)).toEqual([]);
  });
});

// The contract of snapshots, held against the fake and against a real etcd with its own tools.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { childExec } from '../../agent/host/child-exec.ts';
import { etcdClient } from '../../agent/host/etcd-client.ts';
import { EndpointClient } from '../../agent/host/etcd-endpoint-client.ts';
import { type HostEtcdSnapshots, hostEtcdSnapshots } from '../../agent/host/etcd-snapshots.ts';
import { type AbsolutePath, under } from '../../agent/model/paths.ts';
import type { EtcdSnapshots } from '../../agent/ports/survey.ts';
import { effectLog } from '../support/effect-log.ts';
import { fakeEtcd } from '../support/fake-etcd.ts';
import { fakeFiles } from '../support/fake-files.ts';
import { fakeSnapshots } from '../support/fake-snapshots.ts';
import { findEtcd, findEtcdctl, freePort, type RealEtcd, startEtcd } from '../support/real-etcd.ts';
import { refusal } from '../support/refusal.ts';
import { stubPrograms } from '../support/stub-programs.ts';
import { virtualClock } from '../support/virtual-clock.ts';

interface Subject {
  readonly snapshots: EtcdSnapshots;
  readonly endpoint: string;
  /** Nothing listens there. */
  readonly refusing: string;
  /** Where they are kept; not there yet. */
  readonly directory: AbsolutePath;
  /** Change a key, so that the store has another revision. */
  write(): Promise<void>;
  revision(): Promise<bigint>;
  names(): Promise<readonly string[]>;
  /** Permission bits. */
  mode(path: AbsolutePath): Promise<number>;
  /** Make a file look as if it had been made so many seconds ago. */
  age(path: AbsolutePath, secs: number): Promise<void>;
  /** Put a file there by this name, so many seconds old; and take it away. */
  plant(name: string, ageSecs: number): Promise<void>;
  drop(name: string): Promise<void>;
  /** What a run leaves behind that was killed in its middle. */
  leaveScratch(): Promise<void>;
  setFreeBytes(bytes: number | null): void;
  /** From now on, and back: the saved file is cut short on its way to the disk. */
  setDamaged(isDamaged: boolean): Promise<void>;
  stop(): Promise<void>;
}

async function fake(): Promise<Subject> {
  const clock = virtualClock();
  const log = effectLog();
  const address = '192.168.99.51';
  const etcd = fakeEtcd({ members: [address], clock });
  const files = fakeFiles({ clock, log });
  const snapshots = fakeSnapshots({ etcd, address, files, log });
  const directory: AbsolutePath = '/var/lib/diyc-agent/snapshots';
  return {
    snapshots,
    endpoint: `http://${address}:2379`,
    refusing: 'http://192.168.99.1:2379',
    directory,
    write: async () => etcd.put('v3', '/x', String(etcd.revision)),
    revision: async () => BigInt(etcd.revision),
    names: () => files.list(directory),
    mode: async (path) => (await files.stat(path))?.mode ?? -1,
    age: async (path, secs) => files.put({ [path]: { mode: 0o600, modifiedMs: clock.now() - secs * 1000 } }),
    plant: async (name, secs) =>
      files.put({ [`${directory}/${name}`]: { text: 'old', modifiedMs: clock.now() - secs * 1000 } }),
    drop: async (name) => files.drop(under(directory, name)),
    leaveScratch: async () => files.put({ [`${directory}/.taking-4242/saved.db`]: 'half' }),
    setFreeBytes: (bytes) => snapshots.setFreeBytes(bytes ?? 2 ** 40),
    setDamaged: async (isDamaged) => snapshots.setDamaged(isDamaged),
    stop: async () => undefined,
  };
}

const program = await findEtcd();
const etcdctl = await findEtcdctl();
const missing = 'missing' in program ? program.missing : 'missing' in etcdctl ? etcdctl.missing : null;

interface RealSubject extends Subject {
  readonly snapshots: HostEtcdSnapshots;
  readonly etcd: RealEtcd;
  readonly scratch: string;
}

async function real(): Promise<RealSubject> {
  if ('missing' in program || 'missing' in etcdctl) throw new Error(missing ?? '');
  const scratch = await mkdtemp(`${tmpdir()}/diyc-agent-snapshots-`);
  let etcd: RealEtcd;
  try {
    etcd = await startEtcd(program.path, scratch);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  }
  // The real programs, with a hand on the disk between saving and restoring.
  const flag = `${scratch}/damaged`;
  await mkdir(`${scratch}/bin`);
  const tools = dirname(etcdctl.path);
  const stubs = await stubPrograms(`${scratch}/bin`, {
    etcdctl: `PATH=/usr/bin:/bin; ${etcdctl.path} "$@" || exit; case "$*" in *'snapshot save'*) test ! -e ${flag} || for f; do :; done; test ! -e ${flag} || truncate -s -1000 "$f";; esac`,
  });
  const hasEtcdutl = await stat(`${tools}/etcdutl`).then(
    () => true,
    () => false,
  );
  if (hasEtcdutl) await stubs.does('etcdutl', `exec ${tools}/etcdutl "$@"`);
  let freeBytes: number | null = null;
  const snapshots = hostEtcdSnapshots({ exec: stubs.exec, freeBytes: async () => freeBytes ?? 2 ** 40 });
  const store = await etcdClient().leases([etcd.endpoint]);
  const directory: AbsolutePath = `/${scratch.slice(1)}/kept/snapshots`;
  const age = async (path: string, secs: number): Promise<void> =>
    utimes(path, Date.now() / 1000 - secs, Date.now() / 1000 - secs);
  const revisionOf = async (): Promise<bigint> => BigInt((await store.readVersioned(['/x']))[0]?.revision ?? 0);
  return {
    snapshots,
    etcd,
    scratch,
    endpoint: etcd.endpoint,
    refusing: `http://127.0.0.1:${await freePort()}`,
    directory,
    write: async () => void (await store.swap({ key: '/x', value: String(performance.now()) }, [])),
    // Nobody else writes here: the last change of the key is the store's revision.
    revision: revisionOf,
    names: async () => await readdir(directory),
    mode: async (path) => (await stat(path)).mode & 0o777,
    age,
    async plant(name, secs) {
      await writeFile(`${directory}/${name}`, 'old');
      await age(`${directory}/${name}`, secs);
    },
    drop: (name) => rm(`${directory}/${name}`),
    async leaveScratch() {
      await mkdir(`${directory}/.taking-4194303/restored`, { recursive: true });
      await writeFile(`${directory}/.taking-4194303/saved.db`, 'half');
    },
    setFreeBytes(bytes) {
      freeBytes = bytes;
    },
    setDamaged: async (isDamaged) => (isDamaged ? await writeFile(flag, '') : await rm(flag, { force: true })),
    async stop() {
      store.close();
      await etcd.stop();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

const unlessEtcd = missing === null ? '' : ` (skipped: ${missing})`;

for (const { name, make, isPossible } of [
  { name: 'the fake', make: fake, isPossible: true },
  { name: `a real etcd${unlessEtcd}`, make: real, isPossible: missing === null },
]) {
  describe.skipIf(!isPossible)(name, () => {
    let subject: Subject;
    beforeAll(async () => {
      subject = await make();
      await subject.write();
    }, 60_000);
    afterAll(() => subject?.stop());

    const take = (keep = 3, endpoint = subject.endpoint) =>
      subject.snapshots.take({ endpoint, directory: subject.directory, keep });

    test('it is kept under its revision, for root alone, and says what it was proven with', async () => {
      const revision = await subject.revision();
      const taken = await take();
      expect(BigInt(taken.revision)).toBe(revision);
      expect(taken.path).toBe(under(subject.directory, `snapshot-${revision}.db`));
      expect(taken.sizeBytes).toBeGreaterThan(16_384);
      expect(taken.verifiedBy).toMatch(/^etcd(ctl|utl) 3\.\d+\.\d+$/);
      expect(await subject.names()).toEqual([`snapshot-${revision}.db`]);
      expect([await subject.mode(taken.path), await subject.mode(subject.directory)]).toEqual([0o600, 0o700]);
    }, 30_000);

    test('of a store that has not changed there is one', async () => {
      const [first, second] = [await take(), await take()];
      expect(second.path).toBe(first.path);
      expect(await subject.names()).toEqual([`snapshot-${second.revision}.db`]);
    }, 30_000);

    test('the newest are kept, by age: a store that was restored itself counts from a smaller revision', async () => {
      const first = await take(1);
      await subject.plant('snapshot-999999.db', 1_000);
      const taken: string[] = [];
      for (let i = 0; i < 3; i++) {
        await subject.write();
        const { path, revision } = await take(9);
        await subject.age(path, 100 - i);
        taken.push(`snapshot-${revision}.db`);
      }
      await subject.age(first.path, 500);
      await subject.write();
      const last = await take(3);
      expect([...(await subject.names())].sort()).toEqual(
        [taken[1], taken[2], `snapshot-${last.revision}.db`].map(String).sort(),
      );
      // Never fewer than the one that was just made.
      const only = await take(0);
      expect(await subject.names()).toEqual([`snapshot-${only.revision}.db`]);
    }, 60_000);

    test('what is no snapshot is left alone', async () => {
      await subject.plant('notes.txt', 10_000);
      const { revision } = await take(1);
      expect([...(await subject.names())].sort()).toEqual(['notes.txt', `snapshot-${revision}.db`]);
      await subject.drop('notes.txt');
    }, 30_000);

    test('what a killed run left behind is removed', async () => {
      await subject.leaveScratch();
      const { revision } = await take();
      expect(await subject.names()).toEqual([`snapshot-${revision}.db`]);
    }, 30_000);

    describe('the one before stays when', () => {
      const standing = async (): Promise<readonly string[]> => {
        await take();
        const names = await subject.names();
        await subject.write();
        return names;
      };

      test('the member does not answer', async () => {
        const before = await standing();
        const error = await refusal(() => take(1, subject.refusing));
        expect([error.kind, error.retryable]).toEqual(['unavailable', true]);
        expect(error.message).toContain(subject.refusing);
        expect(await subject.names()).toEqual(before);
      }, 30_000);

      test('the disk has no room, and the error has the figures', async () => {
        const before = await standing();
        subject.setFreeBytes(50 * 1024 * 1024);
        try {
          const error = await refusal(() => take(1));
          expect(error.kind).toBe('oserr');
          expect(error.message).toContain('50.0 MiB are free');
          expect(error.message).toMatch(/6[45]\.\d MiB are needed/);
          expect(await subject.names()).toEqual(before);
        } finally {
          subject.setFreeBytes(null);
        }
      }, 30_000);

      test('what was saved cannot be restored', async () => {
        const before = await standing();
        await subject.setDamaged(true);
        try {
          expect((await refusal(() => take(1))).kind).toBe('oserr');
          expect(await subject.names()).toEqual(before);
        } finally {
          await subject.setDamaged(false);
        }
        const { revision } = await take(1);
        expect(await subject.names()).toEqual([`snapshot-${revision}.db`]);
      }, 30_000);

      test('it is called off', async () => {
        const before = await standing();
        const reason = new Error('the host shuts down');
        const taking = subject.snapshots.take(
          { endpoint: subject.endpoint, directory: subject.directory, keep: 1 },
          AbortSignal.abort(reason),
        );
        expect(await taking.catch((error: unknown) => error)).toBe(reason);
        expect(await subject.names()).toEqual(before);
      }, 30_000);
    });
  });
}

describe.skipIf(missing !== null)(`a snapshot file${unlessEtcd}`, () => {
  let subject: RealSubject;
  let good: string;
  let revision: string;
  let number = 0;
  beforeAll(async () => {
    subject = await real();
    for (let i = 0; i < 20; i++) await subject.write();
    const { path, revision: taken } = await subject.snapshots.take({
      endpoint: subject.endpoint,
      directory: subject.directory,
      keep: 1,
    });
    good = path;
    revision = taken;
  }, 60_000);
  afterAll(() => subject?.stop());

  /** A copy of the good one, changed. */
  async function changed(change: (file: string) => Promise<void>): Promise<string> {
    const file = `${subject.scratch}/copy-${++number}.db`;
    await copyFile(good, file);
    await change(file);
    return file;
  }

  const verify = (file: string, atLeastRevision = '1') =>
    subject.snapshots.verify({ file, into: `${subject.scratch}/restored-${++number}`, atLeastRevision });

  test('that is whole can be restored', async () => {
    expect(await verify(good, revision)).toEqual({
      revision,
      by: expect.stringMatching(/^etcd(ctl|utl) 3\.\d+\.\d+$/),
    });
  });

  test('that ends before the store did is refused, with both revisions', async () => {
    const error = await refusal(() => verify(good, String(BigInt(revision) + 1n)));
    expect(error.kind).toBe('oserr');
    expect(error.message).toContain(`ends with revision ${revision}, and the store was at ${Number(revision) + 1}`);
  });

  for (const [what, lose] of [
    ['a byte', 1],
    ['its digest', 32],
    ['a block and its digest', 544],
    ['a block', 512],
    ['a page', 4096],
    ['most of it', 20_000],
  ] as const) {
    test(`that lacks ${what} at its end is refused`, async () => {
      const file = await changed(async (path) => truncate(path, (await stat(path)).size - lose));
      expect((await refusal(() => verify(file))).kind).toBe('oserr');
    });
  }

  test('that has nothing in it, and one that is something else, is refused', async () => {
    for (const text of ['', 'not a database\n'.repeat(2000)])
      expect((await refusal(async () => verify(await changed((path) => writeFile(path, text))))).kind).toBe('oserr');
  });

  test('in which one bit is another is refused, wherever it is', async () => {
    const { length } = await readFile(good);
    for (let i = 0; i < 12; i++) {
      const at = Math.floor(((i + 0.5) * length) / 12);
      const file = await changed(async (path) => {
        const bytes = await readFile(path);
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        await writeFile(path, bytes);
      });
      expect((await refusal(() => verify(file))).kind).toBe('oserr');
    }
  }, 60_000);
});

describe.skipIf(missing !== null)(`a store${unlessEtcd}`, () => {
  let subject: RealSubject;
  beforeAll(async () => {
    subject = await real();
  }, 60_000);
  afterAll(() => subject?.stop());

  const take = () => subject.snapshots.take({ endpoint: subject.endpoint, directory: subject.directory, keep: 1 });

  test('in which nothing was ever written can be kept', async () => {
    expect((await take()).revision).toBe('0');
  }, 30_000);

  test('whose last change is a removal, compacted since, can be kept, though the file may end before it', async () => {
    await subject.write();
    const written = await subject.revision();
    const store = await etcdClient().leases([subject.endpoint]);
    await store.swap({ key: '/y', value: 'y' }, []);
    await store.swap({ key: '/y', value: null }, []);
    store.close();
    const removed = written + 2n;
    expect(BigInt((await take()).revision)).toBe(removed);
    const client = new EndpointClient(subject.endpoint, ['KV']);
    await client.kv.compact({ revision: String(removed), physical: true });
    client.end();
    // Newer ones keep the mark of a removal that they compacted up to (from 3.4.34 and 3.5.16 on).
    expect([written, removed]).toContain(BigInt((await take()).revision));
    await subject.write();
    expect(BigInt((await take()).revision)).toBe(removed + 1n);
  }, 30_000);
});

describe.skipIf(missing !== null)(`the tools${unlessEtcd}`, () => {
  let subject: RealSubject;
  beforeAll(async () => {
    subject = await real();
    await subject.write();
  }, 60_000);
  afterAll(() => subject?.stop());

  const takeWith = async (programs: Readonly<Record<string, string>>) => {
    const directory = await mkdtemp(`${subject.scratch}/stubs-`);
    const stubs = await stubPrograms(directory, programs);
    const kept: AbsolutePath = `/${directory.slice(1)}/kept`;
    const taking = hostEtcdSnapshots({ exec: stubs.exec }).take({
      endpoint: subject.endpoint,
      directory: kept,
      keep: 1,
    });
    return { stubs, kept, taking };
  };
  const whole = 'missing' in etcdctl ? '' : `exec ${etcdctl.path} "$@"`;
  const version = 'test "$1" != version || { echo "etcdctl version: 3.6.1"; exit 0; }';

  test('are told which API to speak, once and for all', async () => {
    const { taking, stubs } = await takeWith({
      etcdctl: `test "$ETCDCTL_API" = 3 || { echo "No help topic for 'snapshot'" >&2; exit 3; }; ${whole}`,
    });
    await taking;
    expect((await stubs.calls('etcdctl')).some((call) => call.includes('skip-hash'))).toBe(false);
  }, 30_000);

  test('that are not there are named', async () => {
    const error = await refusal(async () => (await takeWith({})).taking);
    expect([error.kind, error.message]).toEqual(['oserr', expect.stringContaining('etcdctl is not installed')]);
    expect(error.hint).toContain('etcd-client');
  });

  test('that cannot restore any more are told with their own words, and nothing is kept', async () => {
    const { taking, kept } = await takeWith({
      etcdctl: `${version}; case "$*" in *save*) ${whole};; *) echo 'Error: unknown command "status" for "etcdctl snapshot"' >&2; exit 1;; esac`,
    });
    const error = await refusal(() => taking);
    expect([error.kind, error.message]).toEqual(['oserr', expect.stringContaining('unknown command')]);
    expect(await readdir(kept)).toEqual([]);
  }, 30_000);

  test('that fail to save are told with their own words', async () => {
    const { taking, kept } = await takeWith({ etcdctl: `${version}; echo 'Error: disk quota exceeded' >&2; exit 1` });
    const error = await refusal(() => taking);
    expect([error.kind, error.message]).toEqual(['oserr', expect.stringContaining('disk quota exceeded')]);
    expect(await readdir(kept)).toEqual([]);
  }, 30_000);

  test('that restore something older are found out', async () => {
    const { taking, kept } = await takeWith({
      etcdctl: whole,
      etcdutl: `${version}; case "$*" in *restored/member*) echo '{"hash":1,"revision":1,"totalKey":1}';; *) ${whole};; esac`,
    });
    const error = await refusal(() => taking);
    expect([error.kind, error.message]).toEqual(['oserr', expect.stringContaining('restored from it with 1')]);
    expect(await readdir(kept)).toEqual([]);
  }, 30_000);

  test('are ended when it is called off in their middle, and nothing stays', async () => {
    const directory = await mkdtemp(`${subject.scratch}/stubs-`);
    const stubs = await stubPrograms(directory, {
      etcdctl: `${version}; kill -USR1 $PPID; exec /bin/sleep 60`,
    });
    const kept: AbsolutePath = `/${directory.slice(1)}/kept`;
    const controller = new AbortController();
    const reason = new Error('the host shuts down');
    const told = (): void => controller.abort(reason);
    process.once('SIGUSR1', told);
    const taking = hostEtcdSnapshots({ exec: stubs.exec }).take(
      { endpoint: subject.endpoint, directory: kept, keep: 1 },
      controller.signal,
    );
    expect(await taking.catch((error: unknown) => error)).toBe(reason);
    process.removeListener('SIGUSR1', told);
    expect(await readdir(kept)).toEqual([]);
  }, 30_000);

  test('a member that has no quorum any more is unavailable, whatever is on its disk', async () => {
    await subject.etcd.freeze();
    try {
      const error = await refusal(() =>
        hostEtcdSnapshots({ exec: childExec(), askDeadlineMs: 500 }).take({
          endpoint: subject.endpoint,
          directory: subject.directory,
          keep: 1,
        }),
      );
      expect([error.kind, error.message]).toEqual([
        'unavailable',
        expect.stringContaining('did not answer within 500 ms'),
      ]);
    } finally {
      subject.etcd.thaw();
    }
  }, 30_000);
});

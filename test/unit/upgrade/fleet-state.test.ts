// What a group has in etcd: read as one, understood or refused, and changed by many at once without losing a word.

import { describe, expect, test } from 'bun:test';
import { deniedKey, holdKey, semaphoreKey, targetKey } from '../../../agent/model/keys.ts';
import {
  allowRelease,
  denyRelease,
  type FleetPlace,
  isNamed,
  readFleetState,
  setHold,
  setTarget,
} from '../../../agent/upgrade/fleet-state.ts';
import { effectLog } from '../../support/effect-log.ts';
import { fakeEtcd } from '../../support/fake-etcd.ts';
import { refusal } from '../../support/refusal.ts';
import {
  denialOfVersion,
  holder,
  releaseNamed,
  semaphoreWith,
  someHold,
  targetOf,
} from '../../support/upgrade-builders.ts';
import { virtualClock } from '../../support/virtual-clock.ts';

const address = '192.168.99.51';

async function fleet() {
  const clock = virtualClock();
  const etcd = fakeEtcd({ members: [address], clock });
  const store = await etcd.clientFor(address, effectLog()).leases([`http://${address}:2379`]);
  const at: FleetPlace = {
    store: {
      ...store,
      async readVersioned(keys) {
        const found = await store.readVersioned(keys);
        await clock.sleep(clock.random() * 20);
        return found;
      },
    },
    clock,
    cluster: 'c',
    group: 'default',
  };
  return { etcd, at, read: () => readFleetState(store, 'c', 'default', ['default', 'workers']) };
}

describe('reading', () => {
  test('nothing is what stands there at first', async () => {
    expect(await (await fleet()).read()).toEqual({
      hold: null,
      target: null,
      denied: [],
      semaphore: semaphoreWith([]),
      elsewhere: [semaphoreWith([], { group: 'workers' })],
    });
  });

  test('everything as it was set, and the slots of the other groups', async () => {
    const { etcd, at, read } = await fleet();
    await setHold(at, someHold);
    await setTarget(at, targetOf('41.2'));
    await denyRelease(at, denialOfVersion('41.3'));
    const workers = semaphoreWith([holder('w1')], { group: 'workers' });
    etcd.put('v3', semaphoreKey('c', 'workers'), JSON.stringify(workers));
    expect(await read()).toEqual({
      hold: someHold,
      target: targetOf('41.2'),
      denied: [denialOfVersion('41.3')],
      semaphore: semaphoreWith([]),
      elsewhere: [workers],
    });
  });

  const denied = (list: unknown): string => JSON.stringify({ schema: 1, denied: list });
  test.each<[string, string, string]>([
    ['a hold that is no JSON', holdKey('c', 'default'), 'stop!'],
    ['a hold of a future schema', holdKey('c', 'default'), JSON.stringify({ ...someHold, schema: 2 })],
    ['a hold without a reason', holdKey('c', 'default'), JSON.stringify({ ...someHold, reason: undefined })],
    ['a hold without its time', holdKey('c', 'default'), JSON.stringify({ ...someHold, at: undefined })],
    ['an empty hold', holdKey('c', 'default'), ''],
    ['a target that is a list', targetKey('c', 'default'), '[]'],
    ['a target without a release', targetKey('c', 'default'), JSON.stringify({ ...targetOf('x'), release: 41 })],
    ['no list of denials', deniedKey('c', 'default'), denied({})],
    ['a denial that is null', deniedKey('c', 'default'), denied([null])],
    ['a denial of nothing', deniedKey('c', 'default'), denied([{ ...denialOfVersion('41.2'), release: null }])],
    [
      'a denial of a release without a name',
      deniedKey('c', 'default'),
      denied([{ ...denialOfVersion('41.2'), release: { id: 'x' } }]),
    ],
    ['a denial by a number', deniedKey('c', 'default'), denied([{ ...denialOfVersion('41.2'), by: 2 }])],
    ['a semaphore of another group that is none', semaphoreKey('c', 'workers'), '{}'],
  ])('%s means stop, names its key, and is not overwritten', async (_name, key, text) => {
    const { etcd, at, read } = await fleet();
    etcd.put('v3', key, text);
    const error = await refusal(read);
    expect(error.kind).toBe('data');
    expect(`${error.message} ${error.hint}`).toContain(`etcdctl get ${key}`);
    const writes = {
      [holdKey('c', 'default')]: () => setHold(at, null),
      [targetKey('c', 'default')]: () => setTarget(at, targetOf('y')),
      [deniedKey('c', 'default')]: () => denyRelease(at, denialOfVersion('41.9')),
    };
    const write = writes[key];
    if (write !== undefined) expect((await refusal(write)).kind).toBe('data');
    expect(etcd.keys('v3').get(key)?.value).toBe(text);
  });
});

describe('denials', () => {
  test('by ten nodes at once are all kept', async () => {
    const { at, read } = await fleet();
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => denyRelease(at, denialOfVersion(`41.${i}`, { by: `a${i}` }))),
    );
    expect((await read()).denied.map((d) => d.release.text).sort()).toEqual(
      Array.from({ length: 10 }, (_, i) => `41.${i}`),
    );
  });

  test('are at most fifty, the newest last; the same release again replaces what was said', async () => {
    const { at, read } = await fleet();
    for (let i = 0; i < 55; i++) await denyRelease(at, denialOfVersion(`41.${i}`));
    await denyRelease(at, denialOfVersion('41.10', { reason: 'again' }));
    const { denied } = await read();
    expect([denied.length, denied[0]?.release.text, denied.at(-1)?.reason]).toEqual([50, '41.5', 'again']);
    expect(denied.filter((d) => d.release.text === '41.10').length).toBe(1);
  });

  test('are taken off by name, and by nothing else', async () => {
    const { at, read, etcd } = await fleet();
    await denyRelease(at, denialOfVersion('41.2'));
    await denyRelease(at, denialOfVersion('41.20'));
    const { revision } = etcd;
    expect([await allowRelease(at, '41'), await allowRelease(at, '41.3'), etcd.revision]).toEqual([[], [], revision]);
    expect(await allowRelease(at, '41.2')).toEqual([denialOfVersion('41.2')]);
    expect((await read()).denied).toEqual([denialOfVersion('41.20')]);
  });
});

test.each<[string, boolean]>([
  ['41.2', true],
  ['41.2 + etcd-3.5.16-1.x86_64', true],
  ['41', false],
  ['', false],
  ['34312e32', true],
  ['34312e33', false],
  ['34312e', false],
])('a release with layers called %s: %p', (word, isMeant) => {
  const { id } = releaseNamed('41.2');
  expect(isNamed({ id: `${id}+etcd-3.5.16-1.x86_64`, text: '41.2 + etcd-3.5.16-1.x86_64' }, word)).toBe(isMeant);
});

describe('holds and targets', () => {
  test('say what stood there before, and taking back what is not there writes nothing', async () => {
    const { at, etcd } = await fleet();
    expect([
      await setHold(at, someHold),
      await setHold(at, null),
      await setTarget(at, targetOf('a')),
      await setTarget(at, null),
    ]).toEqual([null, someHold, null, targetOf('a')]);
    const { revision } = etcd;
    expect([await setHold(at, null), await setTarget(at, null), etcd.revision]).toEqual([null, null, revision]);
    expect([...etcd.keys('v3').keys()]).toEqual([]);
  });

  test('rivals that never let go end it in a refusal that may be repeated', async () => {
    const { at, etcd } = await fleet();
    const busy: FleetPlace = {
      ...at,
      store: {
        ...at.store,
        async readVersioned(keys) {
          const found = await at.store.readVersioned(keys);
          etcd.put('v3', holdKey('c', 'default'), JSON.stringify(someHold));
          return found;
        },
      },
    };
    expect((await refusal(() => setHold(busy, someHold))).kind).toBe('tempfail');
  });
});

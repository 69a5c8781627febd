// Data formats that lead one way: etcd's minor versions, docker's drivers, and names of packages as they come.

import { describe, expect, test } from 'bun:test';
import { emptyLedger } from '../../../agent/model/format-ledger.ts';
import type { Errand } from '../../../agent/model/upgrade.ts';
import { judgeFormats, versionOf } from '../../../agent/upgrade/formats.ts';
import { plainReboot, rollbackTo, upgradeTo } from '../../support/upgrade-builders.ts';

interface Given {
  readonly from?: string | null;
  readonly to?: string | null;
  readonly cluster?: string | null;
  readonly errand?: Errand;
  readonly isMember?: boolean;
}

function etcd({ from = '3.5.16', to = '3.5.17', cluster = null, errand = upgradeTo('41.2'), isMember = true }: Given) {
  const named = (version: string | null) =>
    new Map(version === null ? [] : [['etcd', `etcd-${version}-1.fc41.x86_64`] as const]);
  const ledger = { ...emptyLedger, etcdCluster: cluster };
  return judgeFormats({ errand, from: named(from), to: named(to), ledger, isMember });
}

const rollback = rollbackTo('41.0');
const none = 'no data format changes for good';
const crosses = (from: string, to: string): string =>
  `etcd goes from ${from} to ${to}: once all members have it there is no way back but a snapshot`;

describe('etcd', () => {
  test.each<[string, Given, string, string | null]>([
    ['another patch', {}, none, null],
    ['an older patch', { from: '3.5.17', to: '3.5.16', cluster: '3.5', errand: rollback }, none, null],
    ['one minor up', { from: '3.4.33', to: '3.5.1', cluster: '3.4' }, crosses('3.4', '3.5'), null],
    [
      'the next one, to the last release of the line',
      { from: '3.5.16', to: '3.6.0', cluster: '3.5' },
      crosses('3.5', '3.6'),
      null,
    ],
    ['a release candidate of it', { from: '3.5.16', to: '3.6.0~rc.1', cluster: '3.5' }, crosses('3.5', '3.6'), null],
    [
      'two minors up',
      { from: '3.4.33', to: '3.6.0', cluster: '3.4' },
      none,
      'etcd would go from 3.4.33 to 3.6.0; it goes up one minor version at a time',
    ],
    [
      'back, while nobody knows which version the data are of',
      { from: '3.6.1', to: '3.5.16', cluster: null, errand: rollback },
      none,
      'etcd would go back from 3.6.1 to 3.5.16, and nobody knows which version its data are of',
    ],
    [
      'to a version that cannot be read',
      { from: '3.5.16', to: 'next', cluster: '3.5' },
      none,
      "the version of etcd-next-1.fc41.x86_64 cannot be read, so nobody knows whether it can read etcd's data",
    ],
    ['from the last of 2', { from: '2.3.8', to: '3.0.17' }, crosses('2.3', '3.0'), null],
    [
      'from 2 too far',
      { from: '2.3.8', to: '3.4.1' },
      none,
      'etcd would go from 2.3.8 to 3.4.1; it goes up one minor version at a time',
    ],
    ['back before all have gone', { from: '3.5.1', to: '3.4.33', cluster: '3.4', errand: rollback }, none, null],
    [
      'back once all have gone',
      { from: '3.5.1', to: '3.4.33', cluster: '3.5', errand: rollback },
      none,
      "etcd's data are of 3.5, and the earlier deployment has etcd 3.4.33, which would not start on them",
    ],
    [
      'back once all have gone, from 3.6',
      { from: '3.6.1', to: '3.5.16', cluster: '3.6', errand: rollback },
      none,
      "etcd's data are of 3.6, and the earlier deployment has etcd 3.5.16, which would not start on them",
    ],
    [
      'an upgrade that leads down',
      { from: '3.5.1', to: '3.4.33', cluster: '3.5' },
      none,
      "etcd's data are of 3.5, and the deployment has etcd 3.4.33, which would not start on them",
    ],
    [
      'up to what the others have already',
      { from: '3.4.33', to: '3.5.1', cluster: '3.5' },
      crosses('3.4', '3.5'),
      null,
    ],
    [
      'gone from a member',
      { to: null },
      none,
      'this node is an etcd member, and etcd is not in the deployment it would go to (now 3.5.16)',
    ],
    ['gone from a client', { to: null, isMember: false }, none, null],
    ['gone back on a client', { to: '3.4.1', cluster: '3.5', isMember: false, errand: rollback }, none, null],
    ['never a package', { from: null, to: null }, none, null],
    ['a package from now on', { from: null, cluster: '3.5' }, none, null],
    [
      'a package from now on, too old for the data',
      { from: null, to: '3.4.1', cluster: '3.5' },
      none,
      "etcd's data are of 3.5, and the deployment has etcd 3.4.1, which would not start on them",
    ],
    [
      'a plain reboot',
      { from: '3.4.1', to: null, errand: plainReboot },
      'the deployment stays, and so do its formats',
      null,
    ],
  ])('%s', (_name, given, message, refusal) => {
    const verdict = etcd(given);
    expect([verdict.message, verdict.refusal?.message ?? null]).toEqual([message, refusal]);
    expect(verdict.crossings.length).toBe(message.startsWith('etcd goes') ? 1 : 0);
    if (verdict.refusal !== null) expect(verdict.refusal.hint).not.toBe('');
  });

  test('the remedy fits the version', () => {
    expect(etcd({ from: '3.6.1', to: '3.5.16', cluster: '3.6' }).refusal?.hint).toContain(
      'etcdctl downgrade enable 3.5.0',
    );
    expect(etcd({ from: '3.5.1', to: '3.4.33', cluster: '3.5' }).refusal?.hint).toContain(
      'restore a snapshot taken by 3.4',
    );
    expect(etcd({ from: '3.4.33', to: '3.6.0' }).refusal?.hint).toBe('take a release with etcd 3.5 first');
    expect(etcd({ from: '2.3.8', to: '3.4.1' }).refusal?.hint).toBe('take a release with etcd 3.0 first');
  });

  test.each(['3.4', '3.5', '3.6', '3.7'])('from %s exactly one step up is crossed, and none is skipped', (from) => {
    const minor = Number(from.slice(2));
    for (let to = minor; to <= minor + 3; to++) {
      const verdict = etcd({ from: `${from}.1`, to: `3.${to}.1`, cluster: from });
      expect([verdict.crossings.length, verdict.refusal !== null]).toEqual([to === minor + 1 ? 1 : 0, to > minor + 1]);
    }
  });
});

describe('docker', () => {
  const docker = (driver: string | null, name: string, version: string) =>
    judgeFormats({
      errand: upgradeTo('41.2'),
      from: new Map(),
      to: new Map([[name, `${name}-${version}`]]),
      ledger: { ...emptyLedger, dockerDriver: driver },
      isMember: false,
    }).refusal?.message ?? null;

  test.each<[string, string, string, boolean]>([
    ['devicemapper', 'docker-ce', '24.0.9-1.fc41.x86_64', true],
    ['devicemapper', 'docker-ce', '3:25.0.0-1.fc41.x86_64', false],
    ['devicemapper', 'moby-engine', '25.0.1-2.fc41.x86_64', false],
    ['devicemapper', 'moby-engine', '24.0.5~ce-2.fc41.x86_64', true],
    ['devicemapper', 'docker', '1.13.1-60.git9cb56fd.fc28.x86_64', true],
    ['overlay', 'docker-ce', '23.0.6-1.x86_64', true],
    ['overlay', 'docker-ce', '24.0.0-1.x86_64', false],
    ['aufs', 'docker-ce', '24.0.0-1.x86_64', false],
    ['overlay2', 'docker-ce', '28.0.0-1.x86_64', true],
    ['btrfs', 'docker-ce', '28.0.0-1.x86_64', true],
  ])('images in %s, %s %s', (driver, name, version, isFine) => {
    expect(docker(driver, name, version) === null).toBe(isFine);
  });

  test('a driver that nobody has noted refuses nothing, and the text names both', () => {
    expect(docker(null, 'docker-ce', '28.0.0-1.x86_64')).toBeNull();
    expect(docker('devicemapper', 'docker-ce', '25.0.3-1.x86_64')).toBe(
      "docker's images here are in the devicemapper driver, which docker 25.0.3 does not have any more",
    );
  });
});

test.each<[string, string | undefined, readonly [number, number] | null]>([
  ['etcd', 'etcd-3.5.16-1.fc41.x86_64', [3, 5]],
  ['etcd', 'etcd-0:3.5.16-1.fc41.x86_64', [3, 5]],
  ['etcd', 'etcd-3.6.0~rc.1-1.x86_64', [3, 6]],
  ['etcd', 'etcd-3.5^20250101git-1.x86_64', [3, 5]],
  ['etcd', 'etcd-v3.5.16-1.x86_64', [3, 5]],
  ['docker', 'docker-2:1.13.1-60.git9cb56fd.fc28.x86_64', [1, 13]],
  ['docker', 'docker-ce-28.0.0-1.x86_64', null],
  ['moby-engine', 'moby-engine-24.0.5-1.fc41.x86_64', [24, 0]],
  ['etcd', 'etcd-git20250101-1.x86_64', null],
  ['etcd', 'etcd', null],
  ['etcd', '', null],
  ['etcd', undefined, null],
])('version of %s in %p', (name, nevra, expected) => {
  const found = versionOf(name, nevra);
  expect(found === null ? null : [found.major, found.minor]).toEqual(expected === null ? null : [...expected]);
});

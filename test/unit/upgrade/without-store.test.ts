// A store that is away while a host has to prove itself: patience, and time again once it is back.

import { describe, expect, test } from 'bun:test';
import { type Move, nextMove } from '../../../agent/upgrade/machine.ts';
import {
  bootedIn,
  checksumOf,
  deployment,
  instant,
  memory,
  releaseNamed,
  sight,
  treeOf,
  unmet,
  upgradeTo,
} from '../../support/upgrade-builders.ts';

const os = treeOf([bootedIn('41.2'), deployment('41.1')]);
const verifying = memory({
  phase: 'verifying',
  began: instant(100),
  errand: upgradeTo('41.2'),
  cameFrom: { release: releaseNamed('41.1'), checksum: checksumOf('41.1') },
  baseline: { met: ['EtcdHealthy'], unmet: [] },
});

function at(uptimeSecs: number, isAway: boolean, from: Move['memory']): Move {
  const fleet = isAway ? ('unknown' as const) : {};
  const seen = {
    os,
    group: { readyWithinSecs: 600 },
    conditions: [unmet('EtcdHealthy')],
    instant: instant(uptimeSecs),
  };
  return nextMove(from, sight({ ...seen, fleet }));
}

describe('a host in a new release that is not ready because etcd is away', () => {
  test('is red after three times the time', () => {
    expect(at(100 + 1_799, true, verifying).act.act).toBe('rest');
    expect(at(100 + 1_800, true, verifying).act.act).toBe('fall-back');
  });

  test('gets its time again when etcd comes back', () => {
    const away = at(100 + 1_500, true, verifying).memory;
    const back = at(100 + 1_515, false, away);
    expect(back.act.act).toBe('rest');
    expect(at(100 + 1_500 + 599, false, back.memory).act.act).toBe('rest');
    expect(at(100 + 1_500 + 600, false, back.memory).act.act).toBe('fall-back');
  });
});

// A release that crashes its host again and again, each time before the deadline: it is red all the same.

import { describe, expect, test } from 'bun:test';
import type { UpgradeMemory } from '../../../agent/model/upgrade.ts';
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
  unknownTree,
  unmet,
  upgradeTo,
} from '../../support/upgrade-builders.ts';

const os = treeOf([bootedIn('41.2'), deployment('41.1')]);
const rebooting = memory({
  phase: 'rebooting',
  began: instant(500, 'boot-1'),
  errand: upgradeTo('41.2'),
  cameFrom: { release: releaseNamed('41.1'), checksum: checksumOf('41.1') },
  baseline: { met: ['EtcdHealthy'], unmet: [] },
});

/** A look ten seconds after each boot; the host is well, or comes up only half. */
function afterBoots(count: number, isWell: boolean, from: UpgradeMemory = rebooting): Move {
  let move: Move = { memory: from, act: { act: 'rest' } };
  for (let boot = 2; boot < 2 + count; boot++) {
    const seen = sight({
      os,
      instant: instant(10, `boot-${boot}`),
      ...(isWell ? {} : { conditions: [unmet('EtcdHealthy')] }),
    });
    move = nextMove(move.memory, seen);
  }
  return move;
}

describe('reboots that nobody asked for, in a release that has not proven itself', () => {
  test('are endured three times, and then it is rolled back and denied', () => {
    for (const count of [1, 2, 3])
      expect(afterBoots(count, false)).toMatchObject({ memory: { phase: 'verifying' }, act: { act: 'rest' } });
    const fourth = afterBoots(4, false);
    expect(fourth).toMatchObject({
      memory: { phase: 'rolling-back', untoldDenial: { release: { text: '41.2' } } },
      act: { act: 'fall-back', errand: { kind: 'rollback', checksum: checksumOf('41.1') } },
    });
    expect(fourth.memory.untoldDenial?.reason).toContain('rebooted 3 times by itself before it had proven itself');
  });

  test('count for a host that looks well right after each boot, too', () => {
    expect(afterBoots(4, true).act.act).toBe('fall-back');
  });

  test('are counted by boots, not by looks at a host that cannot tell yet what it runs', () => {
    let { memory: then } = afterBoots(1, false);
    for (const uptime of [10, 25, 40, 55]) {
      then = nextMove(then, sight({ os: unknownTree, instant: instant(uptime, 'boot-3') })).memory;
    }
    const seen = sight({ os, instant: instant(70, 'boot-3'), conditions: [unmet('EtcdHealthy')] });
    expect(nextMove(then, seen)).toMatchObject({ memory: { phase: 'verifying', restarts: 1 }, act: { act: 'rest' } });
  });

  test('are forgotten once it has proven itself', () => {
    const third = afterBoots(3, true).memory;
    const proven = nextMove(third, sight({ os, instant: instant(10 + 300, 'boot-4') }));
    expect(proven.memory).toMatchObject({ phase: 'steady', restarts: 0 });
  });
});

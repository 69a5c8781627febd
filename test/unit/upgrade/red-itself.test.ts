// A host that is failed itself: it does not go by itself, an operator may send it, and nobody follows it as a canary.

import { describe, expect, test } from 'bun:test';
import { nextMove } from '../../../agent/upgrade/machine.ts';
import {
  asked,
  bootedIn,
  deployment,
  instant,
  memory,
  releaseNamed,
  sight,
  stagedAs,
  targetOf,
  treeOf,
  unmet,
  upgradeTo,
  wellConditions,
} from '../../support/upgrade-builders.ts';

const failed = [...wellConditions, unmet('AddressPresent', { severity: 'failed', message: 'it has no address' })];
const staged = treeOf([stagedAs('41.2'), bootedIn('41.1')]);

describe('a host that is failed itself', () => {
  const fleet = { target: targetOf('41.2') };

  test('does not follow a target, and says what to repair', () => {
    const move = nextMove(memory(), sight({ os: staged, conditions: failed, instant: instant(90_000), fleet }));
    expect(move.act.act).toBe('rest');
    expect(move.memory.waiting?.reason).toBe('this host is failed itself: AddressPresent: it has no address');
  });

  test('goes where an operator sends it: that may be the cure', () => {
    const seen = sight({ os: staged, conditions: failed, instant: instant(90_000) });
    expect(nextMove(memory({ ask: asked('upgrade') }), seen).act.act).toBe('go');
  });

  test('is no worse than before, and not proven: canaries are not followed into it', () => {
    const verifying = memory({
      phase: 'verifying',
      began: instant(10),
      goodSince: instant(20),
      errand: upgradeTo('41.2'),
      baseline: { met: wellConditions.map((c) => c.type), unmet: ['AddressPresent'] },
      verified: releaseNamed('41.1'),
    });
    const os = treeOf([bootedIn('41.2'), deployment('41.1')]);
    const at = instant(20 + 300);
    expect(nextMove(verifying, sight({ os, conditions: failed, instant: at })).memory).toMatchObject({
      phase: 'steady',
      verified: { text: '41.1' },
    });
    expect(nextMove(verifying, sight({ os, instant: at })).memory.verified?.text).toBe('41.2');
  });
});

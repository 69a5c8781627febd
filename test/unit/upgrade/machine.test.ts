// The state machine: every phase with everything that can be seen, deadlines to the millisecond, and laws over random walks.

import { describe, expect, test } from 'bun:test';
import type { Denial, Errand, UpgradeMemory, UpgradePhase } from '../../../agent/model/upgrade.ts';
import { type Act, maxLostReboots, nextMove, type Sight, shutdownWithinMs } from '../../../agent/upgrade/machine.ts';
import { seededRandom } from '../../support/random-text.ts';
import {
  asked,
  bootedIn,
  checksumOf,
  denialOfVersion,
  deployment,
  instant,
  memory,
  met,
  noTree,
  plainReboot,
  releaseNamed,
  rollbackTo,
  type SightOverrides,
  sight,
  someHold,
  stagedAs,
  targetOf,
  treeOf,
  unknownTree,
  unmet,
  upgradeTo,
  wellConditions,
} from '../../support/upgrade-builders.ts';

const stagedTree = treeOf([stagedAs('41.2'), bootedIn('41.1'), deployment('41.0')]);
const upgradedTree = treeOf([bootedIn('41.2'), deployment('41.1')]);
const fallenBackTree = treeOf([deployment('41.2'), bootedIn('41.1')]);
const closed: Sight['permit'] = { go: false, message: 'the window opens Sat 02:00', opensMs: null };
const ill = [unmet('EtcdHealthy'), met('FlannelLease'), met('DockerRunning')];
const heldBefore = { slot: { bootId: 'boot-1' } };

function act(given: Partial<UpgradeMemory>, seen: SightOverrides): Act['act'] {
  return nextMove(memory(given), sight(seen)).act.act;
}

function waits(given: Partial<UpgradeMemory>, seen: SightOverrides): string | undefined {
  return nextMove(memory(given), sight(seen)).memory.waiting?.reason;
}

function phase(given: Partial<UpgradeMemory>, seen: SightOverrides): UpgradePhase {
  return nextMove(memory(given), sight(seen)).memory.phase;
}

describe('steady', () => {
  const candidate = { version: '41.2', base: checksumOf('41.2') };
  const offered = treeOf([bootedIn('41.1')], { cachedUpdate: candidate });
  const old = instant(-3_000);
  const justChecked = { checkedAt: instant(999) };

  test.each<[string, Partial<UpgradeMemory>, SightOverrides, Act]>([
    ['automatic off', {}, {}, { act: 'rest' }],
    ['automatic off, although something is offered', {}, { os: offered }, { act: 'rest' }],
    ['check, never checked', {}, { group: { automatic: 'check' } }, { act: 'check', thenStage: false }],
    ['check, checked just now', justChecked, { group: { automatic: 'check' } }, { act: 'rest' }],
    [
      'check, checked in another boot',
      { checkedAt: instant(999, 'boot-1') },
      { group: { automatic: 'check' } },
      { act: 'check', thenStage: false },
    ],
    ['check, an hour ago', { checkedAt: old }, { group: { automatic: 'check' } }, { act: 'check', thenStage: false }],
    ['check does not stage', justChecked, { group: { automatic: 'check' }, os: offered }, { act: 'rest' }],
    ['stage, nothing known', {}, { group: { automatic: 'stage' } }, { act: 'check', thenStage: true }],
    ['stage, something known', {}, { group: { automatic: 'stage' }, os: offered }, { act: 'stage', release: null }],
    ['stage, staged already', {}, { group: { automatic: 'stage' }, os: stagedTree }, { act: 'rest' }],
    ['apply', {}, { group: { automatic: 'apply' }, os: stagedTree }, { act: 'go', errand: upgradeTo('41.2') }],
    ['a target', {}, { fleet: { target: targetOf('41.2') } }, { act: 'stage', release: '41.2' }],
    [
      'a target that is staged',
      {},
      { fleet: { target: targetOf('41.2') }, os: stagedTree },
      { act: 'go', errand: upgradeTo('41.2') },
    ],
    [
      'another target than what is staged',
      {},
      { fleet: { target: targetOf('41.3') }, os: stagedTree },
      { act: 'stage', release: '41.3' },
    ],
    ['a target that is booted', {}, { fleet: { target: targetOf('41.1') } }, { act: 'rest' }],
    [
      'a target by the beginning of its commit',
      {},
      { fleet: { target: targetOf(checksumOf('41.2').slice(0, 8)) }, os: stagedTree },
      { act: 'go', errand: upgradeTo('41.2') },
    ],
    [
      'the target latest, staged',
      {},
      { fleet: { target: targetOf('latest') }, os: stagedTree },
      { act: 'go', errand: upgradeTo('41.2') },
    ],
    [
      'a target that is denied',
      {},
      { fleet: { target: targetOf('41.2'), denied: [denialOfVersion('41.2')] } },
      { act: 'rest' },
    ],
    [
      'an offer that is denied',
      {},
      { group: { automatic: 'stage' }, os: offered, fleet: { denied: [denialOfVersion('41.2')] } },
      { act: 'rest' },
    ],
    ['an ask for the newest', { ask: asked('upgrade') }, {}, { act: 'stage', release: null }],
    ['an ask for a release', { ask: asked('upgrade', { release: '41.2' }) }, {}, { act: 'stage', release: '41.2' }],
    [
      'an ask goes before the target',
      { ask: asked('upgrade', { release: '41.3' }) },
      { fleet: { target: targetOf('41.2') } },
      { act: 'stage', release: '41.3' },
    ],
    ['an ask for what is booted', { ask: asked('upgrade', { release: '41.1' }) }, {}, { act: 'rest' }],
    ['a reboot', { ask: asked('reboot') }, {}, { act: 'go', errand: plainReboot }],
    [
      'a reboot of a host without deployments',
      { ask: asked('reboot') },
      { os: noTree },
      { act: 'go', errand: plainReboot },
    ],
    [
      'a reboot with something staged and locked',
      { ask: asked('reboot') },
      { os: stagedTree },
      { act: 'go', errand: plainReboot },
    ],
    [
      'a reboot with something staged that any reboot boots',
      { ask: asked('reboot') },
      { os: treeOf([stagedAs('41.2', { locked: false }), bootedIn('41.1')]) },
      { act: 'rest' },
    ],
    ['a reboot with something else as the default', { ask: asked('reboot') }, { os: fallenBackTree }, { act: 'rest' }],
    [
      'a rollback',
      { ask: asked('rollback', { reason: 'slow' }) },
      {},
      { act: 'go', errand: rollbackTo('41.0', 'slow') },
    ],
    [
      'a rollback with nothing to go to',
      { ask: asked('rollback') },
      { os: treeOf([bootedIn('41.1')]) },
      { act: 'rest' },
    ],
    ['a rollback without deployments', { ask: asked('rollback') }, { os: noTree }, { act: 'rest' }],
    [
      'denied and staged',
      {},
      { os: stagedTree, fleet: { denied: [denialOfVersion('41.2')] } },
      { act: 'discard', why: '41.2 is staged and denied: etcd did not start (a2)' },
    ],
    [
      'the default is denied, and something else runs',
      {},
      { os: fallenBackTree, fleet: { denied: [denialOfVersion('41.2')] } },
      { act: 'keep-booted', checksum: checksumOf('41.1') },
    ],
    [
      'the same while another client is at work',
      {},
      {
        os: treeOf([deployment('41.2'), bootedIn('41.1')], { transaction: 'upgrade' }),
        fleet: { denied: [denialOfVersion('41.2')] },
      },
      { act: 'rest' },
    ],
    [
      'another client is at work',
      { ask: asked('upgrade') },
      { os: treeOf([bootedIn('41.1')], { transaction: 'upgrade' }) },
      { act: 'rest' },
    ],
    [
      'a conflict that blocks',
      { ask: asked('upgrade') },
      {
        os: treeOf([bootedIn('41.1')], {
          conflicts: [{ reason: 'Unlocked', message: 'unlocked', hint: 'h', blocks: true }],
        }),
      },
      { act: 'rest' },
    ],
    ['a slot from another boot and no memory why', { verified: null }, { fleet: heldBefore }, { act: 'rest' }],
    [
      'a slot from this very boot',
      {},
      { fleet: { slot: { bootId: 'boot-2' } } },
      { act: 'release-slot', why: 'nothing is under way here' },
    ],
    ['the tree is unknown', { ask: asked('upgrade') }, { os: unknownTree }, { act: 'rest' }],
    ['no tree', { ask: asked('upgrade') }, { os: noTree }, { act: 'rest' }],
    [
      'the store is unknown and something is staged',
      {},
      { group: { automatic: 'apply' }, os: stagedTree, fleet: 'unknown' },
      { act: 'rest' },
    ],
  ])('%s', (_name, given, seen, expected) => {
    expect(nextMove(memory(given), sight(seen)).act).toEqual(expected);
  });

  test('a failed attempt to stage is not repeated at once: after a minute when asked, else when the next check is due', () => {
    const group = { automatic: 'stage' as const };
    const first = nextMove(memory(justChecked), sight({ group, os: offered }));
    const at = (secs: number): Act['act'] =>
      nextMove(first.memory, sight({ group, os: offered, instant: instant(secs) })).act.act;
    expect([at(1_001), at(4_598), at(4_599), at(4_600)]).toEqual(['rest', 'rest', 'check', 'stage']);
    const withAsk = nextMove(memory({ ...justChecked, ask: asked('upgrade') }), sight({ os: offered })).memory;
    expect(
      [1_059.999, 1_060].map((secs) => nextMove(withAsk, sight({ os: offered, instant: instant(secs) })).act.act),
    ).toEqual(['rest', 'stage']);
  });

  test('what comes back three times without having been tried is left to a person, and a new word tries again', () => {
    const seen = { group: { automatic: 'apply' as const }, os: stagedTree };
    const lost = (times: number) => ({ lost: { release: releaseNamed('41.2').id, times } });
    expect(act(lost(maxLostReboots - 1), seen)).toBe('go');
    expect(act(lost(maxLostReboots), seen)).toBe('rest');
    expect(waits(lost(maxLostReboots), seen)).toBe('3 reboots for 41.2 came back without having tried it');
    expect(act({ lost: { release: releaseNamed('41.3').id, times: 9 } }, seen)).toBe('go');
  });

  test('a release that was booted by hand is proven once the host was well in it for as long as it has to be', () => {
    const begun = nextMove(memory({ verified: null }), sight()).memory;
    expect(begun.goodSince).toEqual(instant(1_000));
    const at = (secs: number, conditions = wellConditions) =>
      nextMove(begun, sight({ instant: instant(secs), conditions })).memory;
    expect(at(1_059.999).verified).toBeNull();
    expect(at(1_060).verified).toEqual(releaseNamed('41.1'));
    expect(at(1_060, ill)).toMatchObject({ verified: null, goodSince: null });
    const rebooted = nextMove(begun, sight({ instant: instant(5_000, 'boot-3') })).memory;
    expect(rebooted).toMatchObject({ verified: null, goodSince: instant(5_000, 'boot-3') });
  });

  test('a slot that could not be given back after the reboot goes back against the baseline of that reboot', () => {
    const given = {
      baseline: { met: ['EtcdHealthy'], unmet: ['DockerStorage'] },
      verified: releaseNamed('41.1'),
    } as const;
    const conditions = [met('EtcdHealthy'), unmet('DockerStorage', { severity: 'degraded' })];
    const found = nextMove(memory(given), sight({ fleet: heldBefore, conditions }));
    expect(found.memory).toMatchObject({ phase: 'recovering', goodSince: instant(1_000) });
    const later = nextMove(found.memory, sight({ fleet: heldBefore, conditions, instant: instant(1_060) }));
    expect([later.act.act, later.memory.phase]).toEqual(['release-slot', 'steady']);
  });

  test('without a memory everything has to be well before a slot of another boot goes back', () => {
    const given = { baseline: null, verified: null };
    expect(nextMove(memory(given), sight({ fleet: heldBefore, conditions: ill })).memory).toMatchObject({
      phase: 'recovering',
      goodSince: null,
    });
  });
});

describe('ready to go', () => {
  const ready = (errand: Errand, more: Partial<UpgradeMemory> = {}): Partial<UpgradeMemory> => ({
    phase: 'ready-to-go',
    errand,
    ask: errand.kind === 'upgrade' ? null : asked(errand.kind),
    ...more,
  });
  const wanted = { os: stagedTree, group: { automatic: 'apply' as const } };
  const upgrade = ready(upgradeTo('41.2'));
  const reboot = ready(plainReboot);

  test.each<[string, Partial<UpgradeMemory>, SightOverrides, Act['act'], UpgradePhase, string | undefined]>([
    ['everything is right', upgrade, wanted, 'go', 'ready-to-go', undefined],
    ['a reboot', reboot, {}, 'go', 'ready-to-go', undefined],
    ['a rollback', ready(rollbackTo('41.0')), {}, 'go', 'ready-to-go', undefined],
    [
      'a rollback to what is denied',
      ready(rollbackTo('41.0')),
      { fleet: { denied: [denialOfVersion('41.0')] } },
      'go',
      'ready-to-go',
      undefined,
    ],
    [
      'on hold',
      reboot,
      { fleet: { hold: someHold } },
      'rest',
      'ready-to-go',
      'group default is on hold: sale (operator on a2)',
    ],
    [
      'on hold, with a slot',
      reboot,
      { fleet: { hold: someHold, ...heldBefore } },
      'release-slot',
      'ready-to-go',
      'group default is on hold: sale (operator on a2)',
    ],
    ['the window is shut', reboot, { permit: closed }, 'rest', 'ready-to-go', 'the window opens Sat 02:00'],
    [
      'the window is shut, for an operator in a hurry',
      ready(plainReboot, { ask: asked('reboot', { outsideWindow: true }) }),
      { permit: closed },
      'go',
      'ready-to-go',
      undefined,
    ],
    ['the store is unknown', reboot, { fleet: 'unknown' }, 'rest', 'ready-to-go', 'etcd does not answer'],
    [
      'the store is unknown, for a target',
      upgrade,
      { os: stagedTree, fleet: 'unknown' },
      'rest',
      'ready-to-go',
      'etcd does not answer',
    ],
    [
      'the tree is unknown',
      upgrade,
      { ...wanted, os: unknownTree },
      'rest',
      'ready-to-go',
      'rpm-ostree does not answer',
    ],
    [
      'the tree is gone',
      upgrade,
      { ...wanted, os: noTree },
      'rest',
      'steady',
      'this host is not upgraded by deployments',
    ],
    [
      'canaries first',
      upgrade,
      { ...wanted, fleet: { canariesToWaitFor: () => ['a2 is not in 41.2'] } },
      'rest',
      'ready-to-go',
      'canaries go first: a2 is not in 41.2',
    ],
    [
      'it is a canary itself',
      upgrade,
      {
        ...wanted,
        group: { automatic: 'apply', canary: ['a1', 'a2'] },
        fleet: { canariesToWaitFor: () => ['a2 is not in 41.2'] },
      },
      'go',
      'ready-to-go',
      undefined,
    ],
    [
      'canaries do not hold a plain reboot',
      reboot,
      { fleet: { canariesToWaitFor: () => ['a2'] } },
      'go',
      'ready-to-go',
      undefined,
    ],
    [
      'denied meanwhile',
      upgrade,
      { ...wanted, fleet: { denied: [denialOfVersion('41.2')] } },
      'rest',
      'steady',
      '41.2 is denied: etcd did not start (a2)',
    ],
    [
      'denied meanwhile, with a slot',
      upgrade,
      { ...wanted, fleet: { denied: [denialOfVersion('41.2')], ...heldBefore } },
      'release-slot',
      'steady',
      '41.2 is denied: etcd did not start (a2)',
    ],
    [
      'dropped meanwhile',
      upgrade,
      { ...wanted, os: treeOf([bootedIn('41.1')]) },
      'rest',
      'steady',
      '41.2 is not staged any more',
    ],
    [
      'another one staged meanwhile',
      upgrade,
      { ...wanted, os: treeOf([stagedAs('41.3'), bootedIn('41.1')]) },
      'rest',
      'steady',
      '41.2 is not staged any more',
    ],
    ['the target is gone', upgrade, { os: stagedTree }, 'rest', 'steady', 'nobody asks for 41.2 any more'],
    [
      'the target is another',
      upgrade,
      { os: stagedTree, fleet: { target: targetOf('41.3') } },
      'rest',
      'steady',
      '41.3 is wanted now, not 41.2',
    ],
    [
      'a reboot that was taken back',
      ready(plainReboot, { ask: null }),
      {},
      'rest',
      'steady',
      'the reboot was taken back',
    ],
    [
      'a rollback that was taken back',
      ready(rollbackTo('41.0'), { ask: null }),
      { fleet: heldBefore },
      'release-slot',
      'steady',
      'the rollback was taken back',
    ],
    [
      'a rollback that leads elsewhere now',
      ready(rollbackTo('41.0')),
      { os: treeOf([bootedIn('41.1'), deployment('40.9')]) },
      'rest',
      'steady',
      '41.0 is not what a rollback leads to any more',
    ],
    [
      'denied meanwhile, although an operator asked for it',
      { ...upgrade, ask: asked('upgrade', { release: '41.2' }) },
      { ...wanted, fleet: { denied: [denialOfVersion('41.2')] } },
      'rest',
      'steady',
      '41.2 is denied: etcd did not start (a2)',
    ],
    ['no errand', { phase: 'ready-to-go' }, {}, 'rest', 'steady', undefined],
    [
      'the host is still coming up',
      reboot,
      { conditions: ill, instant: instant(599.999) },
      'rest',
      'ready-to-go',
      'this host is still coming up: EtcdHealthy is not met: EtcdHealthy is ill',
    ],
    [
      'the host came up and is as it is',
      reboot,
      { conditions: ill, instant: instant(600) },
      'go',
      'ready-to-go',
      undefined,
    ],
  ])('%s', (_name, given, seen, expected, then, why) => {
    const move = nextMove(memory(given), sight(seen));
    expect([move.act.act, move.memory.phase, move.memory.waiting?.reason]).toEqual([expected, then, why]);
  });

  test('what it does by itself stands back for a rollback that is asked for, and does not take its haste along', () => {
    const ask = asked('rollback', { outsideWindow: true });
    const seen = sight({ ...wanted, permit: closed });
    const first = nextMove(memory({ ...upgrade, ask }), seen);
    expect([first.act.act, first.memory.phase, first.memory.ask]).toEqual(['rest', 'steady', ask]);
    expect(nextMove(first.memory, seen).act).toEqual({ act: 'go', errand: rollbackTo('41.0', ask.reason) });
  });
});

describe('on its way down', () => {
  const began = instant(1_000);
  const at = (ms: number) => ({
    instant: { bootId: 'boot-2', uptimeMs: began.uptimeMs + ms },
    os: stagedTree,
    group: { automatic: 'apply' as const },
  });

  test('a host that is still up is told again, with a new proof, only after a quarter of an hour', () => {
    const given = { phase: 'rebooting', errand: upgradeTo('41.2'), began } as const;
    expect([act(given, at(0)), act(given, at(shutdownWithinMs - 1)), act(given, at(shutdownWithinMs))]).toEqual([
      'rest',
      'rest',
      'go',
    ]);
    expect(phase(given, at(shutdownWithinMs))).toBe('ready-to-go');
  });

  test('one that rolls back is told again without a proof', () => {
    const given = { phase: 'rolling-back', errand: rollbackTo('41.1'), began } as const;
    expect(act(given, at(shutdownWithinMs - 1))).toBe('rest');
    const again = nextMove(memory(given), sight(at(shutdownWithinMs)));
    expect(again.act).toEqual({ act: 'fall-back', errand: rollbackTo('41.1') });
    expect(again.memory.began).toEqual(at(shutdownWithinMs).instant);
  });

  test.each(['rebooting', 'rolling-back'] as const)('the slot stays held while %s', (now) => {
    const errand = now === 'rebooting' ? upgradeTo('41.2') : rollbackTo('41.1');
    expect(act({ phase: now, errand, began }, { ...at(1), fleet: heldBefore })).toBe('rest');
  });
});

describe('the first look in a new boot', () => {
  const cameFrom = { release: releaseNamed('41.1'), checksum: checksumOf('41.1') };
  const left = { began: instant(50_000, 'boot-1'), cameFrom } as const;
  const rebooting = { ...left, phase: 'rebooting', errand: upgradeTo('41.2') } as const;

  test.each<[string, Partial<UpgradeMemory>, SightOverrides, UpgradePhase]>([
    ['in the new release', rebooting, { os: upgradedTree }, 'verifying'],
    ['after a plain reboot', { ...left, phase: 'rebooting', errand: plainReboot }, {}, 'verifying'],
    [
      'after a plain reboot without deployments',
      { ...left, phase: 'rebooting', errand: plainReboot },
      { os: noTree },
      'verifying',
    ],
    [
      'after a plain reboot, the tree unknown',
      { ...left, phase: 'rebooting', errand: plainReboot },
      { os: unknownTree },
      'verifying',
    ],
    ['after an upgrade, the tree unknown', rebooting, { os: unknownTree, instant: instant(30) }, 'rebooting'],
    [
      'after an operator rolled back',
      { ...left, phase: 'rebooting', errand: rollbackTo('41.0') },
      { os: treeOf([bootedIn('41.0'), deployment('41.1')]) },
      'recovering',
    ],
    [
      'after a rollback that did not take',
      { ...left, phase: 'rebooting', errand: rollbackTo('41.0') },
      {},
      'recovering',
    ],
    [
      'after the rollback of a red release',
      { ...left, phase: 'rolling-back', errand: rollbackTo('41.1') },
      { os: treeOf([bootedIn('41.1'), deployment('41.2')]) },
      'recovering',
    ],
    ['power was cut before anything was written', rebooting, {}, 'recovering'],
    [
      'it is staged again, and was never written down',
      rebooting,
      { os: treeOf([stagedAs('41.2'), bootedIn('41.1')]) },
      'recovering',
    ],
    ['somewhere else altogether', rebooting, { os: treeOf([bootedIn('40.0')]) }, 'recovering'],
  ])('%s', (_name, given, seen, expected) => {
    const move = nextMove(memory(given), sight(seen));
    expect([move.act.act, move.memory.phase]).toEqual(['rest', expected]);
  });

  test('a host that cannot tell what it runs is red once the time is up, and says so once', () => {
    const given = memory(rebooting);
    const late = { os: unknownTree, instant: instant(100_000) };
    const move = nextMove(given, sight(late));
    expect(move.act).toMatchObject({ act: 'deny', denial: { release: { text: '41.2' } } });
    const told = sight({ ...late, fleet: { denied: [denialOfVersion('41.2')] } });
    expect(nextMove({ ...move.memory, untoldDenial: null }, told).act.act).toBe('rest');
  });

  test('a fallback of the boot loader denies the release for the fleet, before anything else', () => {
    const move = nextMove(memory({ ...rebooting, ask: asked('upgrade') }), sight({ os: fallenBackTree }));
    const denial: Denial = {
      release: releaseNamed('41.2'),
      reason: 'it was booted and the host fell back to the deployment before it',
      by: 'a1',
      at: '2026-01-01T00:00:00.000Z',
    };
    expect(move.act).toEqual({ act: 'deny', denial });
    expect(move.memory).toMatchObject({ phase: 'recovering', untoldDenial: denial, ask: null });
    const told = nextMove(
      { ...move.memory, untoldDenial: null },
      sight({ os: fallenBackTree, fleet: { denied: [denial] } }),
    );
    expect(told.act).toEqual({ act: 'keep-booted', checksum: checksumOf('41.1') });
  });

  test('without the store the host keeps what is booted, and remembers what it has to tell', () => {
    const move = nextMove(memory(rebooting), sight({ os: fallenBackTree, fleet: 'unknown' }));
    expect([move.act.act, move.memory.untoldDenial?.release.text]).toEqual(['keep-booted', '41.2']);
  });

  test('reboots that did not try the release are counted, and it may be staged again', () => {
    const once = nextMove(memory({ ...rebooting, stagedAt: { what: 'latest', at: instant(0) } }), sight()).memory;
    expect(once).toMatchObject({
      lost: { release: releaseNamed('41.2').id, times: 1 },
      stagedAt: null,
      untoldDenial: null,
    });
    const twice = nextMove(memory({ ...rebooting, lost: once.lost }), sight()).memory;
    expect(twice.lost?.times).toBe(2);
    const fresh = nextMove(memory({ ...rebooting, lost: { release: 'other', times: 2 } }), sight()).memory;
    expect(fresh.lost).toEqual({ release: releaseNamed('41.2').id, times: 1 });
  });

  test('another reboot while it recovers is not counted for the release, and denies nothing', () => {
    const lost = { release: releaseNamed('41.2').id, times: 1 };
    const recovering = { ...left, phase: 'recovering', errand: upgradeTo('41.2'), lost } as const;
    const move = nextMove(memory(recovering), sight());
    expect(move.memory).toMatchObject({ phase: 'recovering', lost, untoldDenial: null, began: instant(1_000) });
    expect(nextMove(memory(recovering), sight({ os: fallenBackTree })).memory.untoldDenial).toBeNull();
  });

  test('a host that recovers for reasons it does not remember goes on recovering after another reboot, and keeps the ask', () => {
    const given = { ...left, phase: 'recovering', errand: null, ask: asked('upgrade') } as const;
    const move = nextMove(memory(given), sight());
    expect(move.memory).toMatchObject({ phase: 'recovering', ask: asked('upgrade') });
  });

  test('another reboot while it verifies begins from the beginning', () => {
    const given = { ...rebooting, phase: 'verifying', goodSince: instant(49_000, 'boot-1') } as const;
    const move = nextMove(memory(given), sight({ os: upgradedTree, fleet: heldBefore }));
    expect(move.memory).toMatchObject({ phase: 'verifying', began: instant(1_000), goodSince: instant(1_000) });
    expect(move.act.act).toBe('rest');
  });
});

describe('verifying', () => {
  const baseline = { met: ['EtcdHealthy', 'FlannelLease'], unmet: ['DockerRunning'] } as const;
  const cameFrom = { release: releaseNamed('41.1'), checksum: checksumOf('41.1') };
  const given = { phase: 'verifying', errand: upgradeTo('41.2'), began: instant(100), cameFrom, baseline } as const;
  const seen = { os: upgradedTree, fleet: heldBefore } as const;
  const good = { ...given, goodSince: instant(640) };

  test('the slot goes back when the host has been well for as long as the group says, to the millisecond', () => {
    const at = (ms: number) => nextMove(memory(good), sight({ ...seen, instant: { bootId: 'boot-2', uptimeMs: ms } }));
    expect(at(699_999).act.act).toBe('rest');
    expect(at(699_999).memory.waiting?.reason).toBe('ready again; it has to stay so for 1 s more');
    const done = at(700_000);
    expect(done.act).toEqual({ act: 'release-slot', why: 'ready in 41.2 for 60 s' });
    expect(done.memory).toMatchObject({
      phase: 'steady',
      errand: null,
      ask: null,
      verified: releaseNamed('41.2'),
      waiting: null,
      lost: null,
    });
  });

  test.each<[string, SightOverrides, boolean]>([
    ['everything well', {}, true],
    [
      'what was not met before still is not',
      { conditions: [met('EtcdHealthy'), met('FlannelLease'), unmet('DockerRunning')] },
      true,
    ],
    ['what was met is not', { conditions: ill }, false],
    [
      'what was met is unknown',
      { conditions: [{ ...met('EtcdHealthy'), status: 'Unknown' }, met('FlannelLease')] },
      false,
    ],
    ['what was met is not told', { conditions: [met('FlannelLease')] }, false],
    ['something new has failed', { conditions: [...wellConditions, unmet('StorageAttached')] }, false],
    [
      'something new is degraded',
      { conditions: [...wellConditions, unmet('StorageAttached', { severity: 'degraded' })] },
      true,
    ],
    ['nothing is known', { conditions: [] }, false],
    ['greenboot is absent', { greenboot: 'absent' }, true],
    ['greenboot is green', { greenboot: 'green' }, true],
    ['greenboot still runs', { greenboot: 'running' }, false],
    ['greenboot is red', { greenboot: 'red' }, false],
  ])('%s', (_name, more, isGood) => {
    const move = nextMove(memory(good), sight({ ...seen, ...more, instant: instant(650) }));
    expect(move.memory.goodSince).toEqual(isGood ? instant(640) : null);
  });

  test('being well in another boot counts for nothing', () => {
    const before = { ...given, goodSince: instant(100, 'boot-1') };
    const move = nextMove(memory(before), sight({ ...seen, instant: instant(5_000) }));
    expect([move.act.act, move.memory.goodSince]).toEqual(['rest', instant(5_000)]);
  });

  test('well for a while, ill for an instant: it has to prove itself anew', () => {
    const stumbled = nextMove(memory(good), sight({ ...seen, conditions: ill, instant: instant(690) })).memory;
    const again = nextMove(stumbled, sight({ ...seen, instant: instant(695) }));
    expect([again.act.act, again.memory.goodSince]).toEqual(['rest', instant(695)]);
  });

  test('the store is unknown at the end: the slot is kept until it can be given back', () => {
    const move = nextMove(memory(good), sight({ ...seen, fleet: 'unknown', instant: instant(700) }));
    expect([move.act.act, move.memory.phase, move.memory.waiting?.reason]).toEqual([
      'rest',
      'verifying',
      'ready again; the slot cannot be given back: etcd does not answer',
    ]);
  });

  describe('red', () => {
    const late = (ms: number, more: SightOverrides = {}) =>
      nextMove(
        memory(given),
        sight({ ...seen, conditions: ill, instant: { bootId: 'boot-2', uptimeMs: 100_000 + ms }, ...more }),
      );

    test('not before its time is up', () => {
      expect([late(599_999).act.act, late(599_999).memory.phase]).toEqual(['rest', 'verifying']);
    });

    test('then it goes back to where it came from, and the verdict waits to be told', () => {
      const { act: done, memory: then } = late(600_000);
      const reason = '41.2 is red: EtcdHealthy is not met: EtcdHealthy is ill';
      expect(done).toEqual({ act: 'fall-back', errand: rollbackTo('41.1', reason) });
      expect(then).toMatchObject({ phase: 'rolling-back', errand: rollbackTo('41.1', reason), ask: null });
      expect(then.untoldDenial?.reason).toBe(
        'a1 was not ready within 10 min after booting it: EtcdHealthy is not met: EtcdHealthy is ill',
      );
    });

    test.each<[string, SightOverrides['os']]>([
      ['is not there any more', treeOf([bootedIn('41.2')])],
      ['is not what a rollback leads to', treeOf([bootedIn('41.2'), deployment('40.0'), deployment('41.1')])],
      ['is unknown', unknownTree],
    ])('where it came from %s: it is denied, it stays, and so does the slot', (_name, os) => {
      const { act: done, memory: then } = late(600_000, os === undefined ? {} : { os });
      expect([done.act, then.phase, then.untoldDenial?.release.text]).toEqual(['deny', 'recovering', '41.2']);
      expect(then.waiting?.hint).toContain('the slot is kept');
    });

    test.each(['reboot', 'rollback'] as const)('after a %s nothing is denied, and the slot is kept', (kind) => {
      const errand = kind === 'reboot' ? plainReboot : rollbackTo('41.2');
      const then = nextMove(
        memory({ ...given, errand, phase: kind === 'reboot' ? 'verifying' : 'recovering' }),
        sight({ ...seen, conditions: ill, instant: instant(9_000) }),
      );
      expect([then.act.act, then.memory.untoldDenial]).toEqual(['rest', null]);
      expect(then.memory.waiting?.reason).toBe(
        'not ready for 10 min since the reboot: EtcdHealthy is not met: EtcdHealthy is ill',
      );
    });
  });

  test('after a rollback the ask is done; after a fallback it stays, and so does the count', () => {
    const lost = { release: releaseNamed('41.2').id, times: 1 };
    const rolled = { ...good, phase: 'recovering', errand: rollbackTo('41.1'), ask: asked('rollback'), lost } as const;
    const late = { ...seen, os: treeOf([bootedIn('41.1'), deployment('41.2')]), instant: instant(9_000) };
    expect(nextMove(memory(rolled), sight(late)).memory).toMatchObject({ phase: 'steady', ask: null, lost: null });
    const fallen = { ...rolled, errand: upgradeTo('41.2'), ask: asked('upgrade') };
    expect(nextMove(memory(fallen), sight(late)).memory).toMatchObject({
      phase: 'steady',
      ask: asked('upgrade'),
      lost,
    });
  });
});

// --- laws -----------------------------------------------------------------------------------------------------------

type Random = () => number;

/** Of plain data only. */
function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new Error('nothing to pick from');
  return value;
}

const phases: readonly UpgradePhase[] = [
  'steady',
  'ready-to-go',
  'rebooting',
  'verifying',
  'rolling-back',
  'recovering',
];
const versions = ['41.0', '41.1', '41.2', '41.3'];
const kinds = ['upgrade', 'reboot', 'rollback'] as const;

function randomInstant(random: Random) {
  return instant(
    pick(random, [0, 100, 399.999, 400, 940, 999.999, 1_000]),
    pick(random, ['boot-1', 'boot-2', 'boot-2']),
  );
}

function randomErrand(random: Random): Errand {
  return pick(random, [upgradeTo, rollbackTo, () => plainReboot])(pick(random, versions));
}

function randomMemory(random: Random): UpgradeMemory {
  const maybe = <T>(make: () => T): T | null => (random() < 0.5 ? null : make());
  const version = (): string => pick(random, versions);
  const phase = pick(random, phases);
  const errand = phase === 'rolling-back' ? rollbackTo(version()) : randomErrand(random);
  return memory({
    phase,
    began: randomInstant(random),
    // Only one that verifies may not know why: its memory was lost.
    errand: phase === 'steady' ? null : phase === 'verifying' || phase === 'recovering' ? maybe(() => errand) : errand,
    ask: maybe(() =>
      asked(pick(random, kinds), { release: maybe(version), outsideWindow: random() < 0.5, deny: random() < 0.5 }),
    ),
    cameFrom: maybe(() => {
      const from = version();
      return { release: releaseNamed(from), checksum: checksumOf(from) };
    }),
    baseline: maybe(() => ({ met: ['EtcdHealthy'], unmet: ['DockerRunning'] })),
    goodSince: maybe(() => randomInstant(random)),
    lost: maybe(() => ({ release: releaseNamed(version()).id, times: pick(random, [1, 2, 3]) })),
    untoldDenial: random() < 0.2 ? denialOfVersion(version()) : null,
    verified: maybe(() => releaseNamed(version())),
    checkedAt: maybe(() => randomInstant(random)),
    stagedAt: maybe(() => ({ what: 'latest ', at: randomInstant(random) })),
  });
}

function randomTree(random: Random): Sight['os'] {
  const chance = random();
  if (chance < 0.1) return noTree;
  if (chance < 0.2) return unknownTree;
  const [first, second, third] = pick(random, [versions, [...versions].reverse(), ['41.2', '41.1', '41.3']]);
  const staged = random() < 0.5 && third !== undefined ? [stagedAs(third, { locked: random() < 0.7 })] : [];
  const isFallenBack = random() < 0.3;
  const written = [first, second].map((v, i) => deployment(v ?? '40.0', { booted: (i === 0) !== isFallenBack }));
  return treeOf([...staged, ...written], {
    transaction: random() < 0.1 ? 'upgrade' : null,
    cachedUpdate: random() < 0.5 ? { version: '41.3', base: checksumOf('41.3') } : null,
  });
}

function randomSight(random: Random): Sight {
  return sight({
    instant: instant(1_000 + Math.floor(random() * 3) * 600, pick(random, ['boot-2', 'boot-2', 'boot-3'])),
    os: randomTree(random),
    fleet:
      random() < 0.15
        ? 'unknown'
        : {
            hold: random() < 0.2 ? someHold : null,
            target: random() < 0.5 ? null : targetOf(pick(random, [...versions, 'latest'])),
            denied: versions.filter(() => random() < 0.2).map((v) => denialOfVersion(v)),
            slot: pick(random, [null, { bootId: 'boot-1' }, { bootId: 'boot-2' }, { bootId: null }]),
            canariesToWaitFor: pick(random, [() => [], () => ['a2 is not in it']]),
          },
    group: {
      automatic: pick(random, ['off', 'check', 'stage', 'apply']),
      canary: pick(random, [[], ['a1'], ['a2']]),
    },
    conditions: pick(random, [wellConditions, wellConditions, ill, []]),
    greenboot: pick(random, ['absent', 'green', 'running', 'red']),
    permit: pick(random, [closed, { go: true, message: 'any time' }]),
  });
}

/** The picture at the top of machine.ts, with what its words say: lost, gone, a slot without a memory, red with no way back. */
const arrows: Readonly<Record<UpgradePhase, readonly UpgradePhase[]>> = {
  steady: ['ready-to-go', 'recovering'],
  // `rebooting` is entered by whoever carries `go` out, once everything is proven.
  'ready-to-go': ['steady'],
  rebooting: ['verifying', 'ready-to-go', 'recovering'],
  verifying: ['steady', 'rolling-back', 'recovering'],
  'rolling-back': ['recovering'],
  recovering: ['steady'],
};

/** What can be reached in one move, which may pass through several phases at once. */
function isReachable(from: UpgradePhase, to: UpgradePhase, seen: readonly UpgradePhase[] = []): boolean {
  if (from === to) return true;
  return arrows[from].some((next) => !seen.includes(next) && isReachable(next, to, [...seen, from]));
}

describe('laws over four thousand memories and sights', () => {
  const random = seededRandom(4);
  const cases = Array.from({ length: 4_000 }, () => ({ before: randomMemory(random), seen: randomSight(random) }));
  const moves = cases.map(({ before, seen }) => ({ before, seen, move: nextMove(before, seen) }));
  const all = (claim: (one: (typeof moves)[number]) => boolean): unknown => moves.find((one) => !claim(one)) ?? 'none';

  test('the walk has met every act and every phase', () => {
    expect([...new Set(moves.map(({ move }) => move.act.act))].sort()).toEqual([
      'check',
      'deny',
      'discard',
      'fall-back',
      'go',
      'keep-booted',
      'release-slot',
      'rest',
      'stage',
    ]);
    expect(new Set(moves.map(({ move }) => move.memory.phase)).size).toBe(phases.length);
  });

  test('nobody goes on hold, without the store, in front of a shut window, or without an errand that is asked for', () => {
    expect(
      all(({ seen, move }) => {
        if (move.act.act !== 'go') return true;
        const { memory: now } = move;
        return (
          now.phase === 'ready-to-go' &&
          now.errand === move.act.errand &&
          seen.fleet.known &&
          seen.fleet.value.hold === null &&
          seen.os.kind !== 'unknown' &&
          (seen.permit.go || (now.ask?.outsideWindow === true && now.ask.kind === move.act.errand.kind)) &&
          (move.act.errand.kind === 'upgrade' || now.ask?.kind === move.act.errand.kind)
        );
      }),
    ).toBe('none');
  });

  test('nobody goes for, or stages by name, a release that is denied', () => {
    expect(
      all(({ before, seen, move }) => {
        const denied = [
          ...(seen.fleet.known ? seen.fleet.value.denied : []),
          ...(before.untoldDenial === null ? [] : [before.untoldDenial]),
        ].map((d) => d.release);
        if (move.act.act === 'stage') {
          const { release } = move.act;
          return !(seen.fleet.known && seen.fleet.value.denied.some((d) => d.release.text === release));
        }
        const errand = move.act.act === 'go' ? move.act.errand : null;
        return errand?.kind !== 'upgrade' || !denied.some((r) => r.id === errand.release.id);
      }),
    ).toBe('none');
  });

  test('a slot goes back from a host that has been well for long enough in this boot, or that has not rebooted for it', () => {
    expect(
      all(({ before, seen, move }) => {
        if (move.act.act !== 'release-slot') return true;
        if (!seen.fleet.known || seen.fleet.value.slot === null) return false;
        // It stands still before its reboot.
        if (before.phase === 'ready-to-go' || seen.fleet.value.slot.bootId === seen.instant.bootId) return true;
        if (before.phase === 'rebooting' && before.began.bootId === seen.instant.bootId) return true;
        const since = before.goodSince;
        const isGood = seen.greenboot === 'absent' || seen.greenboot === 'green';
        return (
          (before.phase === 'verifying' || before.phase === 'recovering') &&
          isGood &&
          since?.bootId === seen.instant.bootId &&
          seen.instant.uptimeMs - since.uptimeMs >= 60_000
        );
      }),
    ).toBe('none');
  });

  test('killed after the memory was written, it does the same again, or what comes next of it; nothing is begun twice at once', () => {
    // An attempt to stage or to check is written down as made, so that one that fails is not made for ever.
    const mayFollow: Partial<Record<Act['act'], readonly Act['act'][]>> = {
      stage: ['rest', 'check'],
      check: ['rest'],
      'fall-back': ['deny', 'rest', 'fall-back'],
      'release-slot': ['release-slot', 'rest', 'keep-booted'],
    };
    expect(
      all(({ before, seen, move }) => {
        const again = nextMove(move.memory, seen).act;
        // An ask that is over, and a phase that was entered to rest in it, end the run; what comes next is the next run's.
        const isOver = before.phase !== move.memory.phase || before.ask !== move.memory.ask;
        if (isOver && ['rest', 'release-slot', 'discard'].includes(move.act.act)) return true;
        return mayFollow[move.act.act]?.includes(again.act) ?? isSame(again, move.act);
      }),
    ).toBe('none');
  });

  test('the phase changes along the arrows only', () => {
    expect(all(({ before, move }) => isReachable(before.phase, move.memory.phase))).toBe('none');
    // What a look may never lead to by itself.
    expect(
      all(
        ({ before, seen, move }) =>
          seen.os.kind !== 'unknown' ||
          before.phase !== 'recovering' ||
          move.memory.phase === before.phase ||
          move.memory.phase === 'steady',
      ),
    ).toBe('none');
    expect(all(({ before, move }) => before.phase === 'rebooting' || move.memory.phase !== 'rebooting')).toBe('none');
    expect(all(({ before, move }) => before.phase !== 'recovering' || move.memory.phase !== 'verifying')).toBe('none');
    expect(all(({ before, move }) => before.phase !== 'rolling-back' || move.memory.phase !== 'ready-to-go')).toBe(
      'none',
    );
  });

  test('a verdict that the fleet does not know is told before anything but the way back, and is never forgotten', () => {
    expect(
      all(({ before, seen, move }) =>
        before.untoldDenial === null
          ? true
          : move.memory.untoldDenial !== null &&
            // The way back tells it by itself.
            (!seen.fleet.known ||
              before.phase === 'rolling-back' ||
              isSame(move.act, { act: 'deny', denial: before.untoldDenial })),
      ),
    ).toBe('none');
  });

  test('the wall clock decides nothing', () => {
    expect(
      all(({ before, seen, move }) => {
        const other = nextMove({ ...before, since: '1970-01-01T00:00:00Z' }, { ...seen, now: '2099-12-31T23:59:59Z' });
        return other.act.act === move.act.act && other.memory.phase === move.memory.phase;
      }),
    ).toBe('none');
  });

  test('whoever rests says when to look again, unless nothing is left to be done', () => {
    expect(
      all(({ seen, move }) => {
        if (move.act.act !== 'rest' || move.memory.lookAgain === null) return true;
        return (
          move.memory.lookAgain.bootId === seen.instant.bootId &&
          move.memory.lookAgain.uptimeMs >= seen.instant.uptimeMs
        );
      }),
    ).toBe('none');
  });

  test('every reason reads as one line that says something', () => {
    expect(all(({ move }) => move.memory.waiting === null || /^[^\n]{10,300}$/.test(move.memory.waiting.reason))).toBe(
      'none',
    );
  });
});

test('laws hold along walks, too: three hundred hosts, each with thirty looks one after the other', () => {
  const random = seededRandom(44);
  const broken: unknown[] = [];
  for (let host = 0; host < 300; host++) {
    let now = randomMemory(random);
    for (let step = 0; step < 30; step++) {
      const seen = randomSight(random);
      const move = nextMove(now, seen);
      const then = move.memory;
      const isLawful =
        isReachable(now.phase, then.phase) &&
        (then.phase !== 'ready-to-go' || then.errand !== null) &&
        (then.phase !== 'steady' || then.errand === null);
      if (!isLawful) broken.push({ now, seen, move });
      now =
        move.act.act === 'go'
          ? { ...then, phase: 'rebooting', began: seen.instant }
          : move.act.act === 'deny'
            ? { ...then, untoldDenial: null }
            : then;
    }
  }
  expect(broken.slice(0, 1)).toEqual([]);
});

// The fleet's upgrades as people read them, to the letter; and foreign text that cannot pass for ours.

import { describe, expect, test } from 'bun:test';
import type { ReadinessRecord } from '../../../agent/model/readiness.ts';
import { checkText, type GroupView, proofText, rebootText, upgradeText } from '../../../agent/render/upgrade-text.ts';
import { prove } from '../../../agent/upgrade/proof.ts';
import {
  checksumOf,
  denialOfVersion,
  holder,
  proofSight,
  readinessRecord,
  releaseNamed,
  semaphoreWith,
  someHold,
  someTime,
  surveyedAs,
  targetOf,
  upgradeView,
} from '../../support/upgrade-builders.ts';

const now = Date.parse(someTime) + 5 * 60_000;
const age = (timestamp: string): number => now - Date.parse(timestamp);

function row(node: string, record: Partial<ReadinessRecord> | null = {}): GroupView['rows'][number] {
  return { name: node, address: '', record: record === null ? null : readinessRecord(node, record) };
}

function group(overrides: Partial<GroupView> = {}): GroupView {
  return {
    name: 'default',
    rows: [],
    hold: null,
    target: null,
    denied: [],
    semaphore: semaphoreWith([]),
    proofs: [],
    policy: { strategy: 'semaphore', slots: 1, automatic: 'stage', canary: [], windows: [], timeZone: 'UTC' },
    ...overrides,
  };
}

describe('upgrade status', () => {
  test('a roll-out half way through', () => {
    const proven = upgradeView({ booted: releaseNamed('41.2'), verified: checksumOf('41.2') });
    const going = upgradeView({ phase: 'ready-to-go', staged: releaseNamed('41.2'), waiting: 'the one slot is taken' });
    const rolling = group({
      rows: [row('a1', { upgrade: proven }), row('a2', { upgrade: going, summary: 'degraded' }), row('a3', null)],
      target: targetOf('41.2'),
      denied: [denialOfVersion('41.0')],
      semaphore: semaphoreWith([holder('a3', { stage: 'rebooting' })]),
    });
    expect(upgradeText([rolling], age)).toBe(
      [
        'group default: semaphore, 1 slot, automatic: stage',
        '  target: 41.2 (operator on a2, 5m ago)',
        '  1 of 3 nodes have proven themselves in 41.2',
        '  slot: a3, rebooting, for 5m: upgrade to 41.2',
        'NODE  STATE     UPGRADE      SINCE  BOOTED         STAGED  WAITS FOR',
        'a1    ready     steady       5m     41.2 (proven)  -',
        'a2    degraded  ready-to-go  5m     41.1 (proven)  41.2    the one slot is taken',
        'a3    absent    -            -      -              -       does not report',
        'denied: 41.0: etcd did not start (a2, 5m ago)',
        '',
      ].join('\n'),
    );
  });

  test('heads: windows, canaries, slots, a hold; nothing declared', () => {
    const policy = {
      strategy: 'window',
      slots: 2,
      automatic: 'apply',
      canary: ['a1'],
      windows: ['Sat 02:00-04:00'],
      timeZone: 'Europe/Berlin',
    };
    expect(upgradeText([group({ policy, hold: someHold }), group({ name: 'x', policy: null })], age)).toBe(
      [
        'group default: window, 2 slots, automatic: apply, Sat 02:00-04:00 (Europe/Berlin), canary a1',
        '  on hold for 5m: sale (operator on a2)',
        '  0 nodes, none of which reports a deployment',
        '',
        'group x: nothing is declared, so nothing happens by itself',
        '  0 nodes, none of which reports a deployment',
        '',
      ].join('\n'),
    );
  });

  test('a node of an older agent says nothing of deployments', () => {
    const { upgrade: _upgrade, ...old } = readinessRecord('a1');
    expect(upgradeText([group({ rows: [{ name: 'a1', address: '', record: old }] })], age)).toContain(
      'says nothing of deployments',
    );
  });
});

describe('reboot status', () => {
  test('no slot, no proof', () => {
    expect(rebootText([group()], age)).toContain('  no slot is held\n');
  });

  test('holders, the last ten events, and proofs with what is against them', () => {
    const log = Array.from({ length: 12 }, (_, i) => ({
      at: someTime,
      what: 'released' as const,
      holder: `n${i}`,
      by: i === 11 ? 'operator on a2' : `n${i}`,
      why: 'ready',
    }));
    const proof = prove(proofSight({ members: [surveyedAs('a2', null)] }));
    const text = rebootText(
      [
        group({
          semaphore: semaphoreWith([holder('a1'), holder('fleetlock/x', { kind: 'fleetlock', bootId: null })], { log }),
          proofs: [proof],
        }),
      ],
      age,
    );
    expect(text).toContain('a1           preparing  5m   2026-01-01T00:00:00.000Z  boot-of-  upgrade to 41.2');
    expect(text).toContain('fleetlock/x  preparing  5m   2026-01-01T00:00:00.000Z  -         upgrade to 41.2');
    expect(text).not.toContain('n1:');
    expect(text).toContain('    5m ago  released: n2: ready\n');
    expect(text).toContain('    5m ago  released: n11, by operator on a2: ready\n');
    expect(text).toContain('  proof of a1, 5m ago: 1 against it\n');
    expect(text).toContain('  ??  Quorum               no other member answers: a2 did not answer within 5000 ms\n');
    expect(text).toContain(
      '                           -> diyc-agent nodes and etcdctl endpoint status show the members; repair etcd first\n',
    );
    expect(rebootText([group({ proofs: [prove(proofSight())] })], age)).toContain('everything was right');
  });

  test('a proof without items, as another version may leave it, is no fault', () => {
    expect(proofText({ schema: 1, node: 'a1', bootId: 'b', at: someTime, items: [] })).toBe('');
  });
});

describe('upgrade check', () => {
  const proof = prove(proofSight());
  test('what runs, what could, and what is against it', () => {
    const view = upgradeView({ conflicts: [{ reason: 'Pinned', message: 'pinned', hint: 'unpin', blocks: true }] });
    const text = checkText({
      candidate: { version: '41.2', base: checksumOf('41.2') },
      view,
      denied: [denialOfVersion('41.2')],
      proof,
    });
    expect(text.split('\n').slice(0, 8)).toEqual([
      'booted    41.1',
      'staged    nothing',
      'rollback  41.0',
      'offered   41.2, which is denied: etcd did not start (a2)',
      '!! pinned',
      '   -> unpin',
      '',
      'a reboot of this node now:',
    ]);
    const staged = checkText({
      candidate: null,
      view: upgradeView({ staged: releaseNamed('41.2') }),
      denied: [],
      proof,
    });
    expect(staged).toContain('offered   nothing newer\n');
    expect(staged).toContain('booting 41.2 now:\n');
  });
});

test('no foreign text begins a line, moves the cursor or colours the screen', () => {
  const evil = 'x\ngroup y: fine\u001b[2J\tz\r';
  const view = upgradeView({
    waiting: evil,
    booted: { id: 'b', text: evil },
    staged: { id: 's', text: evil },
    verified: 'b',
  });
  const whole = group({
    rows: [row('a1', { upgrade: view })],
    hold: { ...someHold, reason: evil, by: evil },
    target: { ...targetOf(evil), by: evil },
    denied: [denialOfVersion('41.0', { reason: evil, by: evil })],
    semaphore: semaphoreWith([holder('a1', { reason: evil, id: evil })], {
      log: [{ at: someTime, what: 'taken', holder: evil, by: evil, why: evil }],
    }),
    proofs: [
      { ...prove(proofSight()), node: evil, items: [{ question: 'Quorum', answer: 'no', message: evil, hint: evil }] },
    ],
  });
  const conflicts = [{ reason: 'R', message: evil, hint: evil, blocks: true }];
  const check = checkText({
    candidate: { version: evil, base: null },
    view: { ...view, conflicts },
    denied: [],
    proof: whole.proofs[0] ?? prove(proofSight()),
  });
  const text = upgradeText([whole], age) + rebootText([whole], age) + check;
  expect(text).not.toMatch(/(?!\n)\p{Cc}/u);
  expect(text.split('\n').filter((line) => line.startsWith('group y'))).toEqual([]);
});

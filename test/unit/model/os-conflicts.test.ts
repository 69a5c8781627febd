// What is wrong with an image-based host, whether it stops an upgrade, and the command that frees the host.

import { describe, expect, test } from 'bun:test';
import type { Deployment } from '../../../agent/model/deployment.ts';
import { type ConflictFacts, conflictsOf } from '../../../agent/model/os-conflicts.ts';
import { plainDeployment } from '../../support/upgrade-builders.ts';

function deployment(given: Partial<Deployment> = {}): Deployment {
  return {
    ...plainDeployment,
    checksum: 'a'.repeat(64),
    base: 'a'.repeat(64),
    version: '41.1',
    origin: 'fedora:stable',
    booted: true,
    ...given,
  };
}

function found(given: Partial<ConflictFacts>, booted: Partial<Deployment> = {}) {
  return conflictsOf({
    driver: 'rpm-ostree',
    deployments: [deployment(booted)],
    updateDriver: null,
    bootc: { kind: 'absent' },
    isLayeringLocked: false,
    ...given,
  });
}

const host = (isBootedIncompatible: boolean, isStagedIncompatible = false) =>
  ({ kind: 'host', isBootedIncompatible, isStagedIncompatible }) as const;

describe('conflicts', () => {
  test('a host as it came has none', () => {
    expect(found({})).toEqual([]);
    expect(found({ bootc: { kind: 'no-bootc-host' } })).toEqual([]);
    expect(found({ bootc: host(false) })).toEqual([]);
    expect(found({ deployments: [] })).toEqual([]);
  });

  test('another agent that updates the host blocks, and comes first', () => {
    const conflicts = found({ updateDriver: { name: 'Zincati', unit: 'zincati.service' } }, { liveApplied: true });
    expect(conflicts.map((c) => [c.reason, c.blocks])).toEqual([
      ['OtherUpdateDriver', true],
      ['LiveApplied', false],
    ]);
    expect(conflicts[0]?.hint).toBe('systemctl disable --now zincati.service');
    expect(found({ updateDriver: { name: 'Other', unit: '' } })[0]?.hint).toBe('stop and disable Other');
  });

  test('what rpm-ostree layered stops bootc, and only bootc', () => {
    const besides = found({ bootc: host(true) }, { requestedPackages: ['cowsay'] });
    expect(besides).toMatchObject([{ reason: 'BootcIncompatible', blocks: false }]);
    expect(besides[0]?.message).toContain('cowsay');
    const alone = found({ driver: 'bootc', bootc: host(true) });
    expect(alone).toMatchObject([{ reason: 'ChangedByRpmOstree', blocks: true }]);
    expect(alone[0]?.hint).toContain('rpm-ostree reset');
    expect(found({ driver: 'bootc', bootc: host(false, true) })[0]?.hint).toContain('rpm-ostree cleanup -p');
  });

  test('a bootc that does not answer is not taken for one that agrees', () => {
    const [conflict] = found({ bootc: { kind: 'unknown', detail: 'it did not end in time' } });
    expect(conflict).toMatchObject({ reason: 'BootcUnknown', blocks: false });
    expect(conflict?.message).toContain('it did not end in time');
    expect(found({ driver: 'bootc', bootc: { kind: 'unknown', detail: 'x' } })[0]?.blocks).toBe(true);
  });

  test('packages from files are named with the command that replaces them', () => {
    const [conflict] = found({}, { localPackages: ['diyc-agent-0.4.0-1.x86_64'] });
    expect(conflict).toMatchObject({ reason: 'LocalPackages', blocks: false });
    expect(conflict?.hint).toBe('rpm-ostree uninstall diyc-agent-0.4.0-1.x86_64 --install ./NEW.rpm');
  });

  test.each([
    ['Overrides', {}, { overrides: ['zincati'] }, 'zincati'],
    ['LayeringLocked', { isLayeringLocked: true }, { requestedPackages: ['cowsay'] }, 'cowsay'],
    ['LiveApplied', {}, { liveApplied: true }, 'the next boot has only what is layered'],
    ['Unlocked', {}, { unlocked: 'development' }, 'lost with the next boot'],
    ['Unlocked', {}, { unlocked: 'hotfix' }, 'lost with the next upgrade'],
  ])('%s is told and blocks nothing', (reason, facts, booted, words) => {
    const conflicts = found(facts, booted);
    expect(conflicts).toMatchObject([{ reason, blocks: false }]);
    expect(conflicts[0]?.message).toContain(words);
    expect(conflicts[0]?.hint).not.toBe('');
  });

  test('LockLayering alone is what it should be', () => {
    expect(found({ isLayeringLocked: true })).toEqual([]);
  });

  test('what somebody staged from elsewhere, and what is kept for ever', () => {
    const staged = deployment({ booted: false, staged: true, origin: 'other:branch', version: '9' });
    const pinned = deployment({ booted: false, pinned: true, version: '40.9' });
    const conflicts = found({ deployments: [staged, deployment(), pinned] });
    expect(conflicts.map((c) => c.reason)).toEqual(['StagedElsewhere', 'Pinned']);
    expect(conflicts[0]?.message).toContain('other:branch instead of fedora:stable');
    expect(conflicts[1]?.hint).toBe('ostree admin pin --unpin 2 lets it go');
    expect(found({ deployments: [{ ...staged, origin: 'fedora:stable' }, deployment({ pinned: true })] })).toEqual([]);
  });
});

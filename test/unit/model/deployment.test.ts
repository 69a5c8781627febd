// Which tree is booted, staged, and the way back, in every order that the boot menu may have.

import { describe, expect, test } from 'bun:test';
import { bootedOf, type Deployment, type OsState, rollbackOf, stagedOf } from '../../../agent/model/deployment.ts';
import { plainDeployment } from '../../support/upgrade-builders.ts';

function deployment(version: string, given: Partial<Deployment> = {}): Deployment {
  return {
    ...plainDeployment,
    checksum: version,
    base: version,
    version,
    origin: null,
    ...given,
  };
}

function state(...deployments: Deployment[]): OsState {
  return {
    driver: 'rpm-ostree',
    deployments,
    transaction: null,
    cachedUpdate: null,
    updateDriver: null,
    conflicts: [],
  };
}

const staged = deployment('staged', { staged: true });
const booted = deployment('booted', { booted: true });
const earlier = deployment('earlier');
const pinned = deployment('pinned', { pinned: true });

describe('deployments', () => {
  test('the booted and the staged one are found wherever they stand', () => {
    expect(bootedOf(state(earlier, booted))?.version).toBe('booted');
    expect(stagedOf(state(staged, booted))?.version).toBe('staged');
    expect([bootedOf(state()), stagedOf(state(booted))]).toEqual([null, null]);
  });

  test.each([
    ['the booted one alone', [booted], null],
    ['after an upgrade', [booted, earlier], 'earlier'],
    ['with an upgrade staged', [staged, booted, earlier], 'earlier'],
    ['with nothing but an upgrade staged', [staged, booted], null],
    ['after a rollback', [earlier, booted], 'earlier'],
    ['after a rollback, with a pinned one behind', [earlier, booted, pinned], 'earlier'],
    ['with a pinned one behind the earlier', [booted, earlier, pinned], 'earlier'],
    ['with nothing but a pinned one', [booted, pinned], 'pinned'],
    ['nothing at all', [], null],
  ])('the way back: %s', (_name, deployments, version) => {
    expect(rollbackOf(state(...deployments))?.version ?? null).toBe(version);
  });
});

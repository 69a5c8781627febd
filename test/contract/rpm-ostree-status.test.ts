// What `rpm-ostree status --json` printed in 2018 and prints in 2025, and everything that it must not be taken for.

import { describe, expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { parseRpmOstreeStatus, withoutEpoch } from '../../agent/host/rpm-ostree-status.ts';
import { refusal } from '../support/refusal.ts';

const fixture = (name: string): Promise<string> =>
  readFile(new URL(`../fixtures/os-tree/${name}.json`, import.meta.url), 'utf8');
const of = (letter: string): string => letter.repeat(64);

describe('rpm-ostree status', () => {
  test('of 2018: the booted one is not the first, and nothing was staged, pinned or locked yet', async () => {
    const status = parseRpmOstreeStatus(await fixture('rpm-ostree-2018'));
    expect(status).toMatchObject({ transaction: null, cachedUpdate: null, tellsUpdates: true, updateDriver: null });
    expect(status.deployments[0]?.deployment).toMatchObject({
      booted: false,
      staged: false,
      pinned: false,
      locked: false,
    });
    expect(status.deployments[1]).toEqual({
      baseCommit: of('c'),
      tracksImage: false,
      deployment: {
        checksum: of('b'),
        base: of('c'),
        version: '27.119',
        origin: 'fedora-atomic:fedora/27/x86_64/atomic-host',
        booted: true,
        staged: false,
        locked: false,
        pinned: false,
        requestedPackages: ['nano'],
        localPackages: [],
        overrides: [],
        liveApplied: false,
        unlocked: 'development',
      },
    });
  });

  test('of 2025: an image, its digest, and the commit below the layered packages', async () => {
    const status = parseRpmOstreeStatus(await fixture('rpm-ostree-2025'));
    const [staged, booted, bare] = status.deployments;
    expect(staged).toMatchObject({ baseCommit: of('c'), tracksImage: true });
    expect(staged?.deployment).toMatchObject({ base: `sha256:${of('d')}`, staged: true, locked: true, booted: false });
    expect(booted?.baseCommit).toBe(of('b'));
    expect(booted?.deployment).toMatchObject({
      origin: 'ostree-image-signed:docker://origin.invalid/fedora-coreos:stable',
      pinned: true,
      localPackages: ['docker-ce-24.0.7-1.fc41.x86_64', 'foo-1-1.noarch'],
      overrides: ['zincati', 'kernel-6.16.4-200.fc42.x86_64', 'podman'],
      liveApplied: true,
    });
    expect(bare?.deployment).toMatchObject({ origin: null, base: of('d'), liveApplied: false });
    expect(status.transaction).toBe('upgrade (from :1.42)');
    expect(status.cachedUpdate).toEqual({ version: '42.20250901.3.0', base: `sha256:${of('d')}` });
    expect(status.updateDriver).toEqual({ name: 'Zincati', unit: 'zincati.service' });
  });

  test('nothing under way and nothing newer, in each way of saying so', () => {
    for (const more of [{}, { transaction: null, 'cached-update': null, 'update-driver': null }]) {
      expect(parseRpmOstreeStatus(JSON.stringify({ deployments: [], ...more }))).toEqual({
        deployments: [],
        transaction: null,
        cachedUpdate: null,
        tellsUpdates: 'cached-update' in more,
        updateDriver: null,
      });
    }
    const empty = parseRpmOstreeStatus(
      '{"deployments":[],"transaction":["","",""],"cached-update":{},"update-driver":{}}',
    );
    expect(empty).toMatchObject({ transaction: null, cachedUpdate: null, tellsUpdates: true, updateDriver: null });
  });

  test('output that was cut anywhere is no status', async () => {
    const whole = (await fixture('rpm-ostree-2018')).trimEnd();
    for (let length = 0; length < whole.length; length += 37) {
      const error = await refusal(() => parseRpmOstreeStatus(whole.slice(0, length)));
      expect([error.kind, error.message.includes('cannot be understood')]).toEqual(['oserr', true]);
    }
  });

  test.each([
    [{ checksum: 'short' }, 'deployments[0].checksum'],
    [{ checksum: null }, 'deployments[0].checksum'],
    [{ booted: 'yes' }, 'deployments[0].booted'],
    [{ booted: undefined }, 'deployments[0].booted'],
    [{ staged: 1 }, 'deployments[0].staged'],
    [{ 'finalization-locked': 'true' }, 'deployments[0].finalization-locked'],
    [{ pinned: {} }, 'deployments[0].pinned'],
    [{ version: 41 }, 'deployments[0].version'],
    [{ origin: [] }, 'deployments[0].origin'],
    [{ 'base-checksum': 1 }, 'deployments[0].base-checksum'],
    [{ unlocked: false }, 'deployments[0].unlocked'],
    [{ 'requested-packages': 'nano' }, 'deployments[0].requested-packages'],
    [{ 'requested-packages': ['nano', 1] }, 'deployments[0].requested-packages'],
    [{ 'requested-base-remote-replacements': { repo: [1] } }, 'deployments[0].requested-base-remote-replacements'],
    [{ 'live-replaced': true }, 'deployments[0].live-replaced'],
  ])('%j names its field', async (wrong, field) => {
    const text = JSON.stringify({ deployments: [{ checksum: of('a'), booted: true, ...wrong }] });
    const error = await refusal(() => parseRpmOstreeStatus(text));
    expect(error.kind).toBe('oserr');
    expect(error.message).toContain(`: ${field} is`);
  });

  test.each([
    ['[]', 'the whole'],
    ['null', 'the whole'],
    ['{}', 'deployments'],
    ['{"deployments":{}}', 'deployments'],
    ['{"deployments":[null]}', 'deployments[0]'],
    ['{"deployments":[],"transaction":"upgrade"}', 'transaction'],
    ['{"deployments":[],"transaction":[1]}', 'transaction'],
    ['{"deployments":[],"cached-update":[]}', 'cached-update'],
    ['{"deployments":[],"cached-update":{"version":1}}', 'cached-update.version'],
    ['{"deployments":[],"update-driver":"Zincati"}', 'update-driver'],
  ])('%s is refused', async (text, field) => {
    expect((await refusal(() => parseRpmOstreeStatus(text))).message).toContain(`: ${field} is`);
  });

  test('an epoch is no part of the name', () => {
    expect(withoutEpoch('docker-ce-3:24.0.7-1.fc39.x86_64')).toBe('docker-ce-24.0.7-1.fc39.x86_64');
    expect(withoutEpoch('etcd-3.5.16-1.x86_64')).toBe('etcd-3.5.16-1.x86_64');
  });
});

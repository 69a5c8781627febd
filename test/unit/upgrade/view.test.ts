// What others get to see: every deployment named, what is waited for with its own remedy, and nothing from a torn file.

import { describe, expect, test } from 'bun:test';
import { upgradeViewFile } from '../../../agent/model/paths.ts';
import { leaveView, readView, viewOf } from '../../../agent/upgrade/view.ts';
import { fakeHost } from '../../support/fake-host.ts';
import { randomTexts } from '../../support/random-text.ts';
import {
  bootedIn,
  deployment,
  memory,
  noTree,
  releaseNamed,
  someTime,
  stagedAs,
  treeOf,
  unknownTree,
  upgradeView,
} from '../../support/upgrade-builders.ts';

describe('the view', () => {
  test('of a host at rest', () => {
    expect(viewOf('default', memory(), treeOf([bootedIn('41.1'), deployment('41.0')]), someTime)).toEqual(
      upgradeView(),
    );
  });

  test('names what is staged, layered, pinned and applied', () => {
    const booted = bootedIn('41.1', {
      requestedPackages: ['etcd'],
      localPackages: ['x-1-1.x86_64'],
      pinned: true,
      liveApplied: true,
    });
    const conflicts = [{ reason: 'Pinned', message: 'm', hint: 'h', blocks: false }];
    expect(viewOf('g', memory(), treeOf([stagedAs('41.2'), booted], { conflicts }), someTime)).toMatchObject({
      group: 'g',
      booted: { text: '41.1 + etcd, x-1-1.x86_64' },
      staged: releaseNamed('41.2'),
      rollback: null,
      layered: ['etcd', 'x-1-1.x86_64'],
      pinned: true,
      liveApplied: true,
      conflicts,
    });
  });

  test.each<
    [string, Parameters<typeof viewOf>[1]['waiting'], Parameters<typeof viewOf>[2], string | null, string | null]
  >([
    ['nothing', null, noTree, null, null],
    ['what is waited for', { reason: 'r', hint: 'h' }, noTree, 'r', 'h'],
    ['what is waited for, without a remedy', { reason: 'r' }, noTree, 'r', null],
    ['deployments that are unknown', null, unknownTree, 'rpm-ostree does not answer', 'journalctl'],
    ['what is waited for, before what is unknown', { reason: 'r', hint: 'h' }, unknownTree, 'r', 'h'],
    ['what is waited for, without the remedy of something else', { reason: 'r' }, unknownTree, 'r', null],
  ])('tells %s', (_name, waiting, os, reason, hint) => {
    expect(viewOf('g', memory({ waiting }), os, someTime)).toMatchObject({ waiting: reason, hint });
  });
});

describe('the file', () => {
  test('is left for everybody to read, and read as it was left', async () => {
    const host = fakeHost();
    await leaveView({ host, group: { name: 'default' } }, memory(), treeOf([bootedIn('41.1'), deployment('41.0')]));
    expect(await readView(host.files)).toEqual(upgradeView({ seenAt: host.clock.timestamp() }));
    expect((await host.files.stat(upgradeViewFile))?.mode).toBe(0o644);
  });

  test.each<[string, string | null]>([
    ['not there', null],
    ['empty', ''],
    ['torn', JSON.stringify(upgradeView()).slice(0, 50)],
    ['a list', '[]'],
    ['without a phase', JSON.stringify({ ...upgradeView(), phase: undefined })],
    ['without conflicts', JSON.stringify({ ...upgradeView(), conflicts: undefined })],
    ['with layers as text', JSON.stringify({ ...upgradeView(), layered: 'etcd' })],
    ['with a release as text', JSON.stringify({ ...upgradeView(), booted: '41.1' })],
  ])('is nothing when it is %s', async (_name, text) => {
    const { files } = fakeHost({ files: text === null ? {} : { [upgradeViewFile]: text } });
    expect(await readView(files)).toBeNull();
  });

  test('does no harm, whatever stands there', async () => {
    for (const text of randomTexts(300, 2, ['{', '}', '"phase":"steady"', '"group":"g"', ',', '"conflicts":[]'])) {
      expect(await readView(fakeHost({ files: { [upgradeViewFile]: text } }).files)).toBeNull();
    }
  });
});

// The user-data of this instance, and a cluster file beside the meta-data.

import { expect, test } from 'bun:test';
import { readSeedClusterFile, readUserData } from '../../../agent/metadata/user-data.ts';
import { memoryFiles } from '../../support/memory-files.ts';

const at = '/var/lib/cloud/instances/iid-1';
const link = { '/var/lib/cloud/instance': { link: 'instances/iid-1' } };
const seeds = ['/var/lib/cloud/seed/nocloud', '/var/cloud-init'] as const;
const read = (tree: Parameters<typeof memoryFiles>[0]) => readUserData(memoryFiles(tree), seeds);

test('is taken as it was written, through the link of this instance', async () => {
  const text = '#cloud-config\ndiyc: {}\n';
  const tree = { ...link, [`${at}/user-data.txt`]: text, [`${at}/cloud-config.txt`]: '#cloud-config\nmerged: 1\n' };
  expect(await read(tree)).toEqual({ kind: 'found', file: '/var/lib/cloud/instance/user-data.txt', text });
});

test('is what cloud-init merged, where it was written as an archive, a script or compressed', async () => {
  for (const raw of ['Content-Type: multipart/mixed\n', '#!/bin/sh\n', new Uint8Array([0x1f, 0x8b, 8, 0, 0xff])]) {
    const tree = { ...link, [`${at}/user-data.txt`]: raw, [`${at}/cloud-config.txt`]: '#cloud-config\nmerged: 1\n' };
    expect(await read(tree)).toMatchObject({ kind: 'found', file: '/var/lib/cloud/instance/cloud-config.txt' });
  }
});

test("is the seed's, where cloud-init has not run", async () => {
  expect(await read({ '/var/cloud-init/user-data': '#cloud-config\n' })).toMatchObject({
    kind: 'found',
    file: '/var/cloud-init/user-data',
  });
  expect(await read({})).toEqual({ kind: 'absent' });
});

test('a script of which nothing was merged is no cloud-config', async () => {
  expect(await read({ ...link, [`${at}/user-data.txt`]: '#!/bin/sh\n' })).toEqual({ kind: 'absent' });
  expect(await read({ '/var/cloud-init/user-data': '#!/bin/sh\n' })).toEqual({ kind: 'absent' });
});

test('that only root may read is an outcome, not a failure', async () => {
  const tree = {
    ...link,
    [`${at}/user-data.txt`]: { denied: true },
    [`${at}/cloud-config.txt`]: { denied: true },
  } as const;
  expect(await read(tree)).toMatchObject({ kind: 'unreadable', file: '/var/lib/cloud/instance/user-data.txt' });
});

test('a cluster file is found beside the meta-data, in the order of the seeds', async () => {
  const files = memoryFiles({ '/var/cloud-init/cluster.yaml': 'version: 1\n' });
  expect(await readSeedClusterFile(files, seeds)).toEqual({
    kind: 'found',
    file: '/var/cloud-init/cluster.yaml',
    text: 'version: 1\n',
  });
  expect(await readSeedClusterFile(memoryFiles({}), seeds)).toBeNull();
});

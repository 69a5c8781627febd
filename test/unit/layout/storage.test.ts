// Where the programs of storage are found, and which of the two names of docker-storage-setup is taken.

import { expect, test } from 'bun:test';
import { observeStorage } from '../../../agent/layout/storage.ts';
import { effectLog } from '../../support/effect-log.ts';
import { type FakeTree, fakeFiles } from '../../support/fake-files.ts';
import { virtualClock } from '../../support/virtual-clock.ts';

const observe = (tree: FakeTree) => observeStorage(fakeFiles({ tree, clock: virtualClock(), log: effectLog() }));

test('a host with nothing has no program, and the files of docker-storage-setup stay where they would be', async () => {
  expect(await observe({})).toEqual({
    storageSetup: null,
    storageSetupSettings: '/etc/sysconfig/docker-storage-setup',
    storageSetupResult: '/etc/sysconfig/docker-storage',
    programs: { lvm: null, 'mkfs.xfs': null, 'mkfs.ext4': null, thin_check: null },
  });
});

test('an Atomic host: the name that always works as in 2015 comes first', async () => {
  const tree = { '/usr/bin/container-storage-setup': '', '/usr/sbin/lvm': '', '/usr/sbin/mkfs.xfs': '' };
  expect((await observe(tree)).storageSetup).toBe('/usr/bin/container-storage-setup');
  const both = await observe({ ...tree, '/usr/bin/docker-storage-setup': { link: 'container-storage-setup' } });
  expect(both.storageSetup).toBe('/usr/bin/docker-storage-setup');
  expect(both.programs).toEqual({
    lvm: '/usr/sbin/lvm',
    'mkfs.xfs': '/usr/sbin/mkfs.xfs',
    'mkfs.ext4': null,
    thin_check: null,
  });
});

test('a tree whose /usr is not merged', async () => {
  const { programs } = await observe({ '/sbin/lvm': '', '/sbin/mkfs.ext4': '', '/usr/sbin/thin_check': '' });
  expect(programs).toEqual({
    lvm: '/sbin/lvm',
    'mkfs.xfs': null,
    'mkfs.ext4': '/sbin/mkfs.ext4',
    thin_check: '/usr/sbin/thin_check',
  });
});

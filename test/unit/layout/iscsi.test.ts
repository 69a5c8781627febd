// Where open-iscsi keeps its records is read from what is installed, because it is compiled into iscsiadm.

import { describe, expect, test } from 'bun:test';
import { observeIscsi } from '../../../agent/layout/iscsi.ts';
import { type MemoryTree, memoryFiles } from '../../support/memory-files.ts';

const observe = (tree: MemoryTree, family: 'debian' | 'rpm' = 'rpm') => observeIscsi(memoryFiles(tree), family);

/** As in the package of Debian 12 (2.1.8-1). */
const debian = {
  '/usr/bin/iscsiadm': { link: '/sbin/iscsiadm' },
  '/sbin/iscsiadm': 'ELF',
  '/lib/systemd/system/iscsid.socket': '[Socket]\nListenStream=@ISCSIADM_ABSTRACT_NAMESPACE\n',
  '/lib/systemd/system/iscsid.service': '[Service]\nExecStart=/sbin/iscsid\n',
  '/lib/systemd/system/open-iscsi.service':
    '[Unit]\n# Must have some pre-defined targets to login to\nConditionDirectoryNotEmpty=|/etc/iscsi/nodes\n# or have a session to use via iscsid\nConditionDirectoryNotEmpty=|/sys/class/iscsi_session\n',
  '/etc/systemd/system/iscsi.service': { link: '/lib/systemd/system/open-iscsi.service' },
} as const;

describe('open-iscsi', () => {
  test('as Debian packages it', async () => {
    expect(await observe(debian, 'debian')).toEqual({
      installation: 'packaged',
      database: '/etc/iscsi',
      initiatorNameFile: '/etc/iscsi/initiatorname.iscsi',
      units: ['iscsid.socket', 'iscsid.service', 'iscsi.service', 'open-iscsi.service'],
    });
  });

  test('as the RPM has it', async () => {
    const layout = await observe({
      '/usr/sbin/iscsiadm': 'ELF',
      '/usr/lib/systemd/system/iscsid.socket': '[Socket]\n',
      '/usr/lib/systemd/system/iscsid.service': '[Service]\n',
      '/usr/lib/systemd/system/iscsi.service': '[Unit]\nConditionDirectoryNotEmpty=/var/lib/iscsi/nodes\n',
      '/usr/lib/systemd/system/iscsiuio.socket': '[Socket]\n',
      '/etc/iscsi/iscsid.conf': '',
    });
    expect(layout).toMatchObject({ installation: 'packaged', database: '/var/lib/iscsi' });
    expect(layout.units).toEqual(['iscsid.socket', 'iscsid.service', 'iscsi.service', 'iscsiuio.socket']);
  });

  test('a service that names the database is believed, whatever directories are there', async () => {
    const unit = '[Unit]\nConditionDirectoryNotEmpty=|/var/lib/iscsi/nodes\n';
    const tree = { ...debian, '/lib/systemd/system/open-iscsi.service': unit, '/etc/iscsi/nodes/iqn.x/y': '' };
    expect((await observe(tree, 'debian')).database).toBe('/var/lib/iscsi');
  });

  test.each([
    ['debian', {}, '/etc/iscsi'],
    ['rpm', {}, '/var/lib/iscsi'],
    ['rpm', { '/etc/iscsi/nodes/iqn.x/y': '' }, '/etc/iscsi'],
    ['debian', { '/var/lib/iscsi/nodes/iqn.x/y': '' }, '/var/lib/iscsi'],
    ['rpm', { '/etc/iscsi/nodes/iqn.x/y': '', '/var/lib/iscsi/nodes/iqn.x/y': '' }, '/var/lib/iscsi'],
    ['debian', { '/etc/iscsi/nodes/iqn.x/y': '', '/var/lib/iscsi/nodes/iqn.x/y': '' }, '/etc/iscsi'],
  ] as const)('without one, %s with %j: %s', async (family, tree, database) => {
    expect((await observe(tree, family)).database).toBe(database);
  });

  test('that is not installed', async () => {
    expect(await observe({})).toMatchObject({ installation: 'absent', units: [] });
  });
});

// Finding a unit where systemd would, without what the agent itself wrote.

import { describe, expect, test } from 'bun:test';
import { findUnit, readUnitSettings } from '../../../agent/layout/installed-unit.ts';
import { settingValues } from '../../../agent/layout/unit-file.ts';
import { marker } from '../../../agent/model/marker.ts';
import { header } from '../../../agent/render/marker.ts';
import { type MemoryTree, memoryFiles } from '../../support/memory-files.ts';

const text = '[Service]\nExecStart=/usr/bin/etcd\n[Install]\nWantedBy=multi-user.target\n';
const find = (tree: MemoryTree) => findUnit(memoryFiles(tree), 'etcd.service');
const usrLib = '/usr/lib/systemd/system';
const etc = '/etc/systemd/system';

test('the higher directory wins', async () => {
  const tree = { [`${usrLib}/etcd.service`]: text, [`${etc}/etcd.service`]: `${text}# of the operator\n` };
  expect(await find(tree)).toMatchObject({ path: `${etc}/etcd.service` });
  expect(await find({ [`${usrLib}/etcd.service`]: text })).toMatchObject({ path: `${usrLib}/etcd.service`, text });
});

test('a tree without merged /usr is searched below /lib too', async () => {
  expect(await find({ '/lib/systemd/system/etcd.service': text })).toMatchObject({
    path: '/lib/systemd/system/etcd.service',
  });
});

describe("the agent's own unit", () => {
  const own = `${header('etcd, where its package brings no unit')}${text}`;
  test('is marked as the render room marks it', () => {
    expect(header('x').startsWith(marker)).toBe(true);
  });
  test('is not found, so that a program without a unit stays one', async () => {
    expect(await find({ [`${etc}/etcd.service`]: own })).toBeNull();
  });
  test('does not hide one that a package brings later', async () => {
    expect(await find({ [`${etc}/etcd.service`]: own, [`${usrLib}/etcd.service`]: text })).toMatchObject({
      path: `${usrLib}/etcd.service`,
    });
  });
});

describe('a masked unit', () => {
  for (const [claim, mask] of [
    ['by a link to /dev/null', { link: '/dev/null' }],
    ['by an empty file', ''],
  ] as const) {
    test(`${claim} is found, says so, and has no links`, async () => {
      const unit = await find({ [`${etc}/etcd.service`]: mask, [`${usrLib}/etcd.service`]: text });
      expect(unit).toMatchObject({ path: `${usrLib}/etcd.service`, maskedBy: `${etc}/etcd.service`, installLinks: [] });
    });
  }
  test('with nothing below the mask there is no unit', async () => {
    expect(await find({ [`${etc}/etcd.service`]: { link: '/dev/null' } })).toBeNull();
  });
});

test('a link that leads nowhere is no unit', async () => {
  expect(await find({ [`${etc}/etcd.service`]: { link: '/opt/gone.service' } })).toBeNull();
});

test('units named by Also= are enabled with it', async () => {
  const tree = {
    [`${usrLib}/etcd.service`]: `${text}Also=etcd.socket gone.socket\n`,
    [`${usrLib}/etcd.socket`]: '[Install]\nWantedBy=sockets.target\n',
  };
  expect((await find(tree))?.installLinks.map((l) => l.path)).toEqual([
    `${etc}/multi-user.target.wants/etcd.service`,
    `${etc}/sockets.target.wants/etcd.socket`,
  ]);
});

describe('drop-ins', () => {
  const commands = async (tree: MemoryTree): Promise<string[]> => {
    const files = memoryFiles({ [`${usrLib}/etcd.service`]: text, ...tree });
    const unit = await findUnit(files, 'etcd.service');
    return unit === null ? [] : settingValues(await readUnitSettings(files, unit), 'Service', 'ExecStart');
  };
  const set = (command: string): string => `[Service]\nExecStart=\nExecStart=${command}\n`;

  test('are applied in the order of their names, whatever their directory', async () => {
    expect(
      await commands({ [`${etc}/etcd.service.d/10.conf`]: set('/a'), [`${usrLib}/etcd.service.d/20.conf`]: set('/b') }),
    ).toEqual(['/b']);
  });
  test('of the same name in a lower directory are hidden, also by a mask', async () => {
    const lower = { [`${usrLib}/etcd.service.d/10.conf`]: set('/b') };
    expect(await commands({ ...lower, [`${etc}/etcd.service.d/10.conf`]: set('/a') })).toEqual(['/a']);
    expect(await commands({ ...lower, [`${etc}/etcd.service.d/10.conf`]: { link: '/dev/null' } })).toEqual([
      '/usr/bin/etcd',
    ]);
  });
  test("of the agent, of other suffixes, and those that may not be read don't count", async () => {
    expect(
      await commands({
        [`${etc}/etcd.service.d/restart.conf`]: `${marker}: x.\n${set('/ours')}`,
        [`${etc}/etcd.service.d/old.conf.save`]: set('/saved'),
        [`${etc}/etcd.service.d/proxy.conf`]: { denied: true },
      }),
    ).toEqual(['/usr/bin/etcd']);
  });
});

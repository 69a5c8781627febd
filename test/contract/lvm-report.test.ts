// The parser of LVM's reports, on what LVM 2.03.16 printed for a group in each of its states.

import { describe, expect, test } from 'bun:test';
import {
  parseLogicalVolumes,
  parseLvmVersion,
  parsePhysicalVolumes,
  parseVolumeGroups,
} from '../../agent/host/lvm-report.ts';
import { randomTexts } from '../support/random-text.ts';
import { refusal } from '../support/refusal.ts';
import { storageFixture } from '../support/storage-fixtures.ts';

const mebibyte = 1024 * 1024;

describe('physical volumes', () => {
  test('of a group, and one of none', async () => {
    const volumes = parsePhysicalVolumes(await storageFixture('pvs-orphan.txt'));
    const orphan = volumes.find((v) => v.volumeGroup === null);
    expect(orphan).toMatchObject({ volumeGroupUuid: null, isMissing: false, deviceBytes: 1024 * mebibyte });
    const own = volumes.find((v) => v.volumeGroup === 'docker-images');
    expect(own).toMatchObject({ sizeBytes: 1020 * mebibyte, deviceBytes: 1024 * mebibyte, freeBytes: 1020 * mebibyte });
    expect(own?.volumeGroupUuid).toMatch(/^[A-Za-z0-9-]{38}$/);
  });

  test('one that is missing has no path and no device', async () => {
    const volumes = parsePhysicalVolumes(await storageFixture('pvs-partial.txt'));
    expect(volumes.filter((v) => v.isMissing)).toMatchObject([{ path: '[unknown]', deviceBytes: 0 }]);
    expect(volumes.filter((v) => !v.isMissing)).toHaveLength(1);
  });
});

describe('volume groups', () => {
  test('whole, partial, exported, with their tags', async () => {
    const states = await Promise.all(
      ['pool', 'partial', 'exported'].map(async (state) => parseVolumeGroups(await storageFixture(`vgs-${state}.txt`))),
    );
    expect(states.map(([g]) => [g?.isPartial, g?.isExported])).toEqual([
      [false, false],
      [true, false],
      [false, true],
    ]);
    expect(states[0]?.[0]).toMatchObject({
      name: 'docker-images',
      tags: ['diyc.cluster=diy-cluster', 'diyc.node=a1'],
      sizeBytes: 2040 * mebibyte,
      extentBytes: 4 * mebibyte,
    });
  });

  test('one without a tag', () => {
    expect(parseVolumeGroups('  dockervg|u||wz--n-|1|0|4194304\n')[0]?.tags).toEqual([]);
  });
});

describe('logical volumes', () => {
  test('a pool and a volume, active', async () => {
    const [pool, root] = parseLogicalVolumes(await storageFixture('lvs-pool.txt'));
    expect(pool).toMatchObject({ name: 'docker-pool', kind: 'thin pool', isActive: true, dataPercent: 0 });
    expect(pool?.metadataPercent).toBeGreaterThan(0);
    expect(pool?.metadataBytes).toBe(4 * mebibyte);
    expect(root).toMatchObject({ name: 'docker-root', kind: 'plain', isActive: true, dataPercent: null });
    expect(root?.metadataBytes).toBeNull();
  });

  test('a pool that docker has counted its own transactions in is one as any other', async () => {
    const [pool] = parseLogicalVolumes(await storageFixture('lvs-pool-of-docker.txt'));
    expect(pool).toMatchObject({ kind: 'thin pool', isActive: true });
    expect(pool?.dataPercent).toBeGreaterThan(0);
  });

  test('inactive ones tell no percentage', async () => {
    // The volumes of an exported group are not told at all.
    expect(parseLogicalVolumes(await storageFixture('lvs-exported.txt'))).toEqual([]);
    for (const state of ['inactive', 'partial']) {
      const volumes = parseLogicalVolumes(await storageFixture(`lvs-${state}.txt`));
      expect(volumes.map((v) => [v.name, v.isActive, v.dataPercent])).toEqual([
        ['docker-pool', false, null],
        ['docker-root', false, null],
      ]);
    }
  });

  test('kinds and states by their letters', () => {
    const row = (attributes: string): string => `v|g|u|${attributes}|4194304|||\n`;
    const kinds = ['-wi-a-----', 'twi-a-t---', 'Vwi-a-t---', 'rwi-a-r---', 'owi-a-s---'].map(row);
    expect(parseLogicalVolumes(kinds.join('')).map((v) => v.kind)).toEqual([
      'plain',
      'thin pool',
      'thin',
      'other',
      'other',
    ]);
    const states = ['a', '-', 's', 'c', 'd', 'i', 'h'].map((letter) => row(`-wi-${letter}-----`));
    expect(parseLogicalVolumes(states.join('')).map((v) => v.isActive)).toEqual([
      true,
      false,
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  test('one of which LVM does not know whether it is active is not known to be inactive', async () => {
    const error = await refusal(() => parseLogicalVolumes('v|g|u|-wi-XX--X-|4194304|||\n'));
    expect([error.kind, error.message]).toEqual(['oserr', 'LVM does not know whether g/v is active']);
  });
});

describe('any report', () => {
  test('of nothing is empty', async () => {
    expect(parsePhysicalVolumes(await storageFixture('pvs-none.txt'))).toEqual([]);
    expect(parseVolumeGroups(await storageFixture('vgs-none.txt'))).toEqual([]);
    expect(parseLogicalVolumes(await storageFixture('lvs-none.txt'))).toEqual([]);
  });

  test('that is not whole is refused', async () => {
    const whole = await storageFixture('pvs-pool.txt');
    for (const text of [
      whole.trimEnd(),
      whole.slice(0, -30),
      `${whole}  /dev/sdx|vg\n`,
      `${whole}WARNING: something\n`,
    ]) {
      expect((await refusal(() => parsePhysicalVolumes(text))).kind).toBe('oserr');
    }
    await refusal(() => parseVolumeGroups('g|u||wz--n-|1.2g|0|4194304\n'));
    for (const text of randomTexts(200, 1, ['|', '\n', 'vg', '4194304', '-wi-a-----', whole])) {
      await refusal(() => parseLogicalVolumes(`${text}|\nx`));
    }
  });
});

test('the version, also where the kernel has no device-mapper', async () => {
  expect(parseLvmVersion(await storageFixture('lvm-version.txt'))).toEqual([2, 3, 16]);
  expect(parseLvmVersion('  LVM version:     2.02.187(2)-RHEL7 (2020-03-24)\n  Library version: 1.02.170')).toEqual([
    2, 2, 187,
  ]);
  expect(parseLvmVersion('lvm: error while loading shared libraries\n')).toBeNull();
});

// The parser of `lsblk --pairs`, on what util-linux 2.38 printed (test/fixtures/storage) and on what other versions print.

import { describe, expect, test } from 'bun:test';
import { parseDisks, parseTree } from '../../agent/host/lsblk-pairs.ts';
import { randomTexts } from '../support/random-text.ts';
import { refusal } from '../support/refusal.ts';
import { storageFixture } from '../support/storage-fixtures.ts';

const row = 'NAME="sda" KNAME="sda" MAJ:MIN="8:0" TYPE="disk" SIZE="1073741824" RO="0" MOUNTPOINT=""\n';

describe('the tree of a device', () => {
  test('a disk of a group with a thin pool: each volume once, after what it stands on', async () => {
    const rows = parseTree(await storageFixture('lsblk-pool-of-docker.txt'));
    const names = rows.map((r) => r.path);
    expect(new Set(names).size).toBe(names.length);
    expect(names[0]).toMatch(/^\/dev\/sd[a-z]$/);
    const at = (path: string): number => names.indexOf(path as `/${string}`);
    const pool = at('/dev/mapper/docker--images-docker--pool');
    expect(pool).toBeGreaterThan(0);
    expect(at('/dev/mapper/docker-thin1')).toBeGreaterThan(pool);
    expect(rows.slice(1).every((r) => /^dm-\d+$/.test(r.name) && r.sizeBytes > 0)).toBe(true);
    // lsblk takes its type from the name of the device: docker's own volumes are just `dm`.
    expect(new Set(rows.map((r) => r.type))).toEqual(new Set(['disk', 'lvm', 'dm']));
  });

  test('partitions with what is mounted, swap among it', async () => {
    const rows = parseTree(await storageFixture('lsblk-partitions.txt'));
    expect(rows.map((r) => r.type)).toEqual(['disk', 'part', 'part']);
    expect(rows.map((r) => r.mountPoint !== null)).toEqual([false, true, true]);
    expect(rows[2]?.mountPoint).toBe('[SWAP]');
    expect(rows[1]?.sizeBytes).toBe(400 * 1024 * 1024);
  });

  test('the keys of util-linux 2.37.0, and columns that were not asked for', () => {
    const [read] = parseTree(row.replace('MAJ:MIN', 'MAJ_MIN').replace('NAME=', 'FSUSE%="" NAME='));
    expect(read).toMatchObject({ name: 'sda', path: '/dev/sda', number: '8:0', readOnly: false, mountPoint: null });
  });

  test('quotes, backslashes, blanks and other letters of a name come back as they were', () => {
    const hostile = row.replace('MOUNTPOINT=""', 'MOUNTPOINT="/mnt/a \\x22b\\x22 \\x5cx20 \\x24HOME \\xc3\\xbc"');
    expect(parseTree(hostile)[0]?.mountPoint).toBe('/mnt/a "b" \\x20 $HOME ü');
  });

  test('names as the kernel and as device-mapper write them', () => {
    const kernel = row.replace('NAME="sda" KNAME="sda"', 'NAME="cciss/c0d0" KNAME="cciss!c0d0"');
    expect(parseTree(kernel)[0]?.path).toBe('/dev/cciss/c0d0');
    const mapper = row.replace('NAME="sda" KNAME="sda"', 'NAME="mpatha" KNAME="dm-7"').replace('disk', 'mpath');
    expect(parseTree(mapper)[0]).toMatchObject({ name: 'dm-7', path: '/dev/mapper/mpatha', type: 'mpath' });
  });

  test.each([
    ['nothing', ''],
    ['an empty line', '\n'],
    ['a line that was cut', row.trimEnd()],
    ['a half line after a whole one', `${row}NAME="sda1" KNA`],
    ['a quote that is not closed', row.replace('TYPE="disk"', 'TYPE="disk')],
    ['no size', row.replace('1073741824', '')],
    ['a size that is none', row.replace('1073741824', '1G')],
    ['no type', row.replace('TYPE="disk"', 'TYPE=""')],
    ['a column that is missing', row.replace('MOUNTPOINT=""', '').replace(' \n', '\n')],
    ['words', 'lsblk: sda: failed to get device path\n'],
    ['a header', 'NAME KNAME\n'],
  ])('%s is no answer, and never an empty disk', async (_what, text) => {
    const error = await refusal(() => parseTree(text));
    expect(error.kind).toBe('oserr');
    expect(error.hint).toContain('lsblk');
  });

  test('anything else is refused, and nothing else happens', async () => {
    const pieces = ['KNAME="sda"', 'NAME="', ' ', '\n', '\\x20', '"', 'SIZE="1"', 'TYPE="disk"', row];
    for (const text of randomTexts(300, 1, pieces)) await refusal(() => parseTree(`${text}\n=`));
  });
});

describe('all disks', () => {
  test('serial, WWN and model; two paths to one LUN have one WWN', async () => {
    const disks = parseDisks(await storageFixture('lsblk-disks-two-paths.txt'));
    const twins = disks.filter((d) => d.wwn === '0x5000000000000003');
    expect(twins).toHaveLength(2);
    expect(twins.every((d) => d.serial === 'SER-3' && d.model !== null && d.type === 'disk')).toBe(true);
    expect(disks.find((d) => d.name === 'vda')).toMatchObject({ serial: null, wwn: null, model: null });
  });

  test('a host without a disk has none', () => {
    expect(parseDisks('')).toEqual([]);
  });

  test('a list that was cut is no list', async () => {
    const text = await storageFixture('lsblk-disks-two-paths.txt');
    expect((await refusal(() => parseDisks(text.slice(0, -20)))).kind).toBe('oserr');
  });
});

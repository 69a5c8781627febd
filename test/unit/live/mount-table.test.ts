// The table of mounts: read as the kernel writes it, looked up as the kernel walks it.

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { covering, isInMemory, parseMountInfo, superOption } from '../../../agent/model/mount-table.ts';
import { randomTexts } from '../../support/random-text.ts';

const table = `21 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/live-rw rw,seclabel
22 21 0:18 / /proc rw,nosuid shared:5 - proc proc rw
23 21 0:19 / /run rw,nosuid,nodev shared:22 master:3 - tmpfs tmpfs rw,mode=755
24 21 8:1 / /mnt/with\\040blank rw - xfs /dev/sda1 rw
25 23 7:0 / /run/initramfs/live ro - squashfs /dev/loop0 ro
26 21 0:44 / /merged rw - overlay LiveOS_rootfs rw,lowerdir=/a\\054b,upperdir=/run/overlayfs,workdir=/run/ovlwork
`;

describe('the table', () => {
  test('has an entry for each line, with its escapes undone', () => {
    const entries = parseMountInfo(table);
    expect(entries).toHaveLength(6);
    expect(entries[0]).toEqual({
      mountId: 21,
      parentId: 1,
      device: '253:0',
      root: '/',
      mountPoint: '/',
      options: ['rw', 'relatime'],
      fstype: 'ext4',
      source: '/dev/mapper/live-rw',
      superOptions: ['rw', 'seclabel'],
    });
    expect(entries[3]?.mountPoint).toBe('/mnt/with blank');
    expect(entries[2]?.fstype).toBe('tmpfs');
  });

  test('options of an overlay may hold commas', () => {
    const entry = parseMountInfo(table)[5];
    expect(entry && [superOption(entry, 'lowerdir'), superOption(entry, 'upperdir')]).toEqual([
      '/a,b',
      '/run/overlayfs',
    ]);
    expect(entry && superOption(entry, 'nothing')).toBeNull();
  });

  test('a line that was cut, or is none, is passed over', () => {
    expect(parseMountInfo('21 1 253:0 / / rw - ext4\n22 21\n\nhello\n1 2 x:y / / rw - a b c')).toEqual([]);
    expect(parseMountInfo('')).toEqual([]);
  });

  test('any text is survived', () => {
    const pieces = ['1', ' ', ' - ', '253:0', '/', 'rw', '\\040', '\\999', '\n', 'ext4', table];
    for (const text of randomTexts(2000, 7, pieces)) {
      for (const entry of parseMountInfo(text)) expect(entry.mountPoint).toStartWith('/');
    }
  });
});

test('of a live machine: its root, docker on storage of its own, and a directory of that bound read-only', () => {
  const text = readFileSync(new URL('../../fixtures/dmsetup/debian-12-lab-mountinfo.txt', import.meta.url), 'utf8');
  const entries = parseMountInfo(text);
  expect(entries).toHaveLength(text.trimEnd().split('\n').length);
  const at = (path: string) => {
    const found = covering(entries, path);
    return [found?.mountPoint, found?.device, found?.options[0]];
  };
  expect(at('/var/lib/etcd')).toEqual(['/', '253:1', 'rw']);
  expect(at('/var/lib/docker/overlay2')).toEqual(['/var/lib/docker', '253:2', 'rw']);
  expect(at('/var/lib/docker/tmp/x')).toEqual(['/var/lib/docker/tmp', '253:2', 'ro']);
  expect(at('/run/initramfs/live/LiveOS')).toEqual(['/run/initramfs/live', '0:23', 'ro']);
});

describe('what covers a path', () => {
  const at = (text: string, path: string): string | undefined => covering(parseMountInfo(text), path)?.source;

  test.each([
    ['/', '/dev/mapper/live-rw'],
    ['/var/lib/docker', '/dev/mapper/live-rw'],
    ['/run', 'tmpfs'],
    ['/run/', 'tmpfs'],
    ['/runner', '/dev/mapper/live-rw'],
    ['/run/initramfs/live/LiveOS', '/dev/loop0'],
    ['/mnt/with blank/file', '/dev/sda1'],
    ['//run/./x', 'tmpfs'],
  ])('%s', (path, source) => {
    expect(at(table, path)).toBe(source);
  });

  test('the uppermost of what is stacked on one place', () => {
    const stacked = `${table}30 23 0:50 / /run rw - tmpfs second rw\n31 30 0:51 / /run rw - tmpfs third rw\n`;
    expect(at(stacked, '/run/x')).toBe('third');
    expect(at(stacked, '/run/initramfs/live')).toBe('third');
  });

  test('a mount that a later one hides is not found, whatever its place in the table', () => {
    const hidden =
      '1 0 8:1 / / rw - ext4 root rw\n2 1 8:2 / /a/b rw - ext4 hidden rw\n3 1 8:3 / /a rw - ext4 above rw\n';
    expect(at(hidden, '/a/b/c')).toBe('above');
  });

  test('the root of a system that left its initramfs', () => {
    const text = '1 1 0:1 / / rw - rootfs rootfs rw\n20 1 8:1 / / rw - ext4 /dev/sda1 rw\n';
    expect(at(text, '/etc')).toBe('/dev/sda1');
  });

  test('the root of a container, whose parent is not shown', () => {
    expect(at('300 200 0:99 / / rw - overlay overlay rw\n301 300 0:5 / /proc rw - proc proc rw\n', '/var')).toBe(
      'overlay',
    );
  });

  test('nothing where there is no root, and an end where the table goes in circles', () => {
    expect(covering(parseMountInfo('5 4 8:1 / /x rw - ext4 x rw'), '/x')).toBeNull();
    expect(at('1 2 8:1 / / rw - ext4 a rw\n2 1 8:1 / / rw - ext4 b rw\n', '/')).toBeDefined();
  });
});

test('memory is told from disks', () => {
  const [ext4, , tmpfs] = parseMountInfo(table);
  const [zram] = parseMountInfo('1 0 252:0 / / rw - ext4 /dev/zram0 rw');
  expect([ext4, tmpfs, zram].map((e) => e && isInMemory(e))).toEqual([false, true, true]);
});

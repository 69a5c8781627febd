// Whether etcd's data outlives a reboot, by the mount it is on.

import { describe, expect, test } from 'bun:test';
import { etcdDataVerdict } from '../../../agent/live/etcd-data.ts';
import type { LiveRoot } from '../../../agent/model/live.ts';
import { parseMountInfo } from '../../../agent/model/mount-table.ts';

const live: LiveRoot = {
  isLive: true,
  evidence: ['x'],
  overlay: { kind: 'snapshot', isPersistent: false },
  rootDevice: '253:0',
};
const installed: LiveRoot = { isLive: false, evidence: [], overlay: null, rootDevice: '8:1' };
const root =
  '21 1 253:0 / / rw - ext4 /dev/mapper/live-rw rw\n22 21 0:19 / /run rw - tmpfs tmpfs rw\n24 21 253:0 /ostree/var /var rw - ext4 /dev/mapper/live-rw rw\n';
const data = '/var/lib/etcd/a1.etcd';

function verdict(lines: string, of: LiveRoot = live): string {
  return etcdDataVerdict(parseMountInfo(lines), data, of).verdict;
}
const mounted = (rest: string): string => `${root}30 24 ${rest} rw\n`;

describe('on a live host', () => {
  test('the root itself is memory, whatever is bound from it', () => {
    expect(etcdDataVerdict(parseMountInfo(root), data, live)).toEqual({
      verdict: 'ram',
      reason:
        '/var/lib/etcd/a1.etcd is on /var (ext4, /dev/mapper/live-rw), the live root, whose overlay is in memory and empty after a reboot',
      mountPoint: '/var',
      source: '/dev/mapper/live-rw',
    });
  });

  test.each([
    ['8:1 / /var/lib/etcd rw - xfs /dev/sda1', 'persistent'],
    ['253:7 / /var/lib/etcd rw - xfs /dev/mapper/vg-etcd', 'persistent'],
    ['0:60 / /var/lib/etcd rw - nfs4 nas:/etcd', 'persistent'],
    ['0:60 / /var/lib/etcd rw - tmpfs tmpfs', 'ram'],
    ['0:60 / /var/lib/etcd rw - ramfs ramfs', 'ram'],
    ['252:0 / /var/lib/etcd rw - ext4 /dev/zram0', 'ram'],
    ['253:1 / /var/lib/etcd rw - ext4 /dev/mapper/live-base', 'ram'],
    ['7:4 / /var/lib/etcd rw - ext4 /dev/loop4', 'unknown'],
    ['0:61 / /var/lib/etcd rw - fuse.sshfs x:/y', 'unknown'],
    ['7:0 / /var/lib/etcd ro - squashfs /dev/sda3', 'unknown'],
    ['0:62 / /var/lib/etcd rw - overlay o upperdir=/run/up,lowerdir=/a', 'ram'],
    ['0:62 / /var/lib/etcd rw - overlay o upperdir=/srv/up,lowerdir=/a', 'ram'],
    ['0:62 / /var/lib/etcd rw - overlay o lowerdir=/a', 'unknown'],
    ['0:62 / /var/lib/etcd rw - overlay o upperdir=/var/lib/etcd/up', 'unknown'],
  ])('%s', (mount, expected) => {
    expect(verdict(mounted(mount))).toBe(expected);
  });

  test('a persistent overlay keeps it', () => {
    expect(verdict(root, { ...live, overlay: { kind: 'snapshot', isPersistent: true } })).toBe('persistent');
  });

  test('an overlay whose kind is not known is not trusted', () => {
    expect(verdict(root, { ...live, overlay: null })).toBe('ram');
  });
});

describe('on an installed host', () => {
  test.each([
    ['21 1 8:1 / / rw - ext4 /dev/sda1 rw', 'persistent'],
    ['21 1 0:30 /root / rw - btrfs /dev/sda1 rw', 'persistent'],
    ['21 1 0:31 / / rw - zfs rpool/ROOT rw', 'persistent'],
    ['21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:40 / /var rw - tmpfs tmpfs rw', 'ram'],
    ['', 'unknown'],
  ])('%s', (table, expected) => {
    expect(verdict(table, installed)).toBe(expected);
  });
});

// Whether a root is live, by any one of its traces, and what it is written through.

import { describe, expect, test } from 'bun:test';
import { detectLive, type LiveTraces } from '../../../agent/live/detect.ts';
import { readLiveRequest } from '../../../agent/live/kernel-line.ts';
import { parseMountInfo } from '../../../agent/model/mount-table.ts';

const run = '23 21 0:19 / /run rw - tmpfs tmpfs rw,mode=755\n';
const liveRw = `21 1 253:0 / / rw - ext4 /dev/mapper/live-rw rw\n${run}`;
const ostree = `21 1 253:0 /ostree/deploy/a/deploy/b.0 / rw - ext4 /dev/mapper/live-rw rw\n22 21 253:0 / /sysroot rw - ext4 /dev/mapper/live-rw rw\n24 21 253:0 /ostree/deploy/a/var /var rw - ext4 /dev/mapper/live-rw rw\n${run}`;
const overlayRoot = `21 1 0:44 / / rw - overlay LiveOS_rootfs rw,lowerdir=/run/rootfsbase,upperdir=/run/overlayfs,workdir=/run/ovlwork\n${run}`;
const installed = `21 1 8:1 / / rw - ext4 /dev/sda1 rw\n${run}`;
const cmdline2015 =
  'initrd=initramfs.img root=live:http://10.34.39.2/trees/live-rootfs.squashfs.img ostree=/ostree/boot.0/F/b7/0 ds=nocloud-net;seedfrom=http://10.34.39.2/ rd.live.overlay.size=1024\n';

const snapshot = {
  kind: 'snapshot',
  state: 'active',
  allocatedSectors: 8,
  totalSectors: 1024,
  metadataSectors: 8,
} as const;

function traces(change: Partial<Omit<LiveTraces, 'mounts'>> & { readonly table?: string }): LiveTraces {
  const { table = installed, ...rest } = change;
  return {
    kernelLine: 'root=/dev/sda1 quiet',
    hasMedium: false,
    upperLink: null,
    liveStatus: null,
    storeFiles: [],
    mounts: parseMountInfo(table),
    ...rest,
  };
}

describe('evidence', () => {
  test('a plain installed host has none', () => {
    expect(detectLive(traces({}))).toEqual({ isLive: false, evidence: [], overlay: null, rootDevice: '8:1' });
  });

  test.each<[string, Parameters<typeof traces>[0]]>([
    ['the kernel line has root=live:', { kernelLine: cmdline2015 }],
    ['the kernel line has rd.live.image', { kernelLine: 'rd.live.image quiet' }],
    ['the kernel line has root=https://', { kernelLine: 'root=https://h/live.img' }],
    ['/run/initramfs/live is there', { hasMedium: true }],
    ['/ is /dev/mapper/live-rw', { table: liveRw }],
    ['/ is an overlay on /run/overlayfs', { table: overlayRoot }],
  ])('one trace is enough: %s', (evidence, change) => {
    const root = detectLive(traces(change));
    expect(root.isLive).toBe(true);
    expect(root.evidence.join()).toContain(evidence);
  });

  test('a container has another host’s kernel line, which says nothing of it', () => {
    expect(detectLive(traces({ kernelLine: null })).isLive).toBe(false);
  });

  test('on ostree hosts it is /sysroot that is live-rw, and / is bound from it', () => {
    const root = detectLive(traces({ kernelLine: cmdline2015, hasMedium: true, table: ostree, liveStatus: snapshot }));
    expect(root).toMatchObject({ overlay: { kind: 'snapshot', isPersistent: false }, rootDevice: '253:0' });
    expect(root.evidence).toHaveLength(3);
  });

  test('an overlay of something else is no live root', () => {
    const table = overlayRoot.replace('/run/overlayfs', '/var/lib/docker/overlay2/x/diff');
    expect(detectLive(traces({ table })).isLive).toBe(false);
  });
});

describe('the overlay', () => {
  const overlayOf = (change: Parameters<typeof traces>[0]) => detectLive(traces(change)).overlay;

  test('is what device-mapper says, whatever was asked for', () => {
    const kernelLine = 'root=live:http://h/i rd.live.overlay.thin=1';
    expect(overlayOf({ table: liveRw, kernelLine, liveStatus: { kind: 'linear' } })?.kind).toBe('linear');
    expect(overlayOf({ table: liveRw, kernelLine, liveStatus: snapshot })?.kind).toBe('snapshot');
    const thin = { kind: 'thin', failed: false, mappedSectors: 1, highestSector: 1 } as const;
    expect(overlayOf({ table: liveRw, liveStatus: thin })?.kind).toBe('thin');
  });

  test.each([
    ['rd.live.overlay.thin=1', 'thin'],
    ['rd.live.overlay.thin', 'thin'],
    ['rd.live.overlay.thin=0', 'snapshot'],
    ['rd.writable.fsimg=1', 'linear'],
    ['quiet', 'snapshot'],
  ])('is what was asked for where device-mapper did not answer: %s', (word, kind) => {
    expect(overlayOf({ table: liveRw, kernelLine: `root=live:http://h/i ${word}` })?.kind).toBe(kind as 'thin');
  });

  test('a snapshot is persistent only when its store was seen on a device', () => {
    const asked = { table: liveRw, liveStatus: snapshot, kernelLine: 'root=live:LABEL=X rd.live.overlay=LABEL=KEEP' };
    expect(overlayOf({ ...asked, storeFiles: ['/LiveOS/rootfs.img', '/my-overlay.img'] })?.isPersistent).toBe(true);
    expect(overlayOf({ ...asked, storeFiles: ['/LiveOS/rootfs.img', '/overlay'] })?.isPersistent).toBe(false);
    expect(overlayOf({ ...asked, storeFiles: ['/LiveOS/rootfs.img', '/overlay (deleted)'] })?.isPersistent).toBe(false);
    expect(overlayOf({ ...asked, storeFiles: [] })?.isPersistent).toBe(false);
  });

  test('one that dracut found by itself is persistent too, one in memory never', () => {
    const found = { table: liveRw, liveStatus: snapshot, kernelLine: 'root=live:LABEL=X' };
    expect(overlayOf({ ...found, storeFiles: ['/LiveOS/overlay-X-0123'] })?.isPersistent).toBe(true);
    expect(overlayOf({ ...found, storeFiles: ['/run/initramfs/squashed.img'] })?.isPersistent).toBe(false);
  });

  test('overlayfs is in memory where its upper directory is', () => {
    expect(overlayOf({ table: overlayRoot })).toEqual({ kind: 'overlayfs', isPersistent: false });
    const kept = `${overlayRoot}30 23 8:2 / /run/initramfs/overlayfs rw - ext4 /dev/sda2 rw\n`;
    const upperLink = '/run/initramfs/overlayfs/LiveOS/overlay-X';
    expect(overlayOf({ table: kept, upperLink })).toEqual({ kind: 'overlayfs', isPersistent: true });
    expect(overlayOf({ table: kept, upperLink: 'initramfs/overlayfs/o' })?.isPersistent).toBe(true);
    expect(overlayOf({ table: overlayRoot, upperLink })?.isPersistent).toBe(false);
    const own = `${overlayRoot}30 23 0:60 / /run/overlayfs rw - tmpfs tmpfs rw\n`;
    expect(overlayOf({ table: own })?.isPersistent).toBe(false);
  });

  test('cannot be told where the root is neither', () => {
    expect(overlayOf({ kernelLine: 'root=live:http://h/i' })).toBeNull();
  });
});

describe('the kernel line', () => {
  test('words of init are not dracut’s', () => {
    expect(readLiveRequest('quiet -- root=live:http://h/i').word).toBeNull();
  });

  test('the last of two roots counts, quotes group', () => {
    expect(readLiveRequest('root=live:x root=/dev/sda1').word).toBeNull();
    expect(readLiveRequest('root="live:CDLABEL=My Disc" quiet').word).toBe('root=live:CDLABEL=My Disc');
    expect(readLiveRequest('rd.live.image=0').word).toBeNull();
  });

  test.each([
    ['rd.live.overlay=/dev/sdb1', true],
    ['rd.live.overlay=/dev/sdb1:/persistent.img', true],
    ['rd.live.overlay=UUID=99440c1f', true],
    ['rd.overlay=LABEL=KEEP', true],
    ['rd.overlay=UUID=99440c1f,LiveOS_rootfs', true],
    ['rd.overlay=LiveOS_rootfs', false],
    ['rd.overlay=1', false],
    ['rd.live.overlay=none', false],
    ['rd.live.overlay=/dev/sdb1 rd.live.overlay.readonly=1', false],
    ['rd.overlay=/dev/sdb1 rd.overlay.readonly', false],
    ['rd.live.overlay=/dev/sdb1 rd.live.overlay=none', false],
    ['overlayroot=/dev/sdb1', true],
    ['rd.live.overlay.size=1024', false],
  ])('asks to keep what is written: %s', (line, wants) => {
    expect(readLiveRequest(line).wantsPersistence).toBe(wants);
  });
});

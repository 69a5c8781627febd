// A live host looked at through its ports: by one question to device-mapper, and never by an exception.

import { describe, expect, test } from 'bun:test';
import { brakeUnitFile } from '../../../agent/live/brake-unit.ts';
import { asSeenFromRoot, growthQuery } from '../../../agent/live/growth.ts';
import { renderHistory } from '../../../agent/live/history.ts';
import { lookAtLive } from '../../../agent/live/look.ts';
import { overlayJson, overlayLines } from '../../../agent/live/overlay-text.ts';
import type { DmTarget } from '../../../agent/model/device-mapper.ts';
import { fakeLive } from '../../support/fake-live.ts';
import { type MemoryTree, memoryFiles } from '../../support/memory-files.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

/** The live Atomic host of 2015, ten minutes after boot. */
const host: MemoryTree = {
  '/proc/cmdline': 'root=live:http://10.34.39.2/live.img rd.live.overlay.size=1024\n',
  '/proc/self/mountinfo':
    '21 1 253:0 /ostree/deploy/a / rw - ext4 /dev/mapper/live-rw rw\n22 21 253:0 / /sysroot rw - ext4 /dev/mapper/live-rw rw\n23 21 0:19 / /run rw - tmpfs tmpfs rw\n',
  '/proc/meminfo': 'MemTotal:        4096000 kB\nMemAvailable:    3072000 kB\n',
  '/proc/uptime': '600.00 1000.00\n',
  '/run/initramfs/live': { directory: true },
  '/sys/dev/block/253:0/slaves/loop1/loop/backing_file': '/LiveOS/rootfs.img\n',
  '/sys/dev/block/253:0/slaves/loop2/loop/backing_file': '/overlay\n',
};

const liveRw: DmTarget = {
  name: 'live-rw',
  startSector: 0,
  lengthSectors: 10_485_760,
  target: 'snapshot',
  status: {
    kind: 'snapshot',
    state: 'active',
    allocatedSectors: 1_144_248,
    totalSectors: 2_097_152,
    metadataSectors: 4464,
  },
};

describe('a look', () => {
  test('costs one question to device-mapper', async () => {
    const live = fakeLive({ devices: [liveRw] });
    const { root, gauge, history, memoryBytes, uptimeMs } = await lookAtLive({ files: memoryFiles(host), live });
    expect(root).toMatchObject({ isLive: true, overlay: { kind: 'snapshot', isPersistent: false } });
    expect(gauge).toMatchObject({ state: 'ok', usedBytes: 585_854_976, totalBytes: GiB, limitedBy: 'overlay' });
    expect(history).toEqual([{ atMs: 600_000, usedBytes: 585_854_976, totalBytes: GiB }]);
    expect([memoryBytes, uptimeMs]).toEqual([4_096_000 * 1024, 600_000]);
    expect(live.asked).toEqual(['live-rw']);
  });

  test('goes on from what an earlier run saw', async () => {
    const earlier = renderHistory([{ atMs: 0, usedBytes: 585_854_976 - 60 * MiB, totalBytes: GiB }]);
    const files = memoryFiles({ ...host, '/run/diyc-agent/gauge.json': earlier });
    const { gauge, history } = await lookAtLive({ files, live: fakeLive({ devices: [liveRw] }) });
    expect(gauge?.forecast?.rate).toEqual({ window: 'ten minutes', bytesPerSec: 0.1 * MiB, overMs: 600_000 });
    expect(history).toHaveLength(2);
  });

  test('at an installed host asks nothing', async () => {
    const live = fakeLive({ devices: 'failing' });
    const files = memoryFiles({
      '/proc/cmdline': 'root=/dev/sda1\n',
      '/proc/self/mountinfo': '21 1 8:1 / / rw - ext4 /dev/sda1 rw\n',
    });
    expect(await lookAtLive({ files, live })).toMatchObject({ root: { isLive: false }, gauge: null, history: [] });
    expect(live.asked).toEqual([]);
  });

  test('in a container of a live host finds no live root', async () => {
    const files = memoryFiles({
      ...host,
      '/run/systemd/container': 'systemd-nspawn',
      '/proc/self/mountinfo': '21 1 0:50 / / rw - overlay overlay rw\n',
      '/run/initramfs/live': 'x',
    });
    const { root } = await lookAtLive({ files, live: fakeLive() });
    expect(root.evidence).toEqual(['/run/initramfs/live is there']);
  });

  test.each([
    ['failing', 'Command failed.'],
    ['absent', 'dmsetup is not installed'],
    [[], 'knows no device live-rw'],
  ] as const)('without an answer of device-mapper (%s) is unknown, and says why', async (devices, why) => {
    const { gauge } = await lookAtLive({ files: memoryFiles(host), live: fakeLive({ devices }) });
    expect(gauge?.state).toBe('unknown');
    expect(gauge?.detail).toContain(why);
  });

  test('at a thin overlay asks for its pool', async () => {
    const thin: DmTarget = {
      ...liveRw,
      target: 'thin',
      status: { kind: 'thin', failed: false, mappedSectors: 8, highestSector: 8 },
    };
    const pool: DmTarget = {
      ...liveRw,
      name: 'live-overlay-pool',
      lengthSectors: (4 * GiB) / 512,
      target: 'thin-pool',
      status: {
        kind: 'thin-pool',
        failed: false,
        transactionId: 0,
        usedMetadataBlocks: 10,
        totalMetadataBlocks: 1000,
        usedDataBlocks: 2048,
        totalDataBlocks: 8192,
        mode: 'rw',
        whenFull: 'queue',
        needsCheck: false,
      },
    };
    const live = fakeLive({ devices: [thin, pool] });
    const { gauge } = await lookAtLive({ files: memoryFiles(host), live });
    expect(gauge).toMatchObject({ usedBytes: GiB, totalBytes: 4 * GiB, overlay: { kind: 'thin' } });
    expect(live.asked).toEqual(['live-rw', 'live-overlay-pool']);
  });

  const overlayfs: MemoryTree = {
    ...host,
    '/proc/self/mountinfo':
      '21 1 0:44 / / rw - overlay LiveOS_rootfs rw,lowerdir=/run/rootfsbase,upperdir=/run/overlayfs,workdir=/run/ovlwork\n23 21 0:19 / /run rw - tmpfs tmpfs rw\n',
    '/run/overlayfs': { directory: true },
  };

  test('at overlayfs measures the tmpfs, and memory', async () => {
    const live = fakeLive({ spaces: { '/run/overlayfs': { totalBytes: 2 * GiB, availableBytes: 1.9 * GiB } } });
    const files = memoryFiles({ ...overlayfs, '/proc/meminfo': 'MemAvailable:     204800 kB\n' });
    const { gauge } = await lookAtLive({ files, live });
    expect(gauge).toMatchObject({ limitedBy: 'memory', remainingBytes: 200 * MiB, state: 'low' });
    expect(live.asked).toEqual([]);
  });

  test('at an overlay on a device leaves memory out of it', async () => {
    const live = fakeLive({ spaces: { '/run/overlayfs': { totalBytes: 2 * GiB, availableBytes: GiB } } });
    const files = memoryFiles({
      ...overlayfs,
      '/proc/self/mountinfo': `${String(overlayfs['/proc/self/mountinfo'])}24 23 8:2 / /run/keep rw - ext4 /dev/sda2 rw\n`,
      '/run/overlayfs': { link: '/run/keep/overlay' },
      '/run/keep/overlay': { directory: true },
      '/proc/meminfo': 'MemAvailable:     1024 kB\n',
    });
    const { gauge } = await lookAtLive({ files, live });
    expect(gauge).toMatchObject({ limitedBy: 'overlay', overlay: { isPersistent: true } });
  });

  test('at an image in memory measures the root', async () => {
    const live = fakeLive({
      devices: [{ ...liveRw, target: 'linear', status: { kind: 'linear' } }],
      spaces: { '/': { totalBytes: 5 * GiB, availableBytes: 4 * GiB } },
    });
    const { gauge } = await lookAtLive({ files: memoryFiles(host), live });
    expect(gauge).toMatchObject({ usedBytes: GiB, overlay: { kind: 'linear' }, limitedBy: 'memory' });
  });

  test('without uptime or memory still measures', async () => {
    const { '/proc/uptime': _u, '/proc/meminfo': _m, ...rest } = host;
    const { gauge } = await lookAtLive({ files: memoryFiles(rest), live: fakeLive({ devices: [liveRw] }) });
    expect(gauge).toMatchObject({ state: 'ok', rates: [] });
  });
});

describe('what grows', () => {
  test('is looked for below the root since boot, or in the upper directory', async () => {
    const { root } = await lookAtLive({ files: memoryFiles(host), live: fakeLive({ devices: [liveRw] }) });
    expect(growthQuery(root, 1234)).toMatchObject({ directory: '/', sinceMs: 1234, depth: 3 });
    const upper = growthQuery({ ...root, overlay: { kind: 'overlayfs', isPersistent: false } }, 1234);
    expect(upper).toMatchObject({ directory: '/run/overlayfs', sinceMs: 0 });
    const growth = {
      growers: [{ path: '/run/overlayfs/var/lib', bytes: 1, files: 1 }],
      totalBytes: 1,
      isComplete: true,
    };
    expect(asSeenFromRoot(growth, upper).growers[0]?.path).toBe('/var/lib');
  });
});

describe('the text', () => {
  test('has the kind, the figures, the brake and what grows', async () => {
    const { root, gauge } = await lookAtLive({ files: memoryFiles(host), live: fakeLive({ devices: [liveRw] }) });
    if (gauge === null) throw new Error('this host is live');
    const growth = {
      growers: [
        { path: '/var/lib/docker', bytes: 300 * MiB, files: 1200 },
        { path: '/var/log/\u001b[31m', bytes: 4 * MiB, files: 3 },
      ],
      totalBytes: 304 * MiB,
      isComplete: false,
    };
    const view = {
      live: root,
      gauge,
      growth,
      brake: 'on',
      release: 'systemctl stop var-lib-docker-tmp.mount',
    } as const;
    expect(overlayLines(view)).toEqual([
      'live root: the kernel line has root=live:http://10.34.39.2/live.img; /run/initramfs/live is there; / is /dev/mapper/live-rw',
      'overlay:   device-mapper snapshot; files that are removed give nothing back; lost at a reboot',
      "fill:      the live root's overlay: 54 % of 1.0 GiB used",
      'brake:     downloads of images are stopped; containers go on',
      '           -> systemctl stop var-lib-docker-tmp.mount lets them go on',
      '',
      'WRITTEN  FILES  BELOW',
      '300 MiB  1200   /var/lib/docker',
      '4.0 MiB  3      /var/log/\\x1b[31m',
      '(not everything was looked at: there was no time for more)',
    ]);
    expect(JSON.parse(JSON.stringify(overlayJson(view)))).toMatchObject({
      kind: 'snapshot',
      isPersistent: false,
      state: 'ok',
      usedBytes: 585_854_976,
      secsToFull: null,
      brake: 'on',
      growthIsComplete: false,
    });
    expect(brakeUnitFile('/var/lib/docker/tmp')).toStartWith('/run/');
  });
});

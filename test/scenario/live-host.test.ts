// A host whose root is an image in memory: its overlay is watched, downloads are stopped in time, and no vote is kept on it.

import { describe, expect, test } from 'bun:test';
import { brakeDirectories, brakeUnitFile, brakeUnitName } from '../../agent/live/brake-unit.ts';
import { gaugeFile } from '../../agent/live/history.ts';
import type { DmTarget } from '../../agent/model/device-mapper.ts';
import { reported, statusOf } from '../support/conditions.ts';
import type { FakeHost } from '../support/fake-host.ts';
import { clusterFile, type PackagedHostOptions, packagedHost, runVerb } from '../support/packaged-host.ts';
import {
  clusterWith,
  initiatorName,
  lun1,
  mountAndRun,
  onIscsi,
  onLun1,
  portal,
  storageHost,
  storagePrograms,
  target,
} from '../support/storage-host.ts';

const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;
const [dockerTmp, ingest] = brakeDirectories;
const brakeOfDocker = brakeUnitName(dockerTmp);
const rootMount = '20 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/live-rw rw\n';
const timer = 'diyc-agent-gauge.timer';
const traces = {
  '/run/initramfs/live': { directory: true },
  '/proc/cmdline': 'BOOT_IMAGE=vmlinuz root=live:http://10.34.102.54/root.squashfs rd.live.image\n',
} as const;

/** live-rw over an image of 2 GiB, with an overlay of 1 GiB that is so full. */
function snapshot(usedBytes: number): DmTarget {
  return {
    name: 'live-rw',
    startSector: 0,
    lengthSectors: (2 * gibibyte) / 512,
    target: 'snapshot',
    status: {
      kind: 'snapshot',
      state: 'active',
      allocatedSectors: usedBytes / 512,
      totalSectors: gibibyte / 512,
      metadataSectors: 16,
    },
  };
}

/** Node a1 of the plain cluster on a live root; docker has run on it. */
function liveHost(options: PackagedHostOptions = {}): FakeHost {
  return packagedHost({
    live: { devices: [snapshot(100 * mebibyte)] },
    ...options,
    files: {
      ...storagePrograms,
      ...traces,
      '/proc/self/mountinfo': rootMount,
      '/proc/meminfo': 'MemTotal:        4194304 kB\nMemAvailable:    3145728 kB\n',
      [dockerTmp]: { directory: true },
      ...options.files,
    },
  });
}

const gauge = (host: FakeHost) => runVerb(host, ['storage', 'gauge']);
const samples = (host: FakeHost): readonly (readonly number[])[] =>
  JSON.parse(host.files.snapshot()[gaugeFile] ?? '{"samples":[]}').samples;

describe('boot on a live root', () => {
  test('switches the gauge on, for this boot and the next', async () => {
    const host = liveHost();
    await runVerb(host, ['boot']);
    expect(host.files.snapshot()[`/etc/systemd/system/timers.target.wants/${timer}`]).toBe(
      `-> /usr/lib/systemd/system/${timer}`,
    );
    expect(await host.units.states([timer])).toMatchObject([{ active: 'active' }]);
    host.log.clear();
    await runVerb(host, ['boot']);
    expect(host.effects).toEqual([]);
  });

  test('and leaves it off on an installed host', async () => {
    const host = packagedHost({ files: storagePrograms });
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(host.effects.filter((line) => line.includes('gauge'))).toEqual([]);
    expect((await gauge(host)).code).toBe(0);
    expect(host.files.snapshot()[gaugeFile]).toBeUndefined();
  });
});

describe('an etcd member whose data would be in memory', () => {
  const reason =
    'etcd is not started: /var/lib/etcd/a1.etcd is on / (ext4, /dev/mapper/live-rw), the live root, whose overlay is in memory and empty after a reboot; a voter that forgets its votes endangers the whole cluster';

  test('is not started, with the reason; flannel and docker are', async () => {
    const host = liveHost();
    const run = await runVerb(host, ['boot']);
    expect(run.code).toBe(75);
    expect(run.lines).toContainEqual(expect.stringContaining(reason));
    expect(host.effects).toContain(`start ${timer} flanneld.service docker.service`);
    expect(host.files.snapshot()['/etc/systemd/system/multi-user.target.wants/etcd.service']).toBeUndefined();
    expect(await statusOf(host, 'EtcdStorage')).toMatchObject({
      status: 'False',
      reason: 'InMemory',
      severity: 'failed',
      message: reason,
      hint: 'mount a disk at /var/lib/etcd (fstab, or var-lib-etcd.mount), or take a1 out of etcd.members: it may be a client',
    });
  });

  test('as a client it is welcome', async () => {
    const host = liveHost({ cluster: `${clusterFile}etcd: { members: [a2, a3] }\n` });
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(await statusOf(host, 'EtcdStorage')).toBeUndefined();
    expect(host.effects).toContain(`start ${timer} flanneld.service docker.service`);
  });

  test.each([
    ['a line of fstab', { '/etc/fstab': '# disks\nLABEL=etcd /var/lib/etcd ext4 defaults 0 2\n' }],
    ['a mount unit', { '/etc/systemd/system/var-lib-etcd.mount': '[Mount]\nWhat=/dev/sdb\nWhere=/var/lib/etcd\n' }],
  ])('with %s it is started, and not before its disk is mounted', async (_what, files) => {
    const host = liveHost({ files });
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(host.effects).toContain(`start ${timer} etcd.service flanneld.service docker.service`);
    expect(host.files.snapshot()['/etc/systemd/system/etcd.service.d/restart.conf']).toContain(
      '\nRequiresMountsFor=/var/lib/etcd/a1.etcd\n',
    );
    expect(await statusOf(host, 'EtcdStorage')).toBeUndefined();
  });

  test('commented out, a mount is none', async () => {
    const host = liveHost({ files: { '/etc/fstab': '#LABEL=etcd /var/lib/etcd ext4 defaults 0 2\n' } });
    expect((await runVerb(host, ['boot'])).code).toBe(75);
  });
});

describe('the gauge', () => {
  test('remembers what it saw, and tells how long it will last', async () => {
    const host = liveHost();
    await runVerb(host, ['boot']);
    for (let minute = 0; minute < 12; minute++) {
      host.live.setDevices([snapshot((560 + 10 * minute) * mebibyte)]);
      expect((await gauge(host)).code).toBe(0);
      await host.clock.advance(60_000);
    }
    expect(samples(host).map(([, used]) => (used ?? 0) / mebibyte)).toEqual(
      Array.from({ length: 12 }, (_, minute) => 560 + 10 * minute),
    );
    const condition = await statusOf(host, 'LiveOverlay');
    expect(condition).toMatchObject({
      status: 'True',
      reason: 'Enough',
      message: "the live root's overlay: 65 % of 1.0 GiB used, 9.2 MiB/min over the last 10 minutes: full in 38 min",
    });
    // It stays small whatever happens: it is kept in the very memory that it watches.
    expect(host.files.snapshot()[gaugeFile]?.length).toBeLessThan(3 * 1024);
  });

  test('warns from Low to Critical, and the report publishes it', async () => {
    const host = liveHost();
    await runVerb(host, ['boot']);
    expect(await statusOf(host, 'LiveOverlay')).toMatchObject({ status: 'True', reason: 'Enough' });
    host.live.setDevices([snapshot(740 * mebibyte)]);
    expect(await statusOf(host, 'LiveOverlay')).toMatchObject({
      status: 'False',
      reason: 'Low',
      severity: 'degraded',
      message: "the live root's overlay: 72 % of 1.0 GiB used",
      hint: "diyc-agent storage show lists what grows; removing files gives nothing back on this kind of overlay; declare storage: in the cluster file, so that docker's images leave the overlay; boot with rd.live.overlay.size=2304",
    });
    host.live.setDevices([snapshot(880 * mebibyte)]);
    expect((await runVerb(host, ['report'])).code).toBe(0);
    expect(reported(host, 'LiveOverlay')).toMatchObject({ status: 'False', reason: 'Critical', severity: 'failed' });
    host.live.setDevices([{ ...snapshot(0), status: { kind: 'snapshot', state: 'overflow' } }]);
    expect(await statusOf(host, 'LiveOverlay')).toMatchObject({ status: 'False', reason: 'Invalid' });
  });

  test('that cannot be read is unknown, and stops nothing', async () => {
    for (const devices of ['absent', 'failing'] as const) {
      const host = liveHost({ live: { devices } });
      await runVerb(host, ['boot']);
      host.log.clear();
      expect((await gauge(host)).error).toBeNull();
      expect(host.effects.filter((line) => line.startsWith('start'))).toEqual([]);
      expect(await statusOf(host, 'LiveOverlay')).toMatchObject({ status: 'Unknown', reason: 'NotReadable' });
    }
  });
});

describe('the brake', () => {
  async function critical(files: PackagedHostOptions['files'] = {}): Promise<FakeHost> {
    const host = liveHost({ files });
    await runVerb(host, ['boot']);
    host.live.setDevices([snapshot(880 * mebibyte)]);
    host.log.clear();
    return host;
  }

  test('is applied once, below /run, and shows in status with the way to release it', async () => {
    const host = await critical();
    const run = await gauge(host);
    expect(host.effects).toEqual([
      `write ${gaugeFile} 0644`,
      `write ${brakeUnitFile(dockerTmp)} 0644`,
      'daemon-reload',
      `start ${brakeOfDocker}`,
    ]);
    expect(brakeUnitFile(dockerTmp)).toBe('/run/systemd/system/var-lib-docker-tmp.mount');
    expect(run.events.at(-1)).toEqual({
      event: 'brake.applied',
      why: "the live root's overlay: 85 % of 1.0 GiB used",
      release: `systemctl stop ${brakeOfDocker}`,
    });
    for (let turn = 0; turn < 5; turn++) {
      await host.clock.advance(5_000);
      const again = await gauge(host);
      expect(again.events.filter((e) => e.event.startsWith('brake'))).toEqual([]);
    }
    expect(host.effects.filter((line) => line.startsWith('start'))).toHaveLength(1);
    expect(await statusOf(host, 'LivePulls')).toMatchObject({
      status: 'False',
      reason: 'Stopped',
      severity: 'degraded',
      hint: `reboot into a larger overlay or declare storage:; systemctl stop ${brakeOfDocker} lets downloads go on at the root's risk`,
    });
    const show = await runVerb(host, ['storage', 'show']);
    expect(show.stdout).toContain(
      `brake:     downloads of images are stopped; containers go on\n           -> systemctl stop ${brakeOfDocker} lets them go on\n`,
    );
  });

  test('covers containerd too, where it is', async () => {
    const host = await critical({ [ingest]: { directory: true } });
    await gauge(host);
    expect(host.effects).toContain(`start ${brakeOfDocker} ${brakeUnitName(ingest)}`);
  });

  test('has nothing to hold where docker was never started', async () => {
    const host = await critical();
    host.files.drop('/var/lib/docker');
    await gauge(host);
    expect(host.effects).toEqual([`write ${gaugeFile} 0644`]);
  });

  test('that failed is not tried again every few seconds, nor is it said to be released', async () => {
    const host = await critical();
    host.units.script(brakeOfDocker, 'fails');
    await gauge(host);
    host.log.clear();
    for (let turn = 0; turn < 3; turn++) await gauge(host);
    expect(host.effects.filter((line) => !line.startsWith(`write ${gaugeFile}`))).toEqual([]);
    // docker's data moves to a disk: the brake is no longer needed, and its failure is forgotten, once.
    host.files.put({
      '/proc/self/mountinfo': `${rootMount}40 20 8:16 / /var/lib/docker rw - xfs /dev/sdb rw\n`,
    });
    const runs = [await gauge(host), await gauge(host), await gauge(host)];
    expect(host.effects.filter((line) => !line.startsWith('write'))).toEqual([`reset-failed ${brakeOfDocker}`]);
    expect(runs.flatMap((r) => r.events.filter((e) => e.event.startsWith('brake')))).toEqual([]);
  });

  test('is released by itself when docker has left the overlay, and told once', async () => {
    const host = await critical();
    await gauge(host);
    host.files.put({
      '/proc/self/mountinfo': `${rootMount}40 20 8:16 / /var/lib/docker rw - xfs /dev/sdb rw\n`,
    });
    host.log.clear();
    const runs = [await gauge(host), await gauge(host)];
    expect(host.effects.filter((line) => line.startsWith('stop'))).toEqual([`stop ${brakeOfDocker}`]);
    expect(runs.flatMap((r) => r.events.filter((e) => e.event === 'brake.released'))).toHaveLength(1);
    expect(await statusOf(host, 'LivePulls')).toBeUndefined();
  });

  test('stays on a snapshot whatever is removed, and is gone after a reboot', async () => {
    const host = await critical();
    await gauge(host);
    host.live.setDevices([snapshot(300 * mebibyte)]);
    host.log.clear();
    await gauge(host);
    expect(host.effects.filter((line) => line.startsWith('stop'))).toEqual([]);
    host.boot();
    expect(host.files.snapshot()[brakeUnitFile(dockerTmp)]).toBeUndefined();
  });

  test('is nobody to a person without root', async () => {
    const host = liveHost({ machine: { isRoot: false } });
    expect((await gauge(host)).code).toBe(77);
  });
});

describe('docker on declared storage', () => {
  test('keeps the overlay free: no brake, no advice about docker', async () => {
    const host = storageHost({
      cluster: `${clusterWith(onIscsi, onLun1)}etcd: { members: [a2, a3] }\n`,
      files: { ...traces, '/proc/self/mountinfo': rootMount, [dockerTmp]: { directory: true } },
      live: { devices: [snapshot(880 * mebibyte)] },
    });
    await runVerb(host, ['boot']);
    expect((await runVerb(host, ['storage', 'attach'])).error).toBeNull();
    mountAndRun(host);
    const mounted = host.files.snapshot()['/proc/self/mountinfo'] ?? '';
    host.files.put({
      '/proc/self/mountinfo': `${rootMount}${mounted.split('\n').slice(1).join('\n').replace('40 25 253:0', '40 20 253:7')}`,
    });
    host.live.setSpace('/var/lib/docker', { totalBytes: 2 * gibibyte, availableBytes: gibibyte });
    host.log.clear();
    await gauge(host);
    expect(host.effects).toEqual([`write ${gaugeFile} 0644`]);
    const overlay = await statusOf(host, 'LiveOverlay');
    expect(overlay).toMatchObject({ status: 'False', reason: 'Critical' });
    expect(overlay?.hint).not.toContain('storage:');
    const show = await runVerb(host, ['storage', 'show']);
    expect(show.stdout).toBe(`\
target    ${target} at ${portal}: LOGGED_IN, as ${initiatorName}
disk      LUN 1: sda, 2.0 GiB, VIRTUAL-DISK, serial beaf11; in use
          ${lun1}
group     docker-images: 2.0 GiB, 0 B free, of node a1
volume    docker-root: 2.0 GiB, at /var/lib/docker, 50.0 % used

live root: the kernel line has root=live:http://10.34.102.54/root.squashfs; /run/initramfs/live is there; / is /dev/mapper/live-rw
overlay:   device-mapper snapshot; files that are removed give nothing back; lost at a reboot
fill:      the live root's overlay: 85 % of 1.0 GiB used

nothing was written since boot
`);
  });
});

describe('storage show and estimate without declared storage', () => {
  test('tell what grows, and what a pull would cost', async () => {
    const bootMs = Date.UTC(2026, 0, 1) - 60_000;
    const file = (path: `/${string}`, mib: number) => ({ path, bytes: mib * mebibyte, changedMs: bootMs + 1 });
    const host = liveHost({
      live: {
        devices: [snapshot(100 * mebibyte)],
        files: [
          file('/var/lib/docker/overlay2/aa/diff/x', 60),
          file('/var/log/journal/0/system.journal', 8),
          { path: '/usr/bin/bash', bytes: mebibyte, changedMs: bootMs - 1 },
        ],
      },
      engine: 'down',
    });
    await runVerb(host, ['boot']);
    const show = await runVerb(host, ['storage', 'show']);
    expect(show.stdout).toBe(`\
no storage is declared for a1: docker keeps its images on the live root's overlay

live root: the kernel line has root=live:http://10.34.102.54/root.squashfs; /run/initramfs/live is there; / is /dev/mapper/live-rw
overlay:   device-mapper snapshot; files that are removed give nothing back; lost at a reboot
fill:      the live root's overlay: 9 % of 1.0 GiB used

WRITTEN  FILES  BELOW
60 MiB   1      /var/lib/docker
8.0 MiB  1      /var/log/journal
`);
    const small = await runVerb(host, ['storage', 'estimate', '20M']);
    const large = await runVerb(host, ['storage', 'estimate', '2G', '--json']);
    expect([small.code, large.code]).toEqual([0, 2]);
    expect(JSON.parse(large.stdout)).toMatchObject({ schema: 1, fits: 'no', compressedBytes: 2 * gibibyte });
    expect((await runVerb(host, ['storage', 'estimate', '12X'])).code).toBe(64);
    const installed = await runVerb(packagedHost(), ['storage', 'estimate', '2G']);
    expect([installed.code, installed.stdout]).toEqual([
      0,
      'this host is not live: docker writes to a disk (df /var/lib/docker)\n',
    ]);
  });
});

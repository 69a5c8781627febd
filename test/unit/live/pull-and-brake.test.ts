// What a pull costs, when pulls are stopped, and the unit that stops them.

import { describe, expect, test } from 'bun:test';
import { parseSize, timeText } from '../../../agent/live/amounts.ts';
import { brakeDecision, isOnOverlay } from '../../../agent/live/brake.ts';
import {
  brakeDirectories,
  brakeUnitFile,
  brakeUnitName,
  escapePath,
  releaseCommand,
  renderBrakeUnit,
} from '../../../agent/live/brake-unit.ts';
import { gaugeOf } from '../../../agent/live/gauge.ts';
import { estimatePull, type PullQuestion } from '../../../agent/live/pull-estimate.ts';
import { sizeText } from '../../../agent/model/byte-size.ts';
import type { Gauge, LiveRoot, OverlayKind, OverlayReading } from '../../../agent/model/live.ts';
import { parseMountInfo } from '../../../agent/model/mount-table.ts';
import { refusal } from '../../support/refusal.ts';

const MiB = 1024 ** 2;

describe('sizes', () => {
  test.each([
    ['80M', 80 * MiB],
    ['80MiB', 80 * MiB],
    ['80 MB', 80_000_000],
    ['1.5G', 1.5 * 1024 * MiB],
    ['1g', 1024 * MiB],
    ['4096', 4096],
    ['700k', 716_800],
    ['2T', 2 * 1024 ** 4],
    ['12B', 12],
  ])('%s', (text, bytes) => {
    expect(parseSize(text, '--size')).toBe(bytes);
  });

  test.each([
    '',
    '0',
    'M',
    '-1M',
    '1e3',
    '1.M',
    '1X',
    '80 M B',
    '0x10',
    '9999999999999999',
    '999999999999T',
    'NaN',
    'constructor',
  ])('%s is none', async (text) => {
    const error = await refusal(() => parseSize(text, '--size'));
    expect([error.kind, error.message.includes('--size')]).toEqual(['usage', true]);
  });

  test('are told with as many digits as help', () => {
    expect([0, 1023, 1536, 4.1 * MiB, 62 * MiB, 1024 * MiB, 20 * 1024 ** 4].map(sizeText)).toEqual([
      '0 B',
      '1023 B',
      '1.5 KiB',
      '4.1 MiB',
      '62 MiB',
      '1.0 GiB',
      '20 TiB',
    ]);
  });

  test('times have two units at most', () => {
    expect([5, 119, 600, 5700, 7200, 300_000, 172_800, 1e9, Number.POSITIVE_INFINITY].map(timeText)).toEqual([
      '5 s',
      '119 s',
      '10 min',
      '1 h 35 min',
      '2 h',
      '3 d 11 h',
      '2 d',
      'more than a year',
      'more than a year',
    ]);
  });
});

describe('the cost of a pull', () => {
  const pull = (change: Partial<PullQuestion> = {}) =>
    estimatePull({
      compressedBytes: 80_000_000,
      overlayKind: 'snapshot',
      storageDriver: 'devicemapper',
      remainingBytes: 1024 * MiB,
      isOnOverlay: true,
      ...change,
    });

  test('is about what was measured in 2015: 511600 sectors for 80 MB', () => {
    const { lowBytes, highBytes } = pull();
    expect(lowBytes).toBeLessThan(511_600 * 512);
    expect(highBytes).toBeGreaterThan(511_600 * 512);
    expect(highBytes / lowBytes).toBeLessThan(2.5);
  });

  test('the pull that broke the host of 2015 is not promised to fit, the one with twice the overlay is', () => {
    expect(pull({ remainingBytes: (1_048_576 - 632_648) * 512 }).fits).toBe('no');
    expect(pull({ remainingBytes: (2_097_152 - 632_648) * 512 }).fits).toBe('yes');
    expect(pull({ remainingBytes: 350 * MiB }).fits).toBe('maybe');
    expect(pull({ remainingBytes: null })).toMatchObject({ fits: 'maybe' });
  });

  test('is told with its figures', () => {
    expect(pull().why).toBe(
      '76 MiB to download take 198 MiB to 421 MiB of the overlay (devicemapper writes whole blocks of 64 KiB); 1.0 GiB are left, of which 64 MiB are kept for the host',
    );
  });

  test('is nothing where docker has storage of its own', () => {
    expect(pull({ isOnOverlay: false, remainingBytes: 0 })).toMatchObject({ lowBytes: 0, highBytes: 0, fits: 'yes' });
  });

  test.each(['overlay2', 'vfs', 'overlayfs', 'io.containerd.snapshotter.v1', 'zfs', ''])(
    'is at least the layers and at most more than that with %s',
    (storageDriver) => {
      for (const overlayKind of ['snapshot', 'thin', 'overlayfs', 'linear'] as const) {
        const { lowBytes, highBytes } = pull({ storageDriver, overlayKind });
        expect(lowBytes).toBeGreaterThanOrEqual(2 * 80_000_000);
        expect(highBytes).toBeGreaterThan(lowBytes);
      }
    },
  );
});

function gauge(state: Gauge['state'], kind: OverlayKind = 'snapshot'): Gauge {
  const used = { ok: 10, low: 75, critical: 90, invalid: 0, unknown: 0 }[state];
  const reading: OverlayReading =
    state === 'invalid'
      ? { state: 'broken', word: 'Invalid' }
      : state === 'unknown'
        ? { state: 'unreadable', why: 'x' }
        : { state: 'measured', usedBytes: used * 100 * MiB, totalBytes: 10_000 * MiB, memoryBytes: null };
  const made = gaugeOf({ kind, isPersistent: false }, reading, []);
  expect(made.state).toBe(state);
  return made;
}

describe('the brake', () => {
  test.each([
    ['ok', 'leave'],
    ['low', 'leave'],
    ['critical', 'apply'],
    ['invalid', 'leave'],
    ['unknown', 'leave'],
  ] as const)('is applied when it is critical, and only then: %s', (state, decision) => {
    expect(brakeDecision(gauge(state), 'off', true)).toBe(decision);
    expect(brakeDecision(gauge(state), 'off', false)).toBe('leave');
  });

  test.each([
    ['snapshot', 'leave'],
    ['overlayfs', 'release'],
    ['thin', 'release'],
    ['linear', 'release'],
  ] as const)('is released by itself where room can come back: %s', (kind, decision) => {
    expect(brakeDecision(gauge('ok', kind), 'on', true)).toBe(decision);
    for (const state of ['low', 'critical', 'invalid', 'unknown'] as const) {
      expect(brakeDecision(gauge(state, kind), 'on', true)).toBe('leave');
    }
  });

  test('is released when docker no longer writes to the overlay', () => {
    expect(brakeDecision(gauge('critical'), 'on', false)).toBe('release');
  });

  test('docker is on the overlay unless a device of its own is mounted there', () => {
    const live: LiveRoot = {
      isLive: true,
      evidence: ['x'],
      overlay: { kind: 'snapshot', isPersistent: false },
      rootDevice: '253:0',
    };
    const root =
      '21 1 253:0 / / rw - ext4 /dev/mapper/live-rw rw\n24 21 253:0 /ostree/var /var rw - ext4 /dev/mapper/live-rw rw\n';
    const storage = `${root}30 24 253:5 / /var/lib/docker rw - xfs /dev/mapper/docker-images rw\n`;
    expect(isOnOverlay(parseMountInfo(root), live, '/var/lib/docker')).toBe(true);
    expect(isOnOverlay(parseMountInfo(storage), live, '/var/lib/docker')).toBe(false);
    expect(isOnOverlay(parseMountInfo(storage), live, '/var/lib/containerd')).toBe(true);
    const braked = `${root}31 24 0:70 / /var/lib/docker/tmp ro - tmpfs tmpfs ro\n`;
    expect(isOnOverlay(parseMountInfo(braked), live, '/var/lib/docker/tmp')).toBe(true);
    expect(isOnOverlay(parseMountInfo(root), { ...live, isLive: false }, '/var/lib/docker')).toBe(false);
  });
});

describe('the units of the brake', () => {
  test('are named after their places', () => {
    expect(brakeDirectories.map(brakeUnitName)).toEqual([
      'var-lib-docker-tmp.mount',
      'var-lib-containerd-io.containerd.content.v1.content-ingest.mount',
    ]);
    expect(brakeUnitFile('/var/lib/docker/tmp')).toBe('/run/systemd/system/var-lib-docker-tmp.mount');
    expect(releaseCommand(['/var/lib/docker/tmp'])).toBe('systemctl stop var-lib-docker-tmp.mount');
  });

  test('a leading dot and a dash are escaped', () => {
    expect([escapePath('/'), escapePath('/.a/.b'), escapePath('/a-b/c_d')]).toEqual(['-', '\\x2ea-.b', 'a\\x2db-c_d']);
  });

  test('mount something read-only there, and say why', () => {
    expect(
      renderBrakeUnit('/var/lib/docker/tmp'),
    ).toBe(`# Written by diyc-agent: no downloads while the overlay of the live root is nearly full.
# Change the cluster file instead; edits made here are kept aside and replaced by the next run.
[Unit]
Description=Downloads to /var/lib/docker/tmp stopped by diyc-agent: the overlay of the live root is nearly full
Documentation=man:diyc-agent(8)
ConditionPathIsDirectory=/var/lib/docker/tmp

[Mount]
What=tmpfs
Where=/var/lib/docker/tmp
Type=tmpfs
Options=ro,nosuid,nodev,noexec,mode=0700,size=4k
`);
  });
});

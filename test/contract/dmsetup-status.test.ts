// The parser of `dmsetup status`, on text captured from kernels of 2015 and of today; see test/fixtures/dmsetup.

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { parseDmStatus } from '../../agent/host/dmsetup-status.ts';
import type { DmStatus } from '../../agent/model/device-mapper.ts';
import { randomTexts } from '../support/random-text.ts';

function captured(name: string): string {
  return readFileSync(new URL(`../fixtures/dmsetup/${name}.txt`, import.meta.url), 'utf8');
}

function only(text: string): DmStatus | undefined {
  return parseDmStatus(text)[0]?.status;
}

describe('captured output', () => {
  test('all devices of a live Atomic host of 2015, with a colon in the name of a pool', () => {
    expect(parseDmStatus(captured('fedora-22-before-pull'))).toEqual([
      { name: 'live-base', startSector: 0, lengthSectors: 10_485_760, target: 'linear', status: { kind: 'linear' } },
      {
        name: 'docker-253:0-278707-base',
        startSector: 0,
        lengthSectors: 20_971_520,
        target: 'thin',
        status: { kind: 'thin', failed: false, mappedSectors: 596_992, highestSector: 20_971_519 },
      },
      {
        name: 'live-rw',
        startSector: 0,
        lengthSectors: 10_485_760,
        target: 'snapshot',
        status: {
          kind: 'snapshot',
          state: 'active',
          allocatedSectors: 632_648,
          totalSectors: 1_048_576,
          metadataSectors: 2472,
        },
      },
      {
        name: 'docker-253:0-278707-pool',
        startSector: 0,
        lengthSectors: 209_715_200,
        target: 'thin-pool',
        status: {
          kind: 'thin-pool',
          failed: false,
          transactionId: 1,
          usedMetadataBlocks: 179,
          totalMetadataBlocks: 524_288,
          usedDataBlocks: 4664,
          totalDataBlocks: 1_638_400,
          mode: 'rw',
          whenFull: 'queue',
          needsCheck: false,
        },
      },
    ]);
  });

  test('the same host when the overlay had run full: the root is invalid, and the pool on it read-only', () => {
    const [, , root, pool] = parseDmStatus(captured('fedora-22-invalid'));
    expect(root).toMatchObject({ name: 'live-rw', status: { kind: 'snapshot', state: 'invalid' } });
    expect(pool?.status).toMatchObject({ transactionId: 3, usedDataBlocks: 8633, mode: 'ro' });
  });

  test('the same pull with twice the overlay', () => {
    const [, , root, pool] = parseDmStatus(captured('fedora-22-after-pull'));
    expect(root?.status).toMatchObject({ allocatedSectors: 1_144_248, totalSectors: 2_097_152, metadataSectors: 4464 });
    expect(pool?.status).toMatchObject({ transactionId: 4, usedMetadataBlocks: 231, usedDataBlocks: 8639 });
  });

  test.each([
    ['fedora-22-live-rw-before', 10_485_760, 633_144, 2472],
    ['fedora-22-live-rw-after', 10_485_760, 633_552, 2480],
    ['debian-12-live-rw', 4_194_304, 65_824, 272],
  ])('one device is printed without its name: %s', (name, lengthSectors, allocatedSectors, metadataSectors) => {
    expect(parseDmStatus(captured(name))).toEqual([
      {
        name: null,
        startSector: 0,
        lengthSectors,
        target: 'snapshot',
        status: { kind: 'snapshot', state: 'active', allocatedSectors, totalSectors: 2_097_152, metadataSectors },
      },
    ]);
  });

  test('a thin pool of LVM beside a live root, kernel 6.1: doubled dashes, a low watermark', () => {
    const targets = parseDmStatus(captured('debian-12-lab-thin-pool'));
    expect(targets.map((t) => [t.name, t.status.kind])).toEqual([
      ['dockervg-docker--pool', 'thin-pool'],
      ['dockervg-docker--pool_tdata', 'linear'],
      ['dockervg-docker--pool_tmeta', 'linear'],
      ['dockervg-docker--root', 'linear'],
      ['live-base', 'linear'],
      ['live-rw', 'snapshot'],
    ]);
    expect(targets[0]).toMatchObject({
      lengthSectors: 2_457_600,
      status: {
        transactionId: 0,
        usedMetadataBlocks: 419,
        totalMetadataBlocks: 4096,
        usedDataBlocks: 0,
        totalDataBlocks: 19_200,
        mode: 'rw',
        whenFull: 'queue',
        needsCheck: false,
      },
    });
    expect(targets[5]?.status).toMatchObject({ allocatedSectors: 60_304, totalSectors: 1_048_576 });
  });

  test('a full overlay is called Overflow by kernel 6.1', () => {
    expect(only(captured('debian-12-overflow'))).toEqual({ kind: 'snapshot', state: 'overflow' });
  });
});

describe('the other forms', () => {
  test('no devices', () => {
    expect(parseDmStatus('No devices found\n')).toEqual([]);
    expect(parseDmStatus('')).toEqual([]);
  });

  test.each([
    ['Merge failed', 'merge failed'],
    ['Unknown', 'unknown'],
    ['Invalid', 'invalid'],
  ])('a snapshot that says %s', (words, state) => {
    expect(only(`0 8 snapshot ${words}`)).toEqual({ kind: 'snapshot', state } as DmStatus);
  });

  test('a snapshot of a kernel that does not tell the metadata', () => {
    expect(only('x: 0 8 snapshot 16/1024')).toMatchObject({ allocatedSectors: 16, metadataSectors: null });
  });

  test('a snapshot that is being merged counts as one', () => {
    expect(only('x: 0 8 snapshot-merge 16/1024 16')).toMatchObject({ kind: 'snapshot', allocatedSectors: 16 });
  });

  test('a thin pool of today, with a held root and a low watermark', () => {
    expect(
      only(
        'vg-pool: 0 2097152 thin-pool 7 12/1024 100/2048 42 out_of_data_space no_discard_passdown error_if_no_space needs_check 256',
      ),
    ).toEqual({
      kind: 'thin-pool',
      failed: false,
      transactionId: 7,
      usedMetadataBlocks: 12,
      totalMetadataBlocks: 1024,
      usedDataBlocks: 100,
      totalDataBlocks: 2048,
      mode: 'out_of_data_space',
      whenFull: 'error',
      needsCheck: true,
    });
  });

  test('a thin pool of the first kernels ends with the held root', () => {
    expect(only('p: 0 8 thin-pool 0 1/2 3/4 -')).toMatchObject({ mode: null, whenFull: null, needsCheck: false });
  });

  test('pools and thin devices that failed', () => {
    expect(only('p: 0 8 thin-pool Fail')).toEqual({ kind: 'thin-pool', failed: true });
    expect(only('p: 0 8 thin-pool Error')).toEqual({ kind: 'thin-pool', failed: true });
    expect(only('t: 0 8 thin Fail')).toEqual({ kind: 'thin', failed: true });
    expect(only('t: 0 8 thin -')).toEqual({ kind: 'thin', failed: true });
  });

  test('a thin device that has nothing yet', () => {
    expect(only('t: 0 8 thin 0 -')).toMatchObject({ mappedSectors: 0, highestSector: null });
  });

  test('names of logical volumes keep their doubled dashes', () => {
    expect(parseDmStatus('docker--images-docker--pool: 0 8 snapshot-origin ')[0]).toMatchObject({
      name: 'docker--images-docker--pool',
      status: { kind: 'snapshot-origin' },
    });
  });

  test('a device of several targets has a line for each', () => {
    const targets = parseDmStatus('vg-lv: 0 100 linear \nvg-lv: 100 200 striped 2 8:1 8:2 1 AA\n');
    expect(targets.map((t) => [t.name, t.startSector, t.lengthSectors])).toEqual([
      ['vg-lv', 0, 100],
      ['vg-lv', 100, 200],
    ]);
    expect(targets[1]?.status).toEqual({ kind: 'other', words: '2 8:1 8:2 1 AA' });
  });

  test('a device without a table is passed over', () => {
    expect(parseDmStatus('empty: \nlive-rw: 0 8 linear ')).toHaveLength(1);
  });
});

describe('text that nobody meant', () => {
  test.each([
    '0 8 snapshot 12',
    '0 8 snapshot 1/0 1',
    '0 8 snapshot -1/5 1',
    '0 8 snapshot 99999999999999999/1 1',
    '0 8 snapshot',
    '0 8 thin-pool 1 1/2',
    '0 8 thin x',
  ])('words that are not understood are kept as other: %s', (line) => {
    expect(only(line)?.kind).toBe('other');
  });

  test('is survived, and makes no number that is none', () => {
    const pieces = ['live-rw', ': ', '0 8 ', ' snapshot ', ' thin-pool ', '/', '1', '99999999999999999999', '-', '\n'];
    for (const text of randomTexts(3000, 42, [...pieces, ' ', 'Fail', 'Invalid', 'x: 0 8 snapshot 1/2 1\n'])) {
      for (const { lengthSectors, status } of parseDmStatus(text)) {
        expect(Number.isSafeInteger(lengthSectors)).toBe(true);
        if (status.kind === 'snapshot' && status.state === 'active') expect(status.totalSectors).toBeGreaterThan(0);
      }
    }
  });

  test('is bounded, and read in a time that grows with its length', () => {
    expect(parseDmStatus('0 8 linear \n'.repeat(10_000))).toHaveLength(4096);
    expect(parseDmStatus(`${'a: '.repeat(100_000)}\n${'1:'.repeat(100_000)}`)).toEqual([]);
  });
});

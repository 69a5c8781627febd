// More room: a LUN that has grown, a further disk, and a run that was cut off between the two halves of it.

import { describe, expect, test } from 'bun:test';
import { describeStep } from '../../../agent/model/step.ts';
import { planAddition, planGrowth } from '../../../agent/storage/growth.ts';
import type { StoragePlan } from '../../../agent/storage/plan.ts';
import {
  disk,
  gibibyte,
  group,
  noLvm,
  ownLvm,
  physicalVolume,
  request,
  volume,
} from '../../support/storage-builders.ts';

function stepsOf(plan: StoragePlan): string[] {
  return plan.kind === 'steps' ? plan.steps.map(describeStep) : plan.refusals.map((r) => `refused: ${r.reason}`);
}

const second = { path: '/dev/disk/by-id/scsi-2' as const, disk: disk({ name: 'sdb', path: '/dev/sdb', serial: 's2' }) };

describe('a LUN that has grown', () => {
  const grown = ownLvm({ physicalVolumes: [physicalVolume({ deviceBytes: 4 * gibibyte })] });

  test('is used down to the file system', () => {
    expect(stepsOf(planGrowth(grown, request()))).toEqual([
      'use the 2.0 GiB that /dev/sda has grown by',
      'grow docker-images/docker-root by 100 % of what is free',
      'grow the xfs at /var/lib/docker to the size of /dev/docker-images/docker-root',
    ]);
  });

  test('gives a pool most of it and keeps the rest for its metadata', () => {
    const pool = volume({ name: 'docker-pool', kind: 'thin pool' });
    expect(
      stepsOf(planGrowth({ ...grown, logicalVolumes: [volume(), pool] }, request({ driver: 'devicemapper' }))),
    ).toEqual(['use the 2.0 GiB that /dev/sda has grown by', 'grow docker-images/docker-pool by 90 % of what is free']);
  });

  test('by less than two extents is no news: that much LVM keeps for itself', () => {
    expect(stepsOf(planGrowth(ownLvm(), request()))).toEqual([]);
  });

  test('cut off after the first half goes on with what lies free', () => {
    const half = ownLvm({ volumeGroups: [group({ freeBytes: 2 * gibibyte })] });
    expect(stepsOf(planGrowth(half, request()))[0]).toBe('grow docker-images/docker-root by 100 % of what is free');
  });

  test('without a group there is nothing to grow', () => {
    expect(stepsOf(planGrowth(noLvm, request()))).toEqual(['refused: NoGroup']);
  });
});

describe('a further disk', () => {
  test('that is blank joins the group and gives docker its room', () => {
    expect(stepsOf(planAddition(ownLvm(), second, request()))).toEqual([
      'add /dev/disk/by-id/scsi-2 to volume group docker-images',
      'grow docker-images/docker-root by 100 % of what is free',
      'grow the xfs at /var/lib/docker to the size of /dev/docker-images/docker-root',
    ]);
  });

  test('that carries something is refused, or wiped on its serial', () => {
    const dirty = { ...second, disk: disk({ ...second.disk, signatures: [{ type: 'xfs', label: null }] }) };
    expect(stepsOf(planAddition(ownLvm(), dirty, request()))).toEqual(['refused: DiskNotBlank']);
    expect(stepsOf(planAddition(ownLvm(), dirty, request({ wipe: ['s2'] })))[0]).toStartWith(
      'WIPE /dev/disk/by-id/scsi-2',
    );
  });

  test('that is in the group already is only put to use', () => {
    const joined = ownLvm({
      physicalVolumes: [physicalVolume(), physicalVolume({ path: '/dev/sdb' })],
      volumeGroups: [group({ freeBytes: 2 * gibibyte })],
    });
    expect(stepsOf(planAddition(joined, second, request()))[0]).toBe(
      'grow docker-images/docker-root by 100 % of what is free',
    );
  });
});

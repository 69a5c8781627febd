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
    expect(stepsOf(planGrowth(grown, request(), 2 * gibibyte))).toEqual([
      'use the 2.0 GiB that /dev/sda has grown by',
      'grow docker-images/docker-root by 100 % of what is free',
      'grow the xfs at /var/lib/docker to the size of /dev/docker-images/docker-root',
    ]);
  });

  test('gives a pool most of it and keeps the rest for its metadata', () => {
    const pool = volume({ name: 'docker-pool', kind: 'thin pool' });
    expect(
      stepsOf(planGrowth({ ...grown, logicalVolumes: [volume(), pool] }, request({ driver: 'devicemapper' }), null)),
    ).toEqual(['use the 2.0 GiB that /dev/sda has grown by', 'grow docker-images/docker-pool by 90 % of what is free']);
  });

  test('by less than two extents is no news: that much LVM keeps for itself', () => {
    expect(stepsOf(planGrowth(ownLvm(), request(), null))).toEqual([]);
  });

  test('cut off after the first half goes on with what lies free', () => {
    const half = ownLvm({ volumeGroups: [group({ freeBytes: 2 * gibibyte })] });
    expect(stepsOf(planGrowth(half, request(), 2 * gibibyte))[0]).toBe(
      'grow docker-images/docker-root by 100 % of what is free',
    );
  });

  test('cut off before the file system was grown goes on with that', () => {
    const wide = ownLvm({ logicalVolumes: [volume({ sizeBytes: 4 * gibibyte })] });
    const growFileSystem = 'grow the xfs at /var/lib/docker to the size of /dev/docker-images/docker-root';
    expect(stepsOf(planGrowth(wide, request(), 2 * gibibyte))).toEqual([growFileSystem]);
    // Not mounted, it cannot be known, nor grown.
    expect(stepsOf(planGrowth(wide, request(), null))).toEqual([]);
  });

  test.each([
    // Overheads as dumpe2fs 1.47 tells them of new file systems, and the logs that mkfs.xfs 6 makes at least.
    ['ext4', 300, 28.9],
    ['ext4', 512, 24.8],
    ['ext4', 2_048, 102.2],
    ['ext4', 8_192, 228.6],
    ['ext4', 102_400, 2_179],
    ['ext4', 2_097_152, 34_021],
    ['xfs', 512, 64],
    ['xfs', 2_048, 64],
    ['xfs', 2_097_152, 1_024],
  ] as const)('what a new %s of %i MiB keeps for itself is no room to be had', (filesystem, sizeMiB, ownMiB) => {
    const mebibyte = 1024 ** 2;
    const whole = ownLvm({ logicalVolumes: [volume({ sizeBytes: sizeMiB * mebibyte })] });
    expect(stepsOf(planGrowth(whole, request({ filesystem }), (sizeMiB - ownMiB) * mebibyte))).toEqual([]);
  });

  test("of another node's group, or one that says of nobody, nothing is used", () => {
    for (const tags of [[], ['diyc.cluster=diy-cluster', 'diyc.node=a2'], ['diyc.cluster=other', 'diyc.node=a1']]) {
      const foreign = { ...grown, volumeGroups: [group({ tags })] };
      expect(stepsOf(planGrowth(foreign, request(), null))).toEqual(['refused: OtherOwner']);
      expect(stepsOf(planAddition(foreign, second, request(), null))).toEqual(['refused: OtherOwner']);
    }
    const doubled = { ...grown, volumeGroups: [group(), group({ uuid: 'group-2' })] };
    expect(stepsOf(planGrowth(doubled, request(), null))).toEqual(['refused: TwoGroups']);
  });

  test('without a group there is nothing to grow', () => {
    expect(stepsOf(planGrowth(noLvm, request(), null))).toEqual(['refused: NoGroup']);
  });
});

describe('a directory that is not mounted', () => {
  test('is not grown, and its volume neither: the file system would be left behind', () => {
    const lvm = ownLvm({ physicalVolumes: [physicalVolume({ deviceBytes: 4 * gibibyte })] });
    expect(stepsOf(planGrowth(lvm, request(), null))).toEqual(['refused: NotMounted']);
    expect(stepsOf(planAddition(ownLvm(), second, request(), null))).toEqual(['refused: NotMounted']);
  });
});

describe('a further disk', () => {
  test('that is blank joins the group and gives docker its room', () => {
    expect(stepsOf(planAddition(ownLvm(), second, request(), 2 * gibibyte))).toEqual([
      'add /dev/disk/by-id/scsi-2 to volume group docker-images',
      'grow docker-images/docker-root by 100 % of what is free',
      'grow the xfs at /var/lib/docker to the size of /dev/docker-images/docker-root',
    ]);
  });

  test('that carries something is refused, or wiped on its serial', () => {
    const dirty = { ...second, disk: disk({ ...second.disk, signatures: [{ type: 'xfs', label: null }] }) };
    expect(stepsOf(planAddition(ownLvm(), dirty, request(), null))).toEqual(['refused: DiskNotBlank']);
    expect(stepsOf(planAddition(ownLvm(), dirty, request({ wipe: ['s2'] }), 2 * gibibyte))[0]).toStartWith(
      'WIPE /dev/disk/by-id/scsi-2',
    );
  });

  test('that is in the group already is only put to use', () => {
    const joined = ownLvm({
      physicalVolumes: [physicalVolume(), physicalVolume({ path: '/dev/sdb' })],
      volumeGroups: [group({ freeBytes: 2 * gibibyte })],
    });
    expect(stepsOf(planAddition(joined, second, request(), 2 * gibibyte))[0]).toBe(
      'grow docker-images/docker-root by 100 % of what is free',
    );
  });
});

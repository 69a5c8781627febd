// From a look at the disks to steps: blank, half made, whole, and every reason to do nothing at all.

import { describe, expect, test } from 'bun:test';
import { describeStep } from '../../../agent/model/step.ts';
import { planStorage, type StoragePlan, type StorageSight } from '../../../agent/storage/plan.ts';
import {
  disk,
  gibibyte,
  group,
  lunPath,
  ownLvm,
  physicalVolume,
  request,
  sight,
  volume,
} from '../../support/storage-builders.ts';

function stepsOf(plan: StoragePlan): string[] {
  return plan.kind === 'steps' ? plan.steps.map(describeStep) : plan.refusals.map((r) => `refused: ${r.reason}`);
}

const secondPath = '/dev/disk/by-id/scsi-36001405b';

describe('on a blank disk', () => {
  test('comes a group with its owner first; what goes into it is planned once that is seen to be this node’s', () => {
    const plan = planStorage(sight(), request());
    expect(stepsOf(plan)).toEqual([`make volume group docker-images on ${lunPath}`]);
    expect(plan.kind === 'steps' && plan.steps[0]).toMatchObject({
      tags: ['diyc.cluster=diy-cluster', 'diyc.node=a1'],
    });
  });

  const made = (given: Partial<StorageSight> = {}): StorageSight =>
    sight({ lvm: ownLvm({ logicalVolumes: [], volumeGroups: [group({ freeBytes: 2 * gibibyte })] }), ...given });

  test('then devicemapper gets its directory besides the pool, so that both outlive the root', () => {
    expect(stepsOf(planStorage(made(), request({ driver: 'devicemapper' })))).toEqual([
      'make volume docker-images/docker-root (512 MiB)',
      'make xfs on /dev/docker-images/docker-root',
      'make thin pool docker-images/docker-pool (90 % of what is free)',
    ]);
  });

  test('in a large group a share of it', () => {
    const large = made({
      lvm: ownLvm({ logicalVolumes: [], volumeGroups: [group({ freeBytes: 20 * gibibyte })] }),
    });
    expect(stepsOf(planStorage(large, request({ driver: 'devicemapper' })))[0]).toBe(
      'make volume docker-images/docker-root (20 % of what is free)',
    );
  });

  test('another host that took the same blank LUN at the same instant keeps it', () => {
    const theirs = group({ tags: ['diyc.cluster=diy-cluster', 'diyc.node=a2'], freeBytes: 2 * gibibyte });
    const taken = made({ lvm: ownLvm({ logicalVolumes: [], volumeGroups: [theirs] }) });
    expect(stepsOf(planStorage(taken, request()))).toEqual(['refused: DiskNotBlank']);
  });

  test('where docker-storage-setup is installed it makes the pool', () => {
    const wanted = request({ driver: 'devicemapper' }, '/usr/bin/docker-storage-setup');
    expect(stepsOf(planStorage(made({ setup: { kind: 'absent' } }), wanted)).at(-1)).toBe(
      'run /usr/bin/docker-storage-setup',
    );
  });

  test('too small for docker it is left alone', () => {
    const small = sight({ disks: [{ path: lunPath, disk: disk({ sizeBytes: 64 * 1024 * 1024 }) }] });
    expect(stepsOf(planStorage(small, request()))).toEqual(['refused: NoSpace']);
  });

  test('two disks become one group', () => {
    const two = sight({
      disks: [
        { path: lunPath, disk: disk() },
        { path: secondPath, disk: disk({ name: 'sdb', path: '/dev/sdb', serial: 'beaf12', wwn: '0x2' }) },
      ],
    });
    expect(stepsOf(planStorage(two, request()))[0]).toBe(
      `make volume group docker-images on ${lunPath}, ${secondPath}`,
    );
  });
});

describe('on a disk of this node', () => {
  const whole = { lvm: ownLvm(), rootSignatures: [{ type: 'xfs', label: 'docker-root' }] };

  test('with everything made there is nothing to do', () => {
    expect(planStorage(sight(whole), request())).toEqual({ kind: 'steps', steps: [] });
  });

  test('a group that no host activates by itself is activated, and looked into before anything else', () => {
    const asleep = sight({ lvm: ownLvm({ logicalVolumes: [volume({ isActive: false })] }) });
    expect(stepsOf(planStorage(asleep, request()))).toEqual(['activate volume group docker-images']);
  });

  test('a run that was cut off after the group goes on with the volume', () => {
    const cut = sight({ lvm: ownLvm({ logicalVolumes: [], volumeGroups: [group({ freeBytes: 2 * gibibyte })] }) });
    expect(stepsOf(planStorage(cut, request()))).toEqual([
      'make volume docker-images/docker-root (100 % of what is free)',
      'make xfs on /dev/docker-images/docker-root',
    ]);
  });

  test('a run that was cut off before the file system makes it now', () => {
    expect(stepsOf(planStorage(sight({ lvm: ownLvm(), rootSignatures: [] }), request()))).toEqual([
      'make xfs on /dev/docker-images/docker-root',
    ]);
  });

  test('a file system that could not be looked at is not made', () => {
    expect(planStorage(sight({ lvm: ownLvm(), rootSignatures: null }), request())).toEqual({
      kind: 'steps',
      steps: [],
    });
  });

  test('a file system of another type is neither used nor overwritten', () => {
    const other = sight({ lvm: ownLvm(), rootSignatures: [{ type: 'ext4', label: null }] });
    expect(planStorage(other, request())).toMatchObject({
      kind: 'refused',
      refusals: [{ reason: 'OtherFileSystem', hint: expect.stringContaining('filesystem: ext4') }],
    });
  });

  test('a further declared disk joins the group', () => {
    const more = sight({
      ...whole,
      disks: [
        { path: lunPath, disk: disk() },
        { path: secondPath, disk: disk({ name: 'sdb', path: '/dev/sdb', serial: 'beaf12' }) },
      ],
    });
    expect(stepsOf(planStorage(more, request()))).toEqual([`add ${secondPath} to volume group docker-images`]);
  });

  test('a group without room for the volume says so', () => {
    const full = sight({ lvm: ownLvm({ logicalVolumes: [volume({ name: 'somebody' })] }) });
    expect(stepsOf(planStorage(full, request()))).toEqual(['refused: NoSpace']);
  });

  test('after a reboot of a live host docker-storage-setup is run again, for the file it writes', () => {
    const pool = volume({ name: 'docker-pool', kind: 'thin pool' });
    const again = sight({ ...whole, lvm: ownLvm({ logicalVolumes: [volume(), pool] }), setup: { kind: 'absent' } });
    const wanted = request({ driver: 'devicemapper' }, '/usr/bin/docker-storage-setup');
    expect(stepsOf(planStorage(again, wanted))).toEqual(['run /usr/bin/docker-storage-setup']);
    expect(stepsOf(planStorage({ ...again, setup: { kind: 'as wanted' } }, wanted))).toEqual([]);
  });
});

describe('nothing is done', () => {
  test('with another driver than docker-storage-setup has set up: it would ignore the change and exit with 0', () => {
    const other = sight({ setup: { kind: 'other', found: 'devicemapper' } });
    expect(stepsOf(planStorage(other, request({}, '/usr/bin/docker-storage-setup')))).toEqual(['refused: OtherDriver']);
  });

  test('when the group is partial, exported, doubled or on other disks', () => {
    const cases = [
      ['DiskMissing', ownLvm({ volumeGroups: [group({ isPartial: true })] })],
      ['GroupExported', ownLvm({ volumeGroups: [group({ isExported: true })] })],
      ['TwoGroups', ownLvm({ volumeGroups: [group(), group({ uuid: 'group-2' })] })],
      ['GroupElsewhere', ownLvm({ physicalVolumes: [physicalVolume({ path: '/dev/sdz' })] })],
    ] as const;
    for (const [reason, lvm] of cases)
      expect(stepsOf(planStorage(sight({ lvm }), request()))).toEqual([`refused: ${reason}`]);
  });

  test('when one of two disks is refused, and every refusal is told', () => {
    const signatures = [{ type: 'ext4', label: null }];
    const two = sight({
      disks: [
        { path: lunPath, disk: disk({ signatures }) },
        { path: secondPath, disk: disk({ name: 'sdb', path: '/dev/sdb', signatures }) },
      ],
    });
    expect(stepsOf(planStorage(two, request()))).toEqual(['refused: DiskNotBlank', 'refused: DiskNotBlank']);
  });
});

describe('wiping', () => {
  const dirty = disk({ signatures: [{ type: 'ext4', label: 'old' }] });

  test('needs the serial of this very disk', () => {
    const seen = sight({ disks: [{ path: lunPath, disk: dirty }] });
    expect(stepsOf(planStorage(seen, request({ wipe: ['beaf12'] })))).toEqual(['refused: DiskNotBlank']);
    expect(stepsOf(planStorage(seen, request({ wipe: ['beaf11'] })))[0]).toBe(
      `WIPE ${lunPath} (serial beaf11), which carries the signature ext4 "old"`,
    );
  });

  test('of a group without an owner is all that is done before the next look: the group may be gone by then', () => {
    const unmarked = sight({ lvm: ownLvm({ volumeGroups: [group({ tags: [] })] }) });
    expect(stepsOf(planStorage(unmarked, request({ wipe: ['beaf11'] })))).toEqual([
      expect.stringMatching(/^WIPE .+ \(serial beaf11\)/),
    ]);
  });

  test('is never done to what is in use or belongs to another node', () => {
    const mounted = sight({ disks: [{ path: lunPath, disk: disk({ ...dirty, mountPoints: ['/srv'] }) }] });
    const foreign = sight({
      lvm: ownLvm({ volumeGroups: [group({ tags: ['diyc.cluster=diy-cluster', 'diyc.node=a2'] })] }),
    });
    for (const seen of [mounted, foreign])
      expect(stepsOf(planStorage(seen, request({ wipe: ['beaf11'] })))).toEqual(['refused: DiskNotBlank']);
  });

  test('is not done for a group that could not be made afterwards: one of that name is on another disk', () => {
    const elsewhere = sight({
      disks: [{ path: lunPath, disk: dirty }],
      lvm: ownLvm({ physicalVolumes: [physicalVolume({ path: '/dev/sdz' })] }),
    });
    expect(stepsOf(planStorage(elsewhere, request({ wipe: ['beaf11'] })))).toEqual(['refused: GroupElsewhere']);
  });

  test("is not done to this node's own group, though its serial is still listed", () => {
    const own = sight({ lvm: ownLvm(), rootSignatures: [{ type: 'xfs', label: null }] });
    expect(planStorage(own, request({ wipe: ['beaf11'] }))).toEqual({ kind: 'steps', steps: [] });
  });
});

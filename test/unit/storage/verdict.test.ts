// Whose a disk is: every kind of content is refused by its name, and only the owner's mark makes a group this node's own.

import { describe, expect, test } from 'bun:test';
import type { DiskState, LvmState } from '../../../agent/model/storage.ts';
import { judgeDisk } from '../../../agent/storage/verdict.ts';
import { disk, gibibyte, group, noLvm, ownLvm, physicalVolume } from '../../support/storage-builders.ts';

const claim = { cluster: 'diy-cluster', node: 'a1', volumeGroup: 'docker-images' };

function user(name: string, type: string, mountPoints: readonly string[] = []) {
  const {
    signatures: _s,
    users: _u,
    siblings: _b,
    ...device
  } = disk({ name, path: `/dev/${name}`, type, mountPoints });
  return device;
}

describe('a disk', () => {
  test('with nothing on it is blank', () => {
    expect(judgeDisk(disk(), noLvm, claim)).toEqual({ kind: 'blank' });
  });

  test('in the declared group with this node as owner is its own', () => {
    const pv = disk({
      signatures: [{ type: 'LVM2_member', label: null }],
      users: [user('docker--images-docker--root', 'lvm', ['/var/lib/docker'])],
    });
    expect(judgeDisk(pv, ownLvm(), claim)).toEqual({ kind: 'ours', group: group() });
  });

  const refusals: readonly (readonly [string, DiskState, LvmState, found: RegExp, mayWipe: boolean])[] = [
    [
      'a file system',
      disk({ signatures: [{ type: 'ext4', label: 'old data' }] }),
      noLvm,
      /the signature ext4 "old data"/,
      true,
    ],
    [
      'several signatures',
      disk({
        signatures: [
          { type: 'gpt', label: null },
          { type: 'PMBR', label: null },
        ],
      }),
      noLvm,
      /the signatures gpt, PMBR/,
      true,
    ],
    [
      'a partition',
      disk({ users: [user('sda1', 'part')], signatures: [{ type: 'dos', label: null }] }),
      noLvm,
      /the signature dos and the devices sda1 \(part\)/,
      true,
    ],
    [
      'a partition that is mounted',
      disk({ users: [user('sda1', 'part', ['/srv'])] }),
      noLvm,
      /mounted \(sda1 at \/srv\)/,
      false,
    ],
    ['a mount', disk({ mountPoints: ['/mnt'] }), noLvm, /mounted \(sda at \/mnt\)/, false],
    [
      'a member of RAID',
      disk({ signatures: [{ type: 'linux_raid_member', label: null }], users: [user('md0', 'raid1')] }),
      noLvm,
      /linux_raid_member and the devices md0 \(raid1\)/,
      false,
    ],
    [
      'an encrypted volume that is open',
      disk({ signatures: [{ type: 'crypto_LUKS', label: null }], users: [user('luks', 'crypt')] }),
      noLvm,
      /crypto_LUKS and the devices luks \(crypt\)/,
      false,
    ],
    [
      'a multipath leg',
      disk({ users: [user('mpatha', 'mpath')] }),
      noLvm,
      /a leg of the multipath device mpatha/,
      false,
    ],
    ['one of two paths', disk({ siblings: ['sdb'] }), noLvm, /several paths to the same LUN \(also sdb\)/, false],
    ['a partition as such', disk({ type: 'part', name: 'sda1' }), noLvm, /a partition, not a whole disk/, false],
    ['a CD drive', disk({ type: 'rom', name: 'sr0' }), noLvm, /of type rom, not a disk/, false],
    ['a disk that may only be read', disk({ readOnly: true }), noLvm, /read-only/, false],
    [
      'an LVM member that LVM does not show',
      disk({ signatures: [{ type: 'LVM2_member', label: null }] }),
      noLvm,
      /LVM itself does not show/,
      false,
    ],
    [
      'a physical volume without a group',
      disk(),
      { ...noLvm, physicalVolumes: [physicalVolume({ volumeGroup: null, volumeGroupUuid: null })] },
      /physical volume without a group/,
      true,
    ],
    [
      "another node's group",
      disk(),
      ownLvm({ volumeGroups: [group({ tags: ['diyc.cluster=diy-cluster', 'diyc.node=a2'] })] }),
      /docker-images on it belongs to node a2 of cluster diy-cluster/,
      false,
    ],
    [
      "another cluster's group, whose node has the same name",
      disk(),
      ownLvm({ volumeGroups: [group({ tags: ['diyc.cluster=other', 'diyc.node=a1'] })] }),
      /belongs to node a1 of cluster other/,
      false,
    ],
    [
      'a group that says of nobody',
      disk(),
      ownLvm({ volumeGroups: [group({ tags: [] })] }),
      /does not say whose it is/,
      true,
    ],
    [
      'a group that says of nobody and is in use',
      disk({ users: [user('atomicos-root', 'lvm', ['/'])] }),
      ownLvm({
        volumeGroups: [group({ name: 'atomicos', tags: [] })],
        physicalVolumes: [physicalVolume({ volumeGroup: 'atomicos' })],
      }),
      /volume group atomicos is on it/,
      false,
    ],
    [
      'another group of this node',
      disk(),
      ownLvm({ volumeGroups: [group({ name: 'older' })], physicalVolumes: [physicalVolume({ volumeGroup: 'older' })] }),
      /in volume group older of this node/,
      false,
    ],
    [
      'a group that LVM does not list',
      disk(),
      { ...noLvm, physicalVolumes: [physicalVolume()] },
      /belongs to volume group docker-images, which LVM does not show/,
      false,
    ],
  ];
  for (const [what, seen, lvm, found, mayWipe] of refusals) {
    test(`that is ${what} is refused by name`, () => {
      const verdict = judgeDisk(seen, lvm, claim);
      expect(verdict).toMatchObject({ kind: 'refused', mayWipe });
      if (verdict.kind !== 'refused') return;
      expect(verdict.found).toMatch(found);
      expect(verdict.hint).not.toBe('');
    });
  }

  test('with a label of LVM and no group is blank where this agent was cut off making it, and nothing else is on it', () => {
    const lvm = { ...noLvm, physicalVolumes: [physicalVolume({ volumeGroup: null, volumeGroupUuid: null })] };
    const begun = { ...claim, isBegun: true };
    const signatures = [{ type: 'LVM2_member', label: null }];
    expect(judgeDisk(disk({ signatures }), lvm, begun)).toEqual({ kind: 'blank' });
    const more = [
      disk({ signatures: [...signatures, { type: 'ext4', label: null }] }),
      disk({ signatures, users: [user('md0', 'raid1')] }),
      disk({ signatures, readOnly: true }),
    ];
    for (const each of more) expect(judgeDisk(each, lvm, begun).kind).toBe('refused');
    // A group on it is somebody's, whatever was begun.
    expect(judgeDisk(disk({ signatures }), ownLvm({ volumeGroups: [group({ tags: [] })] }), begun).kind).toBe(
      'refused',
    );
  });

  test('is offered for wiping by its serial, and without one only by hand', () => {
    const signatures = [{ type: 'xfs', label: null }];
    const named = judgeDisk(disk({ signatures }), noLvm, claim);
    const nameless = judgeDisk(disk({ signatures, serial: null }), noLvm, claim);
    expect(named).toMatchObject({ hint: expect.stringContaining('wipe: ["beaf11"]') });
    expect(nameless).toMatchObject({ hint: expect.stringContaining('reports no serial number') });
  });

  test('of another cluster tells how both marks are removed: one that is left would refuse the claim that follows', () => {
    const other = ownLvm({ volumeGroups: [group({ tags: ['diyc.cluster=old', 'diyc.node=a1'] })] });
    expect(judgeDisk(disk(), other, claim)).toMatchObject({
      hint: expect.stringContaining('vgchange --deltag diyc.cluster=old --deltag diyc.node=a1 docker-images'),
    });
    const nameless = ownLvm({ volumeGroups: [group({ tags: ['diyc.node=a2'] })] });
    expect(judgeDisk(disk(), nameless, claim)).toMatchObject({
      hint: expect.stringContaining('vgchange --deltag diyc.node=a2 docker-images'),
    });
  });

  test('in the declared group without an owner tells the command that claims it', () => {
    const verdict = judgeDisk(disk(), ownLvm({ volumeGroups: [group({ tags: [], sizeBytes: gibibyte })] }), claim);
    expect(verdict).toMatchObject({
      hint: expect.stringContaining('vgchange --addtag diyc.cluster=diy-cluster --addtag diyc.node=a1 docker-images'),
    });
  });
});

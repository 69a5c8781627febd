// Whose is this disk? Blank, this node's own, or somebody else's with the words that say what is on it.

import {
  contentOf,
  type DiskState,
  type LvmState,
  ownerOf,
  ownerTags,
  type PhysicalVolume,
  type VolumeGroup,
} from '../model/storage.ts';

/** Which volume group a node means by its declaration. */
export interface Claim {
  readonly cluster: string;
  readonly node: string;
  readonly volumeGroup: string;
  /** This agent was about to make the disk a physical volume when it was cut off: then the label is its own. */
  readonly isBegun?: boolean;
}

export type DiskVerdict =
  | { readonly kind: 'blank' }
  /** It is in the declared group, and the group says it is this node's. */
  | { readonly kind: 'ours'; readonly group: VolumeGroup }
  /** `found` says what is on it; `mayWipe` whether the operator's word (its serial) is enough to give it up. */
  | { readonly kind: 'refused'; readonly found: string; readonly hint: string; readonly mayWipe: boolean };

/**
 * Pure. Everything that is not known to be nothing counts as something: a signature, a partition table, a member of
 * LVM or RAID, a mount, a further path to the same LUN, a device made from it.
 */
export function judgeDisk(disk: DiskState, lvm: LvmState, claim: Claim): DiskVerdict {
  if (disk.type !== 'disk' && disk.type !== 'loop' && disk.type !== 'mpath') {
    return refused(
      disk.type === 'part' ? 'it is a partition, not a whole disk' : `it is of type ${disk.type}, not a disk`,
      'declare the whole disk; a partition may share it with something else',
    );
  }
  if (disk.siblings.length > 0 && disk.type === 'disk') {
    return refused(
      `it is one of several paths to the same LUN (also ${disk.siblings.join(', ')})`,
      'leave one session to the target (iscsiadm -m session), or declare the multipath device /dev/mapper/… itself',
    );
  }
  const leg = disk.users.find((u) => u.type === 'mpath');
  if (leg !== undefined && disk.type === 'disk') {
    return refused(`it is a leg of the multipath device ${leg.name}`, `declare /dev/mapper/${leg.name} instead`);
  }
  const volume = lvm.physicalVolumes.find((p) => p.path === disk.path);
  if (volume !== undefined) return judgePhysicalVolume(disk, volume, lvm, claim);
  if (disk.signatures.some((s) => s.type === 'LVM2_member')) {
    return refused(
      'it is an LVM physical volume that LVM itself does not show, so nobody can say whose it is',
      `see pvs -a ${disk.path}, and lvmdevices on hosts with a devices file`,
    );
  }
  const mounted = [disk, ...disk.users].filter((d) => d.mountPoints.length > 0);
  if (mounted.length > 0) {
    const where = mounted.map((d) => `${d.name} at ${d.mountPoints.join(', ')}`).join('; ');
    return refused(`it is mounted (${where})`, 'it is in use: declare another disk');
  }
  if (disk.readOnly) return refused('it is read-only', 'see the rights of this host at the target');
  if (disk.users.length > 0 || disk.signatures.length > 0) {
    // Partitions and file systems that nothing uses: the operator may give them up, by serial.
    const isIdle = disk.users.every((u) => u.type === 'part');
    return {
      kind: 'refused',
      found: `it carries ${contentOf(disk)}`,
      hint: isIdle ? wipeHint(disk) : `stop what uses it first (lsblk ${disk.path})`,
      mayWipe: isIdle,
    };
  }
  return { kind: 'blank' };
}

function judgePhysicalVolume(disk: DiskState, volume: PhysicalVolume, lvm: LvmState, claim: Claim): DiskVerdict {
  if (volume.volumeGroup === null) {
    const isOnlyLabel = disk.users.length === 0 && disk.signatures.every((s) => s.type === 'LVM2_member');
    if (claim.isBegun === true && isOnlyLabel && !disk.readOnly) return { kind: 'blank' };
    return {
      kind: 'refused',
      found: 'it is an LVM physical volume without a group',
      hint: wipeHint(disk),
      mayWipe: disk.users.length === 0,
    };
  }
  const group = lvm.volumeGroups.find((g) => g.uuid === volume.volumeGroupUuid);
  if (group === undefined) {
    return refused(
      `it belongs to volume group ${volume.volumeGroup}, which LVM does not show`,
      'see vgs -a -v on this host',
    );
  }
  const owner = ownerOf(group);
  if (owner !== null && (owner.node !== claim.node || owner.cluster !== claim.cluster)) {
    // Another host may have it in use at this very moment: not even its serial gives it up here.
    // Both marks: with the old cluster's left in place, claiming the group would be refused as well.
    const marks = ownerTags(owner.cluster ?? '', owner.node).slice(owner.cluster === null ? 1 : 0);
    return refused(
      `volume group ${group.name} on it belongs to node ${owner.node} of cluster ${owner.cluster ?? '(unnamed)'}`,
      `give each node a LUN of its own; if ${owner.node} no longer uses it, remove the mark: vgchange ${marks.map((m) => `--deltag ${m}`).join(' ')} ${group.name}`,
    );
  }
  if (owner !== null && group.name === claim.volumeGroup) return { kind: 'ours', group };
  if (owner === null) {
    const isDeclared = group.name === claim.volumeGroup;
    return {
      kind: 'refused',
      found: `volume group ${group.name} is on it, which does not say whose it is`,
      hint: isDeclared
        ? `if it is this node's (seed B's script made one like it), say so: vgchange --addtag diyc.cluster=${claim.cluster} --addtag diyc.node=${claim.node} ${group.name}`
        : wipeHint(disk),
      mayWipe: disk.users.length === 0,
    };
  }
  return refused(
    `it is in volume group ${group.name} of this node, and ${claim.volumeGroup} is declared`,
    `set volumeGroup: ${group.name}, or move the disk (vgreduce) first`,
  );
}

function wipeHint(disk: DiskState): string {
  return disk.serial === null
    ? `it reports no serial number, so it cannot be named for wiping: wipe it by hand (wipefs -a ${disk.path}) if nothing on it matters`
    : `declare another disk; or, if nothing on it matters, give it up by its serial: storage: { docker: { wipe: ["${disk.serial}"] } }`;
}

function refused(found: string, hint: string): DiskVerdict {
  return { kind: 'refused', found, hint, mayWipe: false };
}

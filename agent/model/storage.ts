// Storage as nouns: what is declared for a node, and what a look at its disks, sessions and volume groups finds.

import type { AbsolutePath } from './paths.ts';
import type { Secret } from './secret.ts';

export type StorageDriver = 'overlay2' | 'devicemapper';
export type FileSystemType = 'xfs' | 'ext4';

/** A disk as declared: a LUN of the declared target, or a name of /dev/disk that stays the same. */
export type DeviceRef =
  | { readonly kind: 'iscsi'; readonly lun: number }
  | { readonly kind: 'path'; readonly path: AbsolutePath };

export interface ChapConfig {
  readonly username: string;
  readonly passwordFile: AbsolutePath;
}

export interface IscsiConfig {
  /** `address:port`, IPv6 in brackets, in the order in which they are tried; a session goes to one of them. */
  readonly portals: readonly string[];
  readonly target: string;
  /** This node's own name, never that of an image. */
  readonly initiatorName: string;
  readonly discovery: 'sendtargets' | 'static';
  /** The initiator proves itself to the target. */
  readonly chap: ChapConfig | null;
  /** And the target to the initiator. */
  readonly mutualChap: ChapConfig | null;
  /** How long the kernel holds I/O back when the target is gone, before it fails. */
  readonly replacementTimeoutSecs: number;
}

export interface DockerStorageConfig {
  readonly volumeGroup: string;
  readonly devices: readonly DeviceRef[];
  readonly driver: StorageDriver;
  readonly filesystem: FileSystemType;
  /** Serial numbers of disks whose content the operator gives up. */
  readonly wipe: readonly string[];
}

/** What one node's docker is to be stored on, every default filled in. */
export interface StorageConfig {
  readonly iscsi: IscsiConfig | null;
  readonly docker: DockerStorageConfig | null;
}

/** The secrets that the declaration names by file, read and checked. */
export interface IscsiSecrets {
  readonly chap: Secret | null;
  readonly mutualChap: Secret | null;
}

export interface IscsiSession {
  readonly id: number;
  /** `address:port` as logged in. */
  readonly portal: string;
  readonly target: string;
  /** Null where the kernel does not say. */
  readonly initiatorName: string | null;
  /** `LOGGED_IN`, `FAILED`, …; null where the kernel does not say. */
  readonly state: string | null;
}

/** One target at one portal, as discovery or the record database names it. */
export interface IscsiNode {
  readonly portal: string;
  readonly target: string;
}

/** Something on a disk that says what the disk is used for. */
export interface Signature {
  /** `ext4`, `LVM2_member`, `gpt`, `linux_raid_member`, … as libblkid names it. */
  readonly type: string;
  readonly label: string | null;
}

export interface BlockDevice {
  /** Kernel name, `sda`. */
  readonly name: string;
  readonly path: AbsolutePath;
  /** `disk`, `part`, `lvm`, `mpath`, `crypt`, `raid1`, `loop`, `rom`, … as lsblk names it. */
  readonly type: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly serial: string | null;
  readonly wwn: string | null;
  readonly model: string | null;
  readonly mountPoints: readonly string[];
}

/** A disk with everything that stands on it; partitions, volumes and legs are its `users`. */
export interface DiskState extends BlockDevice {
  readonly signatures: readonly Signature[];
  /** Devices made from this one, at any depth. */
  readonly users: readonly BlockDevice[];
  /** Other disks with the same WWN: further paths to the same LUN. */
  readonly siblings: readonly string[];
}

export interface PhysicalVolume {
  /** As LVM names it; `[unknown]` for one that is missing. */
  readonly path: string;
  /** Null for one that belongs to no group. */
  readonly volumeGroup: string | null;
  readonly volumeGroupUuid: string | null;
  readonly sizeBytes: number;
  /** Of the device it is on: larger than `sizeBytes` once the LUN has grown. */
  readonly deviceBytes: number;
  readonly freeBytes: number;
  readonly isMissing: boolean;
}

export interface VolumeGroup {
  readonly name: string;
  readonly uuid: string;
  readonly tags: readonly string[];
  readonly sizeBytes: number;
  readonly freeBytes: number;
  readonly extentBytes: number;
  /** A physical volume is missing. */
  readonly isPartial: boolean;
  readonly isExported: boolean;
}

export interface LogicalVolume {
  readonly name: string;
  readonly volumeGroup: string;
  readonly volumeGroupUuid: string;
  readonly kind: 'plain' | 'thin pool' | 'thin' | 'other';
  readonly isActive: boolean;
  readonly sizeBytes: number;
  /** Percent of a thin pool; null for other volumes and while inactive. */
  readonly dataPercent: number | null;
  readonly metadataPercent: number | null;
  readonly metadataBytes: number | null;
}

/** What LVM knows of all disks it may look at. */
export interface LvmState {
  readonly physicalVolumes: readonly PhysicalVolume[];
  readonly volumeGroups: readonly VolumeGroup[];
  readonly logicalVolumes: readonly LogicalVolume[];
}

/** The volume that is mounted as docker's directory. */
export const dockerRootVolume = 'docker-root';
/** The thin pool, by the name that docker-storage-setup gives it. */
export const dockerPoolVolume = 'docker-pool';
export const dockerDirectory: AbsolutePath = '/var/lib/docker';

/** The tags by which a volume group says whose it is; characters as LVM allows them in tags. */
export function ownerTags(cluster: string, node: string): readonly string[] {
  return [`diyc.cluster=${cluster}`, `diyc.node=${node}`];
}

/** Who a volume group says it belongs to; null without our tags. */
export function ownerOf(group: VolumeGroup): { readonly cluster: string | null; readonly node: string } | null {
  const value = (key: string): string | null =>
    group.tags.find((t) => t.startsWith(`diyc.${key}=`))?.slice(`diyc.${key}=`.length) ?? null;
  const node = value('node');
  return node === null ? null : { cluster: value('cluster'), node };
}

/** The name that udev gives a LUN, the same at every login: address and port of the portal, target, LUN. */
export function iscsiDiskPath(portal: string, target: string, lun: number): AbsolutePath {
  // udev prints LUNs from 256 as the kernel's 64-bit number (path_id's format_lun_number).
  const number = lun < 256 ? String(lun) : `0x${lun.toString(16).padStart(4, '0')}000000000000`;
  // And an IPv6 address without the brackets that it has everywhere else.
  return `/dev/disk/by-path/ip-${portal.replace(/[[\]]/g, '')}-iscsi-${target}-lun-${number}`;
}

/** For people: `LUN 1`, `/dev/disk/by-id/…`. */
export function describeDevice(device: DeviceRef): string {
  return device.kind === 'iscsi' ? `LUN ${device.lun}` : device.path;
}

/** What stands on a disk, in the words of lsblk and libblkid; empty for a blank one. */
export function contentOf(disk: Pick<DiskState, 'signatures' | 'users'>): string {
  const signatures = disk.signatures.map((s) => (s.label === null ? s.type : `${s.type} "${s.label}"`));
  const users = disk.users.map((u) => `${u.name} (${u.type})`);
  const parts = [
    ...(signatures.length > 0 ? [`the signature${signatures.length === 1 ? '' : 's'} ${signatures.join(', ')}`] : []),
    ...(users.length > 0 ? [`the devices ${users.join(', ')}`] : []),
  ];
  return parts.join(' and ');
}

/** In device-mapper's names a `-` inside a name is doubled. */
export function mapperPath(volumeGroup: string, volume: string): AbsolutePath {
  const doubled = (name: string): string => name.replaceAll('-', '--');
  return `/dev/mapper/${doubled(volumeGroup)}-${doubled(volume)}`;
}

export function volumePath(volumeGroup: string, volume: string): AbsolutePath {
  return `/dev/${volumeGroup}/${volume}`;
}

// Disks, groups and volumes for tests of storage; each builder gives a valid one and takes what matters to the test.

import type { AbsolutePath } from '../../agent/model/paths.ts';
import type {
  DiskState,
  DockerStorageConfig,
  IscsiConfig,
  LogicalVolume,
  LvmState,
  PhysicalVolume,
  StorageConfig,
  VolumeGroup,
} from '../../agent/model/storage.ts';
import type { StorageRequest, StorageSight } from '../../agent/storage/plan.ts';

export const gibibyte = 1024 ** 3;
export const lunPath: AbsolutePath = '/dev/disk/by-path/ip-10.34.102.54:3260-iscsi-iqn.2009-02.com.example:part-lun-1';

export function disk(given: Partial<DiskState> = {}): DiskState {
  return {
    name: 'sda',
    path: '/dev/sda',
    type: 'disk',
    sizeBytes: 2 * gibibyte,
    readOnly: false,
    serial: 'beaf11',
    wwn: '0x60000000000000000e00000000010001',
    model: 'VIRTUAL-DISK',
    mountPoints: [],
    signatures: [],
    users: [],
    siblings: [],
    ...given,
  };
}

export function group(given: Partial<VolumeGroup> = {}): VolumeGroup {
  return {
    name: 'docker-images',
    uuid: 'group-1',
    tags: ['diyc.cluster=diy-cluster', 'diyc.node=a1'],
    sizeBytes: 2 * gibibyte,
    freeBytes: 0,
    extentBytes: 4 * 1024 * 1024,
    isPartial: false,
    isExported: false,
    ...given,
  };
}

export function physicalVolume(given: Partial<PhysicalVolume> = {}): PhysicalVolume {
  return {
    path: '/dev/sda',
    volumeGroup: 'docker-images',
    volumeGroupUuid: 'group-1',
    sizeBytes: 2 * gibibyte - 4 * 1024 * 1024,
    deviceBytes: 2 * gibibyte,
    freeBytes: 0,
    isMissing: false,
    ...given,
  };
}

export function volume(given: Partial<LogicalVolume> = {}): LogicalVolume {
  return {
    name: 'docker-root',
    volumeGroup: 'docker-images',
    volumeGroupUuid: 'group-1',
    kind: 'plain',
    isActive: true,
    sizeBytes: 2 * gibibyte,
    dataPercent: null,
    metadataPercent: null,
    metadataBytes: null,
    ...given,
  };
}

export const noLvm: LvmState = { physicalVolumes: [], volumeGroups: [], logicalVolumes: [] };

/** A group of this node on sda with docker's directory in it. */
export function ownLvm(given: Partial<LvmState> = {}): LvmState {
  return { physicalVolumes: [physicalVolume()], volumeGroups: [group()], logicalVolumes: [volume()], ...given };
}

export function declared(given: Partial<DockerStorageConfig> = {}): DockerStorageConfig {
  return {
    volumeGroup: 'docker-images',
    devices: [{ kind: 'iscsi', lun: 1 }],
    driver: 'overlay2',
    filesystem: 'xfs',
    wipe: [],
    ...given,
  };
}

export function request(
  given: Partial<DockerStorageConfig> = {},
  storageSetup: AbsolutePath | null = null,
): StorageRequest {
  return { cluster: 'diy-cluster', node: 'a1', docker: declared(given), storageSetup };
}

export function sight(given: Partial<StorageSight> = {}): StorageSight {
  return { disks: [{ path: lunPath, disk: disk() }], lvm: noLvm, rootSignatures: null, setup: null, ...given };
}

/** A LUN of seed B's target, without CHAP. */
export function onTarget(given: Partial<IscsiConfig> = {}): IscsiConfig {
  return {
    portals: ['10.34.102.54:3260'],
    target: 'iqn.2009-02.com.example:part',
    initiatorName: 'iqn.2009-02.com.example:diy-cluster:a1',
    discovery: 'sendtargets',
    chap: null,
    mutualChap: null,
    replacementTimeoutSecs: 86400,
    ...given,
  };
}

/** docker's images on a LUN, as seed B has it. */
export function onLun(
  given: { readonly iscsi?: Partial<IscsiConfig>; readonly docker?: Partial<DockerStorageConfig> } = {},
): StorageConfig {
  return { iscsi: onTarget(given.iscsi), docker: declared(given.docker) };
}

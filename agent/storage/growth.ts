// Giving docker more room: a LUN that has grown, or a further disk; pure, and never done without the operator's word.

import { sizeText } from '../model/byte-size.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { Step } from '../model/step.ts';
import {
  type DockerStorageConfig,
  dockerDirectory,
  dockerPoolVolume,
  dockerRootVolume,
  type LogicalVolume,
  type LvmState,
  ownerOf,
  type PhysicalVolume,
  type VolumeGroup,
  volumePath,
} from '../model/storage.ts';
import {
  claimOf,
  describeDisk,
  givenUp,
  poolPercent,
  type SeenDisk,
  type StoragePlan,
  type StorageRequest,
  twoGroups,
} from './plan.ts';
import { judgeDisk } from './verdict.ts';

const mebibyte = 1024 ** 2;

/** Physical volumes of the group whose device has become larger than LVM uses; by less than an extent does not count. */
export function grownVolumes(lvm: LvmState, group: VolumeGroup): readonly PhysicalVolume[] {
  return lvm.physicalVolumes.filter(
    // LVM's own area at the start of the disk is never part of pv_size.
    (p) => p.volumeGroupUuid === group.uuid && !p.isMissing && p.deviceBytes - p.sizeBytes >= 2 * group.extentBytes,
  );
}

/**
 * Steps that use what is there to be used: space that disks have grown by, space that lies free in the group, and space
 * of the volume that its file system does not have yet, as after a run that was cut off between two of them.
 *
 * @param fileSystemBytes as statfs tells it of docker's directory; null where the volume is not mounted there
 */
export function planGrowth(lvm: LvmState, request: StorageRequest, fileSystemBytes: number | null): StoragePlan {
  const group = ownGroup(lvm, request);
  if ('kind' in group) return group;
  const grown = grownVolumes(lvm, group);
  const steps: Step[] = grown.map((p) => ({
    kind: 'growPhysicalVolume',
    component: 'storage',
    why: `the disk has ${sizeText(p.deviceBytes)}, and LVM uses ${sizeText(p.sizeBytes)} of it`,
    path: p.path as AbsolutePath,
    byBytes: p.deviceBytes - p.sizeBytes,
  }));
  const addedBytes = grown.reduce((sum, p) => sum + p.deviceBytes - p.sizeBytes, 0);
  return asFarAsMounted(
    [...steps, ...useFree(lvm, group, request.docker, addedBytes, fileSystemBytes)],
    group,
    fileSystemBytes,
  );
}

/** A file system grows where it is mounted: xfs knows no other way, and ext4 wants a check first. */
function asFarAsMounted(steps: readonly Step[], group: VolumeGroup, fileSystemBytes: number | null): StoragePlan {
  if (fileSystemBytes !== null || !steps.some((s) => s.kind === 'growFileSystem')) return { kind: 'steps', steps };
  return refused(
    'NotMounted',
    `${dockerDirectory} is not mounted from ${group.name}, so its file system cannot be made larger now`,
    'systemctl start docker mounts it; then run the same command again',
  );
}

/** Steps that take one more disk into the group and give it to docker. */
export function planAddition(
  lvm: LvmState,
  seen: SeenDisk,
  request: StorageRequest,
  fileSystemBytes: number | null,
): StoragePlan {
  const { docker } = request;
  const group = ownGroup(lvm, request);
  if ('kind' in group) return group;
  const verdict = judgeDisk(seen.disk, lvm, claimOf(request, seen.path));
  const given = verdict.kind === 'refused' ? givenUp(seen, verdict, docker) : null;
  if (given !== null && 'reason' in given) return { kind: 'refused', refusals: [given] };
  // A run that was cut off after the disk had joined the group: what is left is to use it.
  if (verdict.kind === 'ours') return planGrowth(lvm, request, fileSystemBytes);
  const wipe: Step[] = given === null ? [] : [given];
  return asFarAsMounted(
    [
      ...wipe,
      {
        kind: 'extendVolumeGroup',
        component: 'storage',
        why: `${describeDisk(seen.disk)}: nothing is on it`,
        name: group.name,
        devices: [seen.path],
      },
      ...useFree(lvm, group, docker, seen.disk.sizeBytes, fileSystemBytes),
    ],
    group,
    fileSystemBytes,
  );
}

/** @param addedBytes what earlier steps of the same plan bring into the group */
function useFree(
  lvm: LvmState,
  group: VolumeGroup,
  docker: DockerStorageConfig,
  addedBytes: number,
  fileSystemBytes: number | null,
): Step[] {
  const volumes = lvm.logicalVolumes.filter((v) => v.volumeGroupUuid === group.uuid);
  const isPool = docker.driver === 'devicemapper';
  const root = volumes.find((v) => v.name === dockerRootVolume);
  const volume = isPool ? volumes.find((v) => v.name === dockerPoolVolume) : root;
  const steps: Step[] = [];
  const freeBytes = group.freeBytes + addedBytes;
  // A pool's group keeps a reserve; only what goes beyond it is there to be used.
  const reserveBytes = isPool && volume !== undefined ? volume.sizeBytes / 5 : 0;
  if (volume !== undefined && freeBytes >= Math.max(reserveBytes, 2 * group.extentBytes)) {
    steps.push({
      kind: 'growVolume',
      component: 'storage',
      why: `${sizeText(freeBytes)} are free in ${group.name}${addedBytes > 0 ? ' then' : ''}`,
      volumeGroup: group.name,
      name: volume.name,
      percentOfFree: isPool ? poolPercent : 100,
    });
  }
  const isRootGrown = !isPool && steps.length > 0;
  if (root !== undefined && (isRootGrown || lags(root, docker, fileSystemBytes))) {
    steps.push({
      kind: 'growFileSystem',
      component: 'storage',
      why: 'docker sees the room only in the file system; it stays mounted and docker goes on',
      mountPoint: dockerDirectory,
      path: volumePath(group.name, dockerRootVolume),
      type: docker.filesystem,
    });
  }
  return steps;
}

/**
 * Whether the file system is smaller than its volume by more than what it takes for itself: xfs its log (64 MiB, later
 * 1/2048), ext4 its inodes (1/64), its journal (1/16, 1 GiB at most) and its tables.
 */
function lags(volume: LogicalVolume, docker: DockerStorageConfig, fileSystemBytes: number | null): boolean {
  if (fileSystemBytes === null) return false;
  const { sizeBytes } = volume;
  const ownBytes =
    docker.filesystem === 'xfs'
      ? 96 * mebibyte + sizeBytes / 512
      : 32 * mebibyte + sizeBytes / 32 + Math.min(sizeBytes / 8, 1024 * mebibyte);
  return sizeBytes - fileSystemBytes > ownBytes;
}

/** The group of that name, if it is this node's: another node's, or one that says of nobody, is not made larger either. */
function ownGroup(lvm: LvmState, { cluster, node, docker }: StorageRequest): VolumeGroup | StoragePlan {
  const [group, second] = lvm.volumeGroups.filter((g) => g.name === docker.volumeGroup);
  if (group === undefined) {
    return refused(
      'NoGroup',
      `there is no volume group ${docker.volumeGroup} on this host yet`,
      'diyc-agent status says what storage waits for',
    );
  }
  if (second !== undefined) return { kind: 'refused', refusals: [twoGroups(group, second)] };
  const owner = ownerOf(group);
  if (owner?.node === node && owner.cluster === cluster) return group;
  return refused(
    'OtherOwner',
    owner === null
      ? `volume group ${group.name} does not say whose it is, so it is not taken for that of ${node}`
      : `volume group ${group.name} belongs to node ${owner.node} of cluster ${owner.cluster ?? '(unnamed)'}`,
    'diyc-agent storage show tells on which disk it is, and what to do about it',
  );
}

function refused(reason: string, message: string, hint: string): StoragePlan {
  return { kind: 'refused', refusals: [{ reason, message, hint }] };
}

// Giving docker more room: a LUN that has grown, or a further disk; pure, and never done without the operator's word.

import { bytesText } from '../model/byte-size.ts';
import type { Step } from '../model/step.ts';
import {
  type DockerStorageConfig,
  dockerDirectory,
  dockerPoolVolume,
  dockerRootVolume,
  type LvmState,
  type PhysicalVolume,
  type VolumeGroup,
  volumePath,
} from '../model/storage.ts';
import { describeDisk, type Refusal, type SeenDisk, type StoragePlan, type StorageRequest } from './plan.ts';
import { judgeDisk } from './verdict.ts';

/** A pool keeps this share of what is added for its metadata; see planStorage. */
const poolPercent = 90;

/** Physical volumes of the group whose device has become larger than LVM uses; by less than an extent does not count. */
export function grownVolumes(lvm: LvmState, group: VolumeGroup): readonly PhysicalVolume[] {
  return lvm.physicalVolumes.filter(
    // LVM's own area at the start of the disk is never part of pv_size.
    (p) => p.volumeGroupUuid === group.uuid && !p.isMissing && p.deviceBytes - p.sizeBytes >= 2 * group.extentBytes,
  );
}

/**
 * Steps that use what is there to be used: space that disks have grown by, and space that lies free in the group, as
 * after a run that was cut off between the two.
 */
export function planGrowth(lvm: LvmState, request: StorageRequest): StoragePlan {
  const group = lvm.volumeGroups.find((g) => g.name === request.docker.volumeGroup);
  if (group === undefined) return noGroup(request.docker);
  const grown = grownVolumes(lvm, group);
  const steps: Step[] = grown.map((p) => ({
    kind: 'growPhysicalVolume',
    component: 'storage',
    why: `the disk has ${bytesText(p.deviceBytes)}, and LVM uses ${bytesText(p.sizeBytes)} of it`,
    path: p.path as `/${string}`,
    byBytes: p.deviceBytes - p.sizeBytes,
  }));
  const addedBytes = grown.reduce((sum, p) => sum + p.deviceBytes - p.sizeBytes, 0);
  return { kind: 'steps', steps: [...steps, ...useFree(lvm, group, request.docker, addedBytes)] };
}

/** Steps that take one more disk into the group and give it to docker. */
export function planAddition(lvm: LvmState, seen: SeenDisk, request: StorageRequest): StoragePlan {
  const { docker } = request;
  const group = lvm.volumeGroups.find((g) => g.name === docker.volumeGroup);
  if (group === undefined) return noGroup(docker);
  const verdict = judgeDisk(seen.disk, lvm, {
    cluster: request.cluster,
    node: request.node,
    volumeGroup: docker.volumeGroup,
  });
  if (verdict.kind === 'refused') {
    const isGivenUp = verdict.mayWipe && seen.disk.serial !== null && docker.wipe.includes(seen.disk.serial);
    if (!isGivenUp) {
      const refusal: Refusal = {
        reason: 'DiskNotBlank',
        message: `${seen.path} (${describeDisk(seen.disk)}) is not taken for docker: ${verdict.found}`,
        hint: verdict.hint,
      };
      return { kind: 'refused', refusals: [refusal] };
    }
  }
  // A run that was cut off after the disk had joined the group: what is left is to use it.
  if (verdict.kind === 'ours') return planGrowth(lvm, request);
  const wipe: Step[] =
    verdict.kind === 'refused' && seen.disk.serial !== null
      ? [
          {
            kind: 'wipeDisk',
            component: 'storage',
            why: `its serial ${seen.disk.serial} is listed under wipe in the cluster file`,
            path: seen.path,
            serial: seen.disk.serial,
            found: verdict.found.replace(/^it carries /, ''),
          },
        ]
      : [];
  return {
    kind: 'steps',
    steps: [
      ...wipe,
      {
        kind: 'extendVolumeGroup',
        component: 'storage',
        why: `${describeDisk(seen.disk)}: nothing is on it`,
        name: group.name,
        devices: [seen.path],
      },
      ...useFree(lvm, group, docker, seen.disk.sizeBytes),
    ],
  };
}

/** @param addedBytes what earlier steps of the same plan bring into the group */
function useFree(lvm: LvmState, group: VolumeGroup, docker: DockerStorageConfig, addedBytes: number): Step[] {
  const volumes = lvm.logicalVolumes.filter((v) => v.volumeGroupUuid === group.uuid);
  const isPool = docker.driver === 'devicemapper';
  const name = isPool ? dockerPoolVolume : dockerRootVolume;
  const volume = volumes.find((v) => v.name === name);
  if (volume === undefined) return [];
  const freeBytes = group.freeBytes + addedBytes;
  // A pool's group keeps a reserve; only what goes beyond it is there to be used.
  const reserveBytes = isPool ? volume.sizeBytes / 5 : 0;
  if (freeBytes < Math.max(reserveBytes, 2 * group.extentBytes)) return [];
  const why = `${bytesText(freeBytes)} are free in ${group.name}${addedBytes > 0 ? ' then' : ''}`;
  const percentOfFree = isPool ? poolPercent : 100;
  const steps: Step[] = [
    { kind: 'growVolume', component: 'storage', why, volumeGroup: group.name, name, percentOfFree },
  ];
  if (!isPool) {
    steps.push({
      kind: 'growFileSystem',
      component: 'storage',
      why: 'docker sees the room only in the file system; it stays mounted and docker goes on',
      mountPoint: dockerDirectory,
      path: volumePath(group.name, name),
      type: docker.filesystem,
    });
  }
  return steps;
}

function noGroup(docker: DockerStorageConfig): StoragePlan {
  return {
    kind: 'refused',
    refusals: [
      {
        reason: 'NoGroup',
        message: `there is no volume group ${docker.volumeGroup} on this host yet`,
        hint: 'diyc-agent status says what storage waits for',
      },
    ],
  };
}

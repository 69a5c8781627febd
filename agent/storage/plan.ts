// What has to be done to the disks so that docker's storage is there: pure, from a look to ordered steps or a refusal.

import { sizeText } from '../model/byte-size.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { Step } from '../model/step.ts';
import {
  contentOf,
  type DiskState,
  type DockerStorageConfig,
  dockerPoolVolume,
  dockerRootVolume,
  type LogicalVolume,
  type LvmState,
  ownerTags,
  type Signature,
  type VolumeGroup,
  volumePath,
} from '../model/storage.ts';
import { type Claim, type DiskVerdict, judgeDisk } from './verdict.ts';

/** A declared disk and what was found under its name. */
export interface SeenDisk {
  /** As declared, resolved to a name of /dev/disk that stays the same. */
  readonly path: AbsolutePath;
  readonly disk: DiskState;
}

/** One look at everything the plan follows from. */
export interface StorageSight {
  /** All declared disks; a plan is made only when they are all there. */
  readonly disks: readonly SeenDisk[];
  readonly lvm: LvmState;
  /** What stands on the volume of docker's directory; null while there is no such volume, or it is not active. */
  readonly rootSignatures: readonly Signature[] | null;
  /** What docker-storage-setup wrote for docker; null where it is not installed. */
  readonly setup: SetupSight | null;
}

/** `other` names what stands there instead: docker-storage-setup itself would pass over that with exit 0. */
export type SetupSight =
  | { readonly kind: 'absent' }
  | { readonly kind: 'as wanted' }
  | { readonly kind: 'other'; readonly found: string };

export interface StorageRequest {
  readonly cluster: string;
  readonly node: string;
  readonly docker: DockerStorageConfig;
  /** Where docker-storage-setup is installed it makes the thin pool. */
  readonly storageSetup: AbsolutePath | null;
  /** Disks that a run of this agent was about to give to LVM when it was cut off. */
  readonly begun?: ReadonlySet<AbsolutePath>;
}

/** Why nothing is done, and what a person can do about it. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
  readonly hint: string;
}

export type StoragePlan =
  | { readonly kind: 'refused'; readonly refusals: readonly Refusal[] }
  | { readonly kind: 'steps'; readonly steps: readonly Step[] };

/** docker's directory beside a thin pool: images' metadata, container logs, local volumes. */
const rootPercentBesidePool = 20;
/** What a new pool leaves: room for its metadata to grow, and for the spare copy that a repair needs. */
export const poolPercent = 90;
/** mkfs.xfs refuses less than 300 MB, and docker needs room for at least one image. */
const smallestRootBytes = 512 * 1024 * 1024;

/** A directory and, for devicemapper, a pool that is worth having. */
function smallestGroupBytes(docker: DockerStorageConfig): number {
  return docker.driver === 'overlay2' ? smallestRootBytes : 3 * smallestRootBytes;
}

/** All of the group, or beside a pool a share of it that a file system fits into. */
function rootSize(docker: DockerStorageConfig, freeBytes: number): Step<'makeVolume'>['size'] {
  if (docker.driver === 'overlay2') return { percentOfFree: 100 };
  const isEnough = (freeBytes * rootPercentBesidePool) / 100 >= smallestRootBytes;
  return isEnough ? { percentOfFree: rootPercentBesidePool } : { bytes: smallestRootBytes };
}

/** A disk that carries something: wiped when the operator gave its serial up, and refused otherwise. */
export function givenUp(
  { path, disk }: SeenDisk,
  verdict: Extract<DiskVerdict, { kind: 'refused' }>,
  docker: DockerStorageConfig,
): Refusal | Step<'wipeDisk'> {
  const { serial } = disk;
  if (verdict.mayWipe && serial !== null && docker.wipe.includes(serial)) {
    const why = `its serial ${serial} is listed under wipe in the cluster file`;
    return { kind: 'wipeDisk', component: 'storage', why, path, serial, found: contentOf(disk) };
  }
  const message = `${path} (${describeDisk(disk)}) is not taken for docker: ${verdict.found}`;
  return { reason: 'DiskNotBlank', message, hint: verdict.hint };
}

/** Which of the two is meant cannot be told by their name. */
export function twoGroups(group: VolumeGroup, second: VolumeGroup): Refusal {
  return {
    reason: 'TwoGroups',
    message: `two volume groups are called ${group.name} (${group.uuid} and ${second.uuid}): disks of two hosts are in this one`,
    hint: 'find out which belongs here (pvs -o +vg_uuid,vg_tags), and take the other disk away',
  };
}

/**
 * Every step that can be known now. Steps on a group that exists come from what is in it, so that a run that was cut
 * off goes on where it stopped; nothing is ever made twice or over something.
 */
export function planStorage(sight: StorageSight, request: StorageRequest): StoragePlan {
  const { docker } = request;
  const verdicts = sight.disks.map((seen) => ({
    ...seen,
    verdict: judgeDisk(seen.disk, sight.lvm, claimOf(request, seen.path)),
  }));
  const refusals: Refusal[] = [];
  const wipes: Step[] = [];
  const fresh: AbsolutePath[] = [];
  for (const { path, disk, verdict } of verdicts) {
    if (verdict.kind === 'ours') continue;
    if (verdict.kind === 'refused') {
      const given = givenUp({ path, disk }, verdict, docker);
      if ('reason' in given) {
        refusals.push(given);
        continue;
      }
      wipes.push(given);
    }
    fresh.push(path);
  }
  const groups = sight.lvm.volumeGroups.filter((g) => g.name === docker.volumeGroup);
  refusals.push(...groupRefusals(groups, sight, request.node, verdicts), ...setupRefusals(sight.setup, request));
  if (refusals.length > 0) return { kind: 'refused', refusals };

  const group = groups[0];
  // A group of that name which is given up with its disk is gone, or partial, after the wipe: the next look says which.
  if (group !== undefined && !verdicts.some((v) => v.verdict.kind === 'ours')) return { kind: 'steps', steps: wipes };
  if (group === undefined) {
    const sizeBytes = sight.disks.reduce((sum, d) => sum + d.disk.sizeBytes, 0);
    if (sizeBytes < smallestGroupBytes(docker)) return tooSmall(docker, sizeBytes);
    // What goes into it is planned by the next look, which also says whether it is still this node's.
    return { kind: 'steps', steps: [...wipes, makeGroup(request, fresh)] };
  }
  const inGroup = sight.lvm.logicalVolumes.filter((v) => v.volumeGroupUuid === group.uuid);
  const steps: Step[] = [...wipes];
  if (fresh.length > 0) {
    steps.push({
      kind: 'extendVolumeGroup',
      component: 'storage',
      why: 'the cluster file declares more disks than the group has',
      name: group.name,
      devices: fresh,
    });
  }
  if (inGroup.some((v) => isDockers(v) && !v.isActive)) {
    steps.push({
      kind: 'activateVolumeGroup',
      component: 'storage',
      why: "it is this node's own, and no host activates it by itself",
      name: group.name,
    });
    // What is on a volume can be seen only once it is active; the next look plans the rest.
    return { kind: 'steps', steps };
  }
  const made = makeVolumes(request, sight, inGroup, group.freeBytes);
  const isNew = made.some((s) => s.kind === 'makeVolume');
  if (isNew && group.freeBytes < smallestGroupBytes(docker) && fresh.length === 0)
    return tooSmall(docker, group.freeBytes);
  const foreign = foreignFileSystem(sight.rootSignatures, request);
  if (foreign !== null) return { kind: 'refused', refusals: [foreign] };
  return { kind: 'steps', steps: [...steps, ...made] };
}

/** What the node claims of a disk. */
export function claimOf({ cluster, node, docker, begun }: StorageRequest, path: AbsolutePath): Claim {
  return { cluster, node, volumeGroup: docker.volumeGroup, isBegun: begun?.has(path) === true };
}

/** A disk in people's words: kernel name, size, model, serial. */
export function describeDisk(disk: DiskState): string {
  const parts = [
    disk.name,
    sizeText(disk.sizeBytes),
    disk.model,
    disk.serial === null ? null : `serial ${disk.serial}`,
  ];
  return parts.filter((p) => p !== null).join(', ');
}

function isDockers(volume: LogicalVolume): boolean {
  return volume.name === dockerRootVolume || volume.name === dockerPoolVolume;
}

function groupRefusals(
  groups: readonly VolumeGroup[],
  sight: StorageSight,
  node: string,
  verdicts: readonly { readonly disk: DiskState; readonly verdict: { readonly kind: string } }[],
): Refusal[] {
  const [group, second] = groups;
  if (group === undefined) return [];
  if (second !== undefined) return [twoGroups(group, second)];
  const where = sight.lvm.physicalVolumes.filter((p) => p.volumeGroupUuid === group.uuid).map((p) => p.path);
  if (!verdicts.some((v) => v.verdict.kind === 'ours')) {
    // A declared disk that is in it was refused because of that, or is given up with it. Nothing is wiped for a group
    // that could not be made afterwards.
    if (verdicts.some((v) => where.includes(v.disk.path))) return [];
    return [
      {
        reason: 'GroupElsewhere',
        message: `a volume group ${group.name} exists, on ${where.join(', ')} and on none of the declared disks`,
        hint: `declare the disks that ${group.name} is on, or choose another volumeGroup; where it came with a target that is declared no longer, log out from that (iscsiadm -m session)`,
      },
    ];
  }
  if (group.isPartial) {
    return [
      {
        reason: 'DiskMissing',
        message: `volume group ${group.name} of node ${node} lacks one of its disks (it has ${where.join(', ')})`,
        hint: 'bring the missing disk back; nothing is activated without it',
      },
    ];
  }
  if (group.isExported) {
    return [
      {
        reason: 'GroupExported',
        message: `volume group ${group.name} is exported: somebody means to move it to another host`,
        hint: `vgimport ${group.name} if it is to stay here`,
      },
    ];
  }
  return [];
}

function tooSmall(docker: DockerStorageConfig, bytes: number): StoragePlan {
  const { volumeGroup, driver } = docker;
  return {
    kind: 'refused',
    refusals: [
      {
        reason: 'NoSpace',
        message: `volume group ${volumeGroup} has ${sizeText(bytes)} free, and docker with ${driver} needs at least ${sizeText(smallestGroupBytes(docker))}`,
        hint: `add a disk (diyc-agent storage add DEVICE), or free space in ${volumeGroup} (lvs ${volumeGroup})`,
      },
    ],
  };
}

function makeGroup(request: StorageRequest, devices: readonly AbsolutePath[]): Step {
  return {
    kind: 'makeVolumeGroup',
    component: 'storage',
    why: `nothing is on ${devices.length === 1 ? 'it' : 'them'}; the group says that it belongs to ${request.node}`,
    name: request.docker.volumeGroup,
    devices,
    tags: ownerTags(request.cluster, request.node),
  };
}

function makeVolumes(
  request: StorageRequest,
  sight: StorageSight,
  present: readonly LogicalVolume[],
  freeBytes: number,
): Step[] {
  const { docker, storageSetup } = request;
  const { rootSignatures, setup } = sight;
  const steps: Step[] = [];
  const root = present.find((v) => v.name === dockerRootVolume);
  if (root === undefined) {
    steps.push({
      kind: 'makeVolume',
      component: 'storage',
      why: "docker's directory lives on it, so that images outlive the host's root",
      volumeGroup: docker.volumeGroup,
      name: dockerRootVolume,
      size: rootSize(docker, freeBytes),
    });
  }
  if (root === undefined || (rootSignatures !== null && rootSignatures.length === 0)) {
    steps.push({
      kind: 'makeFileSystem',
      component: 'storage',
      why: root === undefined ? 'the volume is new' : 'the volume carries nothing: an earlier run was cut off here',
      path: volumePath(docker.volumeGroup, dockerRootVolume),
      type: docker.filesystem,
      label: dockerRootVolume,
    });
  }
  const lacksPool = docker.driver === 'devicemapper' && !present.some((v) => v.name === dockerPoolVolume);
  if (storageSetup !== null && (lacksPool || setup?.kind !== 'as wanted')) {
    steps.push({
      kind: 'runStorageSetup',
      component: 'storage',
      why: lacksPool
        ? `it makes the thin pool ${docker.volumeGroup}/${dockerPoolVolume}`
        : `it tells docker to use ${docker.driver}`,
      program: storageSetup,
    });
  } else if (lacksPool) {
    steps.push({
      kind: 'makeThinPool',
      component: 'storage',
      why: 'docker-storage-setup is not installed here, so the agent makes the pool itself',
      volumeGroup: docker.volumeGroup,
      name: dockerPoolVolume,
      percentOfFree: poolPercent,
    });
  }
  return steps;
}

function foreignFileSystem(signatures: readonly Signature[] | null, request: StorageRequest): Refusal | null {
  const { docker } = request;
  const other = signatures?.find((s) => s.type !== docker.filesystem);
  if (other === undefined) return null;
  const path = volumePath(docker.volumeGroup, dockerRootVolume);
  return {
    reason: 'OtherFileSystem',
    message: `${path} carries ${other.type}, and the cluster file asks for ${docker.filesystem}`,
    hint:
      other.type === 'xfs' || other.type === 'ext4'
        ? `set filesystem: ${other.type}; a file system is never made over another`
        : `look at it (wipefs ${path}); nothing is made over it`,
  };
}

function setupRefusals(setup: SetupSight | null, request: StorageRequest): Refusal[] {
  if (setup?.kind !== 'other') return [];
  return [
    {
      reason: 'OtherDriver',
      message: `docker-storage-setup has set docker up with ${setup.found}, and the cluster file asks for ${request.docker.driver}; it does not change a driver by itself`,
      hint: 'images do not move between drivers: stop docker, run docker-storage-setup --reset, empty /var/lib/docker, then systemctl start docker',
    },
  ];
}

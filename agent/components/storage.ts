// docker's storage on this node: the unit that attaches it, the mount that docker waits for, and how full it is.

import { sizeText } from '../model/byte-size.ts';
import { storageOf } from '../model/cluster-config.ts';
import type { Condition } from '../model/condition.ts';
import type { DmThinPool } from '../model/device-mapper.ts';
import { dockerMountVerdict } from '../model/docker-mount.ts';
import { decodeMountTable, mountTableBytes, mountTableFile } from '../model/mount-table.ts';
import { systemUnits, under } from '../model/paths.ts';
import { type DockerStorageConfig, dockerDirectory, dockerPoolVolume, mapperPath } from '../model/storage.ts';
import { type AttachedDisk, parseStorageResult, type StorageResult, storageFile } from '../model/storage-result.ts';
import type { ComponentSpec, Wish } from '../model/wish.ts';
import type { Component, NodeContext, UnitTable } from '../ports/component.ts';
import type { ReadOnlyHost } from '../ports/host.ts';
import { dockerMountUnit, renderDockerMount, storageUnit } from '../render/storage-mount.ts';
import { renderStorageSetup } from '../render/storage-setup.ts';
import { readWait } from './flannel.ts';

/** docker stops at 10 % of free data by itself (dm.min_free_space); people need time before that. */
const lowPercent = 80;
const criticalPercent = 90;

export const storage: Component = {
  name: 'storage',

  desire(context: NodeContext): ComponentSpec | null {
    const declared = storageOf(context.config, context.node.name);
    if (declared === null) return null;
    const { layout } = context;
    const wishes: Wish[] = [];
    if (declared.docker !== null) {
      wishes.push({
        kind: 'file',
        component: 'storage',
        path: under(systemUnits, dockerMountUnit),
        content: renderDockerMount(declared.docker),
        mode: 0o644,
        owner: null,
        why: `docker's directory is on ${declared.docker.volumeGroup}, and docker does not start without it`,
      });
      if (layout.storage.storageSetup !== null) {
        wishes.push({
          kind: 'file',
          component: 'storage',
          path: layout.storage.storageSetupSettings,
          content: renderStorageSetup(declared.docker),
          mode: 0o644,
          owner: null,
          why: 'docker-storage-setup is installed here, and makes the pool',
        });
      }
    }
    wishes.push(
      {
        kind: 'link',
        component: 'storage',
        path: under(systemUnits, 'multi-user.target.wants', storageUnit),
        target: under('/usr/lib/systemd/system', storageUnit),
        why: 'storage is attached at each boot',
      },
      {
        kind: 'unit',
        component: 'storage',
        unit: storageUnit,
        // It ran once and holds no program; what it reads matters at its next start only.
        readsFiles: [],
        why: 'the cluster file declares storage',
      },
    );
    return { component: 'storage', wishes, waitingFor: [] };
  },

  async probe(host: ReadOnlyHost, context: NodeContext, units: UnitTable): Promise<readonly Condition[]> {
    const declared = storageOf(context.config, context.node.name);
    if (declared === null) return [];
    const result = parseStorageResult(await host.files.readText(storageFile));
    const attached = await attachedCondition(host, result, units);
    if (declared.docker === null || attached.status !== 'True' || result === null) return [attached];
    return [attached, ...(await spaceCondition(host, declared.docker, result.disks))];
  },
};

async function attachedCondition(
  host: ReadOnlyHost,
  result: StorageResult | null,
  units: UnitTable,
): Promise<Condition> {
  const type = 'StorageAttached';
  const unit = units.get(storageUnit);
  if (unit?.active === 'activating' || unit?.jobQueued === true) {
    return {
      type,
      status: 'False',
      reason: 'Attaching',
      message: (await readWait(host, 'storage')) ?? 'storage is being attached',
      severity: 'waiting',
    };
  }
  if (result === null && unit?.active === 'failed') {
    return {
      type,
      status: 'False',
      reason: 'Failed',
      message: `docker is held: ${storageUnit} failed before it could say why`,
      hint: `see journalctl -u ${storageUnit}; then systemctl start ${storageUnit}`,
      severity: 'failed',
    };
  }
  if (result === null) {
    return {
      type,
      status: 'False',
      reason: unit?.active === 'active' ? 'Detached' : 'NotTried',
      message:
        unit?.active === 'active' ? 'the storage was given back by hand' : `${storageUnit} has not run in this boot`,
      hint: unit?.active === 'active' ? 'diyc-agent storage attach' : `systemctl start ${storageUnit}`,
      severity: 'waiting',
    };
  }
  const { reason, message, hint } = result;
  if (result.outcome === 'ready') return { type, status: 'True', reason, message, severity: 'failed' };
  return {
    type,
    status: 'False',
    reason,
    message: `docker is held: ${message}`,
    ...(hint === '' ? {} : { hint: `${hint}; then systemctl start ${storageUnit}` }),
    severity: result.outcome === 'waiting' ? 'waiting' : 'failed',
  };
}

async function spaceCondition(
  host: ReadOnlyHost,
  docker: DockerStorageConfig,
  disks: readonly AttachedDisk[],
): Promise<Condition[]> {
  const type = 'StorageSpace';
  const mounts = decodeMountTable(await host.files.readHead(mountTableFile, mountTableBytes)) ?? [];
  // Before docker's first start nothing is there to be full, and the directory is on another file system.
  if (!dockerMountVerdict(mounts, docker).isRight) return [];
  const pool = docker.driver === 'devicemapper' ? await poolStatus(host, docker) : null;
  const fault = pool === null ? null : poolFault(pool);
  if (fault !== null) {
    const name = `${docker.volumeGroup}/${dockerPoolVolume}`;
    return [
      {
        type,
        status: 'False',
        reason: 'PoolBroken',
        message: `docker's thin pool ${name} ${fault.what}: containers and images cannot be written`,
        hint: fault.hint.replaceAll('POOL', name),
        severity: 'failed',
      },
    ];
  }
  const uses = await usesOf(host, pool);
  if (uses.length === 0) {
    return [
      {
        type,
        status: 'Unknown',
        reason: 'NotReadable',
        message: `how full ${docker.volumeGroup} is could not be found out`,
        hint: 'diyc-agent storage show',
        severity: 'degraded',
      },
    ];
  }
  const full = uses.filter((u) => u.percent >= lowPercent);
  const grown = await grownDisks(host, disks);
  const room =
    grown.length > 0
      ? `${grown.join(', ')}; use it with: diyc-agent storage grow`
      : 'remove images (docker image prune), or add a disk: diyc-agent storage add DEVICE';
  const text = uses.map((u) => `${u.what} ${u.percent.toFixed(0)} %`).join(', ');
  if (full.length > 0) {
    const isCritical = full.some((u) => u.percent >= criticalPercent);
    return [
      {
        type,
        status: 'False',
        reason: isCritical ? 'AlmostFull' : 'Low',
        message: `docker's storage is filling up: ${text} of ${docker.volumeGroup} used`,
        hint: room,
        severity: isCritical ? 'failed' : 'degraded',
      },
    ];
  }
  return [
    {
      type,
      status: 'True',
      reason: grown.length > 0 ? 'DiskHasGrown' : 'Enough',
      message: `${text} of ${docker.volumeGroup} used${grown.length > 0 ? `; ${room}` : ''}`,
      severity: 'degraded',
    },
  ];
}

interface Use {
  readonly what: string;
  readonly percent: number;
}

/** Null where device-mapper could not be asked, `absent` where it has no such device. */
async function poolStatus(host: ReadOnlyHost, docker: DockerStorageConfig): Promise<DmThinPool | 'absent' | null> {
  const pool = mapperPath(docker.volumeGroup, dockerPoolVolume).slice('/dev/mapper/'.length);
  const targets = await host.live.dmStatus(pool);
  if (targets === null) return null;
  const status = targets[0]?.status;
  return status?.kind === 'thin-pool' ? status : 'absent';
}

/** How full a pool is says nothing once it takes no writes. */
function poolFault(pool: DmThinPool | 'absent'): { readonly what: string; readonly hint: string } | null {
  const repair = 'stop docker, then lvconvert --repair POOL; see journalctl -k for what broke it';
  if (pool === 'absent') return { what: 'is not active', hint: 'see lvs POOL; diyc-agent storage attach activates it' };
  if (pool.failed) return { what: 'has failed', hint: repair };
  if (pool.needsCheck) return { what: 'has damaged metadata (needs_check)', hint: repair };
  if (pool.mode === 'out_of_data_space')
    return { what: 'is full', hint: 'add a disk: diyc-agent storage add DEVICE; or remove images' };
  return pool.mode === 'ro' ? { what: 'is read-only', hint: repair } : null;
}

async function usesOf(host: ReadOnlyHost, pool: DmThinPool | 'absent' | null): Promise<readonly Use[]> {
  const space = await host.live.space(dockerDirectory);
  const uses: Use[] =
    space === null
      ? []
      : [{ what: 'directory', percent: percentOf(space.totalBytes - space.availableBytes, space.totalBytes) }];
  if (pool === null || pool === 'absent' || pool.failed) return uses;
  return [
    { what: 'pool data', percent: percentOf(pool.usedDataBlocks, pool.totalDataBlocks) },
    { what: 'pool metadata', percent: percentOf(pool.usedMetadataBlocks, pool.totalMetadataBlocks) },
    ...uses,
  ];
}

function percentOf(used: number, total: number): number {
  return (100 * used) / Math.max(total, 1);
}

/** Disks that the kernel shows larger than they were when they were attached. */
async function grownDisks(host: ReadOnlyHost, disks: readonly AttachedDisk[]): Promise<string[]> {
  const grown: string[] = [];
  for (const disk of disks) {
    // In units of 512 bytes, whatever the disk's own block size (block/genhd.c).
    const sectors = Number(await host.files.readText(`/sys/class/block/${disk.name}/size`));
    if (Number.isFinite(sectors) && sectors * 512 > disk.sizeBytes)
      grown.push(`${disk.name} has grown from ${sizeText(disk.sizeBytes)} to ${sizeText(sectors * 512)}`);
  }
  return grown;
}

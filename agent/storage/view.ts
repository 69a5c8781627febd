// Everything `storage show` tells: what is declared, what is there, how full it is, and what could be used.

import type { Layout } from '../model/layout.ts';
import type { AbsolutePath } from '../model/paths.ts';
import {
  type DeviceRef,
  type DiskState,
  type IscsiSession,
  iscsiDiskPath,
  type LogicalVolume,
  type LvmState,
  ownerOf,
  type StorageConfig,
  type VolumeGroup,
} from '../model/storage.ts';
import type { ReadOnlyHost } from '../ports/host.ts';
import type { Space } from '../ports/live.ts';
import { planGrowth } from './growth.ts';
import type { StoragePlan } from './plan.ts';
import { ownSession } from './session.ts';
import { type DiskVerdict, judgeDisk } from './verdict.ts';

export interface DeviceView {
  readonly device: DeviceRef;
  /** Null while it is not known: a LUN's name follows from the portal that its session goes to. */
  readonly path: AbsolutePath | null;
  readonly disk: DiskState | null;
  readonly verdict: DiskVerdict | null;
}

export interface StorageView {
  readonly declared: StorageConfig;
  readonly session: IscsiSession | null;
  readonly devices: readonly DeviceView[];
  readonly group: VolumeGroup | null;
  readonly owner: { readonly cluster: string | null; readonly node: string } | null;
  /** Disks of the group that the cluster file does not name: by `storage add`, or by hand. */
  readonly undeclared: readonly string[];
  readonly volumes: readonly LogicalVolume[];
  /** Of docker's directory; null while it is not there. */
  readonly space: Space | null;
  /** What `storage grow` would do. */
  readonly growth: StoragePlan | null;
}

export interface ViewRequest {
  readonly storage: StorageConfig;
  readonly cluster: string;
  readonly node: string;
  readonly layout: Pick<Layout, 'storage'>;
}

type LookingHost = Pick<ReadOnlyHost, 'disks' | 'lvm' | 'iscsi' | 'live'>;

/**
 * Look at what is declared. Reads only.
 *
 * @param dockerSpace of docker's directory where it is on the declared storage
 * @throws AgentError `oserr` when something could not be found out
 */
export async function viewStorage(
  host: LookingHost,
  request: ViewRequest,
  dockerSpace: Space | null,
): Promise<StorageView> {
  const { storage } = request;
  const session = storage.iscsi === null ? null : ownSession(await host.iscsi.sessions(), storage.iscsi);
  const { docker } = storage;
  if (docker === null) {
    const nothing = { devices: [], group: null, owner: null, undeclared: [], volumes: [], space: null, growth: null };
    return { declared: storage, session, ...nothing };
  }
  const lvm = await host.lvm.state();
  const claim = { cluster: request.cluster, node: request.node, volumeGroup: docker.volumeGroup };
  const devices = await Promise.all(
    docker.devices.map(async (device): Promise<DeviceView> => {
      const path = pathOf(device, storage, session);
      const disk = path === null ? null : await host.disks.inspect(path);
      return { device, path, disk, verdict: disk === null ? null : judgeDisk(disk, lvm, claim) };
    }),
  );
  const group = lvm.volumeGroups.find((g) => g.name === docker.volumeGroup) ?? null;
  const names = devices.flatMap((d) => (d.disk === null ? [] : [d.disk.path as string]));
  return {
    declared: storage,
    session,
    devices,
    group,
    owner: group === null ? null : ownerOf(group),
    undeclared: disksOf(lvm, group).filter((path) => !names.includes(path)),
    volumes: lvm.logicalVolumes.filter((v) => group !== null && v.volumeGroupUuid === group.uuid),
    space: dockerSpace,
    growth:
      group === null
        ? null
        : planGrowth(
            lvm,
            {
              cluster: request.cluster,
              node: request.node,
              docker,
              storageSetup: request.layout.storage.storageSetup,
            },
            dockerSpace?.totalBytes ?? null,
          ),
  };
}

function pathOf(device: DeviceRef, storage: StorageConfig, session: IscsiSession | null): AbsolutePath | null {
  if (device.kind === 'path') return device.path;
  return session === null || storage.iscsi === null
    ? null
    : iscsiDiskPath(session.portal, storage.iscsi.target, device.lun);
}

function disksOf(lvm: LvmState, group: VolumeGroup | null): string[] {
  return lvm.physicalVolumes.filter((p) => group !== null && p.volumeGroupUuid === group.uuid).map((p) => p.path);
}

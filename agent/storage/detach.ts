// The way back, in the order that loses nothing: docker has stopped, its directory is unmounted, then the group, then the session.

import { execute } from '../converge/executors.ts';
import { AgentError } from '../model/errors.ts';
import { covering, decodeMountTable, mountTableBytes, mountTableFile } from '../model/mount-table.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import type { Step } from '../model/step.ts';
import { dockerDirectory, type IscsiSession, iscsiDiskPath, ownerOf, type StorageConfig } from '../model/storage.ts';
import type { StorageResult } from '../model/storage-result.ts';
import type { Host } from '../ports/host.ts';
import type { Reporter } from '../ports/reporter.ts';
import { dropResult } from './result.ts';
import { ownSession } from './session.ts';

/** What was attached, or would have been. */
export interface DetachRequest {
  /** Null: no target. */
  readonly session: { readonly target: string; readonly portals: readonly string[] } | null;
  /** Null: no disks of docker's. */
  readonly volumeGroup: string | null;
  /** By the names they were attached under; empty where that is not known. */
  readonly disks: readonly AbsolutePath[];
  /** Declared LUNs of the target. */
  readonly luns: readonly number[];
  readonly cluster: string;
  readonly node: string;
}

/**
 * What has to be given back: what the last attempt says that it attached, for the cluster file may say something else by
 * now, or nothing; where none has said anything, what is declared.
 *
 * @returns null when there is nothing
 */
export function whatToDetach(
  result: StorageResult | null,
  declared: { readonly storage: StorageConfig; readonly cluster: string; readonly node: string } | null,
): DetachRequest | null {
  if (result?.outcome === 'ready') {
    const { target, portal, volumeGroup, disks, cluster, node } = result;
    const session = target === null || portal === null ? null : { target, portals: [portal] };
    return { session, volumeGroup, disks: disks.map((d) => d.path), luns: [], cluster, node };
  }
  if (declared === null) return null;
  const { iscsi, docker } = declared.storage;
  return {
    session: iscsi,
    volumeGroup: docker?.volumeGroup ?? null,
    disks: [],
    luns: docker?.devices.flatMap((d) => (d.kind === 'iscsi' ? [d.lun] : [])) ?? [],
    cluster: declared.cluster,
    node: declared.node,
  };
}

const dockerUnit = 'docker.service';

/**
 * Deactivate the group and log out. At shutdown systemd has stopped docker and unmounted its directory before; by hand
 * this refuses while either is left, because a session that goes away under a file system loses what was written.
 *
 * @throws AgentError `tempfail` while docker runs or its directory is mounted; `oserr` when something cannot be found out
 */
export async function detachStorage(host: Host, reporter: Reporter, request: DetachRequest): Promise<void> {
  const act = async (step: Step): Promise<void> => {
    const beganMs = host.clock.monotonicMs();
    await execute(host, step);
    reporter.emit({ event: 'step.finished', step, durationMs: host.clock.monotonicMs() - beganMs });
  };
  if (request.volumeGroup !== null) {
    await refuseWhileInUse(host);
    const { volumeGroups, logicalVolumes } = await host.lvm.state();
    const group = volumeGroups.find((g) => g.name === request.volumeGroup);
    const owner = group === undefined ? null : ownerOf(group);
    const isOwn = owner?.node === request.node && owner.cluster === request.cluster;
    if (group !== undefined && isOwn && logicalVolumes.some((v) => v.volumeGroupUuid === group.uuid && v.isActive))
      await act({
        kind: 'deactivateVolumeGroup',
        component: 'storage',
        why: 'nothing uses it any more',
        name: group.name,
      });
  }
  // What the last attempt left is true no longer.
  await dropResult(host.files);
  if (request.session === null) return;
  const session = ownSession(await host.iscsi.sessions(), request.session);
  if (session === null) return;
  const { portal, target } = session;
  if (session.state === 'LOGGED_IN') await refuseWhileLunsAreUsed(host, request, session);
  await act({ kind: 'logoutIscsi', component: 'iscsi', why: 'nothing uses its LUNs any more', portal, target });
}

const byPath: AbsolutePath = '/dev/disk/by-path';

/** Every LUN of the session, known or not: somebody may have given one to something else. */
async function refuseWhileLunsAreUsed(host: Host, request: DetachRequest, session: IscsiSession): Promise<void> {
  const prefix = iscsiDiskPath(session.portal, session.target, 0).slice(`${byPath}/`.length, -1);
  const shown = (await host.files.list(byPath)).filter((name) => name.startsWith(prefix) && !/-part\d+$/.test(name));
  const { portal, target } = session;
  const own = [
    ...request.disks.filter((path) => path.startsWith(`${byPath}/${prefix}`)),
    ...request.luns.map((lun) => iscsiDiskPath(portal, target, lun)),
  ];
  for (const path of new Set([...own, ...shown.map((name) => under(byPath, name))])) {
    const disk = await host.disks.inspect(path);
    if (disk === null) continue;
    const used = [disk, ...disk.users].filter((d) => d.mountPoints.length > 0 || (d !== disk && d.type !== 'part'));
    if (used.length === 0) continue;
    const names = used.map((d) => `${d.name}${d.mountPoints.length > 0 ? ` at ${d.mountPoints.join(', ')}` : ''}`);
    throw new AgentError(
      'tempfail',
      `the session to ${session.target} stays: ${path} is in use (${names.join('; ')})`,
      {
        hint: `stop what uses it (lsblk ${disk.path}), then diyc-agent storage detach`,
      },
    );
  }
}

async function refuseWhileInUse(host: Host): Promise<void> {
  const [[docker], mounts] = await Promise.all([
    host.units.states([dockerUnit]),
    host.files.readHead(mountTableFile, mountTableBytes).then(decodeMountTable),
  ]);
  if (mounts === null || docker === undefined) {
    throw new AgentError('oserr', 'the storage stays attached: whether docker still uses it could not be found out', {
      hint: 'see that /proc is mounted and systemctl status docker answers',
    });
  }
  const isMounted = covering(mounts, dockerDirectory)?.mountPoint === dockerDirectory;
  const isRunning = docker.active === 'active' || docker.active === 'deactivating';
  if (!isMounted && !isRunning) return;
  throw new AgentError(
    'tempfail',
    `the storage stays attached: ${isRunning ? 'docker is running on it' : `${dockerDirectory} is still mounted`}`,
    {
      hint: `systemctl stop docker.socket docker${isMounted ? ' var-lib-docker.mount' : ''}, then diyc-agent storage detach`,
    },
  );
}

// `storage show`: from the target to docker's directory, and on a live host how full its overlay is and by what.

import { isOnOverlay } from '../live/brake.ts';
import { brakeDirectories, brakeUnitName, releaseCommand } from '../live/brake-unit.ts';
import { asSeenFromRoot, growthQuery } from '../live/growth.ts';
import { type LiveLook, lookAtLive } from '../live/look.ts';
import { type OverlayView, overlayJson, overlayLines } from '../live/overlay-text.ts';
import { storageOf } from '../model/cluster-config.ts';
import { dockerMountVerdict } from '../model/docker-mount.ts';
import type { Growth } from '../model/live.ts';
import { decodeMountTable, mountTableBytes, mountTableFile } from '../model/mount-table.ts';
import { type DockerStorageConfig, dockerDirectory } from '../model/storage.ts';
import type { Host } from '../ports/host.ts';
import type { Space } from '../ports/live.ts';
import { type StorageView, viewStorage } from '../storage/view.ts';
import { viewJson, viewLines } from '../storage/view-text.ts';
import type { Action } from './command.ts';
import { type Gathered, gather } from './gather.ts';
import { configFile } from './options.ts';
import { requireRootToLook } from './permission.ts';

/** Print what there is; a target is asked whether its LUNs have grown, nothing else is touched. */
export const storageShow: Action = async ({ host, reporter, options: global, out, signal }) => {
  requireRootToLook(host, global.root, 'storage show');
  const node = await gather(host, reporter, configFile(global.config));
  const look = await lookAtLive(host);
  const view = await storageView(host, node);
  const overlay: OverlayView | null =
    look.gauge === null
      ? null
      : {
          live: look.root,
          gauge: look.gauge,
          growth: await growthOf(host, look, signal),
          ...(await brakeOf(host)),
        };
  if (global.json) {
    const storage = view === null ? null : viewJson(view);
    out(
      `${JSON.stringify({ schema: 1, node: node.node.name, storage, overlay: overlay === null ? null : overlayJson(overlay) })}\n`,
    );
    return 0;
  }
  const lines = view === null ? [undeclaredText(look, node)] : viewLines(view);
  if (overlay !== null) lines.push('', ...overlayLines(overlay));
  out(`${lines.join('\n')}\n`);
  return 0;
};

/** Ask for sizes again, then look; null where nothing is declared. */
async function storageView(host: Host, node: Gathered): Promise<StorageView | null> {
  const storage = storageOf(node.config, node.node.name);
  if (storage === null) return null;
  await askSizes(host, node);
  const request = { storage, cluster: node.config.cluster, node: node.node.name, layout: node.layout };
  return await viewStorage(host, request, await dockerSpace(host, storage.docker));
}

/** A LUN that has grown says so only when it is asked; asking changes nothing. */
export async function askSizes(host: Host, node: Gathered): Promise<void> {
  const iscsi = storageOf(node.config, node.node.name)?.iscsi ?? null;
  if (iscsi === null) return;
  const sessions = await host.iscsi.sessions();
  if (sessions.some((s) => s.target === iscsi.target && s.state === 'LOGGED_IN')) await host.iscsi.rescan(iscsi.target);
}

/** Of docker's directory where it is on the declared volume; null where that is not mounted. */
export async function dockerSpace(
  host: Pick<Host, 'files' | 'live'>,
  docker: DockerStorageConfig | null,
): Promise<Space | null> {
  const mounts = decodeMountTable(await host.files.readHead(mountTableFile, mountTableBytes)) ?? [];
  if (docker === null || !dockerMountVerdict(mounts, docker).isRight) return null;
  return await host.live.space(dockerDirectory);
}

async function growthOf(host: Host, look: LiveLook, signal: AbortSignal): Promise<Growth> {
  const bootMs = look.uptimeMs === null ? 0 : host.clock.now() - look.uptimeMs;
  const query = growthQuery(look.root, bootMs);
  return asSeenFromRoot(await host.live.writtenSince(query, signal), query);
}

async function brakeOf(host: Host): Promise<Pick<OverlayView, 'brake' | 'release'>> {
  const states = await host.units.states(brakeDirectories.map(brakeUnitName));
  const on = brakeDirectories.filter((d) => states.some((s) => s.name === brakeUnitName(d) && s.active === 'active'));
  return on.length === 0 ? { brake: 'off', release: null } : { brake: 'on', release: releaseCommand(on) };
}

function undeclaredText(look: LiveLook, node: Gathered): string {
  const where = isOnOverlay(look.mounts, look.root, dockerDirectory)
    ? "the live root's overlay"
    : "the host's own disk";
  return `no storage is declared for ${node.node.name}: docker keeps its images on ${where}`;
}

// What a live root means for this node's plan, gathered once for all components.

import type { AbsolutePath } from '../model/paths.ts';
import { under } from '../model/paths.ts';
import type { LiveContext } from '../ports/component.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import { etcdDataDirectory } from '../render/etcd.ts';
import { escapePath } from './brake-unit.ts';
import { etcdDataVerdict } from './etcd-data.ts';
import { type LiveMachine, lookAtLive } from './look.ts';

/** Where an operator puts the mount of etcd's data: one disk for the member, or one for all of etcd. */
export function etcdMountPoints(node: string): readonly AbsolutePath[] {
  return [etcdDataDirectory(node), '/var/lib/etcd'];
}

/** @throws AgentError when not even the table of mounts can be read */
export async function liveContext(host: LiveMachine, node: string): Promise<LiveContext> {
  const { root, mounts } = await lookAtLive(host);
  return {
    root,
    etcdData: etcdDataVerdict(mounts, etcdDataDirectory(node), root),
    etcdMountIsDeclared: root.isLive && (await declaresMount(host.files, etcdMountPoints(node))),
  };
}

async function declaresMount(files: ReadOnlyFiles, places: readonly AbsolutePath[]): Promise<boolean> {
  const fstab = (await files.readText('/etc/fstab')) ?? '';
  const listed = fstab
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .map((line) => line.trim().split(/\s+/)[1]);
  if (places.some((place) => listed.includes(place))) return true;
  const units = places.map((place) => under('/etc/systemd/system', `${escapePath(place)}.mount`));
  const there = await Promise.all(units.map((unit) => files.exists(unit)));
  return there.includes(true);
}

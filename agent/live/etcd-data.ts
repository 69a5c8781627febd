// Whether etcd's data would outlive a reboot: a voter that forgets its votes endangers the whole cluster. Pure.

import type { DataVerdict, LiveRoot } from '../model/live.ts';
import { covering, isInMemory, type MountEntry, superOption } from '../model/mount-table.ts';
import type { AbsolutePath } from '../model/paths.ts';

/** File systems of other hosts: what is on them is not lost when this one reboots. */
const networkTypes: ReadonlySet<string> = new Set([
  'nfs',
  'nfs4',
  'cifs',
  'smb3',
  'ceph',
  'glusterfs',
  'fuse.glusterfs',
  'fuse.ceph',
  'ocfs2',
  'gfs2',
  '9p',
  'virtiofs',
]);
const readOnlyTypes: ReadonlySet<string> = new Set(['squashfs', 'erofs', 'iso9660', 'udf', 'cramfs']);
const maxLayers = 4;

/**
 * Judge the mount that the directory is on.
 *
 * @param dataDirectory links followed; it need not exist yet
 * @param live of a host that is not live, only memory file systems are `ram`
 */
export function etcdDataVerdict(
  mounts: readonly MountEntry[],
  dataDirectory: AbsolutePath,
  live: LiveRoot,
): DataVerdict {
  const holder = covering(mounts, dataDirectory);
  if (holder === null) {
    return { verdict: 'unknown', reason: 'the table of mounts has no root', mountPoint: null, source: null };
  }
  const { verdict, because } = judge(mounts, holder, live, maxLayers);
  return {
    verdict,
    reason: `${dataDirectory} is on ${holder.mountPoint} (${holder.fstype}, ${holder.source}), ${because}`,
    mountPoint: holder.mountPoint,
    source: holder.source,
  };
}

interface Judgement {
  readonly verdict: DataVerdict['verdict'];
  readonly because: string;
}

function judge(mounts: readonly MountEntry[], holder: MountEntry, live: LiveRoot, layersLeft: number): Judgement {
  if (isInMemory(holder)) return { verdict: 'ram', because: 'which is in memory and empty after a reboot' };
  if (live.isLive && holder.device === live.rootDevice) {
    return live.overlay?.isPersistent === true
      ? { verdict: 'persistent', because: 'the live root, whose overlay is kept on a device' }
      : { verdict: 'ram', because: 'the live root, whose overlay is in memory and empty after a reboot' };
  }
  if (holder.fstype === 'overlay') {
    const upper = superOption(holder, 'upperdir');
    const below = upper === null || layersLeft === 0 ? null : covering(mounts, upper);
    if (below === null || below === holder) {
      return { verdict: 'unknown', because: 'an overlay of which it is not known where it keeps what is written' };
    }
    return judge(mounts, below, live, layersLeft - 1);
  }
  if (readOnlyTypes.has(holder.fstype)) {
    return { verdict: 'unknown', because: 'which cannot be written to' };
  }
  if (networkTypes.has(holder.fstype)) return { verdict: 'persistent', because: 'which is of another host' };
  if (/^\/dev\/mapper\/live-/.test(holder.source)) {
    return { verdict: 'ram', because: 'a device of the live root, which is in memory' };
  }
  if (live.isLive && /^\/dev\/loop/.test(holder.source)) {
    return { verdict: 'unknown', because: 'a loop device, whose file may be in memory' };
  }
  if (holder.source.startsWith('/dev/')) return { verdict: 'persistent', because: 'which is a device of its own' };
  // An installed host: btrfs and ZFS name pools, containers name what their manager calls it.
  if (!live.isLive) return { verdict: 'persistent', because: 'which is no file system in memory' };
  return { verdict: 'unknown', because: 'of which it is not known whether it outlives a reboot' };
}

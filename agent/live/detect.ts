// Whether this root is a live one, and what it is written through: from traces that dracut leaves in the system.

import type { DmStatus } from '../model/device-mapper.ts';
import type { LiveOverlay, LiveRoot } from '../model/live.ts';
import { covering, isInMemory, type MountEntry, superOption } from '../model/mount-table.ts';
import { printableLine } from '../model/printable.ts';
import { type LiveRequest, readLiveRequest } from './kernel-line.ts';

/** The device that dracut's dmsquash-live makes the root of; on ostree hosts it is at /sysroot, and / is bound from it. */
export const liveDevice = 'live-rw';
const liveSource = `/dev/mapper/${liveDevice}`;
/** The upper directory of a live root on overlayfs; a link where it is on a device. */
export const upperDirectory = '/run/overlayfs';
/** The file in the initramfs that a temporary snapshot is kept in; the kernel adds the word once it has no name any more. */
const temporaryStore = /^\/overlay(?: \(deleted\))?$/;

export interface LiveTraces {
  /** Null in a container, where the kernel line is another host's. */
  readonly kernelLine: string | null;
  readonly mounts: readonly MountEntry[];
  /** /run/initramfs/live is there. */
  readonly hasMedium: boolean;
  /** Where /run/overlayfs leads when it is a link; null when it is none. */
  readonly upperLink: string | null;
  /** What device-mapper says of live-rw; null when it was not asked or did not answer. */
  readonly liveStatus: DmStatus | null;
  /** The files behind the loop devices that live-rw is made of. */
  readonly storeFiles: readonly string[];
}

/** Where the files of the root are: of / itself or, on ostree hosts, of /sysroot. */
export function rootMounts(mounts: readonly MountEntry[]): MountEntry[] {
  const sysroot = covering(mounts, '/sysroot');
  return [covering(mounts, '/'), sysroot?.mountPoint === '/sysroot' ? sysroot : null].filter((e) => e !== null);
}

/** The mount of a live root by device-mapper, null when it is none. */
export function liveMount(mounts: readonly MountEntry[]): MountEntry | null {
  return rootMounts(mounts).find((e) => e.source === liveSource) ?? null;
}

function overlayMount(mounts: readonly MountEntry[]): MountEntry | null {
  const isLive = (e: MountEntry): boolean => {
    const upper = superOption(e, 'upperdir') ?? '';
    return upper === upperDirectory || upper.startsWith(`${upperDirectory}/`);
  };
  return rootMounts(mounts).find((e) => e.fstype === 'overlay' && isLive(e)) ?? null;
}

/** Judge the traces. Any one of them makes the root a live one: a plain installed host has none. */
export function detectLive(traces: LiveTraces): LiveRoot {
  const request = readLiveRequest(traces.kernelLine ?? '');
  const [mapped, overlaid] = [liveMount(traces.mounts), overlayMount(traces.mounts)];
  const evidence: string[] = [];
  if (request.word !== null) evidence.push(`the kernel line has ${printableLine(request.word)}`);
  if (traces.hasMedium) evidence.push('/run/initramfs/live is there');
  if (mapped !== null) evidence.push(`${mapped.mountPoint} is ${liveSource}`);
  if (overlaid !== null) evidence.push(`${overlaid.mountPoint} is an overlay on ${upperDirectory}`);
  const overlay =
    mapped !== null ? mappedOverlay(traces, request) : overlaid !== null ? directoryOverlay(traces) : null;
  const mount = mapped ?? overlaid ?? covering(traces.mounts, '/');
  return { isLive: evidence.length > 0, evidence, overlay, rootDevice: mount?.device ?? null };
}

function mappedOverlay({ liveStatus, storeFiles }: LiveTraces, request: LiveRequest): LiveOverlay {
  switch (liveStatus?.kind) {
    case 'thin':
    case 'linear':
      return { kind: liveStatus.kind, isPersistent: false };
    case 'snapshot':
    case 'thin-pool':
    case 'snapshot-origin':
    case 'other':
    case undefined:
      break;
  }
  if (liveStatus?.kind !== 'snapshot') {
    // Nobody could tell, so it is what was asked for.
    if (request.wantsThin) return { kind: 'thin', isPersistent: false };
    if (request.wantsWritableImage) return { kind: 'linear', isPersistent: false };
  }
  const isOnDevice = storeFiles.length > 0 && !storeFiles.some((file) => temporaryStore.test(file));
  // Without being asked, dracut takes a store it finds under this name (LiveOS/overlay-LABEL-UUID).
  const isKnown = request.wantsPersistence || storeFiles.some((file) => /\/overlay-[^/]*$/.test(file));
  return { kind: 'snapshot', isPersistent: isOnDevice && isKnown };
}

/** On a device when the upper directory leads to one; a tmpfs, /run's own as a rule, is memory. */
function directoryOverlay({ mounts, upperLink }: LiveTraces): LiveOverlay {
  const directory = upperLink === null ? upperDirectory : upperLink.startsWith('/') ? upperLink : `/run/${upperLink}`;
  const holder = covering(mounts, directory);
  // Covered by the root itself, the directory is one that is not mounted here (any more).
  const isKnown = holder !== null && holder.mountPoint !== '/' && holder.mountPoint !== '/sysroot';
  return { kind: 'overlayfs', isPersistent: isKnown && !isInMemory(holder) };
}

// Looks at a live root through the ports: one call of dmsetup and a few small files, cheap enough for every five seconds.

import type { DmTarget } from '../model/device-mapper.ts';
import { isAgentError } from '../model/errors.ts';
import type { Gauge, GaugeSample, LiveOverlay, LiveRoot, OverlayReading } from '../model/live.ts';
import { decodeMountTable, type MountEntry, mountTableBytes, mountTableFile } from '../model/mount-table.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import type { ReadOnlyLive } from '../ports/live.ts';
import { detectLive, type LiveTraces, liveDevice, liveMount, upperDirectory } from './detect.ts';
import { gaugeOf, givesBack, sampleOf } from './gauge.ts';
import { gaugeFile, parseHistory, remember } from './history.ts';
import {
  availableMemory,
  readSnapshot,
  readSpace,
  readThinPool,
  thinPool,
  totalMemory,
  unreadable,
} from './reading.ts';

/** The kernel's own limit is 4 KiB; some architectures have more. */
const maxLineBytes = 16 * 1024;

export interface LiveMachine {
  readonly files: ReadOnlyFiles;
  readonly live: ReadOnlyLive;
}

export interface LiveLook {
  readonly root: LiveRoot;
  readonly mounts: readonly MountEntry[];
  /** Null on a host that is not live. */
  readonly gauge: Gauge | null;
  /** To be written to `gaugeFile` by a run that may write; as it was read where nothing could be measured. */
  readonly history: readonly GaugeSample[];
  /** All of the host's memory in bytes; null when it is not known. */
  readonly memoryBytes: number | null;
  /** Milliseconds since the host was booted; null when it is not known, and on a host that is not live. */
  readonly uptimeMs: number | null;
}

/**
 * Whether this host is live and, if it is, how full its overlay is. Nothing is asked of device-mapper where / is not its
 * live-rw, and what cannot be read makes the gauge `unknown`, never an error.
 *
 * @throws AgentError when not even the table of mounts can be read
 */
export async function lookAtLive({ files, live }: LiveMachine): Promise<LiveLook> {
  const mounts = decodeMountTable(await files.readHead(mountTableFile, mountTableBytes)) ?? [];
  const asked = liveMount(mounts) === null ? notAsked : await askLiveDevice(live);
  const root = detectLive(await traces(files, mounts, asked.target));
  if (!root.isLive) return { root, mounts, gauge: null, history: [], memoryBytes: null, uptimeMs: null };

  const [meminfo, uptime, history] = await Promise.all([
    readOrNull(files, '/proc/meminfo'),
    readOrNull(files, '/proc/uptime'),
    readOrNull(files, gaugeFile),
  ]);
  const reading = await readOverlay(live, root.overlay, asked, meminfo);
  const earlier = parseHistory(history);
  const upMs = uptimeMs(uptime);
  // Without a clock all samples are of one moment: a history without rates.
  const sample = sampleOf(reading, upMs ?? 0);
  const samples =
    sample === null || root.overlay === null ? earlier : remember(earlier, sample, givesBack(root.overlay));
  return {
    root,
    mounts,
    gauge: gaugeOf(root.overlay, reading, samples),
    history: samples,
    memoryBytes: totalMemory(meminfo),
    uptimeMs: upMs,
  };
}

/** The answer about live-rw: its line, or why there is none. */
interface Asked {
  readonly target: DmTarget | null;
  readonly why: string;
}

const notAsked: Asked = { target: null, why: 'device-mapper was not asked' };

async function askLiveDevice(live: ReadOnlyLive): Promise<Asked> {
  try {
    const targets = await live.dmStatus(liveDevice);
    if (targets === null) return { target: null, why: 'dmsetup is not installed (package dmsetup, or device-mapper)' };
    return { target: targets[0] ?? null, why: `device-mapper knows no device ${liveDevice}` };
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return { target: null, why: error.message };
  }
}

async function readOverlay(
  live: ReadOnlyLive,
  overlay: LiveOverlay | null,
  asked: Asked,
  meminfo: string | null,
): Promise<OverlayReading> {
  const memoryBytes = overlay?.isPersistent === true ? null : availableMemory(meminfo);
  try {
    switch (overlay?.kind) {
      case undefined:
        return unreadable('the root is live, but neither /dev/mapper/live-rw nor an overlay on /run/overlayfs');
      case 'snapshot':
        return asked.target?.status.kind === 'snapshot'
          ? readSnapshot(asked.target, asked.target.status, memoryBytes)
          : unreadable(asked.why);
      case 'thin': {
        const targets = await live.dmStatus(thinPool);
        return targets === null ? unreadable(asked.why) : readThinPool(targets[0], memoryBytes);
      }
      case 'overlayfs':
        return readSpace(await live.space(upperDirectory), upperDirectory, memoryBytes);
      case 'linear':
        return readSpace(await live.space('/'), '/', memoryBytes);
    }
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return unreadable(error.message);
  }
}

async function traces(
  files: ReadOnlyFiles,
  mounts: readonly MountEntry[],
  target: DmTarget | null,
): Promise<LiveTraces> {
  const [isContainer, hasMedium, upperLink] = await Promise.all([
    files.exists('/run/systemd/container'),
    files.exists('/run/initramfs/live'),
    files.readLink(upperDirectory),
  ]);
  const device = liveMount(mounts)?.device ?? null;
  return {
    kernelLine: isContainer ? null : await readLong(files, '/proc/cmdline', maxLineBytes),
    mounts,
    hasMedium,
    upperLink,
    liveStatus: target?.status ?? null,
    storeFiles: device === null ? [] : await storeFiles(files, device),
  };
}

/** The files behind the loop devices below a device-mapper device, as the kernel tells them. */
async function storeFiles(files: ReadOnlyFiles, device: string): Promise<string[]> {
  const slaves = under('/sys/dev/block', device, 'slaves');
  const names = (await listOrNone(files, slaves)).filter((name) => name.startsWith('loop'));
  const found = await Promise.all(names.map((name) => readOrNull(files, under(slaves, name, 'loop', 'backing_file'))));
  return found.filter((text) => text !== null).map((text) => text.trimEnd());
}

async function listOrNone(files: ReadOnlyFiles, path: AbsolutePath): Promise<readonly string[]> {
  try {
    return await files.list(path);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return [];
  }
}

/** A file that adds to what is known; without it less is known. */
async function readOrNull(files: ReadOnlyFiles, path: AbsolutePath): Promise<string | null> {
  try {
    return await files.readText(path);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return null;
  }
}

async function readLong(files: ReadOnlyFiles, path: AbsolutePath, maxBytes: number): Promise<string | null> {
  const bytes = await files.readHead(path, maxBytes);
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

/** /proc/uptime in milliseconds. */
function uptimeMs(uptime: string | null): number | null {
  const secs = /^(\d{1,12}(?:\.\d+)?) /.exec(uptime ?? '')?.[1];
  return secs === undefined ? null : Math.round(Number(secs) * 1000);
}

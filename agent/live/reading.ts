// How full the overlay is, from the figures of device-mapper, the file system and memory. Pure.

import { type DmSnapshot, type DmTarget, dmSectorBytes } from '../model/device-mapper.ts';
import type { OverlayReading } from '../model/live.ts';
import type { Space } from '../ports/live.ts';

/** The thin pool that dracut makes for rd.live.overlay.thin=1. */
export const thinPool = 'live-overlay-pool';

/** An exception of the store is 16 bytes, so a chunk of 4 KiB (8 sectors) holds those of 256 chunks (dm-snap-persistent.c). */
const exceptionsPerChunk = 256;
const chunkSectors = 8;

/** Nothing that can be known. */
export function unreadable(why: string): OverlayReading {
  return { state: 'unreadable', why };
}

/**
 * A snapshot. Its store never takes more than each chunk of the root once, however large it was made: dracut's default
 * of 32 GiB over an image of 2 GiB holds 2 GiB.
 *
 * @param target the line of live-rw
 * @param memoryBytes MemAvailable; null for a store on a device
 */
export function readSnapshot(target: DmTarget, status: DmSnapshot, memoryBytes: number | null): OverlayReading {
  switch (status.state) {
    case 'active': {
      const chunks = Math.ceil(target.lengthSectors / chunkSectors);
      const largest = (chunks + Math.ceil(chunks / exceptionsPerChunk) + 2) * chunkSectors;
      const totalSectors = Math.min(status.totalSectors, Math.max(largest, status.allocatedSectors));
      return {
        state: 'measured',
        usedBytes: status.allocatedSectors * dmSectorBytes,
        totalBytes: totalSectors * dmSectorBytes,
        memoryBytes,
      };
    }
    case 'invalid':
      return { state: 'broken', word: 'Invalid' };
    case 'overflow':
      return { state: 'broken', word: 'Overflow' };
    case 'merge failed':
      return { state: 'broken', word: 'Merge failed' };
    case 'unknown':
      return unreadable('device-mapper does not know how full the snapshot live-rw is (Unknown)');
  }
}

/** A thin pool: full is full, be it of data or of metadata. */
export function readThinPool(pool: DmTarget | undefined, memoryBytes: number | null): OverlayReading {
  const status = pool?.status;
  if (pool === undefined || status?.kind !== 'thin-pool') {
    return unreadable(`device-mapper shows no thin pool ${thinPool}, which live-rw should be in`);
  }
  if (status.failed) return { state: 'broken', word: 'Fail' };
  if (status.mode === 'ro' || status.mode === 'out_of_data_space') return { state: 'broken', word: status.mode };
  if (status.needsCheck) return { state: 'broken', word: 'needs_check' };
  const totalBytes = pool.lengthSectors * dmSectorBytes;
  const data = status.usedDataBlocks / status.totalDataBlocks;
  const metadata = status.usedMetadataBlocks / status.totalMetadataBlocks;
  return { state: 'measured', usedBytes: Math.round(totalBytes * Math.max(data, metadata)), totalBytes, memoryBytes };
}

/** A file system that is written to itself: the tmpfs of overlayfs, or an image in memory. */
export function readSpace(space: Space | null, path: string, memoryBytes: number | null): OverlayReading {
  if (space === null || space.totalBytes <= 0) return unreadable(`there is no file system to measure at ${path}`);
  return {
    state: 'measured',
    usedBytes: Math.max(0, space.totalBytes - space.availableBytes),
    totalBytes: space.totalBytes,
    memoryBytes,
  };
}

/** MemAvailable of /proc/meminfo in bytes; null where the kernel has none (before 3.14). */
export function availableMemory(meminfo: string | null): number | null {
  const kibibytes = /^MemAvailable:\s+(\d{1,13}) kB$/m.exec(meminfo ?? '')?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * 1024;
}

/** MemTotal of /proc/meminfo in bytes; null when it is not there. */
export function totalMemory(meminfo: string | null): number | null {
  const kibibytes = /^MemTotal:\s+(\d{1,13}) kB$/m.exec(meminfo ?? '')?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * 1024;
}

// What pulling an image costs of the overlay: the download, the layers unpacked, and what copy-on-write adds.

import { sizeText } from '../model/byte-size.ts';
import type { OverlayKind } from '../model/live.ts';
import { gaugeLimits } from './gauge.ts';

export interface PullQuestion {
  /** As the registry shows it. */
  readonly compressedBytes: number;
  readonly overlayKind: OverlayKind;
  /** As the engine says it: `overlay2`, `devicemapper`, `vfs`; `overlayfs` and `io.containerd.snapshotter.v1` are containerd's. */
  readonly storageDriver: string;
  /** What the gauge says is left; null when it is not known. */
  readonly remainingBytes: number | null;
  /** False when docker keeps its data on storage of its own. */
  readonly isOnOverlay: boolean;
}

export interface PullEstimate {
  readonly lowBytes: number;
  readonly highBytes: number;
  readonly fits: 'yes' | 'no' | 'maybe';
  /** For people, with the figures. */
  readonly why: string;
}

/** Layers of gzip unpack to between these multiples: little for what is packed in itself, much for text and binaries. */
const unpacked = { low: 2.2, high: 3.5 } as const;

/**
 * Costs by driver, as multiples of the compressed size, without the download itself. Measured for devicemapper on loop
 * files (Fedora 22, 2015): centos, 80 MB, took 511600 sectors of live-rw, 3.1 times, and 3975 blocks of 64 KiB.
 */
function layersOf(storageDriver: string): { readonly low: number; readonly high: number; readonly note: string } {
  switch (storageDriver) {
    case 'devicemapper':
      // Whole blocks of 64 KiB for the smallest of files.
      return { low: 2.6, high: 4.2, note: 'devicemapper writes whole blocks of 64 KiB' };
    case 'vfs':
      return { low: 4, high: 30, note: 'vfs copies everything below into each layer' };
    case 'overlay':
    case 'overlay2':
    case 'aufs':
    case 'btrfs':
    case 'fuse-overlayfs':
      return { ...unpacked, note: 'layers unpack to two or three times their size' };
    default:
      return storageDriver === 'overlayfs' || storageDriver.startsWith('io.containerd')
        ? { low: unpacked.low + 1, high: unpacked.high, note: 'containerd keeps the download besides the layers' }
        : { low: 2, high: 6, note: `nothing is known of the driver ${storageDriver}` };
  }
}

/**
 * The cost of one pull, before anything is downloaded. A file removed after the pull does not count in `highBytes`'
 * favour: on a snapshot its chunks stay used, and elsewhere it is there while the layers are unpacked.
 */
export function estimatePull(question: PullQuestion): PullEstimate {
  const { compressedBytes, overlayKind, storageDriver, remainingBytes, isOnOverlay } = question;
  if (!isOnOverlay) {
    return { lowBytes: 0, highBytes: 0, fits: 'yes', why: 'docker keeps its images on storage of its own' };
  }
  const { low, high, note } = layersOf(storageDriver);
  // Directories, inodes and the journal; a snapshot copies 4 KiB for each inode touched.
  const metadata = overlayKind === 'overlayfs' ? 1.02 : 1.06;
  const lowBytes = Math.round(compressedBytes * low);
  const highBytes = Math.round(compressedBytes * (1 + high) * metadata);
  const range = `${sizeText(lowBytes)} to ${sizeText(highBytes)}`;
  const cost = `${sizeText(compressedBytes)} to download take ${range} of the overlay (${note})`;
  if (remainingBytes === null) {
    return { lowBytes, highBytes, fits: 'maybe', why: `${cost}; how much is left is not known` };
  }
  const usable = Math.max(0, remainingBytes - gaugeLimits.criticalBytes);
  const fits = highBytes <= usable ? 'yes' : lowBytes > usable ? 'no' : 'maybe';
  const left = `${sizeText(remainingBytes)} are left, of which ${sizeText(gaugeLimits.criticalBytes)} are kept for the host`;
  return { lowBytes, highBytes, fits, why: `${cost}; ${left}` };
}

// A live root: an image from the network that is written to through an overlay, and how much that overlay still takes.

/**
 * How the root is made writable. `snapshot`: device-mapper copies each 4 KiB that is written and gives nothing back.
 * `thin`: a thin pool, which gets freed blocks back by discard. `overlayfs`: changed files in a tmpfs. `linear`: no
 * overlay at all, the whole image was unpacked into memory (rd.writable.fsimg=1).
 */
export type OverlayKind = 'snapshot' | 'thin' | 'overlayfs' | 'linear';

export interface LiveOverlay {
  readonly kind: OverlayKind;
  /**
   * What is written outlives a reboot: rd.live.overlay=DEVICE, rd.overlay=DEVICE since dracut-ng 110. True only where
   * that was seen at work, since dracut takes a temporary overlay when it does not find the device.
   */
  readonly isPersistent: boolean;
}

export interface LiveRoot {
  /** A plain installed host is not live and has no evidence. */
  readonly isLive: boolean;
  /** Why it is taken for live, for people: `/run/initramfs/live is there`. */
  readonly evidence: readonly string[];
  /** Null on a host that is not live, and on one whose overlay cannot be told. */
  readonly overlay: LiveOverlay | null;
  /** `253:0` of the root's file system; null when it is not known. */
  readonly rootDevice: string | null;
}

/** How full the overlay is right now. */
export type OverlayReading =
  | {
      readonly state: 'measured';
      readonly usedBytes: number;
      /** What the overlay holds at most, memory permitting. */
      readonly totalBytes: number;
      /** MemAvailable; null where the overlay does not live in memory, and where the kernel does not tell. */
      readonly memoryBytes: number | null;
    }
  /** Full or broken: what is not cached cannot be read any more, and only a reboot helps. */
  | { readonly state: 'broken'; readonly word: string }
  | { readonly state: 'unreadable'; readonly why: string };

/** One look at the gauge. */
export interface GaugeSample {
  /** Milliseconds since the host was booted: the one clock that does not jump and that all runs share. */
  readonly atMs: number;
  readonly usedBytes: number;
  readonly totalBytes: number;
}

/** How fast the overlay fills; never negative. */
export interface BurnRate {
  readonly window: 'minute' | 'ten minutes' | 'boot';
  readonly bytesPerSec: number;
  /** What it was measured over. */
  readonly overMs: number;
}

/** `low` and `critical` are warnings, `invalid` is the end until the next boot, `unknown` could not be read. */
export type GaugeState = 'ok' | 'low' | 'critical' | 'invalid' | 'unknown';

/** What is short: room, or time until the room is used up. */
export type GaugeCause = 'space' | 'time' | null;

export interface Gauge {
  readonly state: GaugeState;
  readonly cause: GaugeCause;
  /** Null where the root is live and nobody can tell how it is written to. */
  readonly overlay: LiveOverlay | null;
  /** Null when it could not be measured and never was in this boot. */
  readonly usedBytes: number | null;
  readonly totalBytes: number | null;
  /** What can still be written: what the overlay has left, or memory where that is less. Null unless measured. */
  readonly remainingBytes: number | null;
  /** What ends first. */
  readonly limitedBy: 'overlay' | 'memory' | null;
  /** Used of used and remaining, 0 to 1; null unless measured. */
  readonly usedFraction: number | null;
  readonly rates: readonly BurnRate[];
  /** The soonest end at any of the rates; null when nothing is being written, or nothing is known. */
  readonly forecast: { readonly secsToFull: number; readonly rate: BurnRate } | null;
  /** What was read instead of figures: `Overflow`, or why nothing could be read. */
  readonly detail: string | null;
}

/** Where what was written since boot is, largest first. */
export interface Grower {
  /** A directory, as the host knows it. */
  readonly path: string;
  /** Blocks of the files changed since boot; of a large file that was changed in one place this is too much. */
  readonly bytes: number;
  readonly files: number;
}

export interface Growth {
  readonly growers: readonly Grower[];
  readonly totalBytes: number;
  /** False when the deadline or the number of entries ended the search. */
  readonly isComplete: boolean;
}

/** Whether what is kept in a directory outlives a reboot. */
export interface DataVerdict {
  readonly verdict: 'persistent' | 'ram' | 'unknown';
  /** One clause for people: `/var/lib/etcd is on the overlay of the live root, which is in memory`. */
  readonly reason: string;
  /** Null when the table of mounts has no root. */
  readonly mountPoint: string | null;
  readonly source: string | null;
}

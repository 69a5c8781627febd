// What `dmsetup status` says of one target, as data: how full a snapshot, a thin device or a thin pool is.

/** Device-mapper counts in sectors of 512 bytes, whatever the disk's own sectors are. */
export const dmSectorBytes = 512;

/**
 * A snapshot that counts, or why it does not (drivers/md/dm-snap.c). `invalid` and `overflow` are the end of it: 2015
 * kernels say the first when the store is full, 6.1 the second, and only a reboot helps in both.
 */
export type DmSnapshot =
  | {
      readonly kind: 'snapshot';
      readonly state: 'active';
      /** Sectors of the store in use, its own metadata among them. */
      readonly allocatedSectors: number;
      readonly totalSectors: number;
      /** Null where the kernel does not tell. */
      readonly metadataSectors: number | null;
    }
  | { readonly kind: 'snapshot'; readonly state: 'invalid' | 'overflow' | 'merge failed' | 'unknown' };

/** Documentation/admin-guide/device-mapper/thin-provisioning.rst; what an older kernel does not print is null. */
export type DmThinPool =
  | { readonly kind: 'thin-pool'; readonly failed: true }
  | {
      readonly kind: 'thin-pool';
      readonly failed: false;
      readonly transactionId: number;
      /** Blocks of 4 KiB. */
      readonly usedMetadataBlocks: number;
      readonly totalMetadataBlocks: number;
      /** Blocks of the pool's own size: its length divided by `totalDataBlocks`. */
      readonly usedDataBlocks: number;
      readonly totalDataBlocks: number;
      readonly mode: 'rw' | 'ro' | 'out_of_data_space' | null;
      /** What a write meets in a full pool: it hangs, or it fails. */
      readonly whenFull: 'queue' | 'error' | null;
      readonly needsCheck: boolean;
    };

export type DmStatus =
  | DmSnapshot
  | DmThinPool
  | { readonly kind: 'thin'; readonly failed: true }
  | {
      readonly kind: 'thin';
      readonly failed: false;
      readonly mappedSectors: number;
      /** Null: nothing is mapped. */
      readonly highestSector: number | null;
    }
  | { readonly kind: 'linear' }
  | { readonly kind: 'snapshot-origin' }
  /** A target this program does not know, or one whose words it does not understand. */
  | { readonly kind: 'other'; readonly words: string };

/** One line of `dmsetup status`. A device has one line for each of its targets. */
export interface DmTarget {
  /** Name of the device as dmsetup prints it; null in the form for a single device, which prints none. */
  readonly name: string | null;
  readonly startSector: number;
  readonly lengthSectors: number;
  /** As the kernel names it: `snapshot`, `thin-pool`, `crypt`. */
  readonly target: string;
  readonly status: DmStatus;
}

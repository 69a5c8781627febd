// The ports to disks, to LVM and to the iSCSI initiator; each refuses to guess, and says what it could not find out.

import type { AbsolutePath } from '../model/paths.ts';
import type { DiskState, FileSystemType, IscsiNode, IscsiSession, LvmState } from '../model/storage.ts';

export interface ReadOnlyDisks {
  /**
   * A disk with all that stands on it, looked for on the disk itself and not in udev's memory.
   *
   * @param path any name of it; links are followed
   * @returns null when nothing of that name is there
   * @throws AgentError `oserr` when a program fails: then nothing is known of the disk; `data` for what is no block device
   */
  inspect(path: AbsolutePath): Promise<DiskState | null>;
  /**
   * Wait for udev to make the name, by its events.
   *
   * @returns whether it is there when the time has passed; never throws for a name that does not come
   */
  await(path: AbsolutePath, timeoutMs: number, signal?: AbortSignal): Promise<boolean>;
}

export interface Disks extends ReadOnlyDisks {
  /**
   * Remove every signature from the disk and its partitions. Looks again first, and refuses when the serial is another
   * one than the operator gave up, or something uses the disk.
   */
  wipe(path: AbsolutePath, serial: string): Promise<void>;
  /** @throws AgentError `oserr` when the device already carries a file system: mkfs is never forced */
  makeFileSystem(path: AbsolutePath, type: FileSystemType, label: string): Promise<void>;
  /** Make a mounted file system as large as its device. */
  growFileSystem(mountPoint: AbsolutePath, device: AbsolutePath, type: FileSystemType): Promise<void>;
  /** Have the kernel ask a disk for its size again: a LUN that grew says so only when asked. */
  rescan(name: string): Promise<void>;
}

export interface ReadOnlyLvm {
  /** @throws AgentError `oserr` when LVM is not installed or cannot read its metadata */
  state(): Promise<LvmState>;
}

export interface NewThinPool {
  readonly volumeGroup: string;
  readonly name: string;
  readonly percentOfFree: number;
}

export interface NewVolume {
  readonly volumeGroup: string;
  readonly name: string;
  readonly size: { readonly percentOfFree: number } | { readonly bytes: number };
}

/** Everything is done without prompts and without force; what LVM would have to ask about fails. */
export interface Lvm extends ReadOnlyLvm {
  /** The group carries the tags from its first instant, and no host activates it by itself when it sees the disk. */
  makeVolumeGroup(name: string, devices: readonly AbsolutePath[], tags: readonly string[]): Promise<void>;
  extendVolumeGroup(name: string, devices: readonly AbsolutePath[]): Promise<void>;
  /** Use what a device has grown by. */
  growPhysicalVolume(path: AbsolutePath): Promise<void>;
  makeThinPool(pool: NewThinPool): Promise<void>;
  makeVolume(volume: NewVolume): Promise<void>;
  /** By that share of what is free in the group; a pool's metadata grows with its data. */
  growVolume(volumeGroup: string, name: string, percentOfFree: number): Promise<void>;
  activate(volumeGroup: string): Promise<void>;
  /** @throws AgentError `tempfail` when a volume of it is in use */
  deactivate(volumeGroup: string): Promise<void>;
}

export interface ReadOnlyIscsi {
  /** All sessions of the kernel, empty where there is none or no initiator at all. */
  sessions(): Promise<readonly IscsiSession[]>;
  /** Records of targets in the database. */
  records(): Promise<readonly IscsiNode[]>;
}

/**
 * The initiator. Exit codes of iscsiadm become AgentErrors here: `unavailable` (retryable) when the portal does not
 * answer, `tempfail` for what may pass, `config` (final) for a refused name or CHAP secret, `oserr` for the rest.
 */
export interface Iscsi extends ReadOnlyIscsi {
  /** What a portal offers (sendtargets); no record is made, changed or removed, and no session touched. */
  discover(portal: string): Promise<readonly IscsiNode[]>;
  /** Add a record with the defaults of iscsid.conf; one that is there stays as it is. */
  addRecord(node: IscsiNode): Promise<void>;
  /** Log in and wait for the answer; a session that is there already is success. */
  login(node: IscsiNode): Promise<void>;
  /** Log out; no session is success. */
  logout(node: IscsiNode): Promise<void>;
  /** Look for new LUNs and new sizes on the sessions of the target. */
  rescan(target: string): Promise<void>;
}

/** docker-storage-setup of Atomic hosts. */
export interface StorageSetup {
  /**
   * Run it to its end.
   *
   * @returns what it printed; its exit code says little, so the caller looks at what is there afterwards
   * @throws AgentError `oserr` when it fails
   */
  run(program: AbsolutePath): Promise<string>;
}

// Where this host keeps each component's files and programs, as read from what is installed.

import type { EtcdApi } from './cluster-config.ts';
import type { AbsolutePath } from './paths.ts';

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** A unit as installed: the file that systemd would load, without drop-ins. */
export interface InstalledUnit {
  readonly name: string;
  readonly path: AbsolutePath;
  readonly text: string;
  /** The links `systemctl enable` would make for it, from its [Install] section. */
  readonly installLinks: readonly { readonly path: AbsolutePath; readonly target: string }[];
  /** The link to /dev/null (or empty file) that switches this unit off; absent when nothing does. */
  readonly maskedBy?: AbsolutePath;
}

/**
 * How a component got onto the host: its distribution's package brought a unit; only the program is there
 * and the agent brings the unit; or nothing is there yet (the files are still written where the
 * distribution's package would look for them).
 */
export type Installation = 'packaged' | 'program only' | 'absent';

export interface EtcdLayout {
  readonly installation: Installation;
  readonly unit: InstalledUnit | null;
  readonly program: AbsolutePath | null;
  /** The environment file the unit reads. */
  readonly environmentFile: AbsolutePath;
  /** The packaged unit names no environment file, so a drop-in has to; absent where it does, and where there is no unit. */
  readonly unitReadsNoEnvironmentFile?: true;
  /** The account etcd runs as; null when the host has none, then root owns the data. */
  readonly account: Account | null;
  /** A data directory that the distribution's package bootstrapped by itself, left alone; null when there is none. */
  readonly foreignDataDirectory: AbsolutePath | null;
}

export interface FlannelLayout {
  readonly installation: Installation;
  readonly unit: InstalledUnit | null;
  readonly program: AbsolutePath | null;
  readonly environmentFile: AbsolutePath;
  /** The packaged unit names no environment file, so a drop-in has to; absent where it does, and where there is no unit. */
  readonly unitReadsNoEnvironmentFile?: true;
  /** As flanneld prints it, `0.28.9`; null when it could not be asked (under --root) or prints none. */
  readonly version: string | null;
  /** Which etcd API this flanneld reads: v2 below 0.18.0, v3 from there. */
  readonly etcdApi: EtcdApi;
  /** Why `etcdApi` is what it is, for people. */
  readonly etcdApiReason: string;
}

export interface DockerLayout {
  readonly installation: Installation;
  readonly unit: InstalledUnit | null;
  /** True when ExecStart already has $DOCKER_NETWORK_OPTIONS (the RPM of Atomic hosts): then the variable is enough. */
  readonly takesNetworkOptions: boolean;
  /** The words of ExecStart without that variable, to be given again with ours; null when there is no unit. */
  readonly execStart: string | null;
  /** True when ExecStart already has $DOCKER_STORAGE_OPTIONS, which docker-storage-setup writes. */
  readonly takesStorageOptions: boolean;
}

export interface IscsiLayout {
  /** `packaged` where open-iscsi is installed. */
  readonly installation: Installation;
  /** The directory of the record database: `/etc/iscsi` on Debian, `/var/lib/iscsi` elsewhere. */
  readonly database: AbsolutePath;
  readonly initiatorNameFile: AbsolutePath;
  /** The services to be ordered after: those of this list that are installed. */
  readonly units: readonly string[];
}

export interface StorageLayout {
  /** docker-storage-setup or container-storage-setup; null where neither is installed. */
  readonly storageSetup: AbsolutePath | null;
  /** Its settings and what it writes for docker. */
  readonly storageSetupSettings: AbsolutePath;
  readonly storageSetupResult: AbsolutePath;
  /** Programs that the agent's own driver needs; null for one that is not installed. */
  readonly programs: Readonly<Record<'lvm' | 'mkfs.xfs' | 'mkfs.ext4' | 'thin_check', AbsolutePath | null>>;
}

export interface Layout {
  /** ID of os-release, `debian`, `fedora`; `linux` where there is none. */
  readonly osId: string;
  readonly osFamily: 'debian' | 'rpm';
  /** Deployed by ostree: groups of the base system live in /usr/lib/group. */
  readonly isOstree: boolean;
  readonly usesNetworkManager: boolean;
  readonly usesNetworkd: boolean;
  readonly etcd: EtcdLayout;
  readonly flannel: FlannelLayout;
  readonly docker: DockerLayout;
  readonly iscsi: IscsiLayout;
  readonly storage: StorageLayout;
}

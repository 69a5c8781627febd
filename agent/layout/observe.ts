// Gather what is installed on this host in a few reads, and decide from it where everything is kept.

import type { EtcdApi } from '../model/cluster-config.ts';
import { isAgentError } from '../model/errors.ts';
import type { InstalledUnit, Layout } from '../model/layout.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import type { Programs } from '../ports/host.ts';
import { readAccounts } from './accounts.ts';
import { dockerLayout, dockerUnit } from './docker.ts';
import { etcdLayout, etcdUnit, packagedDataDirectory } from './etcd.ts';
import { flannelLayout, flannelUnit } from './flannel.ts';
import { findUnit, readUnitSettings } from './installed-unit.ts';
import { observeIscsi } from './iscsi.ts';
import { readOsRelease } from './os-release.ts';
import { findProgram } from './programs.ts';
import { observeStorage } from './storage.ts';
import type { UnitEntry } from './unit-file.ts';

export interface LayoutOptions {
  /** flannel.etcdApi of the cluster file. */
  readonly etcdApi: EtcdApi | 'auto';
}

/**
 * The layout of this host. Everything is read side by side; the only program asked is flanneld, for its version.
 *
 * @throws AgentError as ReadOnlyFiles: `noperm` and `data` for units that cannot be read
 */
export async function observeLayout(files: ReadOnlyFiles, programs: Programs, options: LayoutOptions): Promise<Layout> {
  const [os, isOstree, usesNetworkManager, usesNetworkd, accounts, etcd, flannel, docker] = await Promise.all([
    readOsRelease(files),
    isDeployedByOstree(files),
    anyExists(files, networkManagerUnits),
    anyExists(files, networkdTraces),
    readAccounts(files),
    gather(files, etcdUnit, 'etcd'),
    gatherFlannel(files, programs),
    gatherUnit(files, dockerUnit),
  ]);
  const [iscsi, storage] = await Promise.all([observeIscsi(files, os.family), observeStorage(files)]);
  const data = packagedDataDirectory(etcd.settings, os.family);
  const isBootstrapped = data !== null && (await holdsMember(files, data));
  return {
    osId: os.id,
    osFamily: os.family,
    isOstree,
    usesNetworkManager,
    usesNetworkd,
    etcd: etcdLayout({ ...etcd, accounts, isBootstrapped }, os.family),
    flannel: flannelLayout(flannel, os.family, options.etcdApi),
    docker: dockerLayout(docker),
    iscsi,
    storage,
  };
}

/** Installed is enabled: no distribution ships it and leaves it off. */
const networkManagerUnits: readonly AbsolutePath[] = [
  '/usr/lib/systemd/system/NetworkManager.service',
  '/lib/systemd/system/NetworkManager.service',
];

/** Its unit is part of systemd and so always there: it is in use where it was enabled, or has run in this boot. */
const networkdTraces: readonly AbsolutePath[] = [
  '/etc/systemd/system/multi-user.target.wants/systemd-networkd.service',
  '/etc/systemd/system/dbus-org.freedesktop.network1.service',
  '/usr/lib/systemd/system/multi-user.target.wants/systemd-networkd.service',
  '/run/systemd/netif/state',
];

interface Gathered {
  readonly unit: InstalledUnit | null;
  readonly settings: readonly UnitEntry[];
  readonly program: AbsolutePath | null;
}

async function gatherUnit(files: ReadOnlyFiles, name: string): Promise<Pick<Gathered, 'unit' | 'settings'>> {
  const unit = await findUnit(files, name);
  return { unit, settings: unit === null ? [] : await readUnitSettings(files, unit) };
}

async function gather(files: ReadOnlyFiles, unitName: string, programName: string): Promise<Gathered> {
  const [found, program] = await Promise.all([gatherUnit(files, unitName), findProgram(files, programName)]);
  return { ...found, program };
}

async function gatherFlannel(files: ReadOnlyFiles, programs: Programs) {
  const asked = findProgram(files, 'flanneld').then((p) => (p === null ? null : programs.versionText('flanneld', p)));
  const [gathered, versionText] = await Promise.all([gather(files, flannelUnit, 'flanneld'), asked]);
  return { ...gathered, versionText };
}

/** /run/ostree-booted is made at boot; the link is what a tree below --root has. */
async function isDeployedByOstree(files: ReadOnlyFiles): Promise<boolean> {
  const [isBooted, link] = await Promise.all([files.exists('/run/ostree-booted'), files.readLink('/ostree')]);
  return isBooted || link === 'sysroot/ostree';
}

async function anyExists(files: ReadOnlyFiles, paths: readonly AbsolutePath[]): Promise<boolean> {
  const found = await Promise.all(paths.map((path) => files.stat(path)));
  return found.some((stat) => stat !== null);
}

async function holdsMember(files: ReadOnlyFiles, dataDirectory: AbsolutePath): Promise<boolean> {
  try {
    return (await files.list(under(dataDirectory, 'member', 'wal'))).length > 0;
  } catch (error) {
    // Only etcd and root may look; for anybody else it is not known, and nothing is decided from it.
    if (isAgentError(error) && error.kind === 'noperm') return false;
    throw error;
  }
}

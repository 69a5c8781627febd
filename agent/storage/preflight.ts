// What rules storage out before any disk is looked at: programs that are missing, a docker that means something else.

import { AgentError } from '../model/errors.ts';
import type { StorageLayout } from '../model/layout.ts';
import { covering, decodeMountTable, mountTableBytes, mountTableFile } from '../model/mount-table.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import { type DockerStorageConfig, dockerDirectory } from '../model/storage.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';

const daemonFile: AbsolutePath = '/etc/docker/daemon.json';
/** docker 25.0 removed the devicemapper driver (24.0 removed overlay and aufs). */
const firstWithoutDevicemapper = 25;

export interface Preflight {
  readonly docker: DockerStorageConfig;
  readonly layout: StorageLayout;
  /** As dockerd prints it, `20.10.24`; null when it could not be asked or is not installed. */
  readonly dockerVersion: string | null;
}

/** @throws AgentError `config` for what a person has to decide, `oserr` for programs that are not installed */
export async function preflight(files: ReadOnlyFiles, { docker, layout, dockerVersion }: Preflight): Promise<void> {
  refuseOldDriver(docker, dockerVersion);
  refuseMissingPrograms(docker, layout);
  refuseDaemonFile(docker, await files.readText(daemonFile));
  await refuseDataInTheWay(files);
}

function refuseOldDriver(docker: DockerStorageConfig, version: string | null): void {
  if (docker.driver !== 'devicemapper') return;
  if (version === null) return;
  if (Number(version.split('.')[0]) < firstWithoutDevicemapper) return;
  throw new AgentError(
    'config',
    `the cluster file asks for the driver devicemapper, and docker ${version} has none: it was removed in 25.0`,
    { hint: 'set storage: { docker: { driver: overlay2 } }, or stay on a docker below 25' },
  );
}

function refuseMissingPrograms(docker: DockerStorageConfig, { programs, storageSetup }: StorageLayout): void {
  const makeFileSystem = `mkfs.${docker.filesystem}` as const;
  const needed: readonly (readonly [name: keyof StorageLayout['programs'], pkg: string])[] = [
    ['lvm', 'lvm2'],
    [
      makeFileSystem,
      docker.filesystem === 'xfs' ? 'xfsprogs, or set filesystem: ext4' : 'e2fsprogs, or set filesystem: xfs',
    ],
    // LVM checks a pool's metadata with it before it activates the pool.
    ...(docker.driver === 'devicemapper' && storageSetup === null
      ? ([['thin_check', 'thin-provisioning-tools (device-mapper-persistent-data on RPM systems)']] as const)
      : []),
  ];
  const missing = needed.filter(([name]) => programs[name] === null);
  if (missing.length === 0) return;
  throw new AgentError(
    'oserr',
    `cannot prepare docker's storage: ${missing.map(([n]) => n).join(', ')} not installed`,
    {
      hint: `install ${missing.map(([, pkg]) => pkg).join('; ')}`,
    },
  );
}

function refuseDaemonFile(docker: DockerStorageConfig, text: string | null): void {
  if (text === null) return;
  let daemon: Readonly<Record<string, unknown>>;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return;
    daemon = value as Readonly<Record<string, unknown>>;
  } catch {
    // Not JSON: dockerd says so itself, with the place.
    return;
  }
  const root = daemon['data-root'] ?? daemon['graph'];
  if (typeof root === 'string' && root.replace(/\/+$/, '') !== dockerDirectory) {
    throw new AgentError(
      'config',
      `${daemonFile} puts docker's data into ${root}, and the declared storage is for ${dockerDirectory}`,
      { hint: `remove data-root from ${daemonFile}, or storage: from the cluster file` },
    );
  }
  const both = ['storage-driver', 'storage-opts'].filter((key) => key in daemon);
  if (both.length === 0) return;
  throw new AgentError(
    'config',
    `${daemonFile} sets ${both.join(' and ')}, which the declared storage decides (${docker.driver}); dockerd refuses both`,
    { hint: `remove ${both.join(' and ')} from ${daemonFile}` },
  );
}

/** Mounting over a directory that docker has filled would make its images vanish without a word. */
async function refuseDataInTheWay(files: ReadOnlyFiles): Promise<void> {
  const table = decodeMountTable(await files.readHead(mountTableFile, mountTableBytes)) ?? [];
  // Something is mounted there: whether it is ours is looked at when docker starts.
  if (covering(table, dockerDirectory)?.mountPoint === dockerDirectory) return;
  const held = await dataOf(files);
  if (held === null) return;
  throw new AgentError(
    'config',
    `docker has run on this host's root disk before: ${dockerDirectory} holds ${held}, which the declared storage would hide`,
    {
      hint: `keep it: remove storage: from the cluster file. Or leave it behind: systemctl stop docker.socket docker, mv ${dockerDirectory} ${dockerDirectory}.old, systemctl start docker`,
    },
  );
}

/** An empty directory tree, as a package's first start leaves it, is nothing to lose. */
async function dataOf(files: ReadOnlyFiles): Promise<string | null> {
  const containers = await files.list(under(dockerDirectory, 'containers'));
  if (containers.length > 0) return `${containers.length} containers`;
  // loop-lvm of the devicemapper driver: everything is in these two files.
  if (await files.exists(under(dockerDirectory, 'devicemapper', 'devicemapper', 'data'))) return 'a loopback thin pool';
  for (const driver of await files.list(under(dockerDirectory, 'image'))) {
    const images = await files.list(under(dockerDirectory, 'image', driver, 'imagedb', 'content', 'sha256'));
    if (images.length > 0) return `${images.length} images of the driver ${driver}`;
  }
  const volumes = (await files.list(under(dockerDirectory, 'volumes'))).filter(
    (name) => name !== 'metadata.db' && name !== 'backingFsBlockDev',
  );
  return volumes.length > 0 ? `${volumes.length} volumes` : null;
}

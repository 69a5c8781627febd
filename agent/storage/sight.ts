// One look at the declared disks, at LVM and at what docker-storage-setup wrote.

import { AgentError } from '../model/errors.ts';
import type { StorageLayout } from '../model/layout.ts';
import type { AbsolutePath } from '../model/paths.ts';
import {
  type DockerStorageConfig,
  dockerRootVolume,
  type LvmState,
  type Signature,
  volumePath,
} from '../model/storage.ts';
import type { ReadOnlyHost } from '../ports/host.ts';
import { parseDockerStorage, storageSetupVerdict } from '../render/storage-setup.ts';
import type { SeenDisk, SetupSight, StorageSight } from './plan.ts';

type LookingHost = Pick<ReadOnlyHost, 'disks' | 'lvm' | 'files'>;

/**
 * @param paths of the declared disks
 * @returns the look, or the paths at which nothing is
 * @throws AgentError `oserr` when something could not be found out: an answer that is missing is never taken for "nothing"
 */
export async function look(
  host: LookingHost,
  paths: readonly AbsolutePath[],
  docker: DockerStorageConfig,
  layout: StorageLayout,
): Promise<{ readonly sight: StorageSight } | { readonly absent: readonly AbsolutePath[] }> {
  const inspected = await Promise.all(paths.map(async (path) => ({ path, disk: await host.disks.inspect(path) })));
  const absent = inspected.filter((i) => i.disk === null).map((i) => i.path);
  if (absent.length > 0) return { absent };
  const disks = inspected.filter((i): i is SeenDisk => i.disk !== null);
  const lvm = await host.lvm.state();
  const [rootSignatures, setup] = await Promise.all([
    signaturesOfRoot(host, docker, lvm),
    layout.storageSetup === null ? null : setupSight(host, docker, layout),
  ]);
  return { sight: { disks, lvm, rootSignatures, setup } };
}

async function signaturesOfRoot(
  host: LookingHost,
  docker: DockerStorageConfig,
  lvm: LvmState,
): Promise<readonly Signature[] | null> {
  const root = lvm.logicalVolumes.find((v) => v.volumeGroup === docker.volumeGroup && v.name === dockerRootVolume);
  if (root === undefined || !root.isActive) return null;
  const path = volumePath(docker.volumeGroup, dockerRootVolume);
  const device = await host.disks.inspect(path);
  if (device !== null) return device.signatures;
  // Taken for "not active" it would be neither looked at nor mounted, and called ready.
  throw new AgentError('tempfail', `${docker.volumeGroup}/${dockerRootVolume} is active, and ${path} is not there`, {
    hint: 'udev has not made it yet: udevadm settle, or vgmknodes; it is tried again',
  });
}

async function setupSight(host: LookingHost, docker: DockerStorageConfig, layout: StorageLayout): Promise<SetupSight> {
  const options = parseDockerStorage(await host.files.readText(layout.storageSetupResult));
  return storageSetupVerdict(options, docker);
}

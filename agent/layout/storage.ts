// What this host has for making docker's storage: docker-storage-setup, LVM, the makers of file systems.

import type { StorageLayout } from '../model/layout.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import { findProgram } from './programs.ts';

/** Where trees without merged /usr keep the programs of the system. */
const systemDirectories: readonly AbsolutePath[] = ['/sbin', '/bin'];

/**
 * The layout of storage. docker-storage-setup comes first: the same program, by the name under which it always works as
 * it did in 2015; container-storage-setup does so only as long as it is given no command.
 *
 * @throws AgentError as ReadOnlyFiles
 */
export async function observeStorage(files: ReadOnlyFiles): Promise<StorageLayout> {
  const [dockerSetup, containerSetup, lvm, xfs, ext4, thinCheck] = await Promise.all(
    ['docker-storage-setup', 'container-storage-setup', 'lvm', 'mkfs.xfs', 'mkfs.ext4', 'thin_check'].map((name) =>
      findSystemProgram(files, name),
    ),
  );
  return {
    storageSetup: dockerSetup ?? containerSetup ?? null,
    storageSetupSettings: '/etc/sysconfig/docker-storage-setup',
    storageSetupResult: '/etc/sysconfig/docker-storage',
    programs: { lvm: lvm ?? null, 'mkfs.xfs': xfs ?? null, 'mkfs.ext4': ext4 ?? null, thin_check: thinCheck ?? null },
  };
}

async function findSystemProgram(files: ReadOnlyFiles, name: string): Promise<AbsolutePath | null> {
  const found = await findProgram(files, name);
  if (found !== null) return found;
  const paths = systemDirectories.map((directory) => under(directory, name));
  const exist = await Promise.all(paths.map((path) => files.exists(path)));
  return paths.find((_, i) => exist[i] === true) ?? null;
}

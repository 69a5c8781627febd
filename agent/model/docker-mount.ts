// Is docker's directory really on the declared volume? The table of mounts decides, not what was asked for.

import { covering, type MountEntry } from './mount-table.ts';
import { type DockerStorageConfig, dockerDirectory, dockerRootVolume, mapperPath, volumePath } from './storage.ts';

export interface DockerMountVerdict {
  readonly isRight: boolean;
  /** The mount, or its file system after errors. */
  readonly isReadOnly: boolean;
  /** What it is on instead, or indeed: `/dev/mapper/docker--images-docker--root`, `overlay`. */
  readonly source: string;
}

/** Pure. The kernel names a volume by its device-mapper name, a caller of mount(2) may have used the other one. */
export function dockerMountVerdict(table: readonly MountEntry[], docker: DockerStorageConfig): DockerMountVerdict {
  const mount = covering(table, dockerDirectory);
  const source = mount?.source ?? 'nothing';
  const names: readonly string[] = [
    mapperPath(docker.volumeGroup, dockerRootVolume),
    volumePath(docker.volumeGroup, dockerRootVolume),
  ];
  const options = mount === null ? [] : [...mount.options, ...mount.superOptions];
  return {
    isRight: mount?.mountPoint === dockerDirectory && names.includes(source),
    isReadOnly: options.includes('ro'),
    source,
  };
}

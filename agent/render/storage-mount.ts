// The mount unit of docker's directory, and what ties docker and the storage unit together.

import type { DockerStorageConfig } from '../model/storage.ts';
import { dockerDirectory, dockerRootVolume, volumePath } from '../model/storage.ts';
import { renderSections } from './drop-in.ts';
import { header } from './marker.ts';

export const storageUnit = 'diyc-agent-storage.service';
/** What gives the storage back at shutdown. */
const releaseUnit = 'diyc-agent-storage-release.service';
/** As `systemd-escape --path --suffix=mount /var/lib/docker` names it. */
export const dockerMountUnit = 'var-lib-docker.mount';

/**
 * docker's directory on the declared volume.
 *
 * Without default dependencies, because both kinds of them are wrong here: a local mount is before sysinit.target, which
 * a disk from the network cannot be, and a network mount is before remote-fs.target, which logins wait for; a target
 * that is away must not lock the operator out. docker names this unit by RequiresMountsFor=, so it is started with
 * docker and stopped after it; what gives the storage back is stopped after both: docker → unmount → group → logout.
 */
export function renderDockerMount(docker: DockerStorageConfig): string {
  // Images carry device nodes and setuid programs, so neither nodev nor nosuid. pquota lets docker limit containers' size.
  const options = docker.filesystem === 'xfs' ? 'noatime,pquota' : 'noatime';
  return renderSections(header("docker's directory on the declared storage"), [
    [
      'Unit',
      [
        ['Description', `docker's images and containers, on volume group ${docker.volumeGroup}`],
        ['DefaultDependencies', 'no'],
        ['Requires', storageUnit],
        ['After', `${storageUnit} ${releaseUnit}`],
        ['Conflicts', 'umount.target'],
        ['Before', 'umount.target'],
      ],
    ],
    [
      'Mount',
      [
        ['What', volumePath(docker.volumeGroup, dockerRootVolume)],
        ['Where', dockerDirectory],
        ['Type', docker.filesystem],
        ['Options', options],
      ],
    ],
  ]);
}

/** The storage unit's drop-in where a LUN is declared: the initiator's daemon is started by its socket, and only then. */
export function renderIscsiDropIn(socket: string): string {
  return renderSections(header('the storage of this node is a LUN'), [
    [
      'Unit',
      [
        ['Wants', socket],
        ['After', socket],
      ],
    ],
  ]);
}

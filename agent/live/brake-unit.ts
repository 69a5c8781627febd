// The mount units that stop downloads: something read-only over the directories that docker and containerd download to.

import { type AbsolutePath, under } from '../model/paths.ts';
import { renderSections } from '../render/drop-in.ts';
import { header } from '../render/marker.ts';

/**
 * Where a pull writes first: the engine's own downloads (also of docker load and of build contexts), and containerd's,
 * which the containerd image store of docker 23 and newer uses.
 */
export const brakeDirectories = [
  '/var/lib/docker/tmp',
  '/var/lib/containerd/io.containerd.content.v1.content/ingest',
] as const satisfies readonly AbsolutePath[];

/** The unit's file; below /run, so that no brake outlives the boot it was applied in. */
export function brakeUnitFile(directory: AbsolutePath): AbsolutePath {
  return under('/run/systemd/system', brakeUnitName(directory));
}

/** `var-lib-docker-tmp.mount`: a mount unit has to be named after its place. */
export function brakeUnitName(directory: AbsolutePath): string {
  return `${escapePath(directory)}.mount`;
}

/**
 * A path as systemd names units after it (systemd.unit(5), systemd-escape --path): without outer slashes, inner ones as
 * `-`, and each byte that is neither a letter, a digit, `:`, `_` nor `.` (nor a leading dot) as `\xNN`.
 *
 * @param path absolute, without `..`
 */
export function escapePath(path: AbsolutePath): string {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  if (names.length === 0) return '-';
  const bytes = new TextEncoder().encode(names.join('/'));
  return Array.from(bytes, (byte, i) => {
    const character = String.fromCharCode(byte);
    if (character === '/') return '-';
    const isPlain = /[A-Za-z0-9:_.]/.test(character) && !(character === '.' && i === 0);
    return isPlain ? character : `\\x${byte.toString(16).padStart(2, '0')}`;
  }).join('');
}

/**
 * An empty read-only tmpfs over the directory: whoever makes a file there is told `read-only file system`, containers
 * and what is open already go on. Not a read-only bind mount of the directory onto itself: mount(8) before util-linux
 * 2.27 (Fedora 22, CentOS 7) takes `bind,ro` and mounts it writable. A process whose mounts are its own sees neither
 * (dockerd with MountFlags=private).
 *
 * Started by the agent alone, by `systemctl --no-block start`; nothing wants it at boot.
 */
export function renderBrakeUnit(directory: AbsolutePath): string {
  return renderSections(header('no downloads while the overlay of the live root is nearly full'), [
    [
      'Unit',
      [
        ['Description', `Downloads to ${directory} stopped by diyc-agent: the overlay of the live root is nearly full`],
        ['Documentation', 'man:diyc-agent(8)'],
        ['ConditionPathIsDirectory', directory],
      ],
    ],
    [
      'Mount',
      [
        ['What', 'tmpfs'],
        ['Where', directory],
        ['Type', 'tmpfs'],
        ['Options', 'ro,nosuid,nodev,noexec,mode=0700,size=4k'],
      ],
    ],
  ]);
}

/** What an operator types to let downloads go on. */
export function releaseCommand(directories: readonly AbsolutePath[]): string {
  return `systemctl stop ${directories.map(brakeUnitName).join(' ')}`;
}

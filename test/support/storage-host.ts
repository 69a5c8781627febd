// A packaged host whose cluster file declares storage: its programs, its target, and what the kernel shows of mounts.

import { readFileSync } from 'node:fs';
import { mapperPath, volumePath } from '../../agent/model/storage.ts';
import { type StorageResult, storageFile } from '../../agent/model/storage-result.ts';
import { type FakeDisk, fakeDisk } from './fake-disks.ts';
import type { FakeTree } from './fake-files.ts';
import type { FakeHost } from './fake-host.ts';
import type { FakeTarget } from './fake-iscsi.ts';
import { clusterFile, type PackagedHostOptions, packagedHost } from './packaged-host.ts';

export const target = 'iqn.2009-02.com.example:part';
export const portal = '10.34.102.54:3260';
export const initiatorName = 'iqn.2009-02.com.example:diy-cluster:a1';
export const lun1 = `/dev/disk/by-path/ip-${portal}-iscsi-${target}-lun-1` as const;
export const lun2 = `/dev/disk/by-path/ip-${portal}-iscsi-${target}-lun-2` as const;
/** What must be in the record and in its own file, and nowhere else. */
export const secret = 'Vn7wq2LkTr9xQ4';
export const secretFile = '/etc/diyc-agent/chap';
export const recordFile = `/etc/iscsi/nodes/${target}/10.34.102.54,3260`;
export const nameFile = '/etc/iscsi/initiatorname.iscsi';
export const storageUnit = 'diyc-agent-storage.service';

export const chap = `{ username: node, passwordFile: ${secretFile} }`;
export const onIscsi = `  iscsi: { portal: 10.34.102.54, target: ${target}, chap: ${chap} }\n`;
export const onLun1 = '  docker: { volumeGroup: docker-images, devices: [iscsi:1] }\n';

/** The cluster file with this storage for all nodes. */
export function clusterWith(...parts: readonly string[]): string {
  return `${clusterFile}storage:\n${parts.join('')}`;
}

/** Seed B's target with one blank LUN of 2 GiB, for whoever knows the secret. */
export function blankTarget(given: Partial<FakeTarget<FakeDisk>> = {}): FakeTarget<FakeDisk> {
  return { target, portals: [portal], luns: { 1: fakeDisk() }, chap: { username: 'node', secret }, ...given };
}

const ownUnit = (name: string): string => readFileSync(new URL(`../../units/${name}`, import.meta.url), 'utf8');
const rootMount = '25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n';

/** What a package brings; Debian's initiator names its database in its own unit. */
export const storagePrograms: FakeTree = {
  '/usr/sbin/iscsiadm': 'ELF',
  '/usr/sbin/lvm': 'ELF',
  '/usr/sbin/mkfs.xfs': 'ELF',
  '/usr/sbin/mkfs.ext4': 'ELF',
  '/usr/sbin/thin_check': 'ELF',
  '/lib/systemd/system/iscsid.socket': '[Socket]\nListenStream=@ISCSIADM_ABSTRACT_NAMESPACE\n',
  '/lib/systemd/system/iscsid.service': '[Service]\nExecStart=/usr/sbin/iscsid\n',
  '/lib/systemd/system/open-iscsi.service':
    '[Unit]\nConditionDirectoryNotEmpty=|/etc/iscsi/nodes\n[Service]\nExecStart=/usr/sbin/iscsiadm -m node --loginall=automatic\n',
  ...Object.fromEntries(
    [storageUnit, 'diyc-agent-gauge.service', 'diyc-agent-gauge.timer', 'diyc-agent-report.timer'].map((name) => [
      `/usr/lib/systemd/system/${name}`,
      ownUnit(name),
    ]),
  ),
};

/** Node a1 (or `name`) with storage declared, configured by nobody yet; its target has a blank LUN. */
export function storageHost({
  cluster = clusterWith(onIscsi, onLun1),
  ...options
}: PackagedHostOptions = {}): FakeHost {
  return packagedHost({
    targets: [blankTarget()],
    ...options,
    cluster,
    files: {
      ...storagePrograms,
      [secretFile]: { text: `${secret}\n`, mode: 0o600 },
      '/proc/self/mountinfo': rootMount,
      '/proc/meminfo': 'MemTotal:        4194304 kB\nMemAvailable:    3145728 kB\n',
      ...options.files,
    },
    units: { 'docker.service': { onStart: 'waits' }, [storageUnit]: { onStart: 'waits' }, ...options.units },
  });
}

/** How the last attempt ended, as it stands in /run. */
export function storageResult(host: FakeHost): StorageResult {
  return JSON.parse(host.files.snapshot()[storageFile] ?? 'null') as StorageResult;
}

/** What systemd does once the storage is there: mount docker's directory, start docker. */
export function mountAndRun(host: FakeHost, group = 'docker-images'): void {
  host.disks.mount(volumePath(group, 'docker-root'), '/var/lib/docker');
  const source = mapperPath(group, 'docker-root');
  host.files.put({
    '/proc/self/mountinfo': `${rootMount}40 25 253:0 / /var/lib/docker rw,noatime shared:2 - xfs ${source} rw,prjquota\n`,
  });
  host.units.change('docker.service', { active: 'active', sub: 'running', jobQueued: false });
  host.units.change(storageUnit, { active: 'active', sub: 'exited', jobQueued: false });
}

/** And at shutdown: docker stops, its directory is unmounted. */
export function stopAndUnmount(host: FakeHost): void {
  host.units.change('docker.service', { active: 'inactive', sub: 'dead', jobQueued: false });
  host.disks.unmount('/var/lib/docker');
  host.files.put({ '/proc/self/mountinfo': rootMount });
}

/** Power on again: nothing is mounted. */
export function reboot(host: FakeHost): void {
  host.files.put({ '/proc/self/mountinfo': rootMount });
  host.boot();
}

/** Where in the whole tree a text stands. */
export function placesOf(host: FakeHost, text: string): string[] {
  return Object.entries(host.files.snapshot()).flatMap(([path, content]) => (content.includes(text) ? [path] : []));
}

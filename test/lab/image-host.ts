/** Image-based hosts: the lab's Debian hosts with a stand-in for rpm-ostree, and the origin that offers them releases. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lab } from './cluster.ts';
import type { DiskFile, Host } from './host.ts';
import { CLUSTER_FILE } from './seed.ts';

const STUBS = join(import.meta.dirname, '../stubs');
const HOME = '/var/lib/rpm-ostree-stub';
const UNIT = 'rpm-ostree-stub.service';
/** What is on the hosts is given a name as of an RPM: the agent asks for its version before data cross a format. */
const ARCH = 'x86_64';

export interface OfferedRelease {
  readonly version: string;
  /** Run by the shell early in each boot of it: what is wrong with a bad release. */
  readonly bootHook?: string;
  /** Staging it takes until this file is there. */
  readonly stageUntil?: string;
}

/** What the agent calls the commit of a release. */
export function commitOf(version: string): string {
  return createHash('sha256').update(`release ${version}`).digest('hex');
}

/** The stub's releases.json: every release has the packages that are really there. */
async function originText(lab: Lab, releases: readonly OfferedRelease[]): Promise<string> {
  const version = async (name: string): Promise<string> => upstreamOf(await lab.installedVersion(name));
  const packages = [
    `etcd-${await version('etcd-server')}-1.${ARCH}`,
    `docker-${await version('docker.io')}-1.${ARCH}`,
    `flannel-${lab.options.flanneld.version.replace(/^v/, '')}-1.${ARCH}`,
  ];
  const listed = releases.map((release) => ({
    version: release.version,
    checksum: commitOf(release.version),
    packages,
    ...(release.bootHook === undefined ? {} : { 'boot-hook': release.bootHook }),
    ...(release.stageUntil === undefined ? {} : { 'stage-until': release.stageUntil }),
  }));
  return `${JSON.stringify({ refspec: 'lab:stable', releases: listed })}\n`;
}

/** `1:20.10.24+dfsg1-1+deb12u1` to `20.10.24`: no hyphen is left, as in the version of an RPM. */
function upstreamOf(debianVersion: string): string {
  return debianVersion.replace(/^\d+:/, '').replace(/[-+~].*$/, '');
}

/** What makes an image-based host of a disk; it is in the first release until it is told otherwise. */
async function imageFiles(lab: Lab, releases: readonly OfferedRelease[]): Promise<Record<string, DiskFile>> {
  return {
    '/usr/bin/rpm-ostree': { program: await readFile(join(STUBS, 'rpm-ostree'), 'utf8') },
    [`/usr/lib/systemd/system/${UNIT}`]: await readFile(join(STUBS, UNIT), 'utf8'),
    [`/etc/systemd/system/sysinit.target.wants/${UNIT}`]: { link: `/usr/lib/systemd/system/${UNIT}` },
    // the real marker is made in the initial ramdisk, before any unit runs
    '/usr/lib/tmpfiles.d/lab-ostree-booted.conf': 'f /run/ostree-booted 0644 root root - -\n',
    [`${HOME}/origin/releases.json`]: await originText(lab, releases),
  };
}

/** `upgrade:` of the cluster file, for a lab: what is minutes elsewhere is seconds here. */
export const QUICK_POLICY = `upgrade:
  soak: 5s
  readyWithin: 1m
`;

/** Three image-based hosts, off and blank, in the first of these releases. */
export async function imageHosts(lab: Lab, releases: readonly OfferedRelease[], policy = QUICK_POLICY): Promise<void> {
  await lab.blankWith(`${CLUSTER_FILE}${policy}`);
  const files = await imageFiles(lab, releases);
  for (const node of lab.nodes) await node.putFiles(files);
}

/** From now on the origin offers these, oldest first. */
export async function publish(lab: Lab, releases: readonly OfferedRelease[]): Promise<void> {
  const text = await originText(lab, releases);
  for (const node of lab.nodes) await writeOnHost(node, `${HOME}/origin/releases.json`, text);
}

/** Replaces a file of a host that is on. */
export async function writeOnHost(host: Host, path: string, text: string): Promise<void> {
  const outcome = await host.ask(['sh', '-c', 'printf %s "$2" >"$1.new" && mv "$1.new" "$1"', 'sh', path, text]);
  if (outcome.code !== 0) throw new Error(`writing ${path} on ${host.name}: ${outcome.stderr.trim()}`);
}

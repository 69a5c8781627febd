// Which tool drives this host: rpm-ostree where it is installed, else bootc; with both, what one says of the other counts.

import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import type { Deployment, OsState } from '../model/deployment.ts';
import { AgentError } from '../model/errors.ts';
import { type BootcView, conflictsOf } from '../model/os-conflicts.ts';
import type { OsTree } from '../ports/os-tree.ts';
import { bootc } from './bootc.ts';
import type { BootcStatus } from './bootc-status.ts';
import type { Exec } from './child-exec.ts';
import { type OsTreeTool, rpmOstree } from './rpm-ostree.ts';
import type { RpmOstreeStatus } from './rpm-ostree-status.ts';
import { isAbsent, systemError } from './system-errors.ts';

const unitQuestionDeadlineMs = 5_000;

export interface HostOsTreeOptions {
  readonly exec: Exec;
  /** Made in the initial ramdisk of every host that ostree booted; tests name another. */
  readonly bootedMarker?: string;
  /** Where `exec` looks for programs. */
  readonly directories?: readonly string[];
  readonly daemonConfig?: string;
  readonly deployDirectory?: string;
}

/** The OsTree port of the running host. Nothing is remembered: what is installed changes with the booted deployment. */
export function hostOsTree({
  exec,
  bootedMarker = '/run/ostree-booted',
  directories = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin'],
  daemonConfig = '/etc/rpm-ostreed.conf',
  deployDirectory = '/ostree/deploy',
}: HostOsTreeOptions): OsTree {
  const ofRpmOstree = rpmOstree(exec);
  const ofBootc = bootc({ exec, deployDirectory });

  async function isInstalled(program: string): Promise<boolean> {
    for (const directory of directories) {
      if (await isThere(`${directory}/${program}`, constants.X_OK)) return true;
    }
    return false;
  }

  async function driver(): Promise<'rpm-ostree' | 'bootc' | null> {
    if (!(await isThere(bootedMarker, constants.F_OK))) return null;
    if (await isInstalled('rpm-ostree')) return 'rpm-ostree';
    return (await isInstalled('bootc')) ? 'bootc' : null;
  }

  async function tool(): Promise<OsTreeTool> {
    const found = await driver();
    if (found !== null) return found === 'rpm-ostree' ? ofRpmOstree : ofBootc;
    throw new AgentError('oserr', 'this host is not image-based: ostree did not boot it, or its tools are missing', {
      hint: `see whether ${bootedMarker} is there, and rpm-ostree or bootc is installed`,
      retryable: false,
    });
  }

  /** rpm-ostree passes over a driver whose unit is not active; where systemd does not answer it counts as active. */
  async function isActive(unit: string): Promise<boolean> {
    if (!/^[\w@.:-]+$/.test(unit)) return true;
    try {
      const result = await exec.run(['systemctl', 'is-active', '--', unit], { deadlineMs: unitQuestionDeadlineMs });
      return !['inactive', 'failed', 'unknown'].includes(result.stdout.trim());
    } catch {
      return true;
    }
  }

  async function bootcView(): Promise<BootcView> {
    if (!(await isInstalled('bootc'))) return { kind: 'absent' };
    try {
      return viewOf(await ofBootc.status());
    } catch (error) {
      return { kind: 'unknown', detail: error instanceof Error ? error.message : String(error) };
    }
  }

  async function stateByRpmOstree(): Promise<OsState> {
    const [status, view, isLayeringLocked] = await Promise.all([
      ofRpmOstree.status(),
      bootcView(),
      readLockLayering(daemonConfig),
    ]);
    const updateDriver = await activeDriver(status);
    const deployments = status.deployments.map((d) => d.deployment);
    return {
      driver: 'rpm-ostree',
      deployments,
      transaction: status.transaction,
      cachedUpdate: status.cachedUpdate,
      updateDriver: updateDriver?.name ?? null,
      conflicts: conflictsOf({ driver: 'rpm-ostree', deployments, updateDriver, bootc: view, isLayeringLocked }),
    };
  }

  async function activeDriver({ updateDriver }: RpmOstreeStatus): Promise<RpmOstreeStatus['updateDriver']> {
    if (updateDriver === null) return null;
    return updateDriver.unit === '' || (await isActive(updateDriver.unit)) ? updateDriver : null;
  }

  async function stateByBootc(): Promise<OsState | null> {
    const status = await ofBootc.status();
    if (status === null) return null;
    const deployments: Deployment[] = status.deployments.map((d) => d.deployment);
    const facts = { deployments, updateDriver: null, bootc: viewOf(status), isLayeringLocked: false };
    return {
      driver: 'bootc',
      deployments,
      transaction: null,
      cachedUpdate: status.cachedUpdate,
      updateDriver: null,
      conflicts: conflictsOf({ driver: 'bootc', ...facts }),
    };
  }

  return {
    async state() {
      const found = await driver();
      if (found === null) return null;
      return found === 'rpm-ostree' ? await stateByRpmOstree() : await stateByBootc();
    },
    packages: async (checksum, names) => await (await tool()).packages(checksum, names),
    check: async (signal) => await (await tool()).check(signal),
    stage: async (release, signal) => await (await tool()).stage(release, signal),
    discardStaged: async () => await (await tool()).discardStaged(),
    finalize: async (checksum) => await (await tool()).finalize(checksum),
    rollBack: async (checksum) => await (await tool()).rollBack(checksum),
  };
}

function viewOf(status: BootcStatus | null): BootcView {
  if (status === null) return { kind: 'no-bootc-host' };
  return {
    kind: 'host',
    isBootedIncompatible: status.deployments.some((d) => d.deployment.booted && d.isIncompatible),
    isStagedIncompatible: status.deployments.some((d) => d.deployment.staged && d.isIncompatible),
  };
}

/** A key file of GLib, as rpm-ostreed.conf(5) has it: the last one in [Daemon] counts. */
async function readLockLayering(path: string): Promise<boolean> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return false;
    throw systemError(error, `read ${path}`, path);
  }
  const daemon = /^\[Daemon\]$([^[]*)/m.exec(text)?.[1] ?? '';
  return [...daemon.matchAll(/^LockLayering\s*=\s*(\w+)\s*$/gm)].at(-1)?.[1] === 'true';
}

async function isThere(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch {
    return false;
  }
}

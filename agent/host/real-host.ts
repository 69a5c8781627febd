// Assembles the real Host: everything the agent can ask of the machine and do to it, each part made when first used.

import { existsSync } from 'node:fs';
import { AgentError } from '../model/errors.ts';
import type { EtcdClient, Host } from '../ports/host.ts';
import { childExec, type Exec } from './child-exec.ts';
import { hostDisks } from './disks.ts';
import { dockerEngine } from './docker-engine.ts';
import { etcdClient } from './etcd-client.ts';
import { hostEtcdSnapshots } from './etcd-snapshots.ts';
import { fleetLockClient } from './fleet-lock-client.ts';
import { nodeHttpServer } from './http-server.ts';
import { iscsiInitiator } from './iscsiadm.ts';
import { linuxKernel } from './kernel.ts';
import { liveHost } from './live-host.ts';
import { loginSessions } from './login-sessions.ts';
import { hostLvm } from './lvm.ts';
import { linuxMachine } from './machine.ts';
import { linuxNetwork } from './network.ts';
import { nodeClock } from './node-clock.ts';
import { hostOsTree } from './os-tree.ts';
import { installedPrograms } from './programs.ts';
import { hostReach } from './reach.ts';
import { rootedFiles } from './rooted-files.ts';
import { hostStorageSetup } from './storage-setup.ts';
import { systemdUnits } from './systemd-units.ts';

export interface RealHostOptions {
  /** Absolute path of the directory that stands for `/`; `/` is the running host. */
  readonly root: string;
}

/**
 * The machine itself, or a tree below it.
 *
 * Below a root other than `/` only files can be asked and changed. Programs have no version there; every question to
 * the running system, and every change of it, is refused with kind `usage`.
 */
export function realHost({ root }: RealHostOptions): Host {
  const isHost = root === '/';
  // Directories are made with their final mode in one call; a unit's UMask=0077 must not make /etc/… unreadable.
  process.umask(0o022);
  const exec = childExec();
  const clock = nodeClock();
  const system = rootedFiles({ root: '/', ...(hasSelinux() ? { relabel: (path) => restoreLabel(exec, path) } : {}) });
  const files = isHost ? system : rootedFiles({ root });
  const machine = linuxMachine({ root, files, system });
  if (!isHost) return { files, machine, clock, ...refusals(root) };
  return {
    files,
    machine,
    clock,
    units: systemdUnits({ exec }),
    network: linuxNetwork(exec),
    programs: installedPrograms(exec, system),
    engine: dockerEngine(),
    etcd: etcdClient(),
    kernel: linuxKernel(exec),
    live: liveHost(exec),
    disks: hostDisks({ exec }),
    lvm: hostLvm(exec),
    iscsi: iscsiInitiator(exec, system),
    storageSetup: hostStorageSetup({ exec }),
    osTree: hostOsTree({ exec }),
    snapshots: hostEtcdSnapshots({ exec }),
    sessions: loginSessions({ exec }),
    reach: hostReach(),
    fleetLock: fleetLockClient(),
    httpServer: nodeHttpServer(),
  };
}

/** selinuxfs is mounted only where SELinux is on. */
function hasSelinux(): boolean {
  return existsSync('/sys/fs/selinux/enforce');
}

/** A renamed file keeps the label of its temporary name; the policy may want another for the final one. */
async function restoreLabel(exec: Exec, path: string): Promise<void> {
  try {
    await exec.run(['restorecon', path], { deadlineMs: 5_000 });
  } catch {
    // A host without policycoreutils: the label inherited from the directory has to do.
  }
}

/** What needs the running system; files, machine and clock are there below any root. */
type RunningParts = Omit<Host, 'files' | 'machine' | 'clock'>;

function refusals(root: string): RunningParts {
  const refuse = (what: string) => (): Promise<never> =>
    Promise.reject(
      new AgentError('usage', `cannot ${what} below the root ${root}: that needs the running host`, {
        hint: 'run the same command on the host itself, without --root',
      }),
    );
  const etcd: EtcdClient = {
    keys: refuse('reach etcd'),
    leases: refuse('reach etcd'),
    health: refuse('reach etcd'),
    survey: refuse('reach etcd'),
  };
  return {
    units: {
      states: refuse('ask systemd'),
      reload: refuse('reload systemd'),
      queueStart: refuse('start units'),
      queueStop: refuse('stop units'),
      queueRestart: refuse('restart units'),
      reloadServices: refuse('reload services'),
      resetFailed: refuse('reset units'),
      reboot: refuse('reboot'),
    },
    network: {
      addresses: refuse('look at network addresses'),
      device: refuse('look at network devices'),
      routes: refuse('look at routes'),
    },
    programs: { versionText: () => Promise.resolve(null), remember: () => Promise.resolve() },
    engine: { facts: refuse('ask the docker engine') },
    etcd,
    kernel: {
      loadModule: refuse('load a kernel module'),
      removeDevice: refuse('remove a network device'),
      hasFirewallChain: refuse('look at the firewall'),
      ensureFirewallRule: refuse('change the firewall'),
    },
    live: {
      dmStatus: refuse('ask device-mapper'),
      space: refuse('look at free space'),
      writtenSince: refuse('look for what was written'),
    },
    disks: {
      inspect: refuse('look at disks'),
      await: refuse('wait for disks'),
      wipe: refuse('wipe disks'),
      makeFileSystem: refuse('make file systems'),
      growFileSystem: refuse('grow file systems'),
      rescan: refuse('look at disks'),
    },
    lvm: {
      state: refuse('ask LVM'),
      makeVolumeGroup: refuse('make volume groups'),
      extendVolumeGroup: refuse('extend volume groups'),
      growPhysicalVolume: refuse('grow volumes'),
      makeThinPool: refuse('make volumes'),
      makeVolume: refuse('make volumes'),
      growVolume: refuse('grow volumes'),
      activate: refuse('activate volume groups'),
      deactivate: refuse('deactivate volume groups'),
    },
    iscsi: {
      sessions: refuse('look at iSCSI sessions'),
      records: refuse('look at iSCSI records'),
      discover: refuse('ask iSCSI portals'),
      addRecord: refuse('add iSCSI records'),
      login: refuse('log in to iSCSI targets'),
      logout: refuse('log out from iSCSI targets'),
      rescan: refuse('rescan iSCSI sessions'),
    },
    storageSetup: { run: refuse('run docker-storage-setup') },
    osTree: {
      state: refuse('look at deployments'),
      packages: refuse('look at deployments'),
      check: refuse('look for updates'),
      stage: refuse('stage deployments'),
      discardStaged: refuse('discard deployments'),
      finalize: refuse('reboot'),
      rollBack: refuse('roll back'),
    },
    snapshots: { take: refuse('take snapshots of etcd') },
    sessions: { people: refuse('see who is logged in') },
    reach: { tcp: refuse('look what can be reached'), http: refuse('look what can be reached') },
    fleetLock: { ask: refuse('ask a FleetLock server') },
    httpServer: { serve: refuse('serve FleetLock') },
  };
}

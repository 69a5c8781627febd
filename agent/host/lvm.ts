// LVM through its one program: reports are whole or an error, nothing is forced, and no other host activates what is made.

import { AgentError, isAgentError } from '../model/errors.ts';
import type { LogicalVolume, LvmState, VolumeGroup } from '../model/storage.ts';
import type { Lvm, NewVolume } from '../ports/storage.ts';
import { assertSucceeded, type Exec, type ExecResult } from './child-exec.ts';
import {
  parseLogicalVolumes,
  parseLvmVersion,
  parsePhysicalVolumes,
  parseVolumeGroups,
  reportColumns,
  reportSeparator,
} from './lvm-report.ts';

/** LVM reads every disk of the host for an answer; one whose target is gone keeps it waiting. */
const questionDeadlineMs = 60_000;
/** A change waits for udev as well. It is cut off late: a volume half made is worse than a wait. */
const changeDeadlineMs = 180_000;

/** From this version on a group can say that nobody activates it by itself, and the devices file can be passed over. */
const modern = [2, 3, 12] as const;
/** From this version on there is no lvmetad any more. */
const withoutCache = [2, 3, 0] as const;

/** As docker-storage-setup: fewer chunks need less metadata, and a pool that is not zeroed copies no more for it. */
const chunkSize = '512k';
/** As docker-storage-setup: 0.1 %. LVM's own formula counts one snapshot, docker makes one for each layer. */
const metadataShare = 1000;

/**
 * The Lvm port by `lvm COMMAND`.
 *
 * Standard input is closed, so LVM answers its own questions with no: pvcreate, vgcreate and vgextend end with 5 on a
 * disk that carries anything ("ext4 signature detected on /dev/sda at offset 1080. Wipe it? [y/n]: [n]"), and leave it
 * as it is. Only lvcreate gets `--yes`: what it finds within a new volume of our own group are remains of a removed one.
 *
 * From 2.03.12 on LVM is told to pass over its devices file (`--devicesfile ""`): the one of a live image was made on
 * another machine and does not list the LUN. So on hosts that have one the group shows to people by
 * `vgs --devicesfile ""` only, and the host's own event activation does not touch it, which is wanted.
 *
 * A pool that only docker uses keeps transaction id 0 in LVM's metadata while docker counts its own in the pool's;
 * LVM compares the two only for pools of which it made a thin volume itself. Seen with 2.03.16: such a pool is
 * activated, extended and deactivated as any other, and stands at /dev/mapper/GROUP-POOL without a `-tpool` below it.
 */
export function hostLvm(exec: Exec): Lvm {
  let asked: Promise<readonly number[]> | null = null;

  async function askVersion(): Promise<readonly number[]> {
    const result = await exec.run(['lvm', 'version'], { deadlineMs: questionDeadlineMs });
    // It ends with an error where the kernel has no device-mapper, and tells its version all the same.
    const version = parseLvmVersion(result.stdout);
    if (version === null) {
      if (result.timedOut) throw noAnswer('ask LVM for its version', result);
      assertSucceeded(result, 'ask LVM for its version', 'run lvm version by hand');
      throw new AgentError('oserr', 'cannot ask LVM for its version: it printed none', {
        hint: 'run lvm version by hand',
      });
    }
    return version;
  }

  async function has(floor: readonly number[]): Promise<boolean> {
    asked ??= askVersion().catch((error: unknown) => {
      asked = null;
      throw error;
    });
    return isAtLeast(await asked, floor);
  }

  const isModern = (): Promise<boolean> => has(modern);

  /**
   * lvmetad answers for LVM without a look at the disks, and knows of one only what udev's pvscan has told it: a LUN
   * that has just come would be a physical volume that LVM does not show. Where lvmetad is not in use this does nothing.
   */
  async function refreshCache(): Promise<void> {
    if (!(await has(withoutCache))) await lvm('pvscan', ['--cache'], questionDeadlineMs);
  }

  async function lvm(command: string, args: readonly string[], deadlineMs: number): Promise<ExecResult> {
    const devices = (await isModern()) ? ['--devicesfile', ''] : [];
    return await exec.run(['lvm', command, ...devices, ...args], { deadlineMs });
  }

  async function report<T>(
    command: keyof typeof reportColumns,
    parse: (text: string) => T,
    group?: string,
  ): Promise<T> {
    const options = ['--noheadings', '--separator', reportSeparator, '--units', 'b', '--nosuffix'];
    const columns = ['--options', reportColumns[command].join(',')];
    const result = await lvm(
      command,
      [...options, ...columns, ...(group === undefined ? [] : [group])],
      questionDeadlineMs,
    );
    const attempted = 'find out what LVM knows of the disks';
    if (result.timedOut) throw noAnswer(attempted, result);
    // A list that is not whole is none: with an error LVM prints what it could read.
    assertSucceeded(
      result,
      attempted,
      `see lvm ${command} -v; nothing is done while it is not known what is on the disks`,
    );
    return parse(result.stdout);
  }

  async function change(command: string, args: readonly string[], attempted: string, hint: string): Promise<void> {
    const result = await lvm(command, args, changeDeadlineMs);
    if (result.timedOut) throw noAnswer(attempted, result);
    assertSucceeded(result, attempted, hint);
  }

  async function groupNamed(name: string): Promise<VolumeGroup> {
    const [group, second] = (await report('vgs', parseVolumeGroups)).filter((g) => g.name === name);
    if (group === undefined || second !== undefined) {
      throw new AgentError('oserr', `there is ${group === undefined ? 'no' : 'more than one'} volume group ${name}`, {
        hint: 'see lvm vgs -o +vg_uuid,vg_tags',
      });
    }
    return group;
  }

  async function volumesOf(group: string): Promise<LogicalVolume[]> {
    return (await report('lvs', parseLogicalVolumes)).filter((v) => v.volumeGroup === group);
  }

  /** Before groups could say it, each volume said it for itself. */
  async function keepFromActivating(what: string): Promise<void> {
    if (await isModern()) return;
    await change(
      'lvchange',
      ['--setactivationskip', 'y', what],
      `keep other hosts from activating ${what}`,
      `see lvm lvs ${what}`,
    );
  }

  async function extend(volume: string, size: readonly string[]): Promise<void> {
    const result = await lvm('lvextend', [...size, volume], changeDeadlineMs);
    if (result.timedOut) throw noAnswer(`grow ${volume}`, result);
    // Nothing is free, or less than an extent: it is as large as it can be.
    if (result.exitCode !== 0 && /matches existing size/.test(result.stderr)) return;
    assertSucceeded(result, `grow ${volume}`, `see lvm lvs -a and lvm vgs for what is free`);
  }

  return {
    async state(): Promise<LvmState> {
      await refreshCache();
      return {
        physicalVolumes: await report('pvs', parsePhysicalVolumes),
        volumeGroups: await report('vgs', parseVolumeGroups),
        logicalVolumes: await report('lvs', parseLogicalVolumes),
      };
    },

    async makeVolumeGroup(name, devices, tags) {
      const own = (await isModern()) ? ['--setautoactivation', 'n'] : [];
      const tagged = tags.flatMap((tag) => ['--addtag', tag]);
      await change(
        'vgcreate',
        [...own, ...tagged, name, ...devices],
        `make volume group ${name} on ${devices.join(', ')}`,
        whatIsOn(devices),
      );
    },

    async extendVolumeGroup(name, devices) {
      await change(
        'vgextend',
        [name, ...devices],
        `add ${devices.join(', ')} to volume group ${name}`,
        whatIsOn(devices),
      );
    },

    async growPhysicalVolume(path) {
      await change('pvresize', [path], `use what ${path} has grown by`, `see lvm pvs -o +dev_size ${path}`);
    },

    async makeThinPool({ volumeGroup, name, percentOfFree }) {
      const { sizeBytes } = await groupNamed(volumeGroup);
      // `--zero n`: docker makes file systems on its volumes and reads nothing that it has not written.
      const pool = ['--type', 'thin-pool', '--zero', 'n', '--chunksize', chunkSize];
      const size = ['--extents', `${percentOfFree}%FREE`, '--poolmetadatasize', `${metadataBytes(sizeBytes)}b`];
      await change(
        'lvcreate',
        ['--yes', ...pool, ...size, '--name', name, volumeGroup],
        `make thin pool ${volumeGroup}/${name}`,
        'see lvm vgs for what is free, and that thin_check is installed (thin-provisioning-tools, device-mapper-persistent-data)',
      );
      await keepFromActivating(`${volumeGroup}/${name}`);
    },

    async makeVolume({ volumeGroup, name, size }) {
      await change(
        'lvcreate',
        ['--yes', '--wipesignatures', 'y', ...sizeArguments(size), '--name', name, volumeGroup],
        `make volume ${volumeGroup}/${name}`,
        'see lvm vgs for what is free, and journalctl -k',
      );
      await keepFromActivating(`${volumeGroup}/${name}`);
    },

    async growVolume(volumeGroup, name, percentOfFree) {
      const pool = (await volumesOf(volumeGroup)).find((v) => v.name === name && v.kind === 'thin pool');
      if (pool !== undefined) {
        // Metadata first: a pool whose metadata is full loses data, one whose data is full waits.
        const wanted = metadataBytes((await groupNamed(volumeGroup)).sizeBytes);
        const lackingBytes = wanted - (pool.metadataBytes ?? wanted);
        if (lackingBytes > 0) await extend(`${volumeGroup}/${name}`, ['--poolmetadatasize', `+${lackingBytes}b`]);
      }
      await extend(`${volumeGroup}/${name}`, ['--extents', `+${percentOfFree}%FREE`]);
    },

    async activate(volumeGroup) {
      await keepFromActivating(volumeGroup);
      const attempted = `activate volume group ${volumeGroup}`;
      const result = await lvm(
        'vgchange',
        ['--activate', 'y', '--ignoreactivationskip', volumeGroup],
        changeDeadlineMs,
      );
      if (result.timedOut) throw noAnswer(attempted, result);
      if (result.exitCode !== 0) {
        // It also ends with 5 when all is active and only dmeventd could not be told to watch the pool.
        const volumes = await volumesOf(volumeGroup).catch((error: unknown) => {
          if (isAgentError(error)) return [];
          throw error;
        });
        if (volumes.length > 0 && volumes.every((v) => v.isActive)) return;
      }
      assertSucceeded(
        result,
        attempted,
        'see lvm vgs -v: a group that lacks a disk is not activated; a pool needs thin_check (thin-provisioning-tools, device-mapper-persistent-data)',
      );
    },

    async deactivate(volumeGroup) {
      const attempted = `deactivate volume group ${volumeGroup}`;
      const result = await lvm('vgchange', ['--activate', 'n', volumeGroup], changeDeadlineMs);
      if (result.timedOut) throw noAnswer(attempted, result);
      if (result.exitCode !== 0 && /is used by another device|in use|open logical volume/.test(result.stderr)) {
        throw new AgentError('tempfail', `cannot ${attempted}: ${lastLines(result.stderr)}`, {
          hint: `see lsblk, and findmnt for what is mounted; stop docker first (systemctl stop docker.service docker.socket)`,
        });
      }
      assertSucceeded(result, attempted, `see lvm lvs ${volumeGroup}`);
    },
  };
}

function whatIsOn(devices: readonly string[]): string {
  return `LVM takes only disks that carry nothing: see wipefs ${devices.join(' ')} and lvm pvs`;
}

/** In whole sectors: LVM takes no other number of bytes, and rounds up to extents by itself. */
function sizeArguments(size: NewVolume['size']): readonly string[] {
  return 'bytes' in size
    ? ['--size', `${Math.ceil(size.bytes / 512) * 512}b`]
    : ['--extents', `${size.percentOfFree}%FREE`];
}

function metadataBytes(groupBytes: number): number {
  return Math.ceil(groupBytes / metadataShare / 512) * 512;
}

function isAtLeast(version: readonly number[], other: readonly number[]): boolean {
  for (const [i, wanted] of other.entries()) {
    const difference = (version[i] ?? 0) - wanted;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function noAnswer(attempted: string, result: ExecResult): AgentError {
  return new AgentError(
    'tempfail',
    `cannot ${attempted}: lvm ${result.argv[1] ?? ''} did not end within ${Math.round(result.durationMs / 1000)} s`,
    {
      hint: 'LVM waits for a disk that does not answer (iscsiadm -m session -P 3, journalctl -k) or for udev (udevadm settle); it is tried again',
    },
  );
}

function lastLines(text: string): string {
  return text
    .trim()
    .split('\n')
    .map((line) => line.trim())
    .slice(-3)
    .join('; ');
}

// Which names of disks are taken: those that mean the same disk after the next boot.

import type { AbsolutePath } from '../model/paths.ts';
import type { DeviceRef } from '../model/storage.ts';

/** Flat addressing of SCSI (SAM-5) has 14 bits for a LUN. */
const maxLun = 16383;

export interface RefusedDevice {
  readonly kind: 'refused';
  readonly rule: string;
  readonly message: string;
  readonly remedy: string;
}

const malformed: RefusedDevice = {
  kind: 'refused',
  rule: 'malformed-value',
  message: `a disk is given as iscsi:LUN, with a LUN from 0 to ${maxLun}, or by a name below /dev/disk/by-id, /dev/disk/by-path or /dev/mapper`,
  remedy: 'write iscsi:1, or the name that ls -l /dev/disk/by-id/ shows for the disk',
};

const inOrderOfDiscovery: RefusedDevice = {
  kind: 'refused',
  rule: 'unstable-device',
  message:
    'this name is given in the order in which disks are found: with one LUN or controller more it is another disk after the next boot',
  remedy:
    'write iscsi:LUN for a disk of the target, or the name that ls -l /dev/disk/by-id/ shows for the disk on each node',
};

const notWhole: RefusedDevice = {
  kind: 'refused',
  rule: 'not-a-disk',
  message: 'this names a partition or a file system, and only whole disks are taken',
  remedy: 'name the disk itself, by the name below /dev/disk/by-id/ that has no -part and number at its end',
};

/** A disk as the operator names it; no name is looked up. */
export function parseDevice(text: string): DeviceRef | RefusedDevice {
  const lun = /^iscsi:(0|[1-9][0-9]{0,4})$/.exec(text)?.[1];
  if (lun !== undefined) return Number(lun) > maxLun ? malformed : { kind: 'iscsi', lun: Number(lun) };
  if (isStable(text)) return /-part[0-9]+$/.test(text) ? notWhole : { kind: 'path', path: text };
  if (/^\/dev\/disk\/by-(uuid|partuuid|label|partlabel|designator)\//.test(text)) return notWhole;
  return isKernelName(text.replace(/^\/dev\//, '')) ? inOrderOfDiscovery : malformed;
}

function isStable(text: string): text is AbsolutePath {
  return /^\/dev\/(disk\/by-id|disk\/by-path|mapper)\/[^/\s]+$/.test(text) && !/\/\.\.?$/.test(text);
}

/** Names of disks and partitions that the kernel makes, and other links that follow them. */
function isKernelName(name: string): boolean {
  return /^((sd|hd|vd|xvd)[a-z]+[0-9]*|nvme[0-9].*|(mmcblk|pmem|nbd|loop|dm-|md|sr)[0-9].*|disk\/by-diskseq\/.*)$/.test(
    name,
  );
}

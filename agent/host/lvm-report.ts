// Reads the reports of `lvm pvs`, `vgs` and `lvs`: one row a line, columns between bars, sizes in bytes.

import { AgentError } from '../model/errors.ts';
import type { LogicalVolume, PhysicalVolume, VolumeGroup } from '../model/storage.ts';

/**
 * Columns that belong to a whole volume or group: one that belongs to a segment (transaction_id, devices) would make
 * LVM print a volume once for each of its segments. JSON is only known to LVM from 2.02.158 on.
 */
export const reportColumns = {
  pvs: ['pv_name', 'vg_name', 'vg_uuid', 'pv_size', 'dev_size', 'pv_free', 'pv_attr'],
  vgs: ['vg_name', 'vg_uuid', 'vg_tags', 'vg_attr', 'vg_size', 'vg_free', 'vg_extent_size'],
  lvs: ['lv_name', 'vg_name', 'vg_uuid', 'lv_attr', 'lv_size', 'data_percent', 'metadata_percent', 'lv_metadata_size'],
} as const;

type Report = keyof typeof reportColumns;

/** Not part of any name, tag or path that LVM accepts. */
export const reportSeparator = '|';

/** @throws AgentError `oserr` for a row that is not whole: a volume that is left out could be what a disk is used for */
export function parsePhysicalVolumes(text: string): PhysicalVolume[] {
  return rowsOf('pvs', text).map(([path = '', group = '', groupUuid = '', size, device, free, attributes = '']) => ({
    path,
    volumeGroup: nameOrNull(group),
    volumeGroupUuid: nameOrNull(groupUuid),
    sizeBytes: bytesOf('pvs', size),
    deviceBytes: bytesOf('pvs', device),
    freeBytes: bytesOf('pvs', free),
    // pv_attr: allocatable, exported, missing (pvs(8)).
    isMissing: attributes[2] === 'm',
  }));
}

/** @throws AgentError `oserr` as `parsePhysicalVolumes` */
export function parseVolumeGroups(text: string): VolumeGroup[] {
  return rowsOf('vgs', text).map(([name = '', uuid = '', tags = '', attributes = '', size, free, extent]) => ({
    name,
    uuid,
    tags: tags.split(',').filter((tag) => tag !== ''),
    sizeBytes: bytesOf('vgs', size),
    freeBytes: bytesOf('vgs', free),
    extentBytes: bytesOf('vgs', extent),
    // vg_attr: writable, resizeable, exported, partial (vgs(8)).
    isExported: attributes[2] === 'x',
    isPartial: attributes[3] === 'p',
  }));
}

/** @throws AgentError `oserr` as `parsePhysicalVolumes`, and where LVM itself does not know whether a volume is active */
export function parseLogicalVolumes(text: string): LogicalVolume[] {
  return rowsOf('lvs', text).map((row): LogicalVolume => {
    const [name = '', group = '', groupUuid = '', attributes = '', size, data, metadata, metadataSize = ''] = row;
    return {
      name,
      volumeGroup: group,
      volumeGroupUuid: groupUuid,
      kind: kindOf(attributes[0]),
      isActive: isActive(attributes[4], `${group}/${name}`),
      sizeBytes: bytesOf('lvs', size),
      dataPercent: percentOf(data),
      metadataPercent: percentOf(metadata),
      metadataBytes: metadataSize === '' ? null : bytesOf('lvs', metadataSize),
    };
  });
}

/** The version in `LVM version:     2.03.16(2) (2022-05-18)`, which `lvm version` prints. @returns null for anything else */
export function parseLvmVersion(text: string): readonly number[] | null {
  const found = /LVM version:\s+(\d+)\.(\d+)\.(\d+)/.exec(text);
  return found === null ? null : found.slice(1).map(Number);
}

/** lv_attr's first letter (lvs(8)). */
function kindOf(letter: string | undefined): LogicalVolume['kind'] {
  if (letter === '-') return 'plain';
  if (letter === 't') return 'thin pool';
  return letter === 'V' ? 'thin' : 'other';
}

/** lv_attr's fifth letter: all but these have a device in the kernel. */
function isActive(letter: string | undefined, volume: string): boolean {
  if (letter === undefined || letter === 'X') {
    throw new AgentError('oserr', `LVM does not know whether ${volume} is active`, {
      hint: 'see that device-mapper is in the kernel (dmsetup version) and that this runs as root',
    });
  }
  return !['-', 'h', 'd', 'i'].includes(letter);
}

function rowsOf(report: Report, text: string): string[][] {
  // A program's output is kept up to a limit; a list that was cut there is no list.
  if (text !== '' && !text.endsWith('\n')) throw unreadable(report, text.slice(text.lastIndexOf('\n') + 1));
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => {
    const values = line.split(reportSeparator).map((value) => value.trim());
    if (values.length !== reportColumns[report].length || values[0] === '') throw unreadable(report, line);
    return values;
  });
}

function bytesOf(report: Report, text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw unreadable(report, text ?? '');
  return Number(text);
}

function percentOf(text: string | undefined): number | null {
  return text === undefined || !/^\d{1,3}(\.\d+)?$/.test(text) ? null : Number(text);
}

function nameOrNull(text: string): string | null {
  return text === '' ? null : text;
}

function unreadable(report: Report, line: string): AgentError {
  return new AgentError('oserr', `lvm ${report} printed what cannot be read: ${JSON.stringify(line.slice(0, 200))}`, {
    hint: `run lvm ${report} by hand and look at what it prints`,
  });
}

// `storage show` for people: from the target to docker's directory, one line each, nothing that needs LVM's words.

import { sizeText } from '../model/byte-size.ts';
import { describeStep } from '../model/step.ts';
import {
  describeDevice,
  dockerDirectory,
  dockerPoolVolume,
  dockerRootVolume,
  type LogicalVolume,
} from '../model/storage.ts';
import { describeDisk } from './plan.ts';
import type { DeviceView, StorageView } from './view.ts';

/** Lines without line ends. */
export function viewLines(view: StorageView): string[] {
  const { declared, group, owner } = view;
  const lines: string[] = [];
  if (declared.iscsi !== null) lines.push(`target    ${sessionText(view)}`);
  for (const device of view.devices) lines.push(...deviceLines(device));
  for (const path of view.undeclared) lines.push(`disk      ${path}: in use, and not in the cluster file`);
  if (declared.docker === null) return lines;
  lines.push(
    group === null
      ? `group     ${declared.docker.volumeGroup}: not made yet`
      : `group     ${group.name}: ${sizeText(group.sizeBytes)}, ${sizeText(group.freeBytes)} free, ${owner === null ? 'says of no node that it is its own' : `of node ${owner.node}`}`,
  );
  for (const volume of view.volumes) lines.push(`volume    ${volumeText(view, volume)}`);
  if (view.growth?.kind === 'steps' && view.growth.steps.length > 0) {
    lines.push('', 'there is room that docker does not use yet:');
    for (const step of view.growth.steps) lines.push(`  ${describeStep(step)}: ${step.why}`);
    lines.push('  -> diyc-agent storage grow --yes');
  }
  return lines;
}

function sessionText({ declared, session }: StorageView): string {
  const iscsi = declared.iscsi;
  if (iscsi === null) return '';
  if (session === null) return `${iscsi.target} at ${iscsi.portals.join(', ')}: not logged in`;
  return `${session.target} at ${session.portal}: ${session.state ?? 'state unknown'}, as ${session.initiatorName ?? iscsi.initiatorName}`;
}

function deviceLines({ device, path, disk, verdict }: DeviceView): string[] {
  const name = describeDevice(device);
  if (disk === null) return [`disk      ${name}: ${path === null ? 'not looked for before the login' : 'not there'}`];
  const words =
    verdict?.kind === 'ours'
      ? 'in use'
      : verdict?.kind === 'blank'
        ? 'nothing is on it'
        : `NOT TAKEN: ${verdict?.kind === 'refused' ? verdict.found : 'not known'}`;
  const lines = [`disk      ${name}: ${describeDisk(disk)}; ${words}`];
  if (device.kind === 'iscsi' && path !== null) lines.push(`          ${path}`);
  if (verdict?.kind === 'refused') lines.push(`          -> ${verdict.hint}`);
  return lines;
}

function volumeText(view: StorageView, volume: LogicalVolume): string {
  const size = `${volume.name}: ${sizeText(volume.sizeBytes)}`;
  if (!volume.isActive) return `${size}, not active`;
  if (volume.name === dockerPoolVolume) {
    const percent = (value: number | null): string => (value === null ? 'unknown' : `${value.toFixed(1)} %`);
    return `${size}, data ${percent(volume.dataPercent)}, metadata ${percent(volume.metadataPercent)}`;
  }
  if (volume.name !== dockerRootVolume) return size;
  if (view.space === null) return `${size}, not mounted`;
  const { totalBytes, availableBytes } = view.space;
  return `${size}, at ${dockerDirectory}, ${((100 * (totalBytes - availableBytes)) / Math.max(totalBytes, 1)).toFixed(1)} % used`;
}

/** The same for --json: additive only. */
export function viewJson(view: StorageView): object {
  const { declared, session, group, owner } = view;
  return {
    target: declared.iscsi?.target ?? null,
    session,
    devices: view.devices.map(({ device, path, disk, verdict }) => ({
      declared: device.kind === 'iscsi' ? `iscsi:${device.lun}` : device.path,
      path,
      disk,
      verdict: verdict?.kind ?? null,
      ...(verdict?.kind === 'refused' ? { found: verdict.found, hint: verdict.hint } : {}),
    })),
    undeclared: view.undeclared,
    group: group === null ? null : { ...group, owner },
    volumes: view.volumes,
    directory: view.space,
    growth: view.growth?.kind === 'steps' ? view.growth.steps.map(describeStep) : [],
  };
}

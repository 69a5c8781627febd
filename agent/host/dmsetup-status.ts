// Reads what `dmsetup status` prints: one target a line, with the device's name before it or without.

import type { DmSnapshot, DmStatus, DmTarget, DmThinPool } from '../model/device-mapper.ts';

/** Far above any host: each container of docker's devicemapper driver is one line. */
const maxLines = 4096;
/** dmsetup writes anything unusual in a name as \xNN, so a name has no blanks; it may have colons (docker-253:0-1-pool). */
const targetLine = /^(?:(\S{1,512}): )?(\d{1,16}) (\d{1,16}) (\S{1,64})(?: (.*))?$/;

/**
 * Every target line of the text, in its order. `No devices found`, a device without a table (`name: `) and anything
 * else that is no target line are passed over: a device that somebody asks for and that is not in the answer is not known.
 *
 * @param text of `dmsetup status` or `dmsetup status NAME`; a last line that was cut is judged by what is left of it
 */
export function parseDmStatus(text: string): DmTarget[] {
  const targets: DmTarget[] = [];
  for (const line of text.split('\n', maxLines)) {
    const [, name, start, length, target, words] = targetLine.exec(line.trimEnd()) ?? [];
    const [startSector, lengthSectors] = [count(start), count(length)];
    if (startSector === null || lengthSectors === null || target === undefined) continue;
    targets.push({ name: name ?? null, startSector, lengthSectors, target, status: statusOf(target, words ?? '') });
  }
  return targets;
}

function statusOf(target: string, text: string): DmStatus {
  const words = text.split(' ').filter((word) => word !== '');
  switch (target) {
    case 'snapshot':
    case 'snapshot-merge':
      return snapshot(words) ?? other(text);
    case 'thin':
      return thin(words) ?? other(text);
    case 'thin-pool':
      return thinPool(words) ?? other(text);
    case 'linear':
    case 'snapshot-origin':
      return { kind: target };
    default:
      return other(text);
  }
}

function other(text: string): DmStatus {
  return { kind: 'other', words: text.slice(0, 512) };
}

function snapshot([first = '', second]: readonly string[]): DmSnapshot | null {
  const kind = 'snapshot';
  if (first === 'Invalid') return { kind, state: 'invalid' };
  if (first === 'Overflow') return { kind, state: 'overflow' };
  if (first === 'Unknown') return { kind, state: 'unknown' };
  if (first === 'Merge' && second === 'failed') return { kind, state: 'merge failed' };
  const fill = ratio(first);
  if (fill === null) return null;
  return {
    kind,
    state: 'active',
    allocatedSectors: fill.used,
    totalSectors: fill.total,
    metadataSectors: count(second),
  };
}

function thin([mapped, highest]: readonly string[]): DmStatus | null {
  // `-`: the device has no metadata device yet.
  if (mapped === 'Fail' || mapped === 'Error' || mapped === '-') return { kind: 'thin', failed: true };
  const mappedSectors = count(mapped);
  if (mappedSectors === null) return null;
  return { kind: 'thin', failed: false, mappedSectors, highestSector: count(highest) };
}

/** The first three words by their place; what follows the held root by its name, since older kernels end earlier. */
function thinPool(words: readonly string[]): DmThinPool | null {
  const kind = 'thin-pool';
  const [transaction, metadataText, dataText, , ...flags] = words;
  if (transaction === 'Fail' || transaction === 'Error') return { kind, failed: true };
  const transactionId = count(transaction);
  const [metadata, data] = [ratio(metadataText), ratio(dataText)];
  if (transactionId === null || metadata === null || data === null) return null;
  return {
    kind,
    failed: false,
    transactionId,
    usedMetadataBlocks: metadata.used,
    totalMetadataBlocks: metadata.total,
    usedDataBlocks: data.used,
    totalDataBlocks: data.total,
    mode: (['rw', 'ro', 'out_of_data_space'] as const).find((mode) => flags.includes(mode)) ?? null,
    whenFull: flags.includes('queue_if_no_space') ? 'queue' : flags.includes('error_if_no_space') ? 'error' : null,
    needsCheck: flags.includes('needs_check'),
  };
}

function ratio(text: string | undefined): { readonly used: number; readonly total: number } | null {
  const [, usedText, totalText] = /^(\d+)\/(\d+)$/.exec(text ?? '') ?? [];
  const [used, total] = [count(usedText), count(totalText)];
  return used === null || total === null || total === 0 ? null : { used, total };
}

function count(text: string | undefined): number | null {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

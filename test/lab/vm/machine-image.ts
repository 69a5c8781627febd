/**
 * The disk of a machine before its first boot: Debian, the machines' layer and the payload, as one ext4 image.
 *
 * Root and layer come from the cache. The image itself is made anew for each lab: with everything in the page cache that
 * takes a few seconds, less than any way of laying a changed payload over a kept image would cost at each boot.
 */

import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suiteNamed } from '../machine-sources.ts';
import { installPayload, type Payload } from '../payload.ts';
import { rootfs } from '../rootfs.ts';
import { run } from '../run.ts';
import { initrd } from './initrd.ts';
import { kernel } from './kernel.ts';
import { machineLayer, PACKAGES } from './machine-layer.ts';

export interface MachineImage {
  /** An ext4 file system without a partition table, never written to once it is made. */
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

const SIZE = 3 * 1024 ** 3;
const EXT4 = [
  '-q',
  '-t',
  'ext4',
  '-E',
  'lazy_itable_init=1,lazy_journal_init=1,nodiscard',
  '-J',
  'size=16',
  '-N',
  '120000',
  '-L',
  'root',
] as const;

/** Builds it into `dir`; `suite` is the Debian of the machines. */
export async function machineImage(suiteName: string, payload: Payload, dir: string): Promise<MachineImage> {
  const suite = suiteNamed(suiteName);
  const [base, linux] = [await rootfs(suite, PACKAGES), await kernel(suite)];
  const layer = await machineLayer(base, linux);
  const ramdisk = await initrd(linux, base);
  const below = `${layer}:${base}`;
  const installed = join(dir, 'installed');
  await installPayload(payload, below, installed, join(dir, 'install'));
  const disk = join(dir, 'machine.ext4');
  const tree = join(dir, 'tree');
  await mkdir(tree, { recursive: true });
  await rm(disk, { force: true });
  await writeFile(disk, '');
  await truncate(disk, SIZE);
  await run(['mount', '-t', 'overlay', 'overlay', '-o', `ro,lowerdir=${installed}:${below}`, tree]);
  try {
    await run(['mke2fs', ...EXT4, '-d', tree, disk], { timeoutMs: 120_000 });
  } finally {
    await run(['umount', tree]);
  }
  return { disk, kernel: linux.elf, initrd: ramdisk };
}

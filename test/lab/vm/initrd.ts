/** The machines' own small initrd: busybox, the modules on the way to a root, and dmsetup for a live one. */

import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { cached } from '../cache.ts';
import { BUSYBOX } from '../images.ts';
import { run } from '../run.ts';
import type { Kernel } from './kernel.ts';

/** ext4 is built into the cloud kernel. */
const MODULES = ['virtio_mmio', 'virtio_blk', 'loop', 'dm-mod', 'dm-snapshot'] as const;
const DMSETUP = '/usr/sbin/dmsetup';
const RECIPE = '1';

/** Paths of the modules in the order in which they can be loaded. */
function loadOrder(modulesDep: string, wanted: readonly string[]): string[] {
  const needs = new Map(
    modulesDep.split('\n').map((line) => {
      const [path = '', rest = ''] = line.split(':');
      return [path, rest.split(' ').filter((part) => part !== '')] as const;
    }),
  );
  const order: string[] = [];
  for (const name of wanted) {
    const path = [...needs.keys()].find((one) => basename(one) === `${name}.ko`);
    if (path === undefined) throw new Error(`the kernel has no module ${name}`);
    // modules.dep names what a module needs, the nearest first
    for (const one of [...(needs.get(path) ?? []).toReversed(), path]) if (!order.includes(one)) order.push(one);
  }
  return order;
}

/** A program of `root` and the libraries it needs, at their own paths. */
async function copyProgram(root: string, program: string, into: string): Promise<void> {
  const listed = await run(['chroot', root, 'ldd', program]);
  const libraries = [...listed.stdout.matchAll(/(\/\S+) \(0x/g)].flatMap((match) => match[1] ?? []);
  for (const path of [program, ...libraries]) {
    const target = join(into, path);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(join(root, path), target);
    await chmod(target, 0o755);
  }
}

/** Path of the cpio; `root` is the Debian root that dmsetup is taken from. */
export async function initrd(kernel: Kernel, root: string): Promise<string> {
  const init = join(import.meta.dirname, 'guest/init');
  const dir = await cached('initrd', [RECIPE, kernel.modules, root, await readFile(init, 'utf8')], async (scratch) => {
    const tree = join(scratch, 'tree');
    for (const folder of ['bin', 'proc', 'sys', 'dev', 'run', 'cow', 'root', 'modules']) {
      await mkdir(join(tree, folder), { recursive: true });
    }
    await copyFile(BUSYBOX, join(tree, 'bin/busybox'));
    await copyFile(init, join(tree, 'init'));
    await chmod(join(tree, 'init'), 0o755);
    const modules = join(kernel.modules, kernel.version);
    const order = loadOrder(await readFile(join(modules, 'modules.dep'), 'utf8'), MODULES);
    for (const path of order) await copyFile(join(modules, path), join(tree, 'modules', basename(path)));
    await writeFile(join(tree, 'modules/order'), order.map((path) => `${basename(path)}\n`).join(''));
    await copyProgram(root, DMSETUP, tree);
    const archive = join(scratch, 'initrd.cpio');
    // a shell for the pipe between the two; cpio reads its list from standard input only
    await run(['sh', '-c', 'find . | cpio --create --format=newc --quiet --file="$ARCHIVE"'], {
      cwd: tree,
      env: { ARCHIVE: archive },
    });
    await run(['rm', '-rf', tree]);
  });
  return join(dir, 'initrd.cpio');
}

/** What is installed on every host before its first boot, as a package would: agent, units, presets, flanneld. */

import { chmod, copyFile, cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { busyboxTar, IMAGE_TAR } from './images.ts';
import { run } from './run.ts';

export interface Payload {
  /** A tree or a tar that is laid over the root: what the package holds. Undefined: agent and units from the repository. */
  readonly tree: string | undefined;
  readonly agent: string;
  readonly unitsDir: string;
  /** Undefined: hosts without an overlay network. */
  readonly flanneld: string | undefined;
}

/**
 * nspawn gives each boot an id of its own by a mount over the kernel's file. systemd loses that mount where it makes a
 * new /proc for a unit (ProtectKernelTunables=), and the unit would see the id of the machine that the lab runs on, which
 * never changes. So a copy is made at boot and mounted in such units; in all others that mount would fail.
 */
async function keepBootId(root: string): Promise<void> {
  const tmpfiles = join(root, 'usr/lib/tmpfiles.d/lab-boot-id.conf');
  await mkdir(dirname(tmpfiles), { recursive: true });
  await writeFile(tmpfiles, 'C /run/lab-boot-id - - - - /proc/sys/kernel/random/boot_id\n');
  const system = join(root, 'usr/lib/systemd/system');
  for (const unit of (await readdir(system)).filter((name) => /^diyc-agent.*\.service$/.test(name))) {
    if (!(await readFile(join(system, unit), 'utf8')).includes('\nProtectKernelTunables=yes\n')) continue;
    await mkdir(join(system, `${unit}.d`));
    const mount = '[Service]\nBindReadOnlyPaths=/run/lab-boot-id:/proc/sys/kernel/random/boot_id\n';
    await writeFile(join(system, `${unit}.d/lab-boot-id.conf`), mount);
  }
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

async function copyAgentAndUnits(payload: Payload, root: string): Promise<void> {
  if (!(await isThere(payload.agent))) {
    throw new Error(`there is no agent at ${payload.agent}: build it first (npm run build), or name one with --agent`);
  }
  await copyFile(payload.agent, join(root, 'usr/bin/diyc-agent'));
  await chmod(join(root, 'usr/bin/diyc-agent'), 0o755);
  if (!(await isThere(payload.unitsDir))) return;
  for (const name of await readdir(payload.unitsDir)) {
    // the other units there are what the agent brings to hosts whose packages have none: its job, not the package's
    if (!name.includes('diyc-agent')) continue;
    const place = /\.preset$/.test(name)
      ? 'usr/lib/systemd/system-preset'
      : /\.(service|timer|target|path|socket)$/.test(name)
        ? 'usr/lib/systemd/system'
        : undefined;
    if (place === undefined) continue;
    await mkdir(join(root, place), { recursive: true });
    await copyFile(join(payload.unitsDir, name), join(root, place, name));
  }
}

/** A tree, or an archive of one. */
async function unpack(tree: string, root: string): Promise<void> {
  if ((await stat(tree)).isDirectory()) {
    await cp(tree, root, { recursive: true, verbatimSymlinks: true });
    return;
  }
  // a plain unpacking would replace /lib, a link on a merged-/usr system, by a folder if the archive has one
  await run(
    ['tar', '--extract', `--file=${tree}`, `--directory=${root}`, '--keep-directory-symlink', '--no-same-owner'],
    {
      timeoutMs: 120_000,
    },
  );
}

/** Fills `image` (an overlay layer over `base`) with the payload and applies the presets, as the package's own script does. */
export async function installPayload(payload: Payload, base: string, image: string, scratch: string): Promise<void> {
  for (const dir of [image, scratch]) {
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true });
  }
  const root = join(scratch, 'root');
  const work = join(scratch, 'work');
  await mkdir(root);
  await mkdir(work);
  await run(['mount', '-t', 'overlay', 'overlay', '-o', `lowerdir=${base},upperdir=${image},workdir=${work}`, root]);
  try {
    if (payload.tree === undefined) await copyAgentAndUnits(payload, root);
    else await unpack(payload.tree, root);
    if (payload.flanneld !== undefined) {
      await copyFile(payload.flanneld, join(root, 'usr/bin/flanneld'));
      await chmod(join(root, 'usr/bin/flanneld'), 0o755);
    }
    await keepBootId(root);
    await mkdir(join(root, IMAGE_TAR, '..'), { recursive: true });
    await copyFile(await busyboxTar(), join(root, IMAGE_TAR));
    const units = (await readdir(join(root, 'usr/lib/systemd/system'))).filter((name) =>
      /^diyc-agent[^@]*\.(service|timer)$/.test(name),
    );
    if (units.length > 0) await run(['systemctl', `--root=${root}`, 'preset', ...units]);
  } finally {
    await run(['umount', root]);
  }
  await rm(scratch, { recursive: true });
}

/** What a virtual machine has on top of the Debian root: kernel modules, the lab's channel, and less to do under emulation. */

import { chmod, copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from '../cache.ts';
import { run } from '../run.ts';
import type { Kernel } from './kernel.ts';

/** Raise when this file changes what it makes. */
const RECIPE = '2';

/** What the storage of a host is made with; the agent starts it, or nobody. */
export const PACKAGES = [
  'open-iscsi',
  'lvm2',
  'thin-provisioning-tools',
  'dmsetup',
  'e2fsprogs',
  'xfsprogs',
  'fdisk',
] as const;

const OFF = [
  'etcd.service',
  'docker.service',
  'docker.socket',
  'containerd.service',
  'open-iscsi.service',
  'iscsid.service',
  'iscsid.socket',
] as const;

const ON = ['systemd-networkd.service', 'diyc-lab-channel.socket', 'diyc-lab-mark.service'] as const;

/** Units that cost seconds under emulation and tell the lab nothing. systemd-logind stays: without it a reboot complains. */
const MASKED = [
  'systemd-networkd-wait-online.service',
  'systemd-pstore.service',
  'systemd-hwdb-update.service',
  'systemd-binfmt.service',
  'e2scrub_reap.service',
  'lvm2-lvmpolld.socket',
  'getty@tty1.service',
  'systemd-update-utmp.service',
  'modprobe@drm.service',
  'modprobe@efi_pstore.service',
  'modprobe@loop.service',
  'systemd-random-seed.service',
  'systemd-machine-id-commit.service',
  'dev-hugepages.mount',
  'sys-kernel-debug.mount',
  'sys-kernel-tracing.mount',
  'sys-fs-fuse-connections.mount',
] as const;

/** Each of them runs at every daemon-reload. */
const MASKED_GENERATORS = [
  'systemd-sysv',
  'systemd-rc-local',
  'systemd-cryptsetup',
  'systemd-integritysetup',
  'systemd-veritysetup',
  'systemd-gpt-auto',
  'systemd-hibernate-resume',
  'systemd-system-update',
  'systemd-run',
  'systemd-debug',
] as const;

/** cloud-init without what the lab does not look at; each module is Python to load. */
const CLOUD_TRIM = `cloud_init_modules: [bootcmd, write-files, set_hostname, update_etc_hosts]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user, final-message]
`;

/**
 * Code that is made while the program runs is thrown away and translated again by the emulator: without a compiler the
 * agent takes less than half of the processor time here. On a processor it is the other way round, and nowhere else is it switched off.
 */
const NO_COMPILER = '[Manager]\nDefaultEnvironment=BUN_JSC_useJIT=0\n';

const GUEST = join(import.meta.dirname, 'guest');

async function guestFiles(): Promise<readonly (readonly [string, string])[]> {
  const names = (await readdir(GUEST)).filter((name) => name !== 'init').toSorted();
  return await Promise.all(names.map(async (name) => [name, await readFile(join(GUEST, name), 'utf8')] as const));
}

async function change(root: string, kernel: Kernel): Promise<void> {
  const modules = join(root, 'usr/lib/modules', kernel.version);
  await mkdir(join(modules, '..'), { recursive: true });
  await run(['cp', '-a', join(kernel.modules, kernel.version), modules]);

  const units = join(root, 'etc/systemd/system');
  const lab = join(root, 'usr/lib/diyc-lab');
  await mkdir(lab, { recursive: true });
  for (const [name] of await guestFiles()) {
    const isUnit = /\.(service|socket)$/.test(name);
    await copyFile(join(GUEST, name), join(isUnit ? units : lab, name));
    if (!isUnit) await chmod(join(lab, name), 0o755);
  }

  // `systemctl enable` and `disable` run a slow helper where an init script of the name exists
  for (const name of await readdir(join(root, 'etc/init.d'))) await rm(join(root, 'etc/init.d', name));
  await run(['systemctl', `--root=${root}`, 'disable', ...OFF], { tolerant: true });
  for (const folder of await readdir(units)) {
    if (!/\.(wants|requires)$/.test(folder)) continue;
    for (const unit of OFF) await rm(join(units, folder, unit), { force: true });
  }
  // an alias of a unit that is off shadows its name
  await rm(join(units, 'iscsi.service'), { force: true });
  for (const unit of MASKED) await mask(join(units, unit));
  const generators = join(root, 'etc/systemd/system-generators');
  await mkdir(generators, { recursive: true });
  for (const name of MASKED_GENERATORS) await mask(join(generators, `${name}-generator`));
  await run(['systemctl', `--root=${root}`, 'enable', ...ON]);

  await mkdir(join(root, 'etc/systemd/system.conf.d'), { recursive: true });
  await writeFile(join(root, 'etc/systemd/system.conf.d/10-lab.conf'), NO_COMPILER);

  const cloud = join(root, 'etc/cloud');
  // here the network is cloud-init's to configure, from what DHCP says
  await rm(join(cloud, 'cloud.cfg.d/91-network.cfg'), { force: true });
  await writeFile(join(cloud, 'cloud.cfg.d/93-trim.cfg'), CLOUD_TRIM);
  await writeFile(join(cloud, 'ds-identify.cfg'), 'policy: enabled\n');
  // the initrd mounts the root; which device it is differs between the two kinds of machine
  await writeFile(join(root, 'etc/fstab'), '');
}

async function mask(path: string): Promise<void> {
  await rm(path, { force: true });
  await symlink('/dev/null', path);
}

/** Path of an overlay layer over `base`. */
export async function machineLayer(base: string, kernel: Kernel): Promise<string> {
  const inputs = [RECIPE, base, kernel.modules, JSON.stringify(await guestFiles())];
  const dir = await cached('machine-layer', inputs, async (scratch) => {
    const [layer, work, root] = ['layer', 'work', 'root'].map((name) => join(scratch, name)) as [
      string,
      string,
      string,
    ];
    for (const folder of [layer, work, root]) await mkdir(folder);
    await run(['mount', '-t', 'overlay', 'overlay', '-o', `lowerdir=${base},upperdir=${layer},workdir=${work}`, root]);
    try {
      await change(root, kernel);
    } finally {
      await run(['umount', root]);
    }
    await run(['rm', '-rf', work, root]);
  });
  return join(dir, 'layer');
}

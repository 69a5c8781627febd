/** One Debian root per suite, turned into what an operator's image is: everything installed, nothing started. */

import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { type Suite, sourcesFor } from './machine-sources.ts';
import { run } from './run.ts';

const PACKAGES = [
  'systemd-sysv',
  'dbus',
  'udev',
  'kmod',
  'cloud-init',
  'etcd-server',
  'etcd-client',
  'docker.io',
  'iproute2',
  'iptables',
  'iputils-ping',
  'procps',
  'curl',
  'jq',
  'ca-certificates',
  'less',
] as const;

/** Raise when this file changes what it makes of the packages. */
const RECIPE = '3';

/** Started by the agent or not at all. */
const OFF = ['etcd.service', 'docker.service', 'docker.socket', 'containerd.service'] as const;

/** Would start on their own, cost time and tell the lab nothing. */
const MASKED = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'e2scrub_all.timer',
  'fstrim.timer',
  'dpkg-db-backup.timer',
  'systemd-networkd-wait-online.service',
] as const;

const CLOUD_CFG: Readonly<Record<string, string>> = {
  '90-datasource.cfg': 'datasource_list: [ NoCloud, None ]\n',
  // the address is the lab's, as with a network card configured by the site
  '91-network.cfg': 'network: {config: disabled}\n',
  // without these cloud-config fails (no locales package) and the host counts as degraded
  '92-quiet.cfg': 'locale: C.UTF-8\nssh_genkeytypes: []\nssh_deletekeys: false\n',
};

async function makeImage(root: string): Promise<void> {
  const units = join(root, 'etc/systemd/system');
  await run(['systemctl', `--root=${root}`, 'disable', ...OFF], { tolerant: true });
  for (const unit of OFF) {
    for (const target of ['multi-user.target.wants', 'sockets.target.wants']) {
      await rm(join(units, target, unit), { force: true });
    }
  }
  // Debian's alias for etcd.service; a dangling one would shadow the name
  await rm(join(units, 'etcd2.service'), { force: true });
  for (const unit of MASKED) {
    await rm(join(units, unit), { force: true });
    await symlink('/dev/null', join(units, unit));
  }
  const cloud = join(root, 'etc/cloud/cloud.cfg.d');
  await mkdir(cloud, { recursive: true });
  for (const [name, text] of Object.entries(CLOUD_CFG)) await writeFile(join(cloud, name), text);
  await rm(join(root, 'etc/hostname'), { force: true });
  // empty, not absent: absent means "first boot" to systemd, which then enables whatever the presets say,
  // and Debian's preset enables everything
  await writeFile(join(root, 'etc/machine-id'), '');
  // what the packages' own installation has started is not part of an image
  await rm(join(root, 'var/lib/etcd/default'), { recursive: true, force: true });
}

/** Path of the root for `suite` with `further` packages; never write into it: hosts that are up have it mounted. */
export async function rootfs(suite: Suite, further: readonly string[] = []): Promise<string> {
  const sources = await sourcesFor(suite);
  const packages = [...PACKAGES, ...suite.further, ...further];
  const dir = await cached(
    `rootfs-${suite.name}`,
    [RECIPE, suite.name, ...packages, sources ?? 'the default mirror'],
    async (scratch) => {
      const list = join(scratch, 'lab.sources');
      const root = join(scratch, 'root');
      if (sources !== null) await writeFile(list, sources);
      await run(
        [
          'mmdebstrap',
          '--variant=minbase',
          '--mode=root',
          `--include=${packages.join(',')}`,
          '--aptopt=APT::Install-Recommends "false"',
          // a machine pinned to an archive snapshot has Release files that are past their date
          '--aptopt=Acquire::Check-Valid-Until "false"',
          '--dpkgopt=path-exclude=/usr/share/man/*',
          '--dpkgopt=path-exclude=/usr/share/doc/*',
          '--dpkgopt=path-exclude=/usr/share/locale/*',
          suite.name,
          root,
          ...(sources === null ? [] : [list]),
        ],
        { timeoutMs: 15 * 60_000 },
      );
      await makeImage(root);
    },
  );
  return join(dir, 'root');
}

// Where etcd is kept on this host, decided from what was gathered.

import type { Account, EtcdLayout, InstalledUnit, Layout } from '../model/layout.ts';
import type { AbsolutePath } from '../model/paths.ts';
import { accountNamed } from './accounts.ts';
import { ownEnvironmentFile } from './environment-file.ts';
import { expandSpecifiers, settingValue, settingValues, settingWords, type UnitEntry } from './unit-file.ts';

export const etcdUnit = 'etcd.service';

export interface EtcdFacts {
  readonly unit: InstalledUnit | null;
  /** The unit's and its drop-ins'; empty without a unit. */
  readonly settings: readonly UnitEntry[];
  readonly program: AbsolutePath | null;
  readonly accounts: readonly Account[];
  /** Whether the packaged data directory already holds a member, see `packagedDataDirectory`. */
  readonly isBootstrapped: boolean;
}

const familyFiles: Readonly<Record<Layout['osFamily'], AbsolutePath>> = {
  rpm: '/etc/etcd/etcd.conf',
  debian: '/etc/default/etcd',
};

/** Pure: the layout of etcd. Without a unit the files go where the distribution's package would look for them. */
export function etcdLayout(facts: EtcdFacts, family: Layout['osFamily']): EtcdLayout {
  const { unit, settings, program } = facts;
  const named = ownEnvironmentFile(settings, etcdUnit, 'etcd');
  // A unit without User= runs as root; without a unit ours runs as etcd, where there is such an account.
  const user = unit === null ? 'etcd' : settingValue(settings, 'Service', 'User');
  const data = packagedDataDirectory(settings, family);
  return {
    installation: unit !== null ? 'packaged' : program !== null ? 'program only' : 'absent',
    unit,
    program,
    environmentFile: named ?? familyFiles[family],
    ...(unit !== null && named === null ? { unitReadsNoEnvironmentFile: true as const } : {}),
    account: user === null ? null : accountNamed(facts.accounts, user),
    foreignDataDirectory: facts.isBootstrapped ? data : null,
  };
}

/**
 * The data directory that the package's unit sets by itself. Debian starts etcd when the package is installed: there
 * this directory already is a cluster of one.
 */
export function packagedDataDirectory(settings: readonly UnitEntry[], family: Layout['osFamily']): AbsolutePath | null {
  const assignments = settingValues(settings, 'Service', 'Environment').flatMap(settingWords);
  const value = assignments.findLast((word) => word.startsWith('ETCD_DATA_DIR='))?.slice('ETCD_DATA_DIR='.length);
  const path = value === undefined ? null : expandSpecifiers(value, etcdUnit);
  if (path?.startsWith('/')) return path as AbsolutePath;
  return family === 'debian' ? '/var/lib/etcd/default' : null;
}

// Where flannel is kept on this host, and which etcd API its flanneld reads.

import type { EtcdApi } from '../model/cluster-config.ts';
import type { FlannelLayout, InstalledUnit, Layout } from '../model/layout.ts';
import type { AbsolutePath } from '../model/paths.ts';
import { ownEnvironmentFile } from './environment-file.ts';
import { settingValues, type UnitEntry } from './unit-file.ts';
import { compareVersions, parseFlanneldVersion } from './versions.ts';

export const flannelUnit = 'flanneld.service';

/** From here on flanneld reads etcd's v3 keys and no others (subnet/etcdv2 was removed). */
const firstV3 = '0.18.0';

export interface FlannelFacts {
  readonly unit: InstalledUnit | null;
  /** The unit's and its drop-ins'; empty without a unit. */
  readonly settings: readonly UnitEntry[];
  readonly program: AbsolutePath | null;
  /** What flanneld prints for --version; null when it could not be asked. */
  readonly versionText: string | null;
}

const familyFiles: Readonly<Record<Layout['osFamily'], AbsolutePath>> = {
  rpm: '/etc/sysconfig/flanneld',
  debian: '/etc/default/flanneld',
};

/** Pure: the layout of flannel. @param wanted the cluster file's flannel.etcdApi */
export function flannelLayout(
  facts: FlannelFacts,
  family: Layout['osFamily'],
  wanted: EtcdApi | 'auto',
): FlannelLayout {
  const { unit, settings, program } = facts;
  const version = facts.versionText === null ? null : parseFlanneldVersion(facts.versionText);
  const named = ownEnvironmentFile(settings, flannelUnit, 'flannel');
  const [etcdApi, etcdApiReason] = chooseApi(wanted, version, settings);
  return {
    installation: unit !== null ? 'packaged' : program !== null ? 'program only' : 'absent',
    unit,
    program,
    environmentFile: named ?? familyFiles[family],
    ...(unit !== null && named === null ? { unitReadsNoEnvironmentFile: true as const } : {}),
    version,
    etcdApi,
    etcdApiReason,
  };
}

function chooseApi(
  wanted: EtcdApi | 'auto',
  version: string | null,
  settings: readonly UnitEntry[],
): readonly [EtcdApi, string] {
  if (wanted !== 'auto') return [wanted, `the cluster file says flannel.etcdApi: ${wanted}`];
  if (version !== null) {
    const api = compareVersions(version, firstV3) < 0 ? 'v2' : 'v3';
    return [api, `flanneld is ${version}, and reads v3 from ${firstV3} on`];
  }
  // Only packages of 2015 and before passed this variable to flanneld itself; later ones have a wrapper in between.
  const command = settingValues(settings, 'Service', 'ExecStart').join(' ');
  if (/-etcd-prefix=\$\{?FLANNEL_ETCD_KEY\b/.test(command)) {
    return [
      'v2',
      'flanneld tells no version, and flanneld.service is that of a package before 0.5.5, when there was no v3',
    ];
  }
  return [
    'v3',
    `flanneld tells no version, so it is taken for ${firstV3} or newer; set flannel.etcdApi: v2 if it is older`,
  ];
}

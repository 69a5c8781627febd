// docker's side of the overlay: drop-in, and the options that follow from flannel's lease.

import type { AddressPool } from '../model/cluster-config.ts';
import type { DockerLayout } from '../model/layout.ts';
import { type AbsolutePath, dockerOptionsFile } from '../model/paths.ts';
import { dockerDirectory } from '../model/storage.ts';
import { renderSections, type UnitLine, unlimitedStarts } from './drop-in.ts';
import { renderEnvFile } from './env-file.ts';
import type { FlannelLease } from './flannel.ts';
import { header } from './marker.ts';

/** The variable of Atomic hosts' docker unit; other units get ExecStart again with a variable of ours at its end. */
const packagedVariable = 'DOCKER_NETWORK_OPTIONS';
const ownVariable = 'DIYC_DOCKER_NETWORK_OPTIONS';
/** The same for storage; docker-storage-setup writes the packaged one into a file that the unit reads before ours. */
const packagedStorageVariable = 'DOCKER_STORAGE_OPTIONS';
const ownStorageVariable = 'DIYC_DOCKER_STORAGE_OPTIONS';

/**
 * The drop-in of docker.service.
 *
 * `Wants`, not `Requires`: a restart of flanneld must not stop containers. The raw-table rules of docker 28 and newer
 * drop every packet that reaches a container's address from another device than its bridge, which is all traffic of
 * an overlay; the per-network options against that do not exist for docker0, so the variable switches them off (older
 * engines do not know it and ignore it).
 *
 * @param onStorage docker's directory is on declared storage: docker does not start without its mount, and never falls
 * back to the root disk
 */
export function renderDockerDropIn(layout: DockerLayout, agent: AbsolutePath, onStorage: boolean): string {
  const service: UnitLine[] = [
    unlimitedStarts.service,
    ['UnsetEnvironment', 'BUN_OPTIONS BUN_BE_BUN'],
    ['Environment', 'DOCKER_INSECURE_NO_IPTABLES_RAW=1'],
    ['EnvironmentFile', `-${dockerOptionsFile}`],
    ['ExecStartPre', `${agent} join bridge`],
  ];
  const variables = [
    ...(layout.takesNetworkOptions ? [] : [ownVariable]),
    ...(onStorage && !layout.takesStorageOptions ? [ownStorageVariable] : []),
  ];
  if (variables.length > 0 && layout.execStart !== null) {
    // A non-oneshot service has one ExecStart: the list is reset first, or the unit does not load.
    service.push(['ExecStart', null], ['ExecStart', `${layout.execStart} ${variables.map((v) => `$${v}`).join(' ')}`]);
  }
  service.push(['ExecStartPost', `-${agent} join forward`], ['RestartSec', '5'], ['TimeoutStartSec', '0']);
  return renderSections(header('docker uses the subnet that flannel leased'), [
    [
      'Unit',
      [
        ['Wants', 'flanneld.service'],
        ['After', 'flanneld.service'],
        ...(onStorage ? [['RequiresMountsFor', dockerDirectory] as const] : []),
        unlimitedStarts.unit,
      ],
    ],
    ['Service', service],
  ]);
}

/**
 * The environment file with docker's network options, made new at each start of docker.
 *
 * @param pools networks for user-defined networks; empty where this engine has no such option (below 18.06)
 * @param storage how docker is to use declared storage; null where none is declared
 */
export function renderDockerOptions(
  lease: FlannelLease,
  pools: readonly AddressPool[],
  storage: readonly string[] | null,
): string {
  const options = [
    `--bip=${lease.subnet}`,
    `--mtu=${lease.mtu}`,
    // flannel masquerades what leaves the overlay; docker masquerading too would hide containers from each other.
    '--ip-masq=false',
    ...pools.map((p) => `--default-address-pool=base=${p.base},size=${p.size}`),
  ].join(' ');
  return renderEnvFile(header("from flannel's lease, at each start of docker"), [
    [packagedVariable, options],
    [ownVariable, options],
    ...(storage === null
      ? []
      : ([
          [packagedStorageVariable, storage.join(' ')],
          [ownStorageVariable, storage.join(' ')],
        ] as const)),
  ]);
}

// flannel's configuration: the network document in etcd, the daemon's environment file, its drop-in.

import { type ClusterConfig, etcdEndpoints } from '../model/cluster-config.ts';
import type { FlannelLayout } from '../model/layout.ts';
import type { NodeIdentity } from '../model/node-identity.ts';
import type { AbsolutePath } from '../model/paths.ts';
import { renderSections, unlimitedStarts } from './drop-in.ts';
import { type EnvEntry, renderEnvFile } from './env-file.ts';
import { bindBackend } from './flannel-backends/registry.ts';
import { header } from './marker.ts';

/**
 * flannel's network configuration, `<prefix>/config`, as one line of JSON with flannel's own key names.
 *
 * @param secret text of the backend's key file, null when the backend has none
 */
export function renderFlannelNetwork(config: ClusterConfig, secret: string | null): string {
  const { network, subnetLen, subnetMin, subnetMax, backend } = config.flannel;
  return JSON.stringify({
    Network: network,
    SubnetLen: subnetLen,
    ...(subnetMin === undefined ? {} : { SubnetMin: subnetMin }),
    ...(subnetMax === undefined ? {} : { SubnetMax: subnetMax }),
    Backend: bindBackend(backend, secret).document,
  });
}

/**
 * The daemon's environment file. The wrapper of the RPM was renamed its variables between releases and passes empty
 * flags, which hide the daemon's own variables, when it finds none it knows: so all four names are written. The
 * daemon's own names are added where there is no wrapper: the agent brings the unit, or the packaged one reads no file.
 *
 * `-iface` is the node's address: with several interfaces flannel would take that of the default route, which on
 * multi-homed hosts is the same on every node. `-ip-masq`: flannel masquerades what leaves the overlay, and docker
 * does not, so that containers see each other's own addresses.
 */
export function renderFlannelEnvironment(
  config: ClusterConfig,
  node: NodeIdentity,
  at: Pick<FlannelLayout, 'installation' | 'unitReadsNoEnvironmentFile'>,
): string {
  const endpoints = etcdEndpoints(config, node.name).join(',');
  const entries: EnvEntry[] = [
    ['FLANNEL_ETCD', endpoints],
    ['FLANNEL_ETCD_KEY', config.flannel.prefix],
    ['FLANNEL_ETCD_ENDPOINTS', endpoints],
    ['FLANNEL_ETCD_PREFIX', config.flannel.prefix],
    ['FLANNEL_OPTIONS', `-iface=${node.address} -ip-masq=true`],
  ];
  if (at.installation === 'program only' || at.unitReadsNoEnvironmentFile === true) {
    entries.push(
      ['FLANNELD_ETCD_ENDPOINTS', endpoints],
      ['FLANNELD_ETCD_PREFIX', config.flannel.prefix],
      ['FLANNELD_IFACE', node.address],
      ['FLANNELD_IP_MASQ', 'true'],
    );
  }
  return renderEnvFile(header(`flanneld of ${node.name}`), entries);
}

/**
 * The drop-in of flanneld.service. The seeding waits for etcd without a deadline of systemd's; flanneld that gave up
 * its lease ends with exit 0, hence `always`. Docker whose start failed because flanneld came late is not retried by
 * systemd, so flanneld's start queues it again.
 *
 * @param environmentFile named where the installed unit reads none
 */
export function renderFlannelDropIn(agent: AbsolutePath, environmentFile: AbsolutePath | null = null): string {
  return renderSections(header('flannel finds its network configuration in etcd, and docker finds flannel'), [
    [
      'Unit',
      [['Wants', 'network-online.target'], ['After', 'network-online.target etcd.service'], unlimitedStarts.unit],
    ],
    [
      'Service',
      [
        unlimitedStarts.service,
        ['UnsetEnvironment', 'BUN_OPTIONS BUN_BE_BUN'],
        ...(environmentFile === null ? [] : [['EnvironmentFile', environmentFile] as const]),
        ['ExecStartPre', `${agent} join seed`],
        ['ExecStartPost', `-${agent} join lease`],
        ['Restart', 'always'],
        ['RestartSec', '3'],
        ['TimeoutStartSec', '0'],
      ],
    ],
  ]);
}

/** Keep systemd-networkd's hands off the overlay's devices; it would take addresses and routes away. */
export function renderNetworkdUnmanaged(): string {
  return renderSections(header('flannel and docker manage these devices'), [
    ['Match', [['Name', 'flannel* docker0 veth*']]],
    ['Link', [['Unmanaged', 'yes']]],
  ]);
}

/** The same for NetworkManager. */
export function renderNetworkManagerUnmanaged(): string {
  return `${header('flannel and docker manage these devices')}[keyfile]\nunmanaged-devices=interface-name:flannel*;interface-name:docker0;interface-name:veth*\n`;
}

/**
 * Keep udev from giving flannel's device another MAC after flanneld has published the first one: packets to it would
 * vanish (systemd from 242 with flannel below 0.15.1).
 */
export function renderMacPolicy(): string {
  return renderSections(header('flannel publishes the MAC its device is made with'), [
    ['Match', [['OriginalName', 'flannel*']]],
    ['Link', [['MACAddressPolicy', 'none']]],
  ]);
}

/** modules-load.d(5). */
export function renderModules(modules: readonly string[]): string {
  return header('kernel modules of the overlay') + modules.map((m) => `${m}\n`).join('');
}

/** The lease flanneld writes for docker. */
export interface FlannelLease {
  /** The overlay network, CIDR; null in flannel below 0.5. */
  readonly network: string | null;
  /** Gateway address of this node's subnet with its length, `172.18.34.1/24`. */
  readonly subnet: string;
  readonly mtu: number;
}

/**
 * Read flannel's subnet file.
 *
 * @param values the file's KEY=value pairs
 * @returns null when it is incomplete or malformed; then there is no lease to go by
 */
export function parseLease(values: Readonly<Record<string, string>>): FlannelLease | null {
  const subnet = values['FLANNEL_SUBNET'];
  const mtu = values['FLANNEL_MTU'];
  if (subnet === undefined || !/^\d+\.\d+\.\d+\.\d+\/\d+$/.test(subnet) || mtu === undefined || !/^\d{3,5}$/.test(mtu))
    return null;
  return { network: values['FLANNEL_NETWORK'] ?? null, subnet, mtu: Number(mtu) };
}

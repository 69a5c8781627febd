// etcd's configuration of one member: environment file and drop-in, from values alone.

import { type ClusterConfig, memberNodes } from '../model/cluster-config.ts';
import type { NodeIdentity } from '../model/node-identity.ts';
import type { AbsolutePath } from '../model/paths.ts';
import { renderSections, unlimitedStarts } from './drop-in.ts';
import { type EnvEntry, renderEnvFile } from './env-file.ts';
import { header } from './marker.ts';

/** The member's own data directory; named after the node so that the distribution's default is never in its way. */
export function etcdDataDirectory(node: string): AbsolutePath {
  return `/var/lib/etcd/${node}.etcd`;
}

/**
 * The member's environment file. The initial cluster is the same text on every member: member and cluster ids are
 * hashes of it.
 *
 * @param enableV2 serve the v2 API as well, for a flanneld below 0.18 (etcd 3.4 and 3.5 have it off)
 */
export function renderEtcdEnvironment(config: ClusterConfig, node: NodeIdentity, enableV2: boolean): string {
  const { peerPort, clientPort, heartbeatIntervalMs, electionTimeoutMs } = config.etcd;
  const peerUrl = `http://${node.address}:${peerPort}`;
  const clientUrl = `http://${node.address}:${clientPort}`;
  const initialCluster = memberNodes(config)
    .map((n) => `${n.name}=http://${n.address}:${peerPort}`)
    .join(',');
  const entries: EnvEntry[] = [
    ['ETCD_NAME', node.name],
    ['ETCD_DATA_DIR', etcdDataDirectory(node.name)],
    ['ETCD_LISTEN_PEER_URLS', peerUrl],
    ['ETCD_LISTEN_CLIENT_URLS', `http://localhost:${clientPort},${clientUrl}`],
    ['ETCD_INITIAL_ADVERTISE_PEER_URLS', peerUrl],
    ['ETCD_INITIAL_CLUSTER', initialCluster],
    ['ETCD_INITIAL_CLUSTER_STATE', 'new'],
    ['ETCD_INITIAL_CLUSTER_TOKEN', config.cluster],
    ['ETCD_ADVERTISE_CLIENT_URLS', clientUrl],
    // Off by default; without it the history of every readiness record stays until the 2 GiB quota stops all writes.
    ['ETCD_AUTO_COMPACTION_RETENTION', '1'],
  ];
  if (enableV2) entries.push(['ETCD_ENABLE_V2', 'true']);
  if (heartbeatIntervalMs !== undefined) entries.push(['ETCD_HEARTBEAT_INTERVAL', String(heartbeatIntervalMs)]);
  if (electionTimeoutMs !== undefined) entries.push(['ETCD_ELECTION_TIMEOUT', String(electionTimeoutMs)]);
  return renderEnvFile(header(`member ${node.name} of etcd cluster ${config.cluster}`), entries);
}

/**
 * The drop-in of etcd.service. A member is ready only once there is a quorum, so the first hosts of a cluster would be
 * killed at systemd's 90 s; and quick failures (an address not there yet) would use up the five starts of a unit.
 * `on-failure`, not `always`: a member removed from its cluster ends with exit 0 and is meant to stay down.
 *
 * @param environmentFile named where the installed unit reads none: etcd would start as a cluster of its own
 * @param mountedData on a live root: the data directory, whose disk has to be mounted before etcd starts
 */
export function renderEtcdDropIn(
  environmentFile: AbsolutePath | null = null,
  mountedData: AbsolutePath | null = null,
): string {
  return renderSections(header('etcd waits for its peers as long as it takes'), [
    [
      'Unit',
      [
        // Debian's unit wants the target but is not ordered after it.
        ['Wants', 'network-online.target'],
        ['After', 'network-online.target'],
        ...(mountedData === null ? [] : [['RequiresMountsFor', mountedData] as const]),
        unlimitedStarts.unit,
      ],
    ],
    [
      'Service',
      [
        unlimitedStarts.service,
        ...(environmentFile === null ? [] : [['EnvironmentFile', environmentFile] as const]),
        // etcd runs as its own user, and only root may ask for a unit; `+` is for that, `-` for hosts without the agent's units.
        ['ExecStartPost', '-+/usr/bin/systemctl --no-block start diyc-agent-report.service'],
        ['Restart', 'on-failure'],
        ['RestartSec', '3'],
        ['TimeoutStartSec', '0'],
      ],
    ],
  ]);
}

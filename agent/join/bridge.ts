// Before docker starts: its network options from flannel's lease, and a bridge that is not left over from another one.

import { execute } from '../converge/executors.ts';
import { type Look, waitFor } from '../converge/wait.ts';
import type { ClusterConfig } from '../model/cluster-config.ts';
import { dockerMountVerdict } from '../model/docker-mount.ts';
import { AgentError } from '../model/errors.ts';
import { decodeMountTable, mountTableBytes, mountTableFile } from '../model/mount-table.ts';
import { containsAddress, type Network, parseAddress, parseNetwork } from '../model/network-address.ts';
import { dockerOptionsFile, flannelSubnetFile } from '../model/paths.ts';
import type { Step } from '../model/step.ts';
import { type DockerStorageConfig, dockerDirectory } from '../model/storage.ts';
import type { DeviceState, Host } from '../ports/host.ts';
import type { Reporter } from '../ports/reporter.ts';
import { renderDockerOptions } from '../render/docker.ts';
import { parseEnvFile } from '../render/env-file.ts';
import { type FlannelLease, parseLease } from '../render/flannel.ts';
import { dockerStorageOptions } from '../render/storage-setup.ts';
import { freePools } from './address-pools.ts';

export interface BridgeRequest {
  readonly config: ClusterConfig;
  /** As dockerd prints it; null when unknown, then no option newer than docker 1.9 is used. */
  readonly dockerVersion: readonly number[] | null;
  /** docker's declared storage; null where none is. */
  readonly storage: DockerStorageConfig | null;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

const daemonFile = '/etc/docker/daemon.json';

/**
 * Wait for the lease, write docker's options, repair an idle bridge of another subnet.
 *
 * @throws AgentError `tempfail` when there is no lease before the deadline; `config` when daemon.json sets the same
 * options, which dockerd would refuse in its own words
 */
export async function prepareBridge(host: Host, reporter: Reporter, request: BridgeRequest): Promise<void> {
  const { deadlineMs, signal, storage } = request;
  if (storage !== null) await refuseOtherStorage(host, storage);
  const waitOptions = { owner: 'bridge', deadlineMs, ...(signal === undefined ? {} : { signal }) };
  const lease = await waitFor(host, reporter, waitOptions, () => lookForLease(host, request.config));
  const [bridge, routes, daemon, options] = await Promise.all([
    host.network.device('docker0'),
    host.network.routes(),
    host.files.readText(daemonFile),
    host.files.readText(dockerOptionsFile),
  ]);
  const taken = [
    request.config.flannel.network,
    ...routes.filter((r) => !/^(docker0|br-)/.test(r.device)).map((r) => r.destination),
  ]
    .map(parseNetwork)
    .filter((n): n is Network => n !== null && n.prefixLength > 0);
  refuseConflicts(daemon);
  const takesPools = atLeast(request.dockerVersion, [18, 6]) && !mentions(daemon, 'default-address-pools');
  const pools = takesPools ? (request.config.docker.addressPools ?? freePools(taken)) : [];
  for (const step of planBridge(
    lease,
    bridge,
    renderDockerOptions(
      lease,
      pools,
      storage === null ? null : dockerStorageOptions(storage, request.dockerVersion?.join('.') ?? null),
    ),
    options,
  ))
    await execute(host, step);
}

/** The mount is required by docker's unit; this is for the case that the unit of the mount is gone or was changed. */
async function refuseOtherStorage(host: Host, storage: DockerStorageConfig): Promise<void> {
  const mounts = decodeMountTable(await host.files.readHead(mountTableFile, mountTableBytes));
  if (mounts === null) {
    throw new AgentError('oserr', 'docker is not started: what its directory is on could not be found out', {
      hint: 'see that /proc is mounted',
    });
  }
  const { isRight, source } = dockerMountVerdict(mounts, storage);
  if (isRight) return;
  throw new AgentError(
    'tempfail',
    `docker is not started: ${dockerDirectory} is on ${source}, and the cluster file declares volume group ${storage.volumeGroup}`,
    { hint: 'diyc-agent status says what the storage waits for; diyc-agent apply writes its mount unit anew' },
  );
}

/** Pure: the steps that make docker start on the lease. */
export function planBridge(
  lease: FlannelLease,
  bridge: DeviceState | null,
  options: string,
  present: string | null,
): Step[] {
  const steps: Step[] = [];
  if (options !== present) {
    steps.push({
      kind: 'writeFile',
      component: 'docker',
      why: `flannel leased ${lease.subnet}`,
      path: dockerOptionsFile,
      content: options,
      mode: 0o644,
      owner: null,
      sensitive: false,
      before: present,
      keepAs: null,
      drifted: false,
    });
  }
  const addresses = bridge?.addresses.map((a) => `${a.address}/${a.prefixLength}`) ?? [];
  if (bridge !== null && addresses.length > 0 && !addresses.includes(lease.subnet)) {
    if (bridge.ports.length > 0) {
      throw new AgentError(
        'tempfail',
        `docker0 has ${addresses.join(', ')} and flannel leased ${lease.subnet}; ${bridge.ports.length} containers are still on the bridge (${bridge.ports.join(', ')})`,
        { hint: 'stop these containers, then systemctl restart docker; no running container is touched' },
      );
    }
    steps.push({
      kind: 'removeNetworkDevice',
      component: 'docker',
      why: `it has ${addresses.join(', ')}, and nothing uses it`,
      device: 'docker0',
    });
  }
  return steps;
}

async function lookForLease(host: Host, config: ClusterConfig): Promise<Look<FlannelLease>> {
  const text = await host.files.readText(flannelSubnetFile);
  const lease = text === null ? null : parseLease(parseEnvFile(text));
  if (lease === null) {
    return {
      ready: false,
      reason: `waiting for flannel to lease a subnet (${flannelSubnetFile})`,
      hint: 'diyc-agent status says what flannel waits for',
    };
  }
  const network = parseNetwork(config.flannel.network);
  const gateway = parseAddress(lease.subnet.split('/')[0] ?? '');
  if (network === null || gateway === null || !containsAddress(network, gateway)) {
    return {
      ready: false,
      reason: `flannel leased ${lease.subnet}, which is outside ${config.flannel.network}`,
      hint: "the configuration in etcd is not the cluster file's: diyc-agent status shows both",
    };
  }
  return { ready: true, value: lease };
}

/** dockerd refuses an option that is given both as a flag and in its file; say so before it does. */
function refuseConflicts(daemon: string | null): void {
  // `bridge` is refused beside --bip, whatever it names.
  const both = ['bip', 'bridge', 'mtu', 'ip-masq'].filter((key) => mentions(daemon, key));
  if (both.length === 0) return;
  throw new AgentError(
    'config',
    `${daemonFile} sets ${both.join(', ')}, which follow from flannel's lease on this host; dockerd refuses both`,
    {
      hint: `remove ${both.join(', ')} from ${daemonFile}, then systemctl restart docker`,
    },
  );
}

function mentions(daemon: string | null, key: string): boolean {
  if (daemon === null) return false;
  try {
    const value: unknown = JSON.parse(daemon);
    return typeof value === 'object' && value !== null && key in value;
  } catch {
    // Not JSON: dockerd says so itself, with the place.
    return false;
  }
}

function atLeast(version: readonly number[] | null, floor: readonly number[]): boolean {
  if (version === null) return false;
  for (const [i, part] of floor.entries()) {
    const have = version[i] ?? 0;
    if (have !== part) return have > part;
  }
  return true;
}

// `join seed|lease|bridge|forward`: what the drop-ins of flanneld and docker call, inside those units' own start.

import { execute } from '../converge/executors.ts';
import { prepareBridge } from '../join/bridge.ts';
import { forwardRules } from '../join/forward.ts';
import { dockerAfterLease } from '../join/lease.ts';
import { seedFlannel } from '../join/seed.ts';
import { parseDockerVersion } from '../layout/versions.ts';
import type { ClusterConfig } from '../model/cluster-config.ts';
import { AgentError } from '../model/errors.ts';
import { Secret } from '../model/secret.ts';
import type { Host } from '../ports/host.ts';
import { renderFlannelNetwork } from '../render/flannel.ts';
import type { Action } from './command.ts';
import { gather } from './gather.ts';
import { absolute, configFile, parseDuration } from './options.ts';
import { requireRoot } from './permission.ts';

const dockerUnit = 'docker.service';
const dockerProgram = '/usr/bin/dockerd';

/** Seed flannel's configuration. */
export const joinSeed: Action = async ({ host, reporter, options: global, signal }, options) => {
  requireRoot(host, global.root, 'join seed');
  const { config, node, layout } = await gather(host, reporter, configFile(global.config));
  const secret = await backendSecret(host, config);
  const wanted = renderFlannelNetwork(config, secret?.reveal() ?? null);
  const deadlineMs = parseDuration(String(options['deadline']), '--deadline');
  await seedFlannel(host, reporter, { config, node, api: layout.flannel.etcdApi, wanted, deadlineMs, signal });
  return 0;
};

/** Queue docker again where its own start failed. */
export const joinLease: Action = async ({ host, options: global }) => {
  requireRoot(host, global.root, 'join lease');
  const [docker] = await host.units.states([dockerUnit]);
  if (docker === undefined) return 0;
  const decision = dockerAfterLease(docker);
  if (decision === 'reset and start') await host.units.resetFailed([dockerUnit]);
  if (decision !== 'leave') await host.units.queueStart([dockerUnit]);
  return 0;
};

/** Prepare docker's options and bridge. */
export const joinBridge: Action = async ({ host, reporter, options: global, signal }, options) => {
  requireRoot(host, global.root, 'join bridge');
  const { config } = await gather(host, reporter, configFile(global.config));
  const text = await host.programs.versionText('dockerd', (await findDockerd(host)) ?? dockerProgram);
  const deadlineMs = parseDuration(String(options['deadline']), '--deadline');
  await prepareBridge(host, reporter, {
    config,
    dockerVersion:
      parseDockerVersion(text ?? '')
        ?.split('.')
        .map(Number) ?? null,
    deadlineMs,
    signal,
  });
  return 0;
};

/** Let packets of the overlay through. */
export const joinForward: Action = async ({ host, reporter, options: global }) => {
  requireRoot(host, global.root, 'join forward');
  const { config } = await gather(host, reporter, configFile(global.config));
  const chain = (await host.kernel.hasFirewallChain('filter', 'DOCKER-USER')) ? 'DOCKER-USER' : 'FORWARD';
  for (const step of forwardRules(config, chain)) await execute(host, step);
  return 0;
};

async function findDockerd(host: Host): Promise<'/usr/sbin/dockerd' | '/usr/bin/dockerd' | null> {
  if (await host.files.exists('/usr/sbin/dockerd')) return '/usr/sbin/dockerd';
  return (await host.files.exists('/usr/bin/dockerd')) ? '/usr/bin/dockerd' : null;
}

/** The pre-shared key of a wireguard backend, read from its file and never shown. */
async function backendSecret(host: Host, config: ClusterConfig): Promise<Secret | null> {
  const { backend } = config.flannel;
  if (backend.type !== 'wireguard' || backend.pskFile === undefined) return null;
  const file = absolute(backend.pskFile, 'flannel.backend.pskFile');
  const text = (await host.files.readText(file))?.trim();
  if (text === undefined || !/^[A-Za-z0-9+/]{43}=$/.test(text)) {
    throw new AgentError(
      'config',
      `flannel.backend.pskFile names ${file}, which ${text === undefined ? 'is not there' : 'holds no WireGuard key'}`,
      {
        hint: `make one on one host (wg genpsk) and give every host the same file, mode 0600`,
      },
    );
  }
  return new Secret(text);
}

// `join seed|lease|bridge|forward`: what the drop-ins of flanneld and docker call, inside those units' own start.

import { prepareBridge } from '../join/bridge.ts';
import { openForwarding } from '../join/forward.ts';
import { dockerAfterLease } from '../join/lease.ts';
import { seedFlannel } from '../join/seed.ts';
import { storageOf } from '../model/cluster-config.ts';
import { isAgentError } from '../model/errors.ts';
import { renderFlannelNetwork } from '../render/flannel.ts';
import { backendSecret } from './backend-secret.ts';
import type { Action } from './command.ts';
import { dockerVersionOf } from './docker-version.ts';
import { gather } from './gather.ts';
import { configFile, parseDuration } from './options.ts';
import { requireRoot } from './permission.ts';

const dockerUnit = 'docker.service';
const reportUnit = 'diyc-agent-report.service';

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
  const { config, node } = await gather(host, reporter, configFile(global.config));
  const version = await dockerVersionOf(host);
  const deadlineMs = parseDuration(String(options['deadline']), '--deadline');
  await prepareBridge(host, reporter, {
    config,
    dockerVersion: version?.split('.').map(Number) ?? null,
    storage: storageOf(config, node.name)?.docker ?? null,
    deadlineMs,
    signal,
  });
  return 0;
};

/** Let packets of the overlay through. */
export const joinForward: Action = async ({ host, reporter, options: global }) => {
  requireRoot(host, global.root, 'join forward');
  const { config } = await gather(host, reporter, configFile(global.config));
  await openForwarding(host, config);
  try {
    // docker is up from here on: whoever waits for this node need not wait for the timer's next turn.
    await host.units.queueStart([reportUnit]);
  } catch (error) {
    if (!isAgentError(error)) throw error;
  }
  return 0;
};

// `storage attach` and `storage detach`: what diyc-agent-storage.service runs when it starts and stops.

import { runKey } from '../converge/prepare.ts';
import { dockerAfterLease } from '../join/lease.ts';
import { storageOf } from '../model/cluster-config.ts';
import { AgentError } from '../model/errors.ts';
import type { StorageConfig } from '../model/storage.ts';
import { parseStorageResult, storageFile } from '../model/storage-result.ts';
import type { Host } from '../ports/host.ts';
import { attachStorage } from '../storage/attach.ts';
import { detachStorage, whatToDetach } from '../storage/detach.ts';
import type { Action } from './command.ts';
import { dockerVersionOf } from './docker-version.ts';
import { type Gathered, gather } from './gather.ts';
import { configFile, parseDuration } from './options.ts';
import { requireRoot } from './permission.ts';

const dockerUnit = 'docker.service';

/** @throws AgentError `config` where the cluster file declares no storage for this node */
export function declaredStorage(node: Gathered): StorageConfig {
  const storage = storageOf(node.config, node.node.name);
  if (storage !== null) return storage;
  throw new AgentError('config', `the cluster file declares no storage for ${node.node.name}`, {
    hint: 'docker uses the root disk; to give it a disk of its own, add storage: to the cluster file',
  });
}

/** Attach and prepare, then have docker started where its own start was waiting for this. */
export const storageAttach: Action = async ({ host, reporter, options: global, version, signal }, options) => {
  requireRoot(host, global.root, 'storage attach');
  const deadlineMs = parseDuration(String(options['deadline']), '--deadline');
  const node = await gather(host, reporter, configFile(global.config));
  const storage = storageOf(node.config, node.node.name);
  if (storage === null) {
    // A unit that a distribution enables by itself has nothing to do, and is no failure.
    reporter.emit({ event: 'storage.undeclared', node: node.node.name });
    return 0;
  }
  const result = await attachStorage(host, reporter, {
    storage,
    cluster: node.config.cluster,
    node: node.node.name,
    layout: node.layout,
    dockerVersion: storage.docker?.driver === 'devicemapper' ? await dockerVersionOf(host) : null,
    key: runKey(host, node, version),
    deadlineMs,
    signal,
  });
  reporter.emit({ event: 'storage.attached', message: result.message });
  if (storage.docker !== null) await startDocker(host);
  return 0;
};

/** A start of docker that failed because the storage came late is never tried again by systemd. */
async function startDocker(host: Host): Promise<void> {
  const [docker] = await host.units.states([dockerUnit]);
  if (docker === undefined) return;
  // docker enabled in the image was queued before its drop-in existed: that job knows nothing of the mount, and systemd
  // looks at what a unit requires when it is queued, not when it starts. Queued again, it brings the mount with it.
  const isQueued = docker.jobQueued && docker.active === 'inactive' && docker.activeEnterMs === 0;
  const decision = isQueued ? 'start' : dockerAfterLease(docker);
  if (decision === 'reset and start') await host.units.resetFailed([dockerUnit]);
  if (decision !== 'leave') await host.units.queueStart([dockerUnit]);
}

/** Give the storage back, unless something still uses it; a cluster file that is gone or broken by then is no obstacle. */
export const storageDetach: Action = async ({ host, reporter, options: global }) => {
  requireRoot(host, global.root, 'storage detach');
  const result = parseStorageResult(await host.files.readText(storageFile));
  const node = result?.outcome === 'ready' ? null : await gather(host, reporter, configFile(global.config));
  const storage = node === null ? null : storageOf(node.config, node.node.name);
  const declared =
    node === null || storage === null ? null : { storage, cluster: node.config.cluster, node: node.node.name };
  const request = whatToDetach(result, declared);
  if (request === null) reporter.emit({ event: 'storage.undeclared', node: node?.node.name ?? '' });
  else await detachStorage(host, reporter, request);
  return 0;
};

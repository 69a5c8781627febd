// Seeding flannel's network configuration: created once, by whichever node comes first, and never overwritten.

import { type Look, waitFor } from '../converge/wait.ts';
import { type ClusterConfig, type EtcdApi, etcdEndpoints } from '../model/cluster-config.ts';
import { type AgentError, isAgentError } from '../model/errors.ts';
import { flannelConfigKey } from '../model/keys.ts';
import type { NodeIdentity } from '../model/node-identity.ts';
import { seedFile } from '../model/paths.ts';
import { parseSeedResult, type SeedResult } from '../model/seed-result.ts';
import type { Host } from '../ports/host.ts';
import type { Reporter } from '../ports/reporter.ts';
import type { EndpointHealth } from '../ports/store.ts';
import { sameNetwork, withoutSecrets } from './network-document.ts';

export interface SeedRequest {
  readonly config: ClusterConfig;
  readonly node: NodeIdentity;
  /** The API that the installed flanneld reads; a key written by the other one it never sees. */
  readonly api: EtcdApi;
  /** flannel's network configuration as the cluster file asks for it. */
  readonly wanted: string;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

const healthDeadlineMs = 2_000;

/**
 * Wait for etcd, create the key in one transaction if it is absent, and read back what stands there.
 *
 * @returns `drift` when another configuration stands there: it is reported and left alone
 * @throws AgentError `tempfail` when etcd does not answer before the deadline
 */
export async function seedFlannel(host: Host, reporter: Reporter, request: SeedRequest): Promise<SeedResult> {
  const { config, node, api, wanted } = request;
  const endpoints = etcdEndpoints(config, node.name);
  const key = flannelConfigKey(config.flannel.prefix);
  const store = await host.etcd.keys(api, endpoints);
  const look = async (): Promise<Look<SeedResult>> => {
    try {
      const before = await store.read(key);
      const created = before === null && (await store.createIfAbsent(key, wanted)).created;
      const found = await store.read(key);
      if (found === null) {
        return {
          ready: false,
          reason: `${key} was created and is gone again: something else removes it`,
          hint: 'find what deletes keys in etcd',
        };
      }
      const outcome = sameNetwork(found, wanted) ? (created ? 'created' : 'present') : 'drift';
      // From here on it is read by people: in the journal, in `status`, in a file that everybody may read.
      return {
        ready: true,
        value: { outcome, key, api, found: withoutSecrets(found), wanted: withoutSecrets(wanted) },
      };
    } catch (error) {
      if (!isAgentError(error) || !error.retryable) throw error;
      return { ready: false, ...explain(await host.etcd.health(endpoints, healthDeadlineMs), config, node, error) };
    }
  };
  const { deadlineMs, signal } = request;
  const waitOptions = { owner: 'seed', deadlineMs, ...(signal === undefined ? {} : { signal }) };
  try {
    const result = await waitFor(host, reporter, waitOptions, look);
    await host.files.replace(seedFile, `${JSON.stringify(result)}\n`, { mode: 0o644, owner: null });
    tell(reporter, result);
    return result;
  } finally {
    store.close();
  }
}

/**
 * Look again at what was seeded in this boot, and write down when it has changed: a wiped etcd, a corrected file.
 * Nothing is created here, and an etcd that does not answer changes nothing that is known.
 */
export async function reviewSeed(host: Host, request: Omit<SeedRequest, 'deadlineMs' | 'signal'>): Promise<void> {
  const { config, node, api, wanted } = request;
  const text = await host.files.readText(seedFile);
  const known = parseSeedResult(text);
  if (known === null) return;
  const store = await host.etcd.keys(api, etcdEndpoints(config, node.name));
  try {
    const key = flannelConfigKey(config.flannel.prefix);
    const found = await store.read(key);
    const isSame = found !== null && sameNetwork(found, wanted);
    const asBefore = known.outcome === 'created' ? 'created' : 'present';
    const result: SeedResult = {
      outcome: found === null ? 'absent' : isSame ? asBefore : 'drift',
      key,
      api,
      found: found === null ? '' : withoutSecrets(found),
      wanted: withoutSecrets(wanted),
    };
    const line = `${JSON.stringify(result)}\n`;
    if (line !== text) await host.files.replace(seedFile, line, { mode: 0o644, owner: null });
  } catch (error) {
    if (!isAgentError(error)) throw error;
  } finally {
    store.close();
  }
}

function tell(reporter: Reporter, result: SeedResult): void {
  const { key, api, found, wanted } = result;
  if (result.outcome === 'drift') reporter.emit({ event: 'flannel.drift', key, found, wanted });
  else if (result.outcome === 'created') reporter.emit({ event: 'flannel.seeded', key, api, value: found });
  else reporter.emit({ event: 'flannel.present', key, api });
}

/** Why etcd does not answer, from what each endpoint does: for the journal and for `status`. */
function explain(
  health: readonly EndpointHealth[],
  config: ClusterConfig,
  node: NodeIdentity,
  error: AgentError,
): { readonly reason: string; readonly hint: string } {
  const healthy = health.find((h) => h.outcome === 'healthy');
  if (healthy !== undefined) {
    return {
      reason: `etcd at ${healthy.endpoint} is healthy, but the request failed: ${error.message}`,
      hint: error.hint,
    };
  }
  const each = health.map((h) => `${h.endpoint} ${h.detail}`).join('; ');
  if (health.some((h) => h.outcome === 'silent')) {
    const peers = config.etcd.members.filter((m) => m !== node.name).join(', ');
    return {
      reason: `waiting for etcd to find a quorum among ${config.etcd.members.join(', ')}: ${each}`,
      hint: `start etcd on ${peers || node.name}`,
    };
  }
  return {
    reason: `waiting for etcd: ${each}`,
    hint: `see systemctl status etcd on the members; ports ${config.etcd.clientPort} and ${config.etcd.peerPort} must be open between the hosts`,
  };
}

// The fleet as etcd has it: the records of all nodes that report.

import { resolveHostFacts } from '../metadata/resolve.ts';
import type { ClusterConfig } from '../model/cluster-config.ts';
import { etcdEndpoints, memberClientUrls } from '../model/cluster-config.ts';
import { isAgentError } from '../model/errors.ts';
import { nodesPrefix } from '../model/keys.ts';
import type { ReadinessRecord } from '../model/readiness.ts';
import type { SwapStore } from '../ports/store.ts';
import { parseRecord } from '../readiness/record.ts';
import type { CommandContext } from './command.ts';
import { accepted, readCluster } from './gather.ts';
import { configFile } from './options.ts';

export interface Fleet {
  readonly config: ClusterConfig;
  readonly store: SwapStore;
  /** This host's own name, where it is a node of the cluster. */
  readonly self: string | null;
}

/** The cluster file and a store for its etcd; works on any host that has the file, member or not. */
export async function openFleet({ host, reporter, options }: CommandContext): Promise<Fleet> {
  const facts = await resolveHostFacts(host.files).catch((error: unknown) => {
    if (isAgentError(error) && error.kind === 'data') return null;
    throw error;
  });
  const config = accepted(
    await readCluster(host.files, configFile(options.config), facts?.seedDirectories ?? []),
    reporter,
  );
  const isNode = facts !== null && config.nodes.some((n) => n.name === facts.name);
  const endpoints = isNode ? etcdEndpoints(config, facts.name) : memberClientUrls(config);
  return { config, store: await host.etcd.leases(endpoints), self: isNode ? facts.name : null };
}

/** Every record this version understands. @throws AgentError `unavailable` when no member answers */
export async function readFleet({ config, store }: Fleet): Promise<ReadinessRecord[]> {
  const values = await store.list(nodesPrefix(config.cluster));
  return values.map((v) => parseRecord(v.value)).filter((r) => r !== null);
}

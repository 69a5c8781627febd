// From a verb's context to what the coordinator of this node works with.

import { etcdEndpoints, upgradeOf } from '../model/cluster-config.ts';
import { AgentError } from '../model/errors.ts';
import { nodesPrefix } from '../model/keys.ts';
import type { ReadinessRecord } from '../model/readiness.ts';
import { parseRecord } from '../readiness/record.ts';
import { bootUrlsOf } from '../upgrade/boot-urls.ts';
import type { Coordination } from '../upgrade/coordination.ts';
import type { CommandContext } from './command.ts';
import { observedConditions } from './conditions.ts';
import { type Gathered, gather } from './gather.ts';
import { configFile } from './options.ts';

export interface Opened {
  readonly coordination: Coordination;
  readonly node: Gathered;
  close(): void;
}

/** @throws as `gather`: a host that does not know who it is coordinates nothing; `usage` below --root */
export async function openCoordination(context: CommandContext, verb: string): Promise<Opened> {
  const { host, reporter, options, version, signal } = context;
  if (options.root !== '/') {
    throw new AgentError('usage', `cannot run ${verb} below the root ${options.root}: that needs the running host`, {
      hint: 'run it on the host itself, without --root',
    });
  }
  const node = await gather(host, reporter, configFile(options.config));
  const { config } = node;
  const store = await host.etcd.leases(etcdEndpoints(config, node.node.name));
  const kernelLine = (await host.files.readText('/proc/cmdline')) ?? '';
  return {
    node,
    coordination: {
      host,
      reporter,
      config,
      node: node.node,
      group: upgradeOf(config, node.node.name),
      store,
      isLiveRoot: node.live.root.isLive,
      bootUrls: bootUrlsOf(kernelLine),
      signal,
      conditions: () => observedConditions(host, node, version, []),
      async records() {
        const values = await store.list(nodesPrefix(config.cluster));
        const records = values.map((v) => parseRecord(v.value)).filter((r): r is ReadinessRecord => r !== null);
        return new Map(records.map((record) => [record.node, record]));
      },
    },
    close: () => store.close(),
  };
}

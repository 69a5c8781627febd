// `nodes`: every node of the cluster and how it is, as it says of itself in etcd.

import { nodeRows, nodesText } from '../render/nodes-text.ts';
import type { Action } from './command.ts';
import { openFleet, readFleet } from './fleet.ts';

/** Print the table of the fleet. */
export const runNodes: Action = async (context, options) => {
  const fleet = await openFleet(context);
  try {
    const rows = nodeRows(fleet.config.nodes, await readFleet(fleet));
    if (context.options.json) {
      const list = rows.map(({ name, address, record }) => ({
        name,
        address,
        state: record?.summary ?? 'absent',
        record,
      }));
      context.out(`${JSON.stringify({ schema: 1, cluster: fleet.config.cluster, nodes: list })}\n`);
    } else {
      context.out(nodesText(rows, options['long'] === true, (t) => context.host.clock.ageMs(t)));
    }
    return 0;
  } finally {
    fleet.store.close();
  }
};

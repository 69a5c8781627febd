// `nodes`: every node of the cluster and how it is, as it says of itself in etcd.

import { nodeRows, nodesText } from '../render/nodes-text.ts';
import type { Verb } from './command.ts';
import { openFleet, readFleet } from './fleet.ts';

export const nodes: Verb = {
  declare(program, run) {
    program
      .command('nodes')
      .summary('every node of the cluster and how it is')
      .option('-l, --long', 'with etcd role, versions, last report and metadata', false)
      .action(
        run(async (context, options) => {
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
        }),
      );
  },
};

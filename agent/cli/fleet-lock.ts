// `fleetlock`: serves this cluster's reboot slots to hosts that speak FleetLock, until it is stopped.

import { defaultUpgradeGroup } from '../model/cluster-config.ts';
import { AgentError } from '../model/errors.ts';
import { groupNames } from '../upgrade/coordination.ts';
import { answerFleetLock } from '../upgrade/fleet-lock-service.ts';
import type { Action } from './command.ts';
import { openFleet } from './fleet.ts';

/** Serve on what the cluster file, or --listen, says. */
export const serveFleetLock: Action = async (context, options) => {
  const { host, reporter, signal } = context;
  const fleet = await openFleet(context);
  try {
    const { config, store } = fleet;
    const given = options['listen'];
    const listen = typeof given === 'string' ? given : (config.upgrade?.fleetLockListen ?? null);
    if (listen === null) {
      throw new AgentError(
        'usage',
        'cannot serve FleetLock: neither --listen nor upgrade.fleetLock.listen says where',
        {
          hint: 'give an address and a port, or the path of a socket: --listen 192.0.2.1:3333',
        },
      );
    }
    const declared = config.upgrade?.groups ?? [];
    const groups = groupNames(config).map(
      (n) => declared.find((g) => g.name === n) ?? { ...defaultUpgradeGroup, name: n },
    );
    reporter.emit({ event: 'fleet-lock.serving', listen });
    const service = { host, store, reporter, cluster: config.cluster, groups };
    await host.httpServer.serve(listen, (request) => answerFleetLock(service, request), signal);
    return 0;
  } finally {
    fleet.store.close();
  }
};

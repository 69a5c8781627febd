// Upgrades on this node: the timer where the cluster file speaks of them, and the FleetLock server where it is to be.

import type { ClusterConfig } from '../model/cluster-config.ts';
import type { NodeIdentity } from '../model/node-identity.ts';
import { systemUnits, under } from '../model/paths.ts';
import type { ComponentSpec, Wish } from '../model/wish.ts';
import type { Component } from '../ports/component.ts';

const timer = 'diyc-agent-upgrade.timer';
const fleetLock = 'diyc-agent-fleetlock.service';

export const upgrade: Component = {
  name: 'agent',

  desire({ config, node }): ComponentSpec | null {
    const wishes = [
      ...(config.upgrade === null
        ? []
        : enabled(timer, 'timers.target', 'the cluster file has an upgrade policy, and somebody has to follow it')),
      ...(isServedBy(config, node)
        ? enabled(fleetLock, 'multi-user.target', "hosts that speak FleetLock share this cluster's reboot slots")
        : []),
    ];
    return wishes.length === 0 ? null : { component: 'agent', wishes, waitingFor: [] };
  },

  // How far an upgrade is, is what the upgrade unit itself leaves in /run: asking rpm-ostree takes longer than a status may.
  probe: () => Promise.resolve([]),
};

function enabled(unit: string, target: string, why: string): Wish[] {
  const packaged = under('/usr/lib/systemd/system', unit);
  return [
    { kind: 'link', component: 'agent', path: under(systemUnits, `${target}.wants`, unit), target: packaged, why },
    { kind: 'unit', component: 'agent', unit, readsFiles: [], why },
  ];
}

/** The node that has the address; a socket, or every address, is served by all of them. */
export function isServedBy(config: ClusterConfig, node: Pick<NodeIdentity, 'address'>): boolean {
  const listen = config.upgrade?.fleetLockListen ?? null;
  if (listen === null) return false;
  const address = listen.replace(/:\d+$/, '');
  return listen.startsWith('/') || address === '0.0.0.0' || address === '[::]' || address === node.address;
}

// `reboot release NODE`: an operator frees the slot of a host that will not do it itself.

import { AgentError } from '../model/errors.ts';
import { printableLine } from '../model/printable.ts';
import { groupNames } from '../upgrade/coordination.ts';
import { readFleetState } from '../upgrade/fleet-state.ts';
import { etcdSlots } from '../upgrade/slots.ts';
import type { Action } from './command.ts';
import { openFleet } from './fleet.ts';
import { groupOf } from './upgrade-fleet.ts';

/** Release the slot with --yes; without it say what that would mean. */
export const rebootRelease: Action = async (context, options, args) => {
  const fleet = await openFleet(context);
  try {
    const holder = args[0] ?? '';
    const { config, store } = fleet;
    const group = groupOf(fleet, options['group']);
    const groups = groupNames(config);
    const { semaphore } = await readFleetState(store, config.cluster, group, groups);
    const held = semaphore.holders.find((h) => h.id === holder);
    if (held === undefined) {
      throw new AgentError('data', `cannot release the slot of "${holder}": it holds none of group ${group}`, {
        hint: 'diyc-agent reboot status lists the holders of all groups',
      });
    }
    const about = `${held.id} holds a slot of group ${group} since ${held.since} (${held.reason}, ${held.stage})`;
    if (options['yes'] !== true) {
      throw new AgentError('usage', `${about}; another host may reboot as soon as it is released`, {
        hint: `make sure that ${held.id} is not about to reboot, then: diyc-agent reboot release ${shellWord(held.id)} --group ${group} --yes`,
      });
    }
    const by = fleet.self === null ? 'operator' : `operator on ${fleet.self}`;
    const slots = etcdSlots({ store, clock: context.host.clock, cluster: config.cluster, group, groups });
    await slots.release(holder, by, String(options['reason'] ?? 'released by hand'));
    context.out(`${printableLine(`released: ${about}`)}\n`);
    return 0;
  } finally {
    fleet.store.close();
  }
};

/** Hosts that come by FleetLock call themselves what they like, and this is pasted into root's shell. */
function shellWord(text: string): string {
  return /^[\w.:@/+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

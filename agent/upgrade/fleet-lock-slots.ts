// Slots of a FleetLock server that somebody else runs: it says yes or no, and nothing is known of the other holders.

import { AgentError } from '../model/errors.ts';
import type { FleetLockAnswer, FleetLockClient } from '../ports/fleet-lock.ts';
import type { SlotKeeper } from './slots.ts';

export interface FleetLockSlotsOptions {
  readonly client: FleetLockClient;
  readonly url: string;
  readonly group: string;
}

/** Slots by the FleetLock protocol. */
export function fleetLockSlots({ client, url, group }: FleetLockSlotsOptions): SlotKeeper {
  return {
    async take({ holder }) {
      const answer = await client.ask(url, 'pre-reboot', { id: holder.id, group });
      return answer.granted
        ? { held: true }
        : { held: false, message: `the FleetLock server says no: ${answer.message || answer.kind}` };
    },
    // The protocol has no word for it; asking for the slot again shows that it is still ours.
    async markRebooting(id) {
      accept(await client.ask(url, 'pre-reboot', { id, group }), `keep the slot of ${id}`);
    },
    async release(id) {
      accept(await client.ask(url, 'steady-state', { id, group }), `give the slot of ${id} back`);
    },
  };
}

function accept(answer: FleetLockAnswer, attempted: string): void {
  if (answer.granted) return;
  throw new AgentError('tempfail', `cannot ${attempted}: the FleetLock server says: ${answer.message || answer.kind}`, {
    hint: "ask the server's operator; it is tried again by itself",
  });
}

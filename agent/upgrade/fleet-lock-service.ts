// This cluster's slots for hosts that speak FleetLock: the same semaphores, under names that no node can have.

import { isAgentError } from '../model/errors.ts';
import type { UpgradeGroup } from '../model/upgrade.ts';
import type { HttpRequest, HttpResponse } from '../ports/fleet-lock.ts';
import type { Host } from '../ports/host.ts';
import type { Reporter } from '../ports/reporter.ts';
import type { SwapStore } from '../ports/store.ts';
import {
  type FleetLockOutcome,
  type FleetLockRequest,
  fleetLockAnswer,
  parseFleetLock,
} from './fleet-lock-protocol.ts';
import { readFleetState } from './fleet-state.ts';
import { etcdSlots } from './slots.ts';
import { strategyOf } from './strategies/registry.ts';

export interface FleetLockService {
  readonly host: Pick<Host, 'clock'>;
  readonly store: SwapStore;
  readonly reporter: Reporter;
  readonly cluster: string;
  /** Every group that is served, with its slots and windows. */
  readonly groups: readonly UpgradeGroup[];
}

/** A slash is in no node's name, so a host that calls itself `a1` can never release a1's slot. */
export function holderIdOf(clientId: string): string {
  return `fleetlock/${clientId}`;
}

/** Answer one request; never throws for what the store or the client does wrong. */
export async function answerFleetLock(service: FleetLockService, request: HttpRequest): Promise<HttpResponse> {
  const parsed = parseFleetLock(
    request,
    service.groups.map((g) => g.name),
  );
  if ('refused' in parsed) return parsed.refused;
  let outcome: FleetLockOutcome;
  try {
    outcome = parsed.operation === 'pre-reboot' ? await lock(service, parsed) : await unlock(service, parsed);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    outcome = { outcome: 'store unavailable', message: error.message };
  }
  const { operation, id } = parsed;
  service.reporter.emit({ event: 'fleet-lock.answered', operation, id, outcome: outcome.outcome });
  return fleetLockAnswer(outcome);
}

async function lock(service: FleetLockService, { id, group: name }: FleetLockRequest): Promise<FleetLockOutcome> {
  const { host, store, cluster, groups } = service;
  const group = groups.find((g) => g.name === name);
  if (group === undefined) return { outcome: 'held back', message: `there is no group ${name}` };
  const names = groups.map((g) => g.name);
  const { hold, semaphore } = await readFleetState(store, cluster, name, names);
  const holds = semaphore.holders.some((h) => h.id === holderIdOf(id));
  // A client that holds its slot already is on its way: refusing now would only leave it half way.
  if (!holds && hold !== null) {
    return { outcome: 'held back', message: `group ${name} is on hold: ${hold.reason} (${hold.by})` };
  }
  const permit = strategyOf(group.strategy).permits(group, host.clock.now());
  if (!holds && !permit.go) return { outcome: 'held back', message: permit.message };
  const answer = await slotsOf(service, name).take({
    holder: {
      id: holderIdOf(id),
      kind: 'fleetlock',
      bootId: null,
      isMember: false,
      reason: 'asked by FleetLock',
      release: null,
      since: host.clock.timestamp(),
      stage: 'preparing',
    },
    slots: group.slots,
    memberLimit: 0,
    takeOver: [],
  });
  return answer.held ? { outcome: 'granted' } : { outcome: 'full', message: answer.message };
}

async function unlock(service: FleetLockService, { id, group }: FleetLockRequest): Promise<FleetLockOutcome> {
  await slotsOf(service, group).release(holderIdOf(id), holderIdOf(id), 'steady by FleetLock');
  return { outcome: 'released' };
}

function slotsOf({ host, store, cluster, groups }: FleetLockService, group: string): ReturnType<typeof etcdSlots> {
  return etcdSlots({ store, clock: host.clock, cluster, group, groups: groups.map((g) => g.name) });
}

// `upgrade status` and `reboot status`: how far the fleet is, who holds which slot since when and why, and what is denied.

import { upgradeOf } from '../model/cluster-config.ts';
import { parseJsonObject } from '../model/json-object.ts';
import { proofKey } from '../model/keys.ts';
import type { Proof } from '../model/proof.ts';
import { nodeRows } from '../render/nodes-text.ts';
import { type GroupView, rebootText, upgradeText } from '../render/upgrade-text.ts';
import { groupNames } from '../upgrade/coordination.ts';
import { readFleetState } from '../upgrade/fleet-state.ts';
import type { Action, CommandContext } from './command.ts';
import { type Fleet, openFleet, readFleet } from './fleet.ts';
import { groupOf } from './upgrade-fleet.ts';

/** The whole fleet, or one group of it. */
export const upgradeStatus: Action = async (context, options) => await show(context, options, upgradeText);

/** Slots only: holders, history, the last proof of each node. */
export const rebootStatus: Action = async (context, options) => await show(context, options, rebootText);

type Text = (groups: readonly GroupView[], ageMs: (timestamp: string) => number) => string;

async function show(context: CommandContext, options: Readonly<Record<string, unknown>>, text: Text): Promise<number> {
  const fleet = await openFleet(context);
  try {
    const only = options['group'] === undefined ? null : groupOf(fleet, options['group']);
    const groups = await readGroups(fleet, only);
    if (context.options.json) {
      context.out(`${JSON.stringify({ schema: 1, cluster: fleet.config.cluster, groups })}\n`);
    } else context.out(text(groups, (t) => context.host.clock.ageMs(t)));
    return 0;
  } finally {
    fleet.store.close();
  }
}

async function readGroups(fleet: Fleet, only: string | null): Promise<GroupView[]> {
  const { config, store } = fleet;
  const names = groupNames(config);
  const rows = nodeRows(config.nodes, await readFleet(fleet));
  const groups: GroupView[] = [];
  for (const name of names.filter((n) => only === null || n === only)) {
    const state = await readFleetState(store, config.cluster, name, names);
    const members = rows.filter((row) => upgradeOf(config, row.name).name === name);
    // A group that nothing is in and nobody holds a slot of is not worth a heading.
    if (members.length === 0 && state.semaphore.holders.length === 0 && only === null) continue;
    const values = await store.readVersioned(members.map((m) => proofKey(config.cluster, name, m.name)));
    const proofs = values.flatMap(({ value }) => {
      const proof = value === null ? null : parseJsonObject<Proof>(value);
      return proof?.schema === 1 && Array.isArray(proof.items) ? [proof as Proof] : [];
    });
    const { hold, target, denied, semaphore } = state;
    groups.push({ name, rows: members, hold, target, denied, semaphore, proofs, policy: policyOf(fleet, name) });
  }
  return groups;
}

function policyOf({ config }: Fleet, name: string): GroupView['policy'] {
  const group = config.upgrade?.groups.find((g) => g.name === name);
  if (group === undefined) return null;
  const { strategy, slots, windows, timeZone, automatic, canary } = group;
  return { strategy, slots, automatic, canary, timeZone, windows: windows.map((w) => w.text) };
}

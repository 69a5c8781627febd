// `upgrade target|allow|hold|resume`: an operator's word on a whole group, written in etcd where every node reads it.

import { upgradeOf } from '../model/cluster-config.ts';
import { AgentError, isAgentError } from '../model/errors.ts';
import { printableLine } from '../model/printable.ts';
import { upgradeUnit } from '../model/upgrade.ts';
import { groupNames } from '../upgrade/coordination.ts';
import { allowRelease, type FleetPlace, isNamed, readFleetState, setHold, setTarget } from '../upgrade/fleet-state.ts';
import type { Action, CommandContext } from './command.ts';
import { type Fleet, openFleet } from './fleet.ts';

/** Show or set what the nodes of the group are to reach. */
export const upgradeTarget: Action = async (context, options, args) =>
  await inGroup(context, options, async (place, fleet) => {
    const { config } = fleet;
    const [word] = args;
    const state = await readFleetState(place.store, config.cluster, place.group, groupNames(config));
    if (word === undefined) {
      const { target } = state;
      return target === null
        ? `group ${place.group} has no target`
        : `group ${place.group} goes to ${target.release} (${target.by}, ${target.at})`;
    }
    if (word === 'none') {
      const before = await setTarget(place, null);
      return before === null
        ? `group ${place.group} had no target`
        : `group ${place.group} no longer goes to ${before.release}`;
    }
    if (config.upgrade === null) {
      throw new AgentError(
        'config',
        `cannot give group ${place.group} a target: no node looks for one, because the cluster file has no upgrade:`,
        {
          hint: 'add upgrade: {} to the cluster file of all nodes, or run diyc-agent upgrade apply on one node after the other',
        },
      );
    }
    const denial = state.denied.find((d) => isNamed(d.release, word));
    if (denial !== undefined) {
      throw new AgentError(
        'config',
        `cannot send group ${place.group} to ${denial.release.text}: it is denied: ${denial.reason} (${denial.by}, ${denial.at})`,
        {
          hint: `diyc-agent upgrade allow ${word} takes it off the list`,
        },
      );
    }
    await setTarget(place, { schema: 1, release: word, by: operator(fleet), at: context.host.clock.timestamp() });
    const isOn = await beginHere(context, place, fleet);
    const when = `the nodes see it with their next report${isOn ? ', this one now' : ''}`;
    return `group ${place.group} goes to ${word}, one node after the other; ${when}; diyc-agent upgrade status shows how far they are`;
  });

/** Whoever gave the target wants to see something happen. @returns false on a host that is not of the group, and without root */
async function beginHere({ host }: CommandContext, place: FleetPlace, { config, self }: Fleet): Promise<boolean> {
  if (self === null || upgradeOf(config, self).name !== place.group) return false;
  try {
    await host.units.queueStart([upgradeUnit]);
    return true;
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return false;
  }
}

/** Take a release off the list of those that are not to be tried again. */
export const upgradeAllow: Action = async (context, options, args) =>
  await inGroup(context, options, async (place, { config }) => {
    const word = args[0] ?? '';
    const gone = await allowRelease(place, word, groupNames(config));
    if (gone.length === 0) {
      throw new AgentError('data', `cannot allow "${word}": nothing of that name is denied`, {
        hint: 'diyc-agent upgrade status lists what is denied',
      });
    }
    return gone.map((d) => `${d.release.text} may be tried again; it was denied because ${d.reason}`).join('\n');
  });

/** Let nothing of the group reboot. */
export const upgradeHold: Action = async (context, options) =>
  await inGroup(context, options, async (place, fleet) => {
    const reason = String(options['reason'] ?? 'no reason given');
    const at = context.host.clock.timestamp();
    const before = await setHold(place, { schema: 1, reason, by: operator(fleet), at });
    const replaced = before === null ? '' : ` (it was on hold already: ${before.reason}, ${before.by})`;
    return `group ${place.group} stands still until diyc-agent upgrade resume${replaced}; what is rebooting already comes back, and what is red stays where it is`;
  });

/** Let the group go on. */
export const upgradeResume: Action = async (context, options) =>
  await inGroup(context, options, async (place) => {
    const before = await setHold(place, null);
    return before === null
      ? `group ${place.group} was not on hold`
      : `group ${place.group} goes on; it was on hold: ${before.reason} (${before.by})`;
  });

function operator({ self }: Fleet): string {
  return self === null ? 'operator' : `operator on ${self}`;
}

async function inGroup(
  context: CommandContext,
  options: Readonly<Record<string, unknown>>,
  run: (place: FleetPlace, fleet: Fleet) => Promise<string>,
): Promise<number> {
  const fleet = await openFleet(context);
  try {
    const group = groupOf(fleet, options['group']);
    const text = await run(
      { store: fleet.store, clock: context.host.clock, cluster: fleet.config.cluster, group },
      fleet,
    );
    if (context.options.json) context.out(`${JSON.stringify({ schema: 1, group, message: text })}\n`);
    else context.out(`${text.split('\n').map(printableLine).join('\n')}\n`);
    return 0;
  } finally {
    fleet.store.close();
  }
}

/** The group that is named, or this node's own. @throws AgentError `usage` for one that the cluster file does not have */
export function groupOf({ config, self }: Fleet, named: unknown): string {
  if (named === undefined) return self === null ? 'default' : upgradeOf(config, self).name;
  const known = groupNames(config);
  if (known.includes(String(named))) return String(named);
  throw new AgentError(
    'usage',
    `--group is "${String(named)}", and the cluster file has no upgrade group of that name`,
    {
      hint: `its groups are ${known.join(', ')}`,
    },
  );
}

// `upgrade stage|apply|cancel`, `reboot` and `rollback`: an operator's word on this node.

import { rollbackOf } from '../model/deployment.ts';
import { AgentError } from '../model/errors.ts';
import type { Ask } from '../model/upgrade.ts';
import type { Coordination } from '../upgrade/coordination.ts';
import { groupNames } from '../upgrade/coordination.ts';
import { isNamed, readFleetState } from '../upgrade/fleet-state.ts';
import { readMemory, writeMemory } from '../upgrade/memory.ts';
import { osSight } from '../upgrade/sight.ts';
import { type AskOptions, followAsk, leaveAsk } from './ask.ts';
import type { Action, CommandContext } from './command.ts';
import { openCoordination } from './coordination.ts';
import { requireRoot } from './permission.ts';

/** Stage a release on this node; nothing reboots. */
export const upgradeStage: Action = async (context, _options, args) => {
  const { host, out, signal } = context;
  return await withCoordination(context, 'upgrade stage', async (coordination) => {
    const release = args[0] ?? null;
    await requireTree(coordination, 'stage a release');
    await refuseDenied(coordination, release);
    const isStaged = await host.osTree.stage(release, signal);
    out(
      isStaged
        ? 'staged; diyc-agent upgrade apply boots it, once its proof is there\n'
        : `${release === null ? 'the origin has nothing newer' : `this host is in ${release} already`}\n`,
    );
    return 0;
  });
};

/** Bring this node into a release: stage, slot, proof, reboot; what comes after the reboot goes on by itself. */
export const upgradeApply: Action = async (context, options, args) =>
  await withCoordination(context, 'upgrade apply', async (coordination) => {
    const release = args[0] ?? null;
    await requireTree(coordination, 'upgrade this host');
    await refuseDenied(coordination, release);
    return await ask(context, coordination, { kind: 'upgrade', release, reason: 'asked for' }, options);
  });

/** Reboot this node as safely as an upgrade would. */
export const reboot: Action = async (context, options) =>
  await withCoordination(context, 'reboot', async (coordination) => {
    const reason = String(options['reason'] ?? 'asked for');
    return await ask(context, coordination, { kind: 'reboot', release: null, reason }, options);
  });

/** Go back to the deployment before this one, and keep the fleet from taking this one again. */
export const rollback: Action = async (context, options) =>
  await withCoordination(context, 'rollback', async (coordination) => {
    const state = await requireTree(coordination, 'roll this host back');
    if (rollbackOf(state) === null) {
      throw new AgentError('data', 'cannot roll this host back: there is no deployment besides the one that runs', {
        hint: 'diyc-agent upgrade stage <version> brings an earlier release back, where the origin still has it',
      });
    }
    const reason = String(options['reason'] ?? 'rolled back by hand');
    return await ask(context, coordination, { kind: 'rollback', release: null, reason }, options);
  });

/** Take back what was asked of this node, as long as it does not reboot already. */
export const upgradeCancel: Action = async (context) =>
  await withCoordination(context, 'upgrade cancel', async ({ host }) => {
    const { memory, text } = await readMemory(host.files);
    if (memory?.ask == null) {
      context.out('nothing was asked of this node\n');
      return 0;
    }
    if (memory.phase !== 'steady' && memory.phase !== 'ready-to-go') {
      throw new AgentError('tempfail', `cannot take it back: the node is ${memory.phase} already`, {
        hint: 'diyc-agent upgrade status shows how far it is',
      });
    }
    await writeMemory(host.files, { ...memory, ask: null, lookAgain: null }, text);
    context.out(`taken back: the ${memory.ask.kind} that ${memory.ask.by} asked for\n`);
    return 0;
  });

async function ask(
  context: CommandContext,
  coordination: Coordination,
  what: Pick<Ask, 'kind' | 'release' | 'reason'>,
  options: AskOptions,
): Promise<number> {
  await leaveAsk(coordination, what, options);
  return await followAsk(context, String(options['timeout']));
}

async function withCoordination(
  context: CommandContext,
  verb: string,
  run: (coordination: Coordination) => Promise<number>,
): Promise<number> {
  requireRoot(context.host, context.options.root, verb);
  const { coordination, close } = await openCoordination(context, verb);
  try {
    return await run(coordination);
  } finally {
    close();
  }
}

async function requireTree(coordination: Coordination, attempted: string) {
  const os = await osSight(coordination.host.osTree, coordination.isLiveRoot);
  if (os.kind === 'tree') return os.state;
  throw new AgentError(os.kind === 'none' ? 'usage' : 'oserr', `cannot ${attempted}: ${os.why}`, { hint: os.hint });
}

/** @throws AgentError `config` for a release that is denied; `unavailable` when nobody can say whether it is */
async function refuseDenied({ store, config, group }: Coordination, release: string | null): Promise<void> {
  const { denied } = await readFleetState(store, config.cluster, group.name, groupNames(config));
  const denial = release === null ? undefined : denied.find((d) => isNamed(d.release, release));
  if (denial === undefined) return;
  throw new AgentError(
    'config',
    `cannot take ${denial.release.text}: it is denied: ${denial.reason} (${denial.by}, ${denial.at})`,
    {
      hint: `diyc-agent upgrade allow ${release} takes it off the list, for all nodes`,
    },
  );
}

// `wait --for ready`: returns when that many nodes are ready, and says meanwhile which are not and why.

import { type Look, type WaitPorts, waitFor } from '../converge/wait.ts';
import { worstFirst } from '../model/condition.ts';
import { AgentError, isAgentError } from '../model/errors.ts';
import { printableLine } from '../model/printable.ts';
import { nodeRows } from '../render/nodes-text.ts';
import type { Action, CommandContext } from './command.ts';
import { type Fleet, openFleet, readFleet } from './fleet.ts';
import { parseCount, parseDuration } from './options.ts';

/** Return when enough nodes are ready; `tempfail` when the time is up. */
export const runWait: Action = async (context, options) => {
  if (options['for'] !== 'ready') {
    throw new AgentError('usage', `--for is "${String(options['for'])}"; the only state to wait for is ready`, {
      hint: 'write --for ready',
    });
  }
  // The command line is judged before anything is read.
  const wanted = options['nodes'] === undefined ? null : parseCount(String(options['nodes']), '--nodes');
  const deadlineMs = parseDuration(String(options['timeout']), '--timeout');
  const fleet = await openFleet(context);
  try {
    const count = wanted ?? fleet.config.nodes.length;
    const ready = await waitFor(
      withoutTrace(context),
      context.reporter,
      { owner: 'wait', deadlineMs, repeatMs: 10_000, signal: context.signal },
      () => look(fleet, count),
    );
    if (context.options.json) context.out(`${JSON.stringify({ schema: 1, ready })}\n`);
    else context.out(`${ready.length} nodes ready: ${printableLine(ready.join(', '))}\n`);
    return 0;
  } finally {
    fleet.store.close();
  }
};

async function look(fleet: Fleet, count: number): Promise<Look<readonly string[]>> {
  try {
    const rows = nodeRows(fleet.config.nodes, await readFleet(fleet));
    const ready = rows.filter((r) => r.record?.summary === 'ready').map((r) => r.name);
    if (ready.length >= count) return { ready: true, value: ready };
    const others = rows
      .filter((r) => r.record?.summary !== 'ready')
      .map((r) => {
        const worst = worstFirst(r.record?.conditions ?? []).find((c) => c.status !== 'True');
        return `${r.name} ${r.record?.summary ?? 'does not report'}${worst === undefined ? '' : ` (${worst.type}: ${worst.message})`}`;
      });
    return { ready: false, reason: `${ready.length} of ${count} nodes are ready; ${others.join('; ')}` };
  } catch (error) {
    if (!isAgentError(error) || !error.retryable) throw error;
    return { ready: false, reason: error.message, hint: error.hint };
  }
}

/** An operator's wait leaves no trace on the host: it is not the host that waits. */
function withoutTrace({ host }: CommandContext): WaitPorts {
  return { clock: host.clock, files: { replace: () => Promise.resolve(), remove: () => Promise.resolve() } };
}

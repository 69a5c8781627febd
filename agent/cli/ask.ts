// An operator's word for this node: written where the upgrade unit finds it, which is then started and watched.

import { AgentError, isAgentError } from '../model/errors.ts';
import { printableLine } from '../model/printable.ts';
import { type Ask, type BootInstant, type UpgradeMemory, upgradeUnit } from '../model/upgrade.ts';
import type { Host } from '../ports/host.ts';
import type { Coordination } from '../upgrade/coordination.ts';
import { reasonOf } from '../upgrade/coordinator.ts';
import { freshMemory } from '../upgrade/machine.ts';
import { readMemory, writeMemory } from '../upgrade/memory.ts';
import { bootInstant } from '../upgrade/sight.ts';
import type { CommandContext } from './command.ts';
import { parseDuration } from './options.ts';

/** The options that all verbs have which ask for a reboot. */
export type AskOptions = Readonly<Record<string, unknown>>;

const pollMs = 1_000;

/** Who asks, as the fleet gets to see it: `operator on a2`. */
export function operatorOn(coordination: Pick<Coordination, 'node'>): string {
  return `operator on ${coordination.node.name}`;
}

/**
 * Write the ask down.
 *
 * @throws AgentError `tempfail` while another one is under way on this node
 */
export async function leaveAsk(
  coordination: Coordination,
  ask: Pick<Ask, 'kind' | 'release' | 'reason'>,
  options: AskOptions,
): Promise<void> {
  const { host } = coordination;
  const { memory, text } = await readMemory(host.files);
  const instant = await bootInstant(host);
  const now = host.clock.timestamp();
  const present = memory ?? freshMemory(now, instant);
  refuseWhenBusy(present, ask.kind);
  const next: UpgradeMemory = {
    ...present,
    ask: {
      ...ask,
      by: operatorOn(coordination),
      at: now,
      outsideWindow: options['outsideWindow'] === true,
      acceptOutage: options['acceptOutage'] === true,
      deny: options['deny'] !== false,
      session: await ownSession(host),
    },
    waiting: null,
    lost: null,
    stagedAt: null,
    lookAgain: null,
  };
  await writeMemory(host.files, next, text);
}

function refuseWhenBusy({ phase, ask, errand }: UpgradeMemory, kind: Ask['kind']): void {
  if (ask !== null && (ask.kind !== kind || phase !== 'steady')) {
    throw new AgentError(
      'tempfail',
      `cannot ask this node for ${article(kind)}: ${article(ask.kind)} is asked for already, by ${ask.by} at ${ask.at}`,
      { hint: 'diyc-agent upgrade status shows how far it is; diyc-agent upgrade cancel takes it back' },
    );
  }
  if (phase === 'steady' || phase === 'ready-to-go') return;
  throw new AgentError(
    'tempfail',
    `cannot ask this node for ${article(kind)}: ${errand === null ? 'it' : reasonOf(errand)} is under way (${phase})`,
    { hint: 'diyc-agent upgrade status shows how far it is' },
  );
}

function article(kind: Ask['kind']): string {
  return kind === 'upgrade' ? 'an upgrade' : `a ${kind}`;
}

/** Whoever sits there and asks need not be waited for. Where nobody can tell, nobody is left out. */
async function ownSession({ sessions }: Pick<Host, 'sessions'>): Promise<string | null> {
  try {
    return (await sessions.people()).find((s) => s.isOwn)?.id ?? null;
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return null;
  }
}

/**
 * Start the upgrade unit and say what it does, until the host goes down, the ask is over, or the time is up.
 *
 * @returns the exit code: 0 when the host goes down or there was nothing to do, 75 when it still waits or was refused
 */
export async function followAsk(context: CommandContext, timeoutText: string): Promise<number> {
  const { host, options, err, out, signal } = context;
  const timeoutMs = parseDuration(timeoutText, '--timeout');
  const beganMs = host.clock.monotonicMs();
  let told = '';
  await host.units.queueStart([upgradeUnit]);
  for (;;) {
    const { memory } = await readMemory(host.files);
    if (memory === null) break;
    if (memory.phase === 'rebooting' || memory.phase === 'rolling-back') {
      finish(
        options.json,
        out,
        memory,
        `this host reboots now: ${memory.errand === null ? '' : reasonOf(memory.errand)}`,
      );
      return 0;
    }
    const reason = memory.waiting?.reason ?? '';
    if (memory.ask === null && memory.phase === 'steady') {
      finish(options.json, out, memory, reason === '' ? 'nothing is to be done' : reason, memory.waiting?.hint);
      // What needs nobody to act, such as an origin without news, is no failure.
      return memory.waiting?.hint === undefined ? 0 : 75;
    }
    if (reason !== '' && reason !== told && !options.quiet) {
      // What others wrote into etcd is in it.
      const hint = memory.waiting?.hint === undefined ? '' : `         ${printableLine(memory.waiting.hint)}\n`;
      err(`waiting: ${printableLine(reason)}\n${hint}`);
      told = reason;
    }
    if (host.clock.monotonicMs() - beganMs >= timeoutMs) {
      finish(options.json, out, memory, `still waiting: ${reason || 'the run is under way'}; it goes on by itself`);
      return 75;
    }
    await host.clock.sleep(pollMs, signal);
    if (isDue(memory.lookAgain, await bootInstant(host))) await host.units.queueStart([upgradeUnit]);
  }
  return 75;
}

function isDue(lookAgain: BootInstant | null, now: BootInstant): boolean {
  return lookAgain !== null && (lookAgain.bootId !== now.bootId || now.uptimeMs >= lookAgain.uptimeMs);
}

function finish(
  json: boolean,
  out: (text: string) => void,
  memory: UpgradeMemory,
  message: string,
  hint?: string,
): void {
  if (json) out(`${JSON.stringify({ schema: 1, message, ...(hint === undefined ? {} : { hint }), memory })}\n`);
  else out(`${printableLine(message)}\n${hint === undefined ? '' : `  -> ${printableLine(hint)}\n`}`);
}

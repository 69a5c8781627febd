// `status`: this node on one screen, worst first; asks the host itself, and needs neither etcd nor root.

import { statusExitCode, withSince } from '../model/condition.ts';
import { isAgentError } from '../model/errors.ts';
import type { StatusReport } from '../model/readiness.ts';
import { ageText, statusText } from '../render/status-text.ts';
import type { Action, CommandContext } from './command.ts';
import { allConditions } from './conditions.ts';
import { gather } from './gather.ts';
import { configFile } from './options.ts';
import { failedReport, readReport, reportOf } from './status-report.ts';

const watchPauseMs = 2_000;
const clearScreen = '\u001b[H\u001b[2J';

/** Print the report, again and again with --watch; the exit code is the summary. */
export const runStatus: Action = async (context, options) => {
  if (options['watch'] !== true) return show(context, false);
  let code = 0;
  while (!context.signal.aborted) {
    code = await show(context, context.isTerminal);
    try {
      await context.host.clock.sleep(watchPauseMs, context.signal);
    } catch {
      break;
    }
  }
  return code;
};

interface Current {
  readonly report: StatusReport;
  readonly staleness: string | null;
}

async function show(context: CommandContext, clear: boolean): Promise<number> {
  const { report, staleness } = await current(context);
  const { options, out, host } = context;
  if (options.json) out(`${JSON.stringify(report)}\n`);
  else if (!options.quiet) {
    const text = statusText(report, { color: options.color, ageMs: (t) => host.clock.ageMs(t), staleness });
    out(clear ? clearScreen + text : text);
  }
  return statusExitCode(report.summary);
}

/** What is so now; where this user may not look, what the timer last saw. */
async function current(context: CommandContext): Promise<Current> {
  const { host, reporter, options, version } = context;
  const last = await readReport(host.files);
  const bootId = await host.machine.bootId();
  const earlier = last?.bootId === bootId ? last : null;
  try {
    const node = await gather(host, reporter, configFile(options.config));
    const observed = await allConditions(host, node, version, earlier?.conditions ?? []);
    // Whether others see this node is known to the report alone: asking would need etcd.
    const published = earlier?.conditions.filter((c) => c.type === 'Published') ?? [];
    const conditions = withSince([...observed, ...published], earlier?.conditions ?? [], host.clock.timestamp());
    return { report: await reportOf(host, node, conditions, version), staleness: null };
  } catch (error) {
    if (!isAgentError(error)) throw error;
    if (error.kind === 'noperm' && earlier !== null) {
      return {
        report: earlier,
        staleness: `as of ${ageText(host.clock.ageMs(earlier.observedAt))} ago; as root this is asked anew`,
      };
    }
    if (error.kind === 'data' || error.kind === 'config') {
      return { report: await failedReport(host, error, version, earlier), staleness: null };
    }
    throw error;
  }
}

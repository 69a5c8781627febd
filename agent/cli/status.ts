// `status`: this node on one screen, worst first; asks the host itself, and needs neither etcd nor root.

import { resolveHostFacts } from '../metadata/resolve.ts';
import { type ConditionType, statusExitCode, summarize, withSince } from '../model/condition.ts';
import { isAgentError } from '../model/errors.ts';
import type { StatusReport } from '../model/readiness.ts';
import type { Baseline } from '../model/upgrade.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import { ageText, statusText } from '../render/status-text.ts';
import { readMemory } from '../upgrade/memory.ts';
import { readView } from '../upgrade/view.ts';
import type { Action, CommandContext } from './command.ts';
import { allConditions } from './conditions.ts';
import { gather, readCluster } from './gather.ts';
import { configFile } from './options.ts';
import { failedReport, readReport, reportOf } from './status-report.ts';

const watchPauseMs = 2_000;
const clearScreen = '\u001b[H\u001b[2J';

/** Print the report, again and again with --watch; the exit code is the summary. */
export const runStatus: Action = async (context, options) => {
  if (options['local'] === true) return await showLocal(context);
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

/** What no other host has a part in, and a new deployment can break. */
const localTypes: readonly ConditionType[] = [
  'Identified',
  'IscsiInstalled',
  'StorageInstalled',
  'EtcdInstalled',
  'FlannelInstalled',
  'DockerInstalled',
];

/** A unit that is gone or masked is this host's own fault, too, whatever it belongs to. */
const localReasons: readonly string[] = ['UnitMissing', 'UnitMasked'];

/**
 * What greenboot asks, and may roll the host back by: only what was not amiss before the reboot into this deployment, and
 * a cluster file that this version of the agent does not accept. A host that nobody has configured, one that never had
 * docker, and one whose earlier state nobody knows, are as well as they were.
 */
async function showLocal(context: CommandContext): Promise<number> {
  const { host, options, out } = context;
  if (await hasNoClusterFile(context)) {
    const nothing = 'this host has no cluster file: there is nothing to judge\n';
    out(options.json ? `${JSON.stringify({ schema: 1, configured: false })}\n` : nothing);
    return 0;
  }
  const { report } = await current(context);
  const before = await baselineBefore(host.files);
  const isNew = (type: ConditionType): boolean => before !== null && !before.unmet.includes(type);
  const conditions = report.conditions.filter(
    (c) =>
      ((localTypes.includes(c.type) || localReasons.includes(c.reason)) && isNew(c.type)) ||
      c.reason === 'InvalidClusterFile',
  );
  const summary = conditions.length === 0 ? 'ready' : summarize(conditions);
  const local: StatusReport = { ...report, summary, conditions };
  if (options.json) out(`${JSON.stringify(local)}\n`);
  else out(statusText(local, { color: options.color, ageMs: (t) => host.clock.ageMs(t), staleness: null }));
  return local.summary === 'failed' ? 1 : 0;
}

async function hasNoClusterFile({ host, options }: CommandContext): Promise<boolean> {
  try {
    const facts = await resolveHostFacts(host.files).catch(() => null);
    const { diagnostics } = await readCluster(host.files, configFile(options.config), facts?.seedDirectories ?? []);
    return diagnostics.some((d) => d.rule === 'no-cluster-file');
  } catch (error) {
    // A file that is there and cannot be read is judged with the rest.
    if (!isAgentError(error)) throw error;
    return false;
  }
}

/** Null where nobody knows: never upgraded by the agent, or not root, as greenboot is. */
async function baselineBefore(files: ReadOnlyFiles): Promise<Baseline | null> {
  try {
    return (await readMemory(files)).memory?.baseline ?? null;
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return null;
  }
}

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
    const upgrade = await readView(host.files);
    const report = await reportOf(host, node, conditions, version);
    return { report: upgrade === null ? report : { ...report, upgrade }, staleness: null };
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

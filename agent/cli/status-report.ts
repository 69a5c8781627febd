// The status document: made from conditions, written by `report`, read back by `status` where it may not look itself.

import { type Condition, conditionTypes, summarize } from '../model/condition.ts';
import type { AgentError } from '../model/errors.ts';
import { statusFile } from '../model/paths.ts';
import type { StatusReport } from '../model/readiness.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import type { ReadOnlyHost } from '../ports/host.ts';
import type { Gathered } from './gather.ts';

/** The report of an identified node. */
export async function reportOf(
  host: Pick<ReadOnlyHost, 'machine' | 'clock'>,
  node: Gathered,
  conditions: readonly Condition[],
  version: string,
): Promise<StatusReport> {
  const summary = summarize(conditions);
  return {
    schema: 1,
    agent: version,
    node: node.node.name,
    cluster: node.config.cluster,
    address: node.node.address,
    etcdRole: node.node.etcdRole,
    identitySource: node.node.source,
    summary,
    summarySince: newestSince(conditions),
    conditions,
    observedAt: host.clock.timestamp(),
    bootId: await host.machine.bootId(),
  };
}

/** When the last condition changed: since then the summary can have been what it is. */
function newestSince(conditions: readonly Condition[]): string | null {
  return (
    conditions
      .flatMap((c) => c.since ?? [])
      .sort()
      .at(-1) ?? null
  );
}

/** The report of a host that could not find out who it is, or whose cluster file is invalid. */
export async function failedReport(
  host: Pick<ReadOnlyHost, 'machine' | 'clock'>,
  error: AgentError,
  version: string,
  earlier: StatusReport | null,
): Promise<StatusReport> {
  const isConfig = error.kind === 'config';
  const now = host.clock.timestamp();
  const type = isConfig ? 'Configured' : 'Identified';
  const before = earlier?.conditions.find((c) => c.type === type && c.status === 'False');
  const condition: Condition = {
    type,
    status: 'False',
    reason: isConfig ? 'InvalidClusterFile' : 'NotIdentified',
    message: error.message,
    hint: error.hint,
    severity: 'failed',
    since: before?.since ?? now,
  };
  return {
    schema: 1,
    agent: version,
    node: null,
    cluster: null,
    address: null,
    etcdRole: null,
    identitySource: null,
    summary: 'failed',
    summarySince: condition.since ?? now,
    conditions: [condition],
    observedAt: now,
    bootId: await host.machine.bootId(),
  };
}

/** The last report of this boot, or null; one that cannot be understood counts as none. */
export async function readReport(files: ReadOnlyFiles): Promise<StatusReport | null> {
  const text = await files.readText(statusFile);
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as Partial<StatusReport> | null;
    if (value === null || typeof value !== 'object' || value.schema !== 1 || !Array.isArray(value.conditions))
      return null;
    const known = value.conditions.filter((c) => conditionTypes.includes(c.type));
    return { ...(value as StatusReport), conditions: known };
  } catch {
    return null;
  }
}

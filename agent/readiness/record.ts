// Reading records of other nodes: whatever version wrote them, a viewer shows what it understands.

import { type Condition, conditionTypes, type Summary } from '../model/condition.ts';
import { parseJsonObject } from '../model/json-object.ts';
import type { ReadinessRecord } from '../model/readiness.ts';
import type { Release } from '../model/release.ts';
import type { UpgradeView } from '../model/upgrade.ts';

const summaries: readonly Summary[] = ['ready', 'waiting', 'degraded', 'failed'];

/** The record in a key's value, or null when it is none this version can read. Unknown fields are passed over. */
export function parseRecord(text: string): ReadinessRecord | null {
  const r = parseJsonObject<ReadinessRecord>(text);
  if (r === null) return null;
  const summary = summaries.find((s) => s === r.summary);
  if (r.schema !== 1 || typeof r.node !== 'string' || typeof r.address !== 'string' || summary === undefined)
    return null;
  return {
    schema: 1,
    node: r.node,
    address: r.address,
    etcdRole: r.etcdRole === 'member' ? 'member' : 'client',
    metadata: textRecord(r.metadata),
    summary,
    conditions: Array.isArray(r.conditions) ? r.conditions.filter(isCondition) : [],
    versions: textRecord(r.versions),
    bootId: text1(r.bootId) ?? '',
    machineId: text1(r.machineId),
    reportedAt: text1(r.reportedAt) ?? '',
    since: text1(r.since) ?? '',
    subnet: text1(r.subnet),
    ...(isUpgradeView(r.upgrade) ? { upgrade: r.upgrade } : {}),
  };
}

/** What the coordinator of other nodes decides from; the rest is only shown. */
function isUpgradeView(value: unknown): value is UpgradeView {
  if (typeof value !== 'object' || value === null) return false;
  const v = value as Partial<Record<keyof UpgradeView, unknown>>;
  const isRelease = (r: unknown): boolean =>
    r === null ||
    (typeof r === 'object' &&
      typeof (r as Partial<Release>).id === 'string' &&
      typeof (r as Partial<Release>).text === 'string');
  return (
    typeof v.group === 'string' &&
    typeof v.phase === 'string' &&
    isRelease(v.booted) &&
    isRelease(v.staged) &&
    isRelease(v.rollback) &&
    typeof v.since === 'string' &&
    text1(v.verified) === v.verified &&
    text1(v.waiting) === v.waiting
  );
}

function text1(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function textRecord(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function isCondition(value: unknown): value is Condition {
  if (typeof value !== 'object' || value === null) return false;
  const c = value as Partial<Condition>;
  return (
    conditionTypes.some((t) => t === c.type) &&
    (c.status === 'True' || c.status === 'False' || c.status === 'Unknown') &&
    typeof c.reason === 'string' &&
    typeof c.message === 'string' &&
    (c.severity === 'failed' || c.severity === 'degraded' || c.severity === 'waiting' || c.severity === 'info')
  );
}

// The fleet as a table: every node of the cluster file, and any other that reports.

import type { ClusterNode } from '../model/cluster-config.ts';
import { worstFirst } from '../model/condition.ts';
import { printableLine } from '../model/printable.ts';
import type { ReadinessRecord } from '../model/readiness.ts';
import { ageText } from './status-text.ts';
import { renderTable } from './table.ts';

export interface NodeRow {
  readonly name: string;
  readonly address: string;
  /** Null for a node of the cluster file that does not report: not yet, or not any more. */
  readonly record: ReadinessRecord | null;
}

/** Nodes of the file in its order, then nodes that report under a name the file does not have. */
export function nodeRows(nodes: readonly ClusterNode[], records: readonly ReadinessRecord[]): NodeRow[] {
  const known = nodes.map((n) => ({
    name: n.name,
    address: n.address,
    record: records.find((r) => r.node === n.name) ?? null,
  }));
  const others = records
    .filter((r) => !nodes.some((n) => n.name === r.node))
    .map((r) => ({ name: r.node, address: r.address, record: r }));
  return [...known, ...others];
}

/** @param long with role, versions and metadata, as fleet's `list-machines -l` had it */
export function nodesText(rows: readonly NodeRow[], long: boolean, ageMs: (timestamp: string) => number): string {
  const head = [
    'NODE',
    'ADDRESS',
    'STATE',
    'SINCE',
    'SUBNET',
    ...(long ? ['ETCD', 'AGENT', 'RELEASE', 'SEEN', 'METADATA'] : []),
    'MESSAGE',
  ];
  const body = rows.map(({ name, address, record }) => {
    if (record === null)
      return [name, address, 'absent', '-', '-', ...(long ? ['-', '-', '-', '-', '-'] : []), 'does not report'];
    const worst = worstFirst(record.conditions).find((c) => c.status !== 'True' && c.severity !== 'info');
    return [
      name,
      record.address === address ? address : `${record.address} (file: ${address})`,
      record.summary,
      ageText(ageMs(record.since)),
      record.subnet ?? '-',
      ...(long
        ? [
            record.etcdRole,
            record.versions['agent'] ?? '-',
            releaseText(record),
            `${ageText(ageMs(record.reportedAt))} ago`,
            metadataText(record.metadata),
          ]
        : []),
      worst === undefined ? '' : `${worst.type}: ${worst.message}`,
    ];
  });
  // Records come from other hosts.
  return renderTable([head, ...body.map((row) => row.map(printableLine))]);
}

/** What runs, and what the next boot would bring: `41.1 -> 41.2`. */
function releaseText({ upgrade }: ReadinessRecord): string {
  if (upgrade?.booted == null) return '-';
  const booted = `${upgrade.booted.text}${upgrade.pinned ? ' (pinned)' : ''}`;
  return upgrade.staged === null ? booted : `${booted} -> ${upgrade.staged.text}`;
}

function metadataText(metadata: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.length === 0 ? '-' : pairs.map(([key, value]) => `${key}=${value}`).join(',');
}

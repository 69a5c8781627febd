// The ledger of data formats: what stands on this host's disks, and which release wrote it.

import { parseJsonObject } from './json-object.ts';

export interface FormatEntry {
  /** As people call it. */
  readonly release: string;
  readonly etcd: string | null;
  readonly docker: string | null;
  /** ISO 8601. */
  readonly at: string;
}

export interface FormatLedger {
  readonly schema: 1;
  /** Highest minor version that all etcd members have had together, `3.5`: their data are of it. */
  readonly etcdCluster: string | null;
  readonly dockerDriver: string | null;
  /** Newest last, bounded. */
  readonly entries: readonly FormatEntry[];
}

export const emptyLedger: FormatLedger = { schema: 1, etcdCluster: null, dockerDriver: null, entries: [] };

const keptEntries = 50;

/** What was seen of the data while a release was running well. */
export interface FormatObservation {
  readonly release: string | null;
  /** Versions of all members; empty when not all of them answered: then nothing follows for the cluster. */
  readonly etcdVersions: readonly string[];
  readonly docker: string | null;
  readonly dockerDriver: string | null;
  readonly at: string;
}

/** Add what was seen; the same again adds nothing. The cluster's version never goes down by itself. */
export function noteFormats(ledger: FormatLedger, seen: FormatObservation): FormatLedger {
  const cluster = lowestMinor(seen.etcdVersions);
  const etcdCluster = cluster === null ? ledger.etcdCluster : higher(ledger.etcdCluster, cluster);
  const entry = { release: seen.release ?? 'not a deployment', etcd: cluster, docker: seen.docker, at: seen.at };
  const last = ledger.entries.at(-1);
  const isNew = last?.release !== entry.release || last.etcd !== entry.etcd || last.docker !== entry.docker;
  return {
    schema: 1,
    etcdCluster,
    dockerDriver: seen.dockerDriver ?? ledger.dockerDriver,
    entries: isNew ? [...ledger.entries, entry].slice(-keptEntries) : ledger.entries,
  };
}

/** @returns the empty ledger for no text, null for one that is not understood: then nothing is known of the data */
export function parseLedger(text: string | null): FormatLedger | null {
  if (text === null) return emptyLedger;
  const value = parseJsonObject<FormatLedger>(text);
  if (value?.schema !== 1 || !Array.isArray(value.entries)) return null;
  const isText = (v: unknown): v is string | null => v === null || typeof v === 'string';
  return isText(value.etcdCluster) && isText(value.dockerDriver) ? (value as FormatLedger) : null;
}

function lowestMinor(versions: readonly string[]): string | null {
  const minors = versions.map(minorOf);
  if (minors.length === 0 || minors.some((m) => m === null)) return null;
  const sorted = minors.filter((m) => m !== null).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return sorted[0] === undefined ? null : sorted[0].join('.');
}

function higher(one: string | null, other: string): string {
  const a = minorOf(one ?? '');
  const b = minorOf(other);
  if (one === null || a === null || b === null) return other;
  return a[0] > b[0] || (a[0] === b[0] && a[1] >= b[1]) ? one : other;
}

function minorOf(version: string): readonly [number, number] | null {
  const match = /^v?(\d+)\.(\d+)/.exec(version);
  return match === null ? null : [Number(match[1]), Number(match[2])];
}

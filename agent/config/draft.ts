// A draft is what can be understood of a file that may still be wrong, so that all rules can be checked at once.

import { clusterSchema } from '../model/cluster-schema.ts';
import { type Network, parseAddress, parseNetwork } from '../model/network-address.ts';
import { type KeyPath, type Located, type LocatedEntry, type LocatedMapping, type Place, valueAt } from './located.ts';

const etcdProperties = clusterSchema.properties.etcd.properties;

/** What is taken where the file says nothing; etcd's own for what the agent then leaves out. */
export const defaults = {
  peerPort: etcdProperties.peerPort.default,
  clientPort: etcdProperties.clientPort.default,
  heartbeatIntervalMs: 100,
  electionTimeoutMs: 1000,
} as const;

export interface DraftText {
  readonly text: string;
  readonly at: Place;
  readonly path: KeyPath;
}

export interface DraftNumber {
  readonly number: number;
  readonly at: Place;
  readonly path: KeyPath;
}

export interface DraftAddress extends DraftText {
  /** Null when the text is no address; the schema says so. */
  readonly address: number | null;
}

export interface DraftNetwork extends DraftText {
  /** Null when the text has the form of a network and is none. */
  readonly network: Network | null;
}

export interface DraftNode {
  readonly name: string;
  readonly address: DraftAddress | null;
}

/** The text at a path; null where there is none, or no text. */
export function textAt(tree: Located, path: KeyPath): DraftText | null {
  return asText(valueAt(tree, path), path);
}

function asText(value: Located | null, path: KeyPath): DraftText | null {
  if (value?.kind !== 'scalar' || typeof value.value !== 'string') return null;
  return { text: value.value, at: value.at, path };
}

/** The whole number at a path; null where there is none. */
export function numberAt(tree: LocatedMapping, path: KeyPath): DraftNumber | null {
  const value = valueAt(tree, path);
  if (value?.kind !== 'scalar' || typeof value.value !== 'number' || !Number.isInteger(value.value)) return null;
  return { number: value.value, at: value.at, path };
}

export function addressAt(tree: LocatedMapping, path: KeyPath): DraftAddress | null {
  const text = textAt(tree, path);
  return text === null ? null : { ...text, address: parseAddress(text.text) };
}

/** The network at a path; null where there is none, or where the schema refuses its form. */
export function networkAt(tree: LocatedMapping, path: KeyPath): DraftNetwork | null {
  const text = textAt(tree, path);
  return text === null || !/^[0-9.]+\/[0-9]+$/.test(text.text) ? null : { ...text, network: parseNetwork(text.text) };
}

/** The nodes in the order of the file. */
export function draftNodes(tree: LocatedMapping): DraftNode[] {
  const nodes = valueAt(tree, ['nodes']);
  if (nodes?.kind !== 'mapping') return [];
  return [...nodes.entries.keys()].map((name) => ({ name, address: addressAt(tree, ['nodes', name, 'address']) }));
}

/** The items of a list that are text. */
export function textsAt(tree: LocatedMapping, path: KeyPath): DraftText[] {
  return itemsAt(tree, path)
    .map((item, i) => asText(item, [...path, i]))
    .filter((text) => text !== null);
}

/** The items of a list; none where there is no list. */
export function itemsAt(tree: LocatedMapping, path: KeyPath): readonly Located[] {
  const list = valueAt(tree, path);
  return list?.kind === 'sequence' ? list.items : [];
}

export function topEntry(tree: LocatedMapping, key: string): LocatedEntry | null {
  return tree.entries.get(key) ?? null;
}

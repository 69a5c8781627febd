// YAML nodes to located values: every value keeps its place, keys become text, aliases are written out within bounds.

import {
  type Alias,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type LineCounter,
  type Scalar,
} from 'yaml';
import type { Diagnostic } from '../model/diagnostic.ts';
import { finding } from './findings.ts';
import type { KeyPath, Located, LocatedEntry, LocatedMapping, LocatedScalar, Place } from './located.ts';
import { yaml11Reading } from './yaml-traps.ts';

/** Values that aliases may add to one file; a hostile file can multiply itself by aliases of aliases. */
const maxAliasValues = 2000;
const maxDepth = 24;

export interface Conversion {
  readonly file: string;
  /** The key below which the document stands, empty for a whole file. */
  readonly below: string;
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
  /** Another reader, YAML 1.1, sees this text before the agent does. */
  readonly readBy11: boolean;
}

interface Walk extends Conversion {
  readonly anchors: ReadonlyMap<string, readonly YamlNode[]>;
  readonly findings: Diagnostic[];
  aliasValues: number;
  exhausted: boolean;
}

interface Spot {
  readonly path: KeyPath;
  readonly depth: number;
  /** Where the value would stand when it is empty. */
  readonly fallback: Place;
  readonly withinAlias: boolean;
}

interface YamlNode {
  readonly range?: [number, number, number] | null | undefined;
}

export interface LocatedResult {
  readonly value: Located;
  readonly diagnostics: readonly Diagnostic[];
}

/** Convert a node of a parsed document; findings are about keys, names, aliases and depth, not about the schema. */
export function locate(conversion: Conversion, node: unknown, fallback: Place): LocatedResult {
  const walk: Walk = {
    ...conversion,
    anchors: anchorsOf(conversion.document),
    findings: [],
    aliasValues: 0,
    exhausted: false,
  };
  const value = locatedValue(walk, node, { path: [], depth: 0, fallback, withinAlias: false });
  return { value, diagnostics: walk.findings };
}

/** The place of an offset of the text. */
export function placeOf(conversion: Omit<Conversion, 'document' | 'readBy11'>, offset: number): Place {
  const { line, col } = conversion.lines.linePos(offset);
  // The counter answers 0 for an offset before the first character it saw: an empty text.
  return { file: conversion.file, line: Math.max(line, 1), column: Math.max(col, 1), below: conversion.below };
}

function anchorsOf(document: Document.Parsed): ReadonlyMap<string, readonly YamlNode[]> {
  const anchors = new Map<string, YamlNode[]>();
  // Not by yaml's visit: it calls itself, and copies its path at each level.
  const pending: unknown[] = [document.contents];
  while (pending.length > 0) {
    const node = pending.pop();
    if (isPair(node)) pending.push(node.value, node.key);
    if (isCollection(node)) for (const item of node.items) pending.push(item);
    if ((isScalar(node) || isCollection(node)) && node.anchor !== undefined) {
      anchors.set(node.anchor, [...(anchors.get(node.anchor) ?? []), node]);
    }
  }
  for (const nodes of anchors.values()) nodes.sort((a, b) => offsetOf(a) - offsetOf(b));
  return anchors;
}

function offsetOf(node: YamlNode): number {
  return node.range?.[0] ?? 0;
}

function locatedValue(walk: Walk, node: unknown, spot: Spot): Located {
  const at = placeOfNode(walk, node, spot.fallback);
  if (isExhausted(walk, spot, at)) return emptyAt(at);
  if (isAlias(node)) return aliasValue(walk, node, { ...spot, fallback: at });
  if (isScalar(node)) return scalarValue(walk, node, spot.path, at);
  const inner = { ...spot, depth: spot.depth + 1, fallback: at };
  if (isMap(node)) return mappingValue(walk, node.items, inner);
  if (isSeq(node)) {
    const items = node.items.map((item, i) => locatedValue(walk, item, { ...inner, path: [...spot.path, i] }));
    return { kind: 'sequence', items, at, overridden: [] };
  }
  return emptyAt(at);
}

function placeOfNode(walk: Walk, node: unknown, fallback: Place): Place {
  const range = (node as YamlNode | null | undefined)?.range;
  return range === null || range === undefined ? fallback : placeOf(walk, range[0]);
}

function emptyAt(at: Place): LocatedScalar {
  return { kind: 'scalar', value: null, source: '', at, overridden: [] };
}

function isExhausted(walk: Walk, spot: Spot, at: Place): boolean {
  if (spot.withinAlias) walk.aliasValues += 1;
  const tooDeep = spot.depth > maxDepth;
  if (!tooDeep && walk.aliasValues <= maxAliasValues) return false;
  if (!walk.exhausted) {
    walk.exhausted = true;
    walk.findings.push(
      finding({
        at,
        path: spot.path.slice(0, 4),
        value: null,
        rule: spot.withinAlias ? 'alias' : 'too-deep',
        message: spot.withinAlias
          ? `aliases stand for more than ${maxAliasValues} values, or for themselves`
          : `values are nested more than ${maxDepth} levels deep`,
        remedy: spot.withinAlias ? 'write the values out' : 'remove the needless levels: the cluster file needs seven',
      }),
    );
  }
  return true;
}

function aliasValue(walk: Walk, alias: Alias, spot: Spot): Located {
  const offset = offsetOf(alias);
  const target = walk.anchors.get(alias.source)?.findLast((node) => offsetOf(node) < offset);
  if (target === undefined) {
    walk.findings.push(
      finding({
        at: spot.fallback,
        path: spot.path,
        value: null,
        rule: 'alias',
        message: 'this alias stands for nothing: no anchor of that name comes before it',
        remedy: 'write the value out, or quote it when the * belongs to it',
      }),
    );
    return emptyAt(spot.fallback);
  }
  return locatedValue(walk, target, { ...spot, depth: spot.depth + 1, withinAlias: true });
}

function scalarValue(walk: Walk, node: Scalar, path: KeyPath, at: Place): LocatedScalar {
  const value = plainValue(node.value);
  const source = typeof value === 'string' ? value : (node.source ?? String(value));
  const isName = isListOfNodes(path.slice(0, -1));
  if (typeof value === 'string' && isPlain(node)) warnOfTrap(walk, { path, at, text: value, isName });
  return { kind: 'scalar', value, source, at, overridden: [] };
}

function isListOfNodes(path: KeyPath): boolean {
  if (path[0] === 'etcd') return path[1] === 'members' && path.length === 2;
  const key = path.at(-1);
  return path[0] === 'upgrade' && path.length > 1 && (key === 'canary' || key === 'nodes');
}

function plainValue(value: unknown): string | number | boolean | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : String(value);
}

function isPlain(node: Scalar): boolean {
  return node.type === 'PLAIN';
}

interface PairLike {
  readonly key: unknown;
  readonly value: unknown;
}

function mappingValue(walk: Walk, pairs: readonly PairLike[], spot: Spot): LocatedMapping {
  const entries = new Map<string, LocatedEntry>();
  for (const pair of pairs) {
    const keyAt = placeOfNode(walk, pair.key, spot.fallback);
    const key = keyText(walk, pair.key, spot.path, keyAt);
    if (key === null) continue;
    const path = [...spot.path, key];
    const first = entries.get(key);
    if (first !== undefined) walk.findings.push(duplicateKey(path, keyAt, first.keyAt));
    entries.set(key, { keyAt, value: locatedValue(walk, pair.value, { ...spot, path, fallback: keyAt }) });
  }
  return { kind: 'mapping', entries, at: spot.fallback, overridden: [] };
}

function duplicateKey(path: KeyPath, at: Place, first: Place): Diagnostic {
  return finding({
    at,
    path,
    value: String(path.at(-1) ?? ''),
    rule: 'duplicate-key',
    message: `this key stands in line ${first.line} already, and only one of the two can count`,
    remedy: 'remove one of the two, or merge what is below them',
  });
}

function keyText(walk: Walk, key: unknown, parent: KeyPath, at: Place): string | null {
  const node = isAlias(key) ? walk.anchors.get(key.source)?.at(-1) : key;
  if (!isScalar(node)) {
    walk.findings.push(keyNotText(parent, at, 'a key must be plain text', 'write the key as one word before the ":"'));
    return null;
  }
  if (typeof node.value === 'string') {
    const isName = parent[0] === 'nodes' && parent.length === 1;
    if (isPlain(node)) warnOfTrap(walk, { path: [...parent, node.value], at, text: node.value, isName });
    return node.value;
  }
  const source = node.source ?? String(node.value);
  const reads = node.value === null ? 'as nothing' : `as ${String(node.value)}, not as text`;
  const message = `YAML reads the key ${source === '' ? 'before this ":"' : source} ${reads}`;
  walk.findings.push(keyNotText([...parent, source], at, message, `quote it: "${source === '' ? 'name' : source}":`));
  return source;
}

function keyNotText(path: KeyPath, at: Place, message: string, remedy: string): Diagnostic {
  return finding({ at, path, value: String(path.at(-1) ?? ''), rule: 'key-not-text', message, remedy });
}

interface Trap {
  readonly path: KeyPath;
  readonly at: Place;
  readonly text: string;
  readonly isName: boolean;
}

function warnOfTrap(walk: Walk, trap: Trap): void {
  const reading = yaml11Reading(trap.text);
  if (reading === null || !(trap.isName || walk.readBy11)) return;
  walk.findings.push(
    finding({
      severity: 'warning',
      at: trap.at,
      path: trap.path,
      value: trap.text,
      rule: 'ambiguous-text',
      message: `${trap.text} is text here, but ${reading} to YAML 1.1 readers such as cloud-init`,
      remedy: `quote it: "${trap.text}"`,
    }),
  );
}

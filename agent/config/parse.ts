// One document's text to a located mapping: YAML 1.2 without its traps, and the `diyc` key of user-data.

import { type Document, isMap, isScalar, LineCounter, parseDocument, type YAMLError } from 'yaml';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { ClusterDocument } from './documents.ts';
import { described, finding } from './findings.ts';
import { locate, placeOf } from './locate.ts';
import type { Located, LocatedMapping, Place } from './located.ts';
import { hasKeyLine, isCloudConfig, isTemplate, mentionsKey, userDataKey } from './user-data.ts';
import { isHarmless, yamlFault } from './yaml-faults.ts';

/** A thousand nodes with metadata are about 100 KiB. */
const maxCharacters = 256 * 1024;

/**
 * What came of a document: `absent` is user-data without the key, `broken` has no values that could be trusted, and
 * `parsed` may still have diagnostics, errors among them.
 */
export type ParsedDocument =
  | { readonly kind: 'absent' }
  | { readonly kind: 'broken'; readonly diagnostics: readonly Diagnostic[] }
  | { readonly kind: 'parsed'; readonly tree: LocatedMapping; readonly diagnostics: readonly Diagnostic[] };

/** Parse one document; never throws, whatever the text is. */
export function parseClusterDocument(document: ClusterDocument): ParsedDocument {
  return document.layer === 'user-data' ? parseUserData(document) : parseFile(document);
}

interface Reading {
  readonly file: string;
  readonly below: string;
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
  readonly readBy11: boolean;
}

function parseFile(source: ClusterDocument): ParsedDocument {
  const refused = refusedText(source, '');
  if (refused !== null) return { kind: 'broken', diagnostics: [refused] };
  const reading = readYaml(source, '');
  const faults = [...reading.document.errors, ...reading.document.warnings];
  const diagnostics = [...describeFaults(reading, faults), ...versionFault(reading)];
  if (faults.some((fault) => !isHarmless(fault.code))) return { kind: 'broken', diagnostics };
  return asMapping(reading, reading.document.contents, placeOf(reading, 0), diagnostics);
}

function parseUserData(source: ClusterDocument): ParsedDocument {
  if (!isCloudConfig(source.text) || !mentionsKey(source.text)) return { kind: 'absent' };
  const refused = refusedText(source, userDataKey);
  if (refused !== null) return { kind: 'broken', diagnostics: [refused] };
  const reading = readYaml(source, userDataKey);
  const pairs = isMap(reading.document.contents) ? reading.document.contents.items : [];
  const found = pairs.filter((pair) => isScalar(pair.key) && pair.key.value === userDataKey);
  const pair = found.at(-1);
  if (pair === undefined || !isScalar(pair.key)) return unreadableUserData(source, reading);
  const key = startOf(pair.key) ?? 0;
  const end = startOf(pairs[pairs.indexOf(pair) + 1]?.key) ?? source.text.length;
  const template = templateFault(source, reading, key, end);
  if (template !== null) return { kind: 'broken', diagnostics: [template] };
  // Other keys are cloud-init's own: it has its tags and its own way with duplicates.
  const faults = [...reading.document.errors, ...reading.document.warnings].filter(
    (fault) => fault.pos[0] >= key && fault.pos[0] < end,
  );
  const diagnostics = [
    ...describeFaults(reading, faults),
    ...(found.length > 1 ? [secondKey(placeOf(reading, key))] : []),
  ];
  if (faults.some((fault) => !isHarmless(fault.code))) return { kind: 'broken', diagnostics };
  return asMapping(reading, pair.value, placeOf(reading, key), diagnostics);
}

function startOf(node: unknown): number | null {
  return (node as { readonly range?: readonly number[] | null } | null | undefined)?.range?.[0] ?? null;
}

function unreadableUserData(source: ClusterDocument, reading: Reading): ParsedDocument {
  const fault = reading.document.errors[0];
  if (fault === undefined || !hasKeyLine(source.text)) return { kind: 'absent' };
  const described = describeFault(reading, fault);
  const remedy = isTemplate(source.text)
    ? 'the agent does not render templates: give the cluster file as /etc/diyc-agent/cluster.yaml instead'
    : described.remedy;
  return { kind: 'broken', diagnostics: [{ ...described, remedy }] };
}

function readYaml(source: ClusterDocument, below: string): Reading {
  const lines = new LineCounter();
  const document = parseDocument(source.text, {
    lineCounter: lines,
    prettyErrors: false,
    strict: true,
    // Found by locate.ts instead: the parser compares each key with each other one.
    uniqueKeys: false,
    resolveKnownTags: false,
    merge: false,
    // With 'silent', the parser would pass over a second document too.
    logLevel: 'error',
  });
  return { file: source.file, below, document, lines, readBy11: below === userDataKey };
}

function refusedText(source: ClusterDocument, below: string): Diagnostic | null {
  const start: Place = { file: source.file, line: 1, column: 1, below };
  if (source.text.length > maxCharacters) {
    return finding({
      at: start,
      path: [],
      value: `${Math.ceil(source.text.length / 1024)} KiB`,
      rule: 'too-large',
      message: `the file is larger than ${maxCharacters / 1024} KiB`,
      remedy: 'check that this is the cluster file; split a very large one into files below cluster.d',
    });
  }
  const offset = source.text.search(controlCharacter);
  if (offset < 0) return null;
  const before = source.text.slice(0, offset).split('\n');
  const code = source.text.charCodeAt(offset).toString(16).toUpperCase().padStart(4, '0');
  return finding({
    at: { ...start, line: before.length, column: (before.at(-1) ?? '').length + 1 },
    path: [],
    value: `U+${code}`,
    rule: 'not-text',
    message: 'the file holds a control character: it is binary, damaged, or not UTF-8',
    remedy: 'save the file as UTF-8 text without control characters',
  });
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const controlCharacter = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffd]/;

/** The first faults are told: the later ones of a malformed text are mostly its consequences. */
function describeFaults(reading: Reading, faults: readonly YAMLError[]): readonly Diagnostic[] {
  const told = faults.find((fault) => fault.code === 'RESOURCE_EXHAUSTION');
  return (told === undefined ? faults.slice(0, 10) : [told]).map((fault) => describeFault(reading, fault));
}

function describeFault(reading: Reading, fault: YAMLError): Diagnostic {
  return finding({ at: placeOf(reading, fault.pos[0]), path: [], value: null, ...yamlFault(fault.code) });
}

function versionFault(reading: Reading): Diagnostic[] {
  const yaml = reading.document.directives.yaml;
  if (!yaml.explicit || yaml.version === '1.2') return [];
  return [
    finding({
      at: placeOf(reading, 0),
      path: [],
      value: yaml.version,
      rule: 'yaml-version',
      message: `the file asks for YAML ${yaml.version}; a cluster file is YAML 1.2`,
      remedy: 'remove the %YAML line',
    }),
  ];
}

function secondKey(at: Place): Diagnostic {
  return finding({
    at,
    path: [],
    value: userDataKey,
    rule: 'duplicate-key',
    message: `the key ${userDataKey} stands in this user-data more than once`,
    remedy: 'keep one of them',
  });
}

function templateFault(source: ClusterDocument, reading: Reading, start: number, end: number): Diagnostic | null {
  if (!isTemplate(source.text)) return null;
  const offset = source.text.slice(start, end).search(/\{\{|\{%/);
  if (offset < 0) return null;
  return finding({
    at: placeOf(reading, start + offset),
    path: [],
    value: null,
    rule: 'template',
    message: `a template expression stands below ${userDataKey}, and the agent does not render templates`,
    remedy: 'write the value out; all nodes share one cluster file, and each finds itself by its name',
  });
}

function asMapping(reading: Reading, node: unknown, fallback: Place, before: readonly Diagnostic[]): ParsedDocument {
  const located = locate(reading, node, fallback);
  const diagnostics = [...before, ...located.diagnostics];
  const tree = mappingOf(located.value);
  if (tree !== null) return { kind: 'parsed', tree, diagnostics };
  return { kind: 'broken', diagnostics: [...diagnostics, notMapping(located.value)] };
}

/** An empty file is an empty mapping: it masks others, or has all of its lines commented out. */
function mappingOf(value: Located): LocatedMapping | null {
  if (value.kind === 'mapping') return value;
  if (value.kind === 'sequence' || value.value !== null) return null;
  return { kind: 'mapping', entries: new Map(), at: value.at, overridden: [] };
}

function notMapping(value: Located): Diagnostic {
  return finding({
    at: value.at,
    path: [],
    value: value.kind === 'scalar' ? null : described(value, []),
    rule: 'not-a-mapping',
    message: `a cluster file is a mapping of keys; this is ${value.kind === 'scalar' ? 'a single value' : 'a list'}`,
    remedy: 'start with "version: 1", "cluster: NAME" and "nodes:" at the left margin',
  });
}

// The meta-data document of NoCloud: a YAML 1.1 mapping, read as PyYAML reads it for cloud-init.

import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type ParsedNode,
  parseDocument,
  Scalar,
  type YAMLMap,
} from 'yaml';
import { AgentError } from '../model/errors.ts';
import { notText } from './hostname.ts';
import { printable, quoted } from './printable.ts';
import { resolvePlainScalar } from './yaml-scalars.ts';

/** A name and an id fit in a hundred bytes; this is for the keys of others, and bounds the work. */
const maxCharacters = 256 * 1024;

export interface MetaData {
  readonly localHostname: string | null;
  /** What cloud-init makes of it: Python's str() of the value. */
  readonly instanceId: string | null;
  /** Where the rest of the seed is, if the document names a place. */
  readonly seedfrom: string | null;
  /** Why there is no name, if that can be told. */
  readonly remark: string | null;
}

/**
 * Read a meta-data document; JSON is meta-data too. Aliases are followed, never expanded.
 *
 * @param file the path, for messages
 * @throws AgentError `data` when the document is empty, too large, binary, not YAML or no mapping, and when
 * local-hostname is no text to YAML 1.1 (`0123`, `on`, `1:30`): file, line and remedy are in the error
 */
export function parseMetaData(text: string, file: string): MetaData {
  const reader = readerOf(text, file);
  const hostname = reader.scalar('local-hostname');
  return {
    localHostname: hostname === null ? null : nameOf(hostname, file),
    instanceId: reader.scalar('instance-id')?.text ?? null,
    seedfrom: reader.scalar('seedfrom')?.text ?? null,
    remark: hostname === null ? remarkOf(reader) : null,
  };
}

interface Reading {
  /** As Python's str() would give it. */
  readonly text: string;
  readonly written: string;
  readonly isText: boolean;
  readonly line: number;
}

interface Reader {
  has(key: string): boolean;
  /** Null when the key is absent, null or empty, which is all the same to cloud-init. */
  scalar(key: string): Reading | null;
}

function nameOf(reading: Reading, file: string): string {
  if (reading.isText) return reading.text;
  throw notText(`${file}:${reading.line}`, reading.written, reading.text);
}

function remarkOf(reader: Reader): string {
  if (reader.has('local-hostname')) return 'local-hostname is empty';
  if (reader.has('hostname')) return 'it has hostname, which NoCloud ignores: the key is local-hostname';
  return 'it has no local-hostname';
}

function readerOf(text: string, file: string): Reader {
  assertText(text, file);
  const lines = new LineCounter();
  const document = parse(text, file, lines);
  const first = document.errors[0];
  if (first !== undefined) throw garbled(file, lines.linePos(first.pos[0]).line, printable(first.message));
  const root = document.contents;
  if (root === null || (isScalar(root) && root.type === Scalar.PLAIN && root.source === '')) {
    throw new AgentError('data', `${file} is empty, so it does not tell this host's name`, { hint: remedy(file) });
  }
  if (!isMap(root)) {
    throw garbled(file, lines.linePos(root.range[0]).line, 'it is no mapping of keys to values');
  }
  const resolve: Resolve = (node) => {
    const target = isAlias(node) ? node.resolve(document) : node;
    return isNode(target) ? (target as ParsedNode) : undefined;
  };
  return {
    has: (key) => find(root, key, resolve) !== undefined,
    scalar: (key) => {
      const node = find(root, key, resolve)?.value;
      if (node === undefined || node === null) return null;
      const line = lines.linePos(node.range[0]).line;
      const value = resolve(node);
      if (value === undefined) throw garbled(file, line, `the value of ${key} refers to an anchor that is not there`);
      return reading(value, key, `${file}:${line}`, line);
    },
  };
}

function parse(text: string, file: string, lineCounter: LineCounter) {
  try {
    return parseDocument(text, {
      version: '1.1',
      // Every scalar stays as it is written: what it means is decided by PyYAML's rules, not by the library's.
      schema: 'failsafe',
      // PyYAML takes the last of several equal keys, and so does find() below.
      uniqueKeys: false,
      logLevel: 'error',
      prettyErrors: false,
      lineCounter,
    });
  } catch (error) {
    // A document that is nested without end exhausts the parser's stack.
    const why = error instanceof RangeError ? 'it is nested too deep' : printable(String(error));
    throw garbled(file, null, why, error);
  }
}

function assertText(text: string, file: string): void {
  if (text.length > maxCharacters) {
    throw new AgentError('data', `${file} is larger than ${maxCharacters / 1024} KiB, which is no meta-data`, {
      hint: remedy(file),
    });
  }
  // What PyYAML refuses: everything that YAML calls not printable. A byte order mark may only be the first character.
  const binary = /[^\t\n\r\x20-\x7e\x85\u00a0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.exec(text);
  if (binary !== null) {
    const line = text.slice(0, binary.index).split('\n').length;
    throw garbled(file, line, `the character ${quoted(binary[0])} may not be in YAML; is the file binary or cut off?`);
  }
}

type ParsedPair = YAMLMap.Parsed['items'][number];
type Resolve = (node: unknown) => ParsedNode | undefined;

/** The last of several pairs with the same key; keys merged in by `<<` count only when there is none. */
function find(map: YAMLMap.Parsed, key: string, resolve: Resolve, depth = 0): ParsedPair | undefined {
  let merged: ParsedPair | undefined;
  for (const pair of map.items.toReversed()) {
    const name = resolve(pair.key);
    if (!isScalar(name)) continue;
    if (name.value === key) return pair;
    if (name.value !== '<<' || name.type !== Scalar.PLAIN || depth > 2) continue;
    const source = resolve(pair.value);
    if (isMap(source)) merged ??= find(source, key, resolve, depth + 1);
  }
  return merged;
}

function reading(node: ParsedNode, key: string, where: string, line: number): Reading | null {
  if (!isScalar(node)) {
    throw new AgentError('data', `${key} in ${where} is a list or a mapping, and has to be one word`, {
      hint: `write it on one line, as in "${key}: a1"`,
    });
  }
  const text = String(node.value ?? '');
  if (node.tag !== undefined && node.tag !== 'tag:yaml.org,2002:str' && node.tag !== '!') {
    return { text: `a value of type ${printable(node.tag)}`, written: text, isText: false, line };
  }
  const isPlain = node.type === Scalar.PLAIN && node.tag === undefined;
  const plain = isPlain ? resolvePlainScalar(text) : { type: 'text', text };
  if (plain.type === 'null' || plain.text === '') return null;
  return { text: plain.text, written: text, isText: plain.type === 'text', line };
}

function garbled(file: string, line: number | null, why: string, cause?: unknown): AgentError {
  const where = line === null ? file : `${file}:${line}`;
  return new AgentError('data', `cannot read the meta-data in ${where}: ${why}`, { hint: remedy(file), cause });
}

function remedy(file: string): string {
  return `write ${file} anew with two lines, as in "instance-id: iid-a1" and "local-hostname: a1"`;
}

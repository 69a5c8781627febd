// Schema errors in people's words: what stands where, what must stand there, and how to write it.

import type { ErrorObject, ValidateFunction } from 'ajv';
import type { Diagnostic } from '../model/diagnostic.ts';
import { nearestName } from '../model/node-identity.ts';
import { described, finding, isSecretKey, scalarText } from './findings.ts';
import { entryAt, type KeyPath, type LocatedEntry, type LocatedMapping, toPlain } from './located.ts';
import { alternativesOf, pathOf, relevantErrors, typeConstant } from './relevant-errors.ts';
import {
  exampleAt,
  keysOf,
  missingWords,
  placesOfKey,
  type SchemaPart,
  schemaPartOf,
  schemaPlaceOf,
  wordsOfPattern,
} from './schema-words.ts';
import { validateClusterFile } from './validator.ts';

/** Check a merged tree against the schema of the cluster file; every fault once, at the place that is to be changed. */
export function validateTree(tree: LocatedMapping, validate: ValidateFunction = validateClusterFile): Diagnostic[] {
  if (validate(toPlain(tree)) === true) return [];
  const errors = relevantErrors(tree, validate.errors ?? []);
  return errors.map((error) => translate(faultOf(tree, error)));
}

/** One schema error with what stands at its place. */
interface Fault {
  readonly error: ErrorObject;
  readonly root: LocatedMapping;
  readonly path: KeyPath;
  readonly entry: LocatedEntry;
  readonly part: SchemaPart;
  /** `nodes.*.address` */
  readonly schemaPlace: string;
}

function faultOf(root: LocatedMapping, error: ErrorObject): Fault {
  const path = pathOf(root, error.instancePath);
  const entry = entryAt(root, path) ?? { keyAt: root.at, value: root };
  const schemaPlace = schemaPlaceOf(error.schemaPath);
  return { error, root, path, entry, part: schemaPartOf(error.schemaPath), schemaPlace };
}

function translate(fault: Fault): Diagnostic {
  switch (fault.error.keyword) {
    case 'additionalProperties':
      return unknownKey(fault, String(fault.error.params['additionalProperty']));
    case 'required':
      return missingKey(fault, String(fault.error.params['missingProperty']));
    case 'type':
      return wrongType(fault, String(fault.error.params['type']));
    case 'pattern':
      return malformed(fault, wordsOfPattern(String(fault.error.params['pattern'])));
    case 'format':
      return malformed(fault, 'an IPv4 address: four decimal numbers up to 255, without leading zeros');
    case 'enum':
      return notInList(fault, asList(fault.error.params['allowedValues']));
    case 'const':
      return notInList(fault, [String(fault.error.params['allowedValue'])]);
    case 'oneOf':
      return noAlternative(fault);
    default:
      return outOfBounds(fault);
  }
}

function asList(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function unknownKey(fault: Fault, key: string): Diagnostic {
  const path = [...fault.path, key];
  const at = entryAt(fault.root, path)?.keyAt ?? fault.entry.keyAt;
  const base = { at, path, value: null };
  if (isSecretKey(key)) return finding({ ...base, ...secretInline(fault, key) });
  const known = keysOf(fault.part);
  const type = typeConstant(fault.part);
  const owner = type === undefined ? placeWords(fault.path) : `flannel's backend ${String(type)}`;
  return finding({
    ...base,
    rule: 'unknown-key',
    message: `${owner} has no key "${key}"`,
    remedy: unknownKeyRemedy(fault, key, known),
  });
}

function unknownKeyRemedy(fault: Fault, key: string, known: readonly string[]): string {
  if (key === '<<') return 'write the keys out: merge keys are no part of YAML 1.2';
  const nearest = nearestName(key, known) ?? known.find((name) => name.toLowerCase() === key.toLowerCase());
  if (nearest !== undefined && nearest !== null) return `did you mean "${nearest}"?`;
  const elsewhere = placesOfKey(key).filter((place) => place !== [...fault.path, key].join('.'));
  if (elsewhere.length > 0) return `"${key}" belongs at ${elsewhere.join(' or ')}`;
  const others = otherAlternatives(fault, key);
  if (others.length > 0) return `remove it, or choose the type ${others.join(' or ')}, which has it`;
  return `remove it; ${known.length === 1 ? `the only key here is ${known[0]}` : `the keys here are ${known.join(', ')}`}`;
}

/** The types among which this one was chosen, and that have the key. */
function otherAlternatives(fault: Fault, key: string): readonly string[] {
  const chosen = fault.error.schemaPath.replace(/\/[0-9]+\/[^/]+$/, '');
  if (!chosen.endsWith('/oneOf')) return [];
  return alternativesOf(schemaPartOf(chosen))
    .filter((one) => keysOf(one).includes(key))
    .map((one) => String(typeConstant(one)));
}

function secretInline(fault: Fault, key: string): Pick<Diagnostic, 'rule' | 'message' | 'remedy'> {
  const fileKey = `${key.toLowerCase()}File`;
  const isKnown = keysOf(fault.part).includes(fileKey);
  return {
    rule: 'secret-inline',
    message: `a secret stands in the cluster file under "${key}"; every node and every backup would hold it`,
    remedy: isKnown
      ? `put the secret in a file that only root can read and give its path: ${fileKey}: /etc/diyc-agent/${key.toLowerCase()}`
      : 'remove it, and change the secret: secrets are given by file only',
  };
}

function missingKey(fault: Fault, key: string): Diagnostic {
  const place = fault.schemaPlace === '' ? key : `${fault.schemaPlace}.${key}`;
  return finding({
    at: fault.entry.keyAt,
    path: [...fault.path, key],
    value: null,
    ...missingWords(placeWords(fault.path), key, place),
  });
}

function placeWords(path: KeyPath): string {
  if (path.length === 0) return 'the cluster file';
  if (path[0] === 'nodes' && path.length === 2) return `node ${path[1]}`;
  return path.filter((key) => typeof key === 'string').join('.');
}

const typeWords: Readonly<Record<string, string>> = {
  object: 'a mapping of keys',
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  boolean: 'true or false',
};

function wrongType(fault: Fault, type: string): Diagnostic {
  const { value } = fault.entry;
  return finding({
    ...spot(fault),
    rule: 'wrong-type',
    message: `${nameOf(fault)} must be ${typeWords[type] ?? type}, and ${described(value, fault.path)} stands here`,
    remedy: wrongTypeRemedy(fault, type),
  });
}

function wrongTypeRemedy(fault: Fault, type: string): string {
  const { value } = fault.entry;
  const example = exampleAt(fault.schemaPlace);
  const exampleWords = example === null ? `give ${typeWords[type] ?? type}` : `write it like this: ${example}`;
  if (value.kind !== 'scalar') return exampleWords;
  if (value.value === null && type !== 'string') return `${exampleWords}, or remove the key`;
  if (type === 'string' && value.value !== null && isOfPattern(fault.part, value.source)) {
    return `quote it: "${value.source}"`;
  }
  if (type === 'integer' && /^[0-9]+$/.test(value.source)) return `remove the quotes: ${Number(value.source)}`;
  if (type === 'boolean' && /^(yes|on)$/i.test(value.source)) return 'write true';
  if (type === 'boolean' && /^(no|off)$/i.test(value.source)) return 'write false';
  return exampleWords;
}

/** A number without a unit is no duration in quotes either. */
function isOfPattern(part: SchemaPart, text: string): boolean {
  const pattern = part['pattern'];
  return typeof pattern !== 'string' || new RegExp(pattern).test(text);
}

function malformed(fault: Fault, words: string): Diagnostic {
  const name = fault.error.propertyName;
  if (name !== undefined) return malformedName(fault, name, words);
  const example = exampleAt(fault.schemaPlace);
  return finding({
    ...spot(fault),
    rule: 'malformed-value',
    message: `${nameOf(fault)} must be ${words}`,
    remedy: example === null ? `write ${words}` : `write it like this: ${example}`,
  });
}

function malformedName(fault: Fault, name: string, words: string): Diagnostic {
  const path = [...fault.path, name];
  const isNode = fault.path[0] === 'nodes' && fault.path.length === 1;
  const isGroup = fault.path[0] === 'upgrade';
  const what = isNode ? "a node's name" : isGroup ? 'the name of a group' : 'a key of metadata';
  const shorter = (name.split('.')[0] ?? '').toLowerCase().replaceAll('_', '-');
  const fits = isNode && shorter !== name && /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(shorter);
  return finding({
    at: entryAt(fault.root, path)?.keyAt ?? fault.entry.keyAt,
    path,
    value: name,
    rule: isNode ? 'node-name' : isGroup ? 'group-name' : 'malformed-key',
    message: `${what} must be ${words}`,
    remedy: fits
      ? `name the node "${shorter}", here and as local-hostname in its meta-data`
      : `rename it${isNode ? ', here and as local-hostname in its meta-data' : ''}`,
  });
}

function notInList(fault: Fault, allowed: readonly string[]): Diagnostic {
  const { value } = fault.entry;
  const isVersion = fault.schemaPlace === 'version';
  const nearest = nearestName(scalarText(value) ?? '', allowed);
  const only = allowed.length === 1 ? `write ${allowed[0]}` : `write one of ${allowed.join(', ')}`;
  return finding({
    ...spot(fault),
    rule: isVersion ? 'version' : 'not-in-list',
    message: isVersion
      ? `this agent reads version ${allowed.join(' and ')} of the cluster file, and ${described(value, fault.path)} stands here`
      : `${nameOf(fault)} must be ${allowed.length === 1 ? '' : 'one of '}${allowed.join(', ')}`,
    remedy: nearest === null || allowed.length === 1 ? only : `did you mean "${nearest}"?`,
  });
}

function noAlternative(fault: Fault): Diagnostic {
  const allowed = alternativesOf(fault.part)
    .map(typeConstant)
    .filter((type) => type !== undefined)
    .map(String);
  const { value } = fault.entry;
  const type = value.kind === 'mapping' ? value.entries.get('type') : undefined;
  if (allowed.length > 0 && type !== undefined) {
    const inner = { ...fault, path: [...fault.path, 'type'], entry: type, schemaPlace: `${fault.schemaPlace}.type` };
    return notInList(inner, allowed);
  }
  return finding({
    ...spot(fault),
    rule: 'malformed-value',
    message: `${nameOf(fault)} has no such form`,
    remedy: `write it like this: ${exampleAt(fault.schemaPlace) ?? 'see diyc-agent config schema'}`,
  });
}

const boundWords: Readonly<Record<string, string>> = {
  minimum: 'must be at least',
  maximum: 'must be at most',
  minLength: 'must have at least this many characters:',
  maxLength: 'must have at most this many characters:',
  minItems: 'must have at least this many items:',
  maxItems: 'must have at most this many items:',
  minProperties: 'must have at least this many keys:',
};

function outOfBounds(fault: Fault): Diagnostic {
  const { keyword, params } = fault.error;
  if (keyword === 'uniqueItems') return repeatedItem(fault, Number(params['j']), Number(params['i']));
  const example = exampleAt(fault.schemaPlace);
  return finding({
    ...spot(fault),
    rule: 'out-of-bounds',
    message: `${nameOf(fault)} ${boundWords[keyword] ?? `breaks the rule ${keyword}:`} ${String(params['limit'] ?? '')}`,
    remedy: `${boundsRemedy(fault.part)}${example === null ? '' : `, for example ${example}`}`,
  });
}

function boundsRemedy(part: SchemaPart): string {
  const low: unknown = part['minimum'];
  const high: unknown = part['maximum'];
  if (low === undefined && high === undefined) return 'change it so that it keeps this bound';
  return high === undefined
    ? `give a number from ${String(low)} on`
    : `give a number from ${String(low)} to ${String(high)}`;
}

function repeatedItem(fault: Fault, first: number, second: number): Diagnostic {
  const [earlier, later] = [Math.min(first, second), Math.max(first, second)];
  const path = [...fault.path, later];
  const item = entryAt(fault.root, path) ?? fault.entry;
  const line = entryAt(fault.root, [...fault.path, earlier])?.keyAt.line ?? fault.entry.keyAt.line;
  return finding({
    at: item.keyAt,
    path,
    value: scalarText(item.value),
    rule: 'repeated-item',
    message: `${nameOf(fault)} names this twice, first in line ${line}`,
    remedy: 'remove one of the two',
  });
}

function nameOf(fault: Fault): string {
  const [top, node, ...rest] = fault.path;
  return top === 'nodes' && rest.length > 0 ? `${placeWords(rest)} of node ${node}` : placeWords(fault.path);
}

function spot(fault: Fault): Pick<Parameters<typeof finding>[0], 'at' | 'path' | 'value'> {
  return { at: fault.entry.value.at, path: fault.path, value: scalarText(fault.entry.value) };
}

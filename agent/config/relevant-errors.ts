// Of all errors of the schema validator, those worth telling: alternatives nobody meant and repetitions are left out.

import type { ErrorObject } from 'ajv';
import { nearestName } from '../model/node-identity.ts';
import { scalarText } from './findings.ts';
import { entryAt, type KeyPath, type Located, type LocatedMapping, valueAt } from './located.ts';
import { asPart, keysOf, type SchemaPart, schemaPartOf } from './schema-words.ts';

/** A JSON pointer as a path of the tree, where an index is a number. */
export function pathOf(tree: LocatedMapping, pointer: string): KeyPath {
  let at: Located | null = tree;
  const path: (string | number)[] = [];
  for (const part of pointer.split('/').slice(1)) {
    const text = part.replaceAll('~1', '/').replaceAll('~0', '~');
    const key: string | number = at?.kind === 'sequence' ? Number(text) : text;
    path.push(key);
    at = at === null ? null : valueAt(at, [key]);
  }
  return path;
}

/** Leave out what repeats another error, and of alternatives all but the one that was meant. */
export function relevantErrors(tree: LocatedMapping, errors: readonly ErrorObject[]): readonly ErrorObject[] {
  let kept = errors.filter((error) => error.keyword !== 'propertyNames' && !isAnsweredElsewhere(tree, error));
  for (const oneOf of errors.filter((error) => error.keyword === 'oneOf')) {
    const value = entryAt(tree, pathOf(tree, oneOf.instancePath))?.value ?? tree;
    const choice = chosenAlternative(value, schemaPartOf(oneOf.schemaPath));
    const meant = choice.kind === 'one' ? `${oneOf.schemaPath}/${choice.index}/` : null;
    kept = kept.filter((error) => {
      if (error === oneOf) return choice.kind === 'unknown';
      if (!error.schemaPath.startsWith(`${oneOf.schemaPath}/`)) return true;
      return meant !== null && error.schemaPath.startsWith(meant);
    });
  }
  return kept;
}

/** A key is not missed where `adress` or `password` stands for it: those findings have the same remedy. */
function isAnsweredElsewhere(tree: LocatedMapping, error: ErrorObject): boolean {
  const missing: unknown = error.params['missingProperty'];
  if (error.keyword !== 'required' || typeof missing !== 'string') return false;
  const owner = entryAt(tree, pathOf(tree, error.instancePath))?.value;
  return isGivenOtherwise(owner ?? null, missing, keysOf(schemaPartOf(error.schemaPath)));
}

/** True where a mapping has a misspelt form of a key, or a secret inline where its file is asked for. */
export function isGivenOtherwise(owner: Located | null, missing: string, known: readonly string[]): boolean {
  const given = owner?.kind === 'mapping' ? [...owner.entries.keys()] : [];
  if (given.some((key) => !known.includes(key) && nearestName(key, known) === missing)) return true;
  return missing.endsWith('File') && given.includes(missing.slice(0, -'File'.length));
}

type Choice = { readonly kind: 'one'; readonly index: number } | { readonly kind: 'unknown' | 'reported-elsewhere' };

/** Alternatives are told apart by the constant of `type`, or by the key that only one of them requires. */
function chosenAlternative(value: Located, part: SchemaPart): Choice {
  if (value.kind !== 'mapping') return { kind: part['type'] === 'object' ? 'reported-elsewhere' : 'unknown' };
  const alternatives = alternativesOf(part);
  if (part['required'] === undefined) {
    // The bootstrap methods: a cross-check says that this version does not have them.
    const known = alternatives.some((one) => keysOf(one).some((key) => value.entries.has(key)));
    return { kind: known ? 'reported-elsewhere' : 'unknown' };
  }
  const type = value.entries.get('type')?.value;
  if (type === undefined) return { kind: 'reported-elsewhere' };
  const index = alternatives.findIndex((one) => typeConstant(one) === scalarText(type));
  return index < 0 ? { kind: 'unknown' } : { kind: 'one', index };
}

/** The alternatives of a oneOf; none where there is no oneOf. */
export function alternativesOf(part: SchemaPart): readonly SchemaPart[] {
  return Array.isArray(part['oneOf']) ? part['oneOf'].map(asPart) : [];
}

/** The value of `type` that belongs to an alternative. */
export function typeConstant(part: SchemaPart): unknown {
  return asPart(asPart(part['properties'])['type'])['const'];
}

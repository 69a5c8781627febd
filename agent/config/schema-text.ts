// The JSON Schema of the cluster file as text, for editors and for `config schema`.

import { clusterSchema } from '../model/cluster-schema.ts';

/** The schema as JSON: keys sorted, two spaces, a final newline; the same text from every build. */
export function schemaText(): string {
  return `${JSON.stringify(sorted(clusterSchema), null, 2)}\n`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}

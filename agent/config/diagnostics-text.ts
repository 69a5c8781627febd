// Diagnostics as text for people: one paragraph each, as compilers print them, and a count at the end.

import { type Diagnostic, place } from '../model/diagnostic.ts';
import type { ClusterDocument } from './documents.ts';
import { mayHoldSecret } from './findings.ts';

/**
 * All diagnostics and the summary line, ending in a newline; empty when there are none.
 *
 * @param documents the texts the diagnostics are about; with them each finding quotes its line
 */
export function diagnosticsText(
  diagnostics: readonly Diagnostic[],
  documents: readonly Pick<ClusterDocument, 'file' | 'text'>[] = [],
): string {
  if (diagnostics.length === 0) return '';
  const texts = new Map(documents.map((document) => [document.file, document.text.split(/\r?\n/)]));
  const paragraphs = diagnostics.map((d) => diagnosticText(d, texts.get(d.file)?.[(d.line ?? 0) - 1] ?? null));
  return `${paragraphs.join('\n')}\n${summaryLine(diagnostics)}\n`;
}

/** One diagnostic: place, severity and message; the line with a caret, if it is given; path and value; remedy. */
function diagnosticText(d: Diagnostic, line: string | null = null): string {
  const found = d.value === null ? `  at:     ${d.path}` : `  found:  ${d.path === '' ? '' : `${d.path}: `}${d.value}`;
  const lines = [
    `${place(d)}: ${d.severity}: ${d.message} [${d.rule}]`,
    ...(line === null ? [] : excerpt(d, line)),
    ...(d.value === null && d.path === '' ? [] : [found]),
    `  remedy: ${d.remedy}`,
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * The line of the file and a caret below its column. None where a secret may stand: not beside a key of that kind, and
 * not for faults without a path, whose line may be part of anything.
 */
function excerpt(d: Diagnostic, line: string): string[] {
  const isPrintable = line.length <= 110 && /^[\t\x20-\x7e]*$/.test(line);
  if (
    line.trim() === '' ||
    d.column === null ||
    d.path === '' ||
    !isPrintable ||
    mayHoldSecret(line) ||
    mayHoldSecret(d.path)
  )
    return [];
  return [`    ${line.replaceAll('\t', ' ')}`, `    ${' '.repeat(d.column - 1)}^`];
}

/** `2 errors, 1 warning`; a severity that did not occur is left out. */
export function summaryLine(diagnostics: readonly Diagnostic[]): string {
  const count = (severity: Diagnostic['severity']): string | null => {
    const n = diagnostics.filter((d) => d.severity === severity).length;
    return n === 0 ? null : `${n} ${severity}${n === 1 ? '' : 's'}`;
  };
  const counts = [count('error'), count('warning')].filter((part) => part !== null);
  return counts.length === 0 ? 'no errors' : counts.join(', ');
}

// A diagnostic is one finding about the operator's files: where, what was found, which rule, and the remedy.

export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  /** File as the operator would open it; for user-data the key is named too. */
  readonly file: string;
  /** Counted from 1; null where the finding belongs to no place (a missing file). */
  readonly line: number | null;
  readonly column: number | null;
  /** Path inside the document, `nodes.a1.address`; empty for the document itself. */
  readonly path: string;
  /** What was found, shortened for print; null where something is missing. */
  readonly value: string | null;
  /** The rule, one stable kebab-case word: `unknown-key`. */
  readonly rule: string;
  /** What is wrong, one sentence. */
  readonly message: string;
  readonly remedy: string;
}

/** `file:line:column`, as compilers print it, so that editors can jump there. */
export function place(d: Diagnostic): string {
  return [d.file, d.line, d.column].filter((part) => part !== null).join(':');
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((d) => d.severity === 'error');
}

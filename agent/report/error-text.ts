// An error as the operator reads it: what was attempted and why it failed, and what to do.

import type { Diagnostic } from '../model/diagnostic.ts';
import type { AgentError } from '../model/errors.ts';
import { printable } from '../model/printable.ts';

/** Three lines for people; control characters of foreign text cannot move the cursor. */
export function errorText(error: AgentError): string {
  return `error: ${printable(error.message)}\n  hint: ${printable(error.hint)}\n`;
}

/** The same for --json; `kind` is stable. @param diagnostics all findings, where the error is about the cluster file */
export function errorJson(error: AgentError, diagnostics: readonly Diagnostic[] = []): string {
  const { kind, exitCode, message, hint } = error;
  const found = diagnostics.length === 0 ? {} : { diagnostics };
  return `${JSON.stringify({ schema: 1, error: { kind, exitCode, message, hint }, ...found })}\n`;
}

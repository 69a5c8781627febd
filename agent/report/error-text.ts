// An error as the operator reads it: what was attempted and why it failed, and what to do.

import type { AgentError } from '../model/errors.ts';

/** Three lines for people; control characters of foreign text cannot move the cursor. */
export function errorText(error: AgentError): string {
  return `error: ${printable(error.message)}\n  hint: ${printable(error.hint)}\n`;
}

/** The same for --json; `kind` is stable. */
export function errorJson(error: AgentError): string {
  return `${JSON.stringify({ schema: 1, error: { kind: error.kind, exitCode: error.exitCode, message: error.message, hint: error.hint } })}\n`;
}

/** Make control characters visible, line ends and tabs excepted. */
export function printable(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

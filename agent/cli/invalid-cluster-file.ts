// The one error that carries many findings: all of them are printed before it.

import type { Diagnostic } from '../model/diagnostic.ts';
import { AgentError } from '../model/errors.ts';

export class InvalidClusterFile extends AgentError {
  readonly diagnostics: readonly Diagnostic[];
  /** The findings as text for people. */
  readonly findings: string;

  constructor(diagnostics: readonly Diagnostic[], findings: string) {
    const errors = diagnostics.filter((d) => d.severity === 'error');
    const verdict = errors.every((d) => d.rule === 'no-cluster-file')
      ? 'there is no cluster file'
      : `the cluster file is invalid: ${errors.length} ${errors.length === 1 ? 'error' : 'errors'}`;
    super('config', `${verdict}; nothing was written`, {
      hint: 'correct what is listed above; diyc-agent config validate checks again without changing anything',
    });
    this.diagnostics = diagnostics;
    this.findings = findings;
  }
}

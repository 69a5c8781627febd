// The one error that carries many findings: all of them are printed before it.

import type { Diagnostic } from '../model/diagnostic.ts';
import { AgentError } from '../model/errors.ts';

export class InvalidClusterFile extends AgentError {
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    const errors = diagnostics.filter((d) => d.severity === 'error').length;
    super(
      'config',
      `the cluster file is invalid: ${errors} ${errors === 1 ? 'error' : 'errors'}; nothing was written`,
      {
        hint: 'correct what is listed above; diyc-agent config validate checks again without changing anything',
      },
    );
    this.diagnostics = diagnostics;
  }
}

// A plan is ordered steps plus what is waited for and what a person must decide; empty means converged.

import type { Condition } from './condition.ts';
import { fileSteps, type Step } from './step.ts';

export interface Plan {
  readonly steps: readonly Step[];
  /** What this node lacks that no step can bring: a program that is not installed. */
  readonly waitingFor: readonly Condition[];
  /** Running units whose files changed; they are not restarted without the operator's word. */
  readonly restartPending: readonly string[];
}

export function isEmpty(plan: Plan): boolean {
  return plan.steps.length === 0;
}

/** Split for a tree below --root: what can be done there, and what waits for the running host. */
export function splitForRoot(plan: Plan): { readonly applicable: readonly Step[]; readonly deferred: readonly Step[] } {
  return {
    applicable: plan.steps.filter((s) => fileSteps.has(s.kind)),
    deferred: plan.steps.filter((s) => !fileSteps.has(s.kind)),
  };
}

// A plan as text: what `plan` prints and what tests compare.

import { createTwoFilesPatch } from 'diff';
import { type Plan, splitForRoot } from '../model/plan.ts';
import { describeStep, fileSteps, type Step } from '../model/step.ts';

export interface PlanTextOptions {
  /** Below --root only file steps are done; the others are marked. */
  readonly isLive: boolean;
  /** Show what changes in each file. */
  readonly withDiff: boolean;
}

/** Steps in order with their reasons, per-file differences, then what is waited for and what needs a restart. */
export function planText(plan: Plan, options: PlanTextOptions): string {
  const parts: string[] = [];
  const pending = options.isLive ? plan.steps : splitForRoot(plan).applicable;
  if (pending.length === 0) parts.push('nothing to do: everything is as the cluster file says\n');
  for (const [index, step] of plan.steps.entries()) {
    const deferred = !options.isLive && !fileSteps.has(step.kind) ? ' [left for the running host]' : '';
    parts.push(
      `${String(index + 1).padStart(2)}. ${step.component}: ${describeStep(step)}${deferred}\n    why: ${step.why}\n`,
    );
    if (step.kind !== 'writeFile') continue;
    if (step.drifted) parts.push('    drift: the file was changed since the last run\n');
    if (step.keepAs !== null) parts.push(`    the present file is kept as ${step.keepAs}\n`);
    if (options.withDiff) parts.push(indent(fileDiff(step)));
  }
  for (const unit of plan.restartPending)
    parts.push(`restart pending: ${unit} runs with the old files until it is restarted (diyc-agent apply --restart)\n`);
  for (const condition of plan.waitingFor) {
    parts.push(`missing: ${condition.message}\n${condition.hint === undefined ? '' : `  hint: ${condition.hint}\n`}`);
  }
  return parts.join('');
}

/** Unified difference of one file; a sensitive file shows only that it changes. */
function fileDiff(step: Step<'writeFile'>): string {
  if (step.sensitive) return '(content not shown)\n';
  const patch = createTwoFilesPatch(
    step.before === null ? '/dev/null' : step.path,
    step.path,
    step.before ?? '',
    step.content,
    '',
    '',
    { context: 2 },
  );
  // What stands above the two names says nothing, and each name ends in a tab for a date that is not given.
  const [from = '', to = '', ...changes] = patch.slice(patch.indexOf('\n--- ') + 1).split('\n');
  return [from.trimEnd(), to.trimEnd(), ...changes].join('\n');
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '    ');
}

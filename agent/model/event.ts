// Everything worth telling is an event; report/lines.ts is the one place that gives it words.

import type { Step } from './step.ts';

export type AgentEvent =
  | { readonly event: 'run.started'; readonly verb: string; readonly version: string }
  | {
      readonly event: 'identity.found';
      readonly node: string;
      readonly address: string;
      readonly source: string;
      readonly etcdRole: string;
    }
  | { readonly event: 'config.found'; readonly cluster: string; readonly files: readonly string[] }
  | { readonly event: 'config.warning'; readonly message: string; readonly hint: string }
  | { readonly event: 'step.started'; readonly step: Step; readonly number: number; readonly of: number }
  | { readonly event: 'step.finished'; readonly step: Step; readonly durationMs: number }
  | {
      readonly event: 'step.failed';
      readonly step: Step;
      readonly message: string;
      readonly ends: boolean;
      readonly durationMs: number;
    }
  | { readonly event: 'step.deferred'; readonly step: Step }
  | { readonly event: 'file.drifted'; readonly path: string; readonly keptAs: string | null }
  | { readonly event: 'restart.pending'; readonly units: readonly string[] }
  | {
      readonly event: 'waiting';
      readonly owner: string;
      readonly reason: string;
      readonly hint?: string;
      readonly elapsedMs: number;
      readonly deadlineMs: number;
    }
  | { readonly event: 'wait.over'; readonly owner: string; readonly elapsedMs: number }
  | { readonly event: 'flannel.seeded'; readonly key: string; readonly api: string; readonly value: string }
  | { readonly event: 'flannel.present'; readonly key: string; readonly api: string }
  | { readonly event: 'flannel.drift'; readonly key: string; readonly found: string; readonly wanted: string }
  | { readonly event: 'brake.applied'; readonly why: string; readonly release: string }
  | { readonly event: 'brake.released'; readonly why: string }
  | { readonly event: 'storage.undeclared'; readonly node: string }
  | { readonly event: 'storage.attached'; readonly message: string }
  | {
      readonly event: 'upgrade.phase';
      readonly phase: string;
      readonly from: string;
      /** What it is about, `upgrade to 41.2`; empty in the steady phase. */
      readonly about: string;
    }
  | { readonly event: 'upgrade.waiting'; readonly phase: string; readonly reason: string; readonly hint?: string }
  | { readonly event: 'upgrade.failed'; readonly message: string; readonly hint: string }
  | { readonly event: 'upgrade.staging'; readonly release: string }
  | { readonly event: 'upgrade.discarded'; readonly why: string }
  | { readonly event: 'upgrade.denied'; readonly release: string; readonly reason: string }
  | { readonly event: 'upgrade.released'; readonly group: string; readonly why: string }
  | { readonly event: 'upgrade.rebooting'; readonly about: string }
  | {
      readonly event: 'upgrade.snapshot';
      readonly path: string;
      readonly revision: string;
      readonly verifiedBy: string;
    }
  | { readonly event: 'fleet-lock.answered'; readonly operation: string; readonly id: string; readonly outcome: string }
  | { readonly event: 'fleet-lock.serving'; readonly listen: string }
  | { readonly event: 'run.unchanged'; readonly verb: string; readonly node: string }
  | { readonly event: 'run.finished'; readonly verb: string; readonly outcome: string; readonly durationMs: number };

// Event in, line out: the one place where the wording of the journal and the terminal lives.

import type { AgentEvent } from '../model/event.ts';
import { describeStep } from '../model/step.ts';

export interface Line {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  /** For programs: stable names, units in them. */
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

/** What an event says, and how loudly: a steady node says nothing at info. */
export function lineOf(event: AgentEvent): Line {
  switch (event.event) {
    case 'run.started':
      return {
        level: 'debug',
        message: `diyc-agent ${event.version}: ${event.verb}`,
        fields: { version: event.version },
      };
    case 'identity.found':
      return {
        level: 'debug',
        message: `this is node ${event.node} at ${event.address} (etcd ${event.etcdRole}), by ${event.source}`,
        fields: { node: event.node, address: event.address, source: event.source },
      };
    case 'config.found':
      return {
        level: 'debug',
        message: `cluster ${event.cluster}, from ${event.files.join(', ')}`,
        fields: { cluster: event.cluster },
      };
    case 'config.warning':
      return { level: 'warn', message: `${event.message}; ${event.hint}`, fields: {} };
    case 'step.started':
      return {
        level: 'debug',
        message: `[${event.number}/${event.of}] ${describeStep(event.step)}`,
        fields: { step: event.step.kind, component: event.step.component },
      };
    case 'step.finished':
      return {
        level: 'info',
        message: `${describeStep(event.step)}: ${event.step.why}`,
        fields: { step: event.step.kind, component: event.step.component, durationMs: Math.round(event.durationMs) },
      };
    case 'step.failed':
      return {
        level: event.ends ? 'debug' : 'warn',
        message: event.message,
        fields: { step: event.step.kind, component: event.step.component, durationMs: Math.round(event.durationMs) },
      };
    case 'step.deferred':
      return {
        level: 'info',
        message: `left for the running host: ${describeStep(event.step)}`,
        fields: { step: event.step.kind, component: event.step.component },
      };
    case 'file.drifted':
      return {
        level: 'warn',
        message: `${event.path} was changed since the last run${event.keptAs === null ? '' : `; that version is kept as ${event.keptAs}`}`,
        fields: { path: event.path, ...(event.keptAs === null ? {} : { keptAs: event.keptAs }) },
      };
    case 'restart.pending':
      return {
        level: 'warn',
        message: `${event.units.join(', ')} still ${event.units.length === 1 ? 'runs' : 'run'} with the old files; diyc-agent apply --restart restarts them`,
        fields: { units: event.units.join(' ') },
      };
    case 'waiting':
      return {
        level: 'info',
        message: `${event.reason} (${seconds(event.elapsedMs)} of at most ${seconds(event.deadlineMs)})${event.hint === undefined ? '' : `; ${event.hint}`}`,
        fields: { owner: event.owner, elapsedMs: Math.round(event.elapsedMs) },
      };
    case 'wait.over':
      return {
        level: 'info',
        message: `${event.owner}: the wait is over after ${seconds(event.elapsedMs)}`,
        fields: { owner: event.owner },
      };
    case 'flannel.seeded':
      return {
        level: 'info',
        message: `created ${event.key} (etcd API ${event.api}): ${event.value}`,
        fields: { key: event.key, api: event.api },
      };
    case 'flannel.present':
      return {
        level: 'debug',
        message: `${event.key} (etcd API ${event.api}) is there already and as wanted`,
        fields: { key: event.key, api: event.api },
      };
    case 'flannel.drift':
      return {
        level: 'warn',
        message: `${event.key} is ${event.found} and the cluster file asks for ${event.wanted}; it is left as it is`,
        fields: { key: event.key },
      };
    case 'brake.applied':
      return {
        level: 'warn',
        message: `downloads of images are stopped, containers go on: ${event.why}; ${event.release} lets them go on`,
        fields: {},
      };
    case 'brake.released':
      return { level: 'info', message: `downloads of images go on: ${event.why}`, fields: {} };
    case 'storage.undeclared':
      return {
        level: 'info',
        message: `nothing to do: the cluster file declares no storage for ${event.node}`,
        fields: { node: event.node },
      };
    case 'storage.attached':
      return { level: 'info', message: `storage is attached: ${event.message}`, fields: {} };
    case 'upgrade.phase':
      return {
        level: 'info',
        message: `upgrade: ${event.from} -> ${event.phase}${event.about === '' ? '' : ` (${event.about})`}`,
        fields: { phase: event.phase, from: event.from },
      };
    case 'upgrade.waiting':
      return {
        level: 'info',
        message: `upgrade waits (${event.phase}): ${event.reason}${event.hint === undefined ? '' : `; ${event.hint}`}`,
        fields: { phase: event.phase },
      };
    case 'upgrade.failed':
      return { level: 'warn', message: `${event.message}; ${event.hint}`, fields: {} };
    case 'upgrade.staging':
      return { level: 'info', message: `staging ${event.release}`, fields: { release: event.release } };
    case 'upgrade.discarded':
      return { level: 'warn', message: `dropped what was staged: ${event.why}`, fields: {} };
    case 'upgrade.denied':
      return {
        level: 'warn',
        message: `${event.release} is not to be tried again: ${event.reason}`,
        fields: { release: event.release },
      };
    case 'upgrade.released':
      return {
        level: 'info',
        message: `released the slot of group ${event.group}: ${event.why}`,
        fields: { group: event.group },
      };
    case 'upgrade.rebooting':
      return { level: 'warn', message: `rebooting this host: ${event.about}`, fields: {} };
    case 'upgrade.snapshot':
      return {
        level: 'info',
        message: `took a snapshot of etcd, ${event.path}, revision ${event.revision}, and restored it aside with ${event.verifiedBy}`,
        fields: { path: event.path, revision: event.revision },
      };
    case 'fleet-lock.answered':
      return {
        level: 'info',
        message: `FleetLock ${event.operation} of ${event.id}: ${event.outcome}`,
        fields: { operation: event.operation, outcome: event.outcome },
      };
    case 'fleet-lock.serving':
      return { level: 'info', message: `serving FleetLock on ${event.listen}`, fields: { listen: event.listen } };
    case 'run.unchanged':
      return {
        level: 'debug',
        message: `${event.verb}: nothing to do, node ${event.node} is as the cluster file says`,
        fields: {},
      };
    case 'run.finished':
      return {
        level: 'info',
        message: `${event.verb}: ${event.outcome}`,
        fields: { durationMs: Math.round(event.durationMs) },
      };
  }
}

function seconds(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

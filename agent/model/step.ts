// A step is one change to the machine as data: what, for which component, and why; executors carry them out.

import type { Account } from './layout.ts';
import type { AbsolutePath } from './paths.ts';
import type { ComponentName } from './wish.ts';

/** What each step needs. Add a kind here and the compiler asks for its executor and its text. */
export interface StepArgs {
  /**
   * Replace a file atomically. `before` is what the plan saw (null: no file): the executor refuses when the
   * file has changed since. `keepAs` is where `before` is kept first, null when it is ours or already kept.
   */
  writeFile: {
    readonly path: AbsolutePath;
    readonly content: string;
    readonly mode: number;
    readonly owner: Account | null;
    readonly sensitive: boolean;
    readonly before: string | null;
    readonly keepAs: AbsolutePath | null;
    /** The file differs from what this agent last wrote: somebody edited it. */
    readonly drifted: boolean;
  };
  /** Only mode or owner differ; the content is right and is not written again. */
  setAttributes: { readonly path: AbsolutePath; readonly mode: number; readonly owner: Account | null };
  makeDirectory: { readonly path: AbsolutePath; readonly mode: number; readonly owner: Account | null };
  makeLink: { readonly path: AbsolutePath; readonly target: string };
  loadModule: { readonly module: string };
  reloadUnits: object;
  /** Have services that run read their files again: systemd-networkd, NetworkManager. */
  reloadServices: { readonly units: readonly string[] };
  /** Queue the start jobs and return: `systemctl --no-block start`. */
  startUnits: { readonly units: readonly string[] };
  /** Only on the operator's word: `apply --restart`. */
  restartUnits: { readonly units: readonly string[] };
  removeNetworkDevice: { readonly device: string };
  insertFirewallRule: {
    readonly table: 'filter' | 'raw' | 'nat';
    readonly chain: string;
    readonly rule: readonly string[];
  };
  reboot: object;
}

export type StepKind = keyof StepArgs;

export type Step<K extends StepKind = StepKind> = {
  readonly [P in K]: { readonly kind: P; readonly component: ComponentName; readonly why: string } & Readonly<
    StepArgs[P]
  >;
}[K];

/** Steps that only touch files: these are applied below --root, all others are deferred to the running host. */
export const fileSteps: ReadonlySet<StepKind> = new Set<StepKind>([
  'writeFile',
  'setAttributes',
  'makeDirectory',
  'makeLink',
]);

/** What a step changes, in one line without its reason. */
export function describeStep(step: Step): string {
  switch (step.kind) {
    case 'writeFile':
      return `${step.before === null ? 'create' : 'replace'} ${step.path}`;
    case 'setAttributes':
      return `set mode ${octal(step.mode)}${ownerSuffix(step.owner)} on ${step.path}`;
    case 'makeDirectory':
      return `make directory ${step.path} (${octal(step.mode)}${ownerSuffix(step.owner)})`;
    case 'makeLink':
      return `link ${step.path} -> ${step.target}`;
    case 'loadModule':
      return `load kernel module ${step.module}`;
    case 'reloadUnits':
      return 'systemctl daemon-reload';
    case 'reloadServices':
      return `reload ${step.units.join(' ')}`;
    case 'startUnits':
      return `start ${step.units.join(' ')} (without waiting)`;
    case 'restartUnits':
      return `restart ${step.units.join(' ')} (without waiting)`;
    case 'removeNetworkDevice':
      return `remove network device ${step.device}`;
    case 'insertFirewallRule':
      return `iptables -t ${step.table} -I ${step.chain} ${step.rule.join(' ')}`;
    case 'reboot':
      return 'reboot';
  }
}

function octal(mode: number): string {
  return `0${mode.toString(8)}`;
}

function ownerSuffix(owner: Account | null): string {
  return owner === null ? '' : ` owner ${owner.name}`;
}

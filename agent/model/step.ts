// A step is one change to the machine as data: what, for which component, and why; executors carry them out.

import { sizeText } from './byte-size.ts';
import type { Account } from './layout.ts';
import type { AbsolutePath } from './paths.ts';
import type { Secret } from './secret.ts';
import type { FileSystemType } from './storage.ts';
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
  /** A record of a target in the initiator's database; one that is there stays as it is. */
  addIscsiRecord: { readonly portal: string; readonly target: string };
  /** Settings of a record, written to its file so that no secret is on a command line. */
  setIscsiRecord: {
    readonly path: AbsolutePath;
    /** Null removes the key. */
    readonly settings: readonly (readonly [key: string, value: string | null])[];
    readonly secrets: readonly (readonly [key: string, value: Secret | null])[];
  };
  loginIscsi: { readonly portal: string; readonly target: string };
  logoutIscsi: { readonly portal: string; readonly target: string };
  rescanIscsi: { readonly target: string };
  /** Only for a disk whose serial stands in the cluster file. `found` is what the plan saw on it. */
  wipeDisk: { readonly path: AbsolutePath; readonly serial: string; readonly found: string };
  makeVolumeGroup: {
    readonly name: string;
    readonly devices: readonly AbsolutePath[];
    readonly tags: readonly string[];
  };
  extendVolumeGroup: { readonly name: string; readonly devices: readonly AbsolutePath[] };
  growPhysicalVolume: { readonly path: AbsolutePath; readonly byBytes: number };
  activateVolumeGroup: { readonly name: string };
  deactivateVolumeGroup: { readonly name: string };
  makeVolume: {
    readonly volumeGroup: string;
    readonly name: string;
    readonly size: { readonly percentOfFree: number } | { readonly bytes: number };
  };
  makeThinPool: { readonly volumeGroup: string; readonly name: string; readonly percentOfFree: number };
  growVolume: { readonly volumeGroup: string; readonly name: string; readonly percentOfFree: number };
  makeFileSystem: { readonly path: AbsolutePath; readonly type: FileSystemType; readonly label: string };
  growFileSystem: {
    readonly mountPoint: AbsolutePath;
    readonly path: AbsolutePath;
    readonly type: FileSystemType;
  };
  /** docker-storage-setup; what it did is looked at afterwards. */
  runStorageSetup: { readonly program: AbsolutePath };
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
    case 'addIscsiRecord':
      return `add a record of ${step.target} at ${step.portal}`;
    case 'setIscsiRecord':
      return `set ${[...step.settings, ...step.secrets].map(([key]) => key).join(', ')} in ${step.path}`;
    case 'loginIscsi':
      return `log in to ${step.target} at ${step.portal}`;
    case 'logoutIscsi':
      return `log out from ${step.target} at ${step.portal}`;
    case 'rescanIscsi':
      return `ask ${step.target} for its LUNs and their sizes again`;
    case 'wipeDisk':
      return `WIPE ${step.path} (serial ${step.serial}), which carries ${step.found}`;
    case 'makeVolumeGroup':
      return `make volume group ${step.name} on ${step.devices.join(', ')}`;
    case 'extendVolumeGroup':
      return `add ${step.devices.join(', ')} to volume group ${step.name}`;
    case 'growPhysicalVolume':
      return `use the ${sizeText(step.byBytes)} that ${step.path} has grown by`;
    case 'activateVolumeGroup':
      return `activate volume group ${step.name}`;
    case 'deactivateVolumeGroup':
      return `deactivate volume group ${step.name}`;
    case 'makeVolume':
      return `make volume ${step.volumeGroup}/${step.name} (${'bytes' in step.size ? sizeText(step.size.bytes) : `${step.size.percentOfFree} % of what is free`})`;
    case 'makeThinPool':
      return `make thin pool ${step.volumeGroup}/${step.name} (${step.percentOfFree} % of what is free)`;
    case 'growVolume':
      return `grow ${step.volumeGroup}/${step.name} by ${step.percentOfFree} % of what is free`;
    case 'makeFileSystem':
      return `make ${step.type} on ${step.path}`;
    case 'growFileSystem':
      return `grow the ${step.type} at ${step.mountPoint} to the size of ${step.path}`;
    case 'runStorageSetup':
      return `run ${step.program}`;
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

// Pure: wishes against what was found gives the plan. Nothing here asks or changes the machine.

import { AgentError } from '../model/errors.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { Plan } from '../model/plan.ts';
import type { Step } from '../model/step.ts';
import type { ComponentSpec, DirectoryWish, FileWish, GroupWish, LinkWish, UnitWish, Wish } from '../model/wish.ts';
import { withGroup, withShadowGroup } from '../render/group-file.ts';
import type { Memory } from './journal.ts';
import { groupFiles, type Observation } from './observation.ts';

export interface PlanOptions {
  /** The operator allows running units to be restarted. */
  readonly restart: boolean;
  /** Reboot after the first configuration of this host, instead of starting units. */
  readonly rebootAfterFirst: boolean;
  /** That first configuration was begun by a run that was cut off; its files may all be there by now. */
  readonly resumesFirst?: boolean;
}

/**
 * The steps from what is to what is wanted, in the order in which they are safe: directories and files, links, one
 * daemon-reload, modules, units. Nothing is ever removed, and nothing is replaced that was not kept first.
 *
 * @param digest hexadecimal digest of a text
 */
export function planDifferences(
  specs: readonly ComponentSpec[],
  seen: Observation,
  memory: Memory,
  options: PlanOptions,
  digest: (text: string) => string,
): Plan {
  const wishes = specs.flatMap((s) => s.wishes);
  const of = <K extends Wish['kind']>(kind: K): Extract<Wish, { kind: K }>[] =>
    wishes.filter((w): w is Extract<Wish, { kind: K }> => w.kind === kind);

  const fileSteps = [
    ...of('directory').flatMap((w) => directoryStep(w, seen)),
    ...of('file').flatMap((w) => fileStep(w, seen, memory, digest)),
    ...of('group').flatMap((w) => groupSteps(w, seen)),
    ...of('link').flatMap((w) => linkStep(w, seen)),
  ];
  const modules = of('module')
    .filter((w) => seen.missingModules.has(w.module))
    .map((w): Step => ({ kind: 'loadModule', component: w.component, why: w.why, module: w.module }));

  const changesUnits = fileSteps.some((s) => 'path' in s && s.path.startsWith('/etc/systemd/system/'));
  const stale = seen.units !== null && [...seen.units.values()].some((u) => u.needsReload);
  const reload: Step[] =
    changesUnits || stale
      ? [
          {
            kind: 'reloadUnits',
            component: 'agent',
            why: changesUnits ? 'units changed' : 'systemd holds units that changed on disk',
          },
        ]
      : [];

  const services = networkServices(fileSteps);
  const units = of('unit');
  const isFirst =
    options.rebootAfterFirst && (options.resumesFirst === true || fileSteps.some((s) => s.kind === 'writeFile'));
  const start = isFirst ? [] : startStep(units, seen);
  const restart = units.filter(
    (w) =>
      isRunning(w, seen) &&
      (seen.staleUnits.has(w.unit) || fileSteps.some((s) => 'path' in s && w.readsFiles.includes(s.path))),
  );
  const restartSteps: Step[] =
    options.restart && restart.length > 0
      ? [{ kind: 'restartUnits', component: 'agent', why: 'their files changed', units: restart.map((w) => w.unit) }]
      : [];
  const reboot: Step[] = isFirst ? [{ kind: 'reboot', component: 'agent', why: 'firstBoot.reboot is always' }] : [];

  return {
    steps: [...fileSteps, ...reload, ...services, ...modules, ...start, ...restartSteps, ...reboot],
    waitingFor: specs.flatMap((s) => s.waitingFor),
    restartPending: options.restart ? [] : restart.map((w) => w.unit),
  };
}

/** Files for the network's own services count only once those have read them; the one that does not run is left alone. */
function networkServices(fileSteps: readonly Step[]): Step[] {
  const touches = (pattern: RegExp): boolean => fileSteps.some((s) => 'path' in s && pattern.test(s.path));
  const units = [
    ...(touches(/^\/etc\/systemd\/network\/.*\.network$/) ? ['systemd-networkd.service'] : []),
    ...(touches(/^\/etc\/NetworkManager\//) ? ['NetworkManager.service'] : []),
  ];
  return units.length === 0
    ? []
    : [
        {
          kind: 'reloadServices',
          component: 'flannel',
          why: "they must leave flannel's devices alone from now on",
          units,
        },
      ];
}

function directoryStep(wish: DirectoryWish, seen: Observation): Step[] {
  const found = seen.files.get(wish.path)?.stat ?? null;
  const { component, why, path, mode, owner } = wish;
  if (found === null) return [{ kind: 'makeDirectory', component, why, path, mode, owner }];
  if (found.kind !== 'directory') throw notWhatWasExpected(path, 'a directory', found.kind);
  return attributesDiffer(found, wish) ? [{ kind: 'setAttributes', component, why, path, mode, owner }] : [];
}

function fileStep(wish: FileWish, seen: Observation, memory: Memory, digest: (text: string) => string): Step[] {
  const found = seen.files.get(wish.path);
  const { component, why, path, content, mode, owner } = wish;
  const stat = found?.stat ?? null;
  const before = found?.content ?? null;
  if (stat !== null && stat.kind !== 'file' && stat.kind !== 'link')
    throw notWhatWasExpected(path, 'a file', stat.kind);
  if (before === content) {
    // A link's own mode means nothing; what it points to was compared by content.
    return stat !== null && stat.kind === 'file' && attributesDiffer(stat, wish)
      ? [{ kind: 'setAttributes', component, why, path, mode, owner }]
      : [];
  }
  const written = memory.written.get(path);
  const isForeign = before !== null && written?.has(digest(before)) !== true;
  // A run that was cut off may have left the original in place: only what was certainly written can have been edited.
  const wasOurs = memory.certain.has(path);
  return [
    {
      kind: 'writeFile',
      component,
      why,
      path,
      content,
      mode,
      owner,
      sensitive: wish.sensitive === true,
      before,
      keepAs: isForeign ? copyName(path, before, digest(before), !wasOurs, seen.copies) : null,
      drifted: isForeign && wasOurs,
    },
  ];
}

/**
 * Where a file that is not ours is kept: the original, found before the agent first wrote there, as `<file>.save`;
 * every later state by its digest, so that a second run never replaces what a first one kept.
 */
function copyName(
  path: AbsolutePath,
  content: string,
  digest: string,
  isOriginal: boolean,
  copies: ReadonlyMap<AbsolutePath, string | null>,
): AbsolutePath | null {
  const plain: AbsolutePath = `${path}.save`;
  if (isOriginal && !copies.has(plain)) return plain;
  // A run that was cut off kept it already.
  if (isOriginal && copies.get(plain) === content) return null;
  return `${path}.save-${digest.slice(0, 12)}`;
}

function groupSteps(wish: GroupWish, seen: Observation): Step[] {
  const text = (path: AbsolutePath): string | null => seen.files.get(path)?.content ?? null;
  const etc = text(groupFiles.etc);
  const wanted = withGroup(etc ?? '', text(groupFiles.base), wish.name, wish.members);
  const steps = replaceIfOther(wish, seen, groupFiles.etc, etc, wanted, 0o644);
  const shadow = text(groupFiles.shadow);
  if (shadow === null) return steps;
  return [
    ...steps,
    ...replaceIfOther(wish, seen, groupFiles.shadow, shadow, withShadowGroup(shadow, wish.name, wish.members), 0o640),
  ];
}

/** System files that the agent adds lines to: their own mode and owner stay, and no copy is kept. */
function replaceIfOther(
  wish: GroupWish,
  seen: Observation,
  path: AbsolutePath,
  before: string | null,
  content: string,
  mode: number,
): Step[] {
  if (before === content) return [];
  const stat = seen.files.get(path)?.stat ?? null;
  return [
    {
      kind: 'writeFile',
      component: wish.component,
      why: wish.why,
      path,
      content,
      mode: stat?.mode ?? mode,
      owner: stat === null ? null : { name: `gid ${stat.gid}`, uid: stat.uid, gid: stat.gid },
      sensitive: path === groupFiles.shadow,
      before,
      keepAs: null,
      drifted: false,
    },
  ];
}

function linkStep(wish: LinkWish, seen: Observation): Step[] {
  const found = seen.links.get(wish.path);
  // Whatever it points to (/lib for /usr/lib, another unit file of that name, /dev/null): somebody made that choice.
  if (found?.target != null) return [];
  if (found?.stat != null) throw notWhatWasExpected(wish.path, 'a link', found.stat.kind);
  const { component, why, path, target } = wish;
  return [{ kind: 'makeLink', component, why, path, target }];
}

function startStep(units: readonly UnitWish[], seen: Observation): Step[] {
  const wanted = units.filter((w) => {
    const state = seen.units?.get(w.unit);
    if (state === undefined) return true;
    // A mask is the operator's word that this unit is not to run; `status` says that it is there.
    if (state.load === 'masked') return false;
    return !state.jobQueued && (state.active === 'inactive' || state.active === 'failed');
  });
  if (wanted.length === 0) return [];
  return [
    {
      kind: 'startUnits',
      component: 'agent',
      why: 'they are not running, and enabling alone starts them only at the next boot',
      units: wanted.map((w) => w.unit),
    },
  ];
}

function isRunning(wish: UnitWish, seen: Observation): boolean {
  const active = seen.units?.get(wish.unit)?.active;
  return active === 'active' || active === 'activating' || active === 'reloading';
}

function attributesDiffer(
  found: { readonly mode: number; readonly uid: number; readonly gid: number },
  wish: { readonly mode: number; readonly owner: { readonly uid: number; readonly gid: number } | null },
): boolean {
  if (found.mode !== wish.mode) return true;
  return wish.owner !== null && (found.uid !== wish.owner.uid || found.gid !== wish.owner.gid);
}

function notWhatWasExpected(path: string, expected: string, found: string): AgentError {
  return new AgentError(
    'data',
    `${path} is to be ${expected}, and there is a ${found === 'other' ? 'special file' : found} of that name`,
    {
      hint: `see what put it there (ls -ld ${path}), move it away, and run again; the agent replaces nothing it does not know`,
    },
  );
}

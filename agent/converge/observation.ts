// What was found where the wishes point: read once, then decided on without the machine.

import { isAgentError } from '../model/errors.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { ModuleWish, UnitWish, Wish } from '../model/wish.ts';
import type { FileStat, ReadOnlyFiles } from '../ports/files.ts';
import type { ReadOnlyHost } from '../ports/host.ts';
import type { UnitState } from '../ports/units.ts';

export interface ObservedFile {
  readonly stat: FileStat | null;
  /** Text of a regular file; null where there is none. */
  readonly content: string | null;
}

export interface Observation {
  readonly files: ReadonlyMap<AbsolutePath, ObservedFile>;
  readonly links: ReadonlyMap<AbsolutePath, { readonly stat: FileStat | null; readonly target: string | null }>;
  /** Null below --root, where there is nothing to ask. */
  readonly units: ReadonlyMap<string, UnitState> | null;
  /** Units that run and were started before one of their files was last written. */
  readonly staleUnits: ReadonlySet<string>;
  /** Modules that are neither loaded nor built in, and are there to be loaded. Empty below --root: modules-load.d does it. */
  readonly missingModules: ReadonlySet<string>;
  /** Copies that already stand beside a file, with their text (null: not to be read as such), so that none is taken twice. */
  readonly copies: ReadonlyMap<AbsolutePath, string | null>;
}

export const groupFiles = {
  etc: '/etc/group',
  shadow: '/etc/gshadow',
  base: '/usr/lib/group',
} as const satisfies Record<string, AbsolutePath>;

/** Look at everything the wishes are about. Reads only; the questions go out together. */
export async function observe(host: ReadOnlyHost, wishes: readonly Wish[]): Promise<Observation> {
  const files = new Map<AbsolutePath, ObservedFile>();
  const links = new Map<AbsolutePath, { stat: FileStat | null; target: string | null }>();
  const copies = new Map<AbsolutePath, string | null>();
  const unitWishes: UnitWish[] = [];

  const lookAtFile = async (path: AbsolutePath): Promise<void> => {
    const [stat, content] = await Promise.all([host.files.stat(path), host.files.readText(path)]);
    files.set(path, { stat, content });
  };
  const lookForCopies = async (path: AbsolutePath): Promise<void> => {
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    for (const entry of await host.files.list((path.slice(0, slash) || '/') as AbsolutePath)) {
      if (!entry.startsWith(`${name}.save`)) continue;
      const copy = `${path.slice(0, slash)}/${entry}` as AbsolutePath;
      copies.set(copy, await host.files.readText(copy).catch(unreadable));
    }
  };

  const modules: ModuleWish[] = [];
  const questions: Promise<unknown>[] = [];
  for (const wish of wishes) {
    switch (wish.kind) {
      case 'file':
        questions.push(
          lookAtFile(wish.path).then(async () => {
            const found = files.get(wish.path);
            // Copies matter only where something is about to be replaced.
            if (found?.content != null && found.content !== wish.content) await lookForCopies(wish.path);
          }),
        );
        break;
      case 'directory':
        questions.push(host.files.stat(wish.path).then((stat) => files.set(wish.path, { stat, content: null })));
        break;
      case 'link':
        questions.push(
          Promise.all([host.files.stat(wish.path), host.files.readLink(wish.path)]).then(([stat, target]) =>
            links.set(wish.path, { stat, target }),
          ),
        );
        break;
      case 'group':
        questions.push(...Object.values(groupFiles).map(lookAtFile));
        break;
      case 'unit':
        unitWishes.push(wish);
        break;
      case 'module':
        modules.push(wish);
        break;
    }
  }
  const asked = host.machine.isLive
    ? host.units.states(unitWishes.map((w) => w.unit)).then((states) => new Map(states.map((s) => [s.name, s])))
    : Promise.resolve(null);
  const needed = host.machine.isLive ? modulesToLoad(host.files, modules) : Promise.resolve(new Set<string>());
  const [units, missingModules] = await Promise.all([asked, needed, ...questions]);
  const staleUnits = units === null ? new Set<string>() : await startedBefore(host, unitWishes, units, files);
  return { files, links, units, staleUnits, missingModules, copies };
}

/** A copy somebody else made may be anything; it is left alone, and its name is not used. */
function unreadable(error: unknown): null {
  if (isAgentError(error)) return null;
  throw error;
}

/**
 * Which modules loading could bring. Where the running kernel has no modules at hand (a container, a kernel without
 * them) nothing can be loaded, and trying at each boot would be noise: what is missing shows where it is missed.
 */
async function modulesToLoad(files: ReadOnlyFiles, wishes: readonly ModuleWish[]): Promise<Set<string>> {
  const provided = await Promise.all(wishes.map((w) => w.provides !== null && files.exists(w.provides)));
  const wanted = wishes.filter((_, i) => provided[i] !== true).map((w) => w.module);
  const release = (await files.readText('/proc/sys/kernel/osrelease'))?.trim() ?? '';
  const [loaded, hasModules] = await Promise.all([
    files.readText('/proc/modules'),
    release === '' ? false : files.exists(`/lib/modules/${release}/modules.dep`),
  ]);
  if (loaded === null || !hasModules) return new Set();
  const notLoaded = wanted.filter((m) => !new RegExp(`^${m} `, 'm').test(loaded));
  if (notLoaded.length === 0) return new Set();
  const builtIn = (await files.readText(`/lib/modules/${release}/modules.builtin`)) ?? '';
  return new Set(notLoaded.filter((m) => !builtIn.includes(`/${m}.ko`)));
}

/** A second of tolerance: times of files and of units come from different clocks. */
const toleranceMs = 1_000;

/**
 * Units whose program was started before a file they read was written: they run with what stood there then. That is not
 * when the unit became active: an etcd without a quorum has read its files long before. Ages are compared, not times:
 * the unit's from the monotonic clock, the file's from the wall clock, and a file from the future (the clock
 * was set back) says nothing.
 */
async function startedBefore(
  host: ReadOnlyHost,
  wishes: readonly UnitWish[],
  units: ReadonlyMap<string, UnitState>,
  files: ReadonlyMap<AbsolutePath, ObservedFile>,
): Promise<Set<string>> {
  const uptimeMs = Number((await host.files.readText('/proc/uptime'))?.split(' ')[0]) * 1000;
  const nowMs = host.clock.now();
  const isStale = (wish: UnitWish): boolean => {
    const state = units.get(wish.unit);
    if (state === undefined || !hasProgram(state) || state.mainStartMs === 0 || Number.isNaN(uptimeMs)) return false;
    const unitAgeMs = uptimeMs - state.mainStartMs;
    return wish.readsFiles.some((path) => {
      const stat = files.get(path)?.stat;
      if (stat === undefined || stat === null) return false;
      const fileAgeMs = nowMs - stat.modifiedMs;
      return fileAgeMs >= 0 && fileAgeMs + toleranceMs < unitAgeMs;
    });
  };
  return new Set(wishes.filter(isStale).map((w) => w.unit));
}

/** Whether the unit's main program runs now; before and between its starts, the next one reads what stands there then. */
function hasProgram({ active, sub }: UnitState): boolean {
  return active === 'active' || active === 'reloading' || sub === 'start' || sub === 'start-post';
}

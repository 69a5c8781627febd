// What was found where the wishes point: read once, then decided on without the machine.

import type { AbsolutePath } from '../model/paths.ts';
import type { Wish } from '../model/wish.ts';
import type { FileStat } from '../ports/files.ts';
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
  readonly loadedModules: ReadonlySet<string>;
  /** Copies that already stand beside a file, so that none is taken twice. */
  readonly copies: ReadonlySet<AbsolutePath>;
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
  const loadedModules = new Set<string>();
  const copies = new Set<AbsolutePath>();
  const unitNames: string[] = [];

  const lookAtFile = async (path: AbsolutePath): Promise<void> => {
    const [stat, content] = await Promise.all([host.files.stat(path), host.files.readText(path)]);
    files.set(path, { stat, content });
  };
  const lookForCopies = async (path: AbsolutePath): Promise<void> => {
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    for (const entry of await host.files.list((path.slice(0, slash) || '/') as AbsolutePath)) {
      if (entry.startsWith(`${name}.save`)) copies.add(`${path.slice(0, slash)}/${entry}` as AbsolutePath);
    }
  };

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
        unitNames.push(wish.unit);
        break;
      case 'module':
        questions.push(
          host.files.exists(wish.provides ?? `/sys/module/${wish.module}`).then((there) => {
            if (there) loadedModules.add(wish.module);
          }),
        );
        break;
    }
  }
  const units = host.machine.isLive
    ? host.units.states(unitNames).then((states) => new Map(states.map((s) => [s.name, s])))
    : Promise.resolve(null);
  await Promise.all(questions);
  return { files, links, units: await units, loadedModules, copies };
}

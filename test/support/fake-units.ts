// A systemd in memory: units appear with their files at a reload, start as scripted, and end with a reboot.

import { AgentError } from '../../agent/model/errors.ts';
import { unitDirectories } from '../../agent/model/paths.ts';
import type { UnitState, Units } from '../../agent/ports/units.ts';
import type { EffectLog } from './effect-log.ts';
import type { FakeFiles } from './fake-files.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** What may change about a unit; the name never does. */
export type UnitChange = Partial<Omit<UnitState, 'name'>>;

/**
 * What comes of a start job: it runs at once, it stays in activating, it fails; or a function decides, which may let
 * the unit change later (`later(3000, { active: 'active', sub: 'running' })`).
 */
export type StartScript =
  | 'runs'
  | 'waits'
  | 'fails'
  | ((later: (ms: number, change: UnitChange) => void) => UnitChange);

export interface FakeUnit {
  /** Its state at the beginning; a unit that is given here is loaded. Default: inactive, dead. */
  readonly state?: UnitChange;
  readonly onStart?: StartScript;
}

export interface FakeUnits extends Units {
  /** Change a unit behind the agent's back. */
  change(name: string, change: UnitChange): void;
  script(name: string, onStart: StartScript): void;
  readonly isRebooting: boolean;
  /** The machine comes up again: nothing runs, units are read anew, what is enabled starts. */
  boot(): void;
}

export interface FakeUnitsOptions {
  readonly units?: Readonly<Record<string, FakeUnit>>;
  readonly files: FakeFiles;
  readonly clock: VirtualClock;
  readonly log: EffectLog;
}

interface Entry {
  state: UnitState;
  onStart: StartScript;
  /** Given by the test, so it is there without a file. */
  readonly isScripted: boolean;
}

/** A systemd for tests. A start of a unit that is nowhere is refused, as systemctl does it. */
export function fakeUnits({ units = {}, files, clock, log }: FakeUnitsOptions): FakeUnits {
  const entries = new Map<string, Entry>();
  let readAt = new Map<string, string>();
  let isRebooting = false;

  for (const [name, unit] of Object.entries(units)) {
    entries.set(name, { state: { ...asleep(name), ...unit.state }, onStart: unit.onStart ?? 'runs', isScripted: true });
  }
  reread();

  /** The files that make up a unit, as systemd would read them now. */
  function definitions(): Map<string, string> {
    const found = new Map<string, string>();
    for (const [path, text] of Object.entries(files.snapshot())) {
      const directory = unitDirectories.find((d) => path.startsWith(`${d}/`));
      if (directory === undefined) continue;
      const relative = path.slice(directory.length + 1);
      const match = /^([^/]+?)(\.d\/[^/]+\.conf)?$/.exec(relative);
      if (match?.[1] !== undefined) found.set(path, `${match[1]}\n${text}`);
    }
    return found;
  }

  function reread(): void {
    readAt = definitions();
    for (const [path, text] of readAt) {
      const name = text.slice(0, text.indexOf('\n'));
      const isUnitFile = path.endsWith(`/${name}`);
      const isMasked = text.endsWith('\n-> /dev/null');
      const entry = entries.get(name);
      if (entry === undefined && isUnitFile) {
        entries.set(name, {
          state: { ...asleep(name), load: isMasked ? 'masked' : 'loaded' },
          onStart: 'runs',
          isScripted: false,
        });
      }
    }
    for (const [name, entry] of entries) {
      const hasFile = [...readAt.keys()].some((path) => path.endsWith(`/${name}`));
      if (!entry.isScripted && !hasFile && entry.state.active === 'inactive') entries.delete(name);
    }
  }

  function needsReload(name: string): boolean {
    const concerns = (text: string): boolean => text.startsWith(`${name}\n`);
    const pick = (map: ReadonlyMap<string, string>): string =>
      JSON.stringify([...map].filter(([, text]) => concerns(text)).sort(([a], [b]) => (a < b ? -1 : 1)));
    return pick(readAt) !== pick(definitions());
  }

  function change(name: string, next: UnitChange): void {
    const entry = entries.get(name);
    if (entry === undefined) throw new Error(`fake units: nobody scripted ${name}, so it cannot change`);
    const was = entry.state.active;
    const state = { ...entry.state, ...next };
    if (state.active === 'active' && was !== 'active' && next.activeEnterMs === undefined)
      state.activeEnterMs = clock.monotonicMs();
    if (state.active !== 'active' && was === 'active' && next.inactiveEnterMs === undefined)
      state.inactiveEnterMs = clock.monotonicMs();
    entry.state = state;
  }

  function start(name: string): void {
    const entry = entries.get(name);
    if (entry === undefined || entry.state.active === 'active') return;
    const { onStart } = entry;
    change(name, { mainStartMs: clock.monotonicMs() });
    switch (onStart) {
      case 'runs':
        change(name, { active: 'active', sub: 'running', result: 'success', jobQueued: false });
        return;
      case 'waits':
        change(name, { active: 'activating', sub: 'start', jobQueued: true });
        return;
      case 'fails':
        change(name, { active: 'failed', sub: 'failed', result: 'exit-code', jobQueued: false });
        return;
      default:
        change(
          name,
          onStart((ms, later) => clock.after(ms, () => change(name, later))),
        );
    }
  }

  function assertNotRebooting(names: readonly string[]): void {
    if (!isRebooting) return;
    throw new AgentError('tempfail', `did not start ${names.join(' ')}: the host is shutting down or rebooting`, {
      hint: 'nothing is to be done: enabled units start at the next boot',
    });
  }

  /** As systemctl does it: what is there is done, and then what is not is complained about. */
  function queue(verb: 'start' | 'stop' | 'restart', names: readonly string[], act: (name: string) => void): void {
    log.assertAlive();
    assertNotRebooting(names);
    const loadOf = (name: string): string => entries.get(name)?.state.load ?? 'not-found';
    const known = names.filter((name) => loadOf(name) === 'loaded');
    if (known.length > 0) log.run(`${verb} ${known.join(' ')}`, () => known.forEach(act));
    const unknown = names.filter((name) => !known.includes(name));
    if (unknown.length === 0) return;
    const said = unknown.map((name) => `Unit ${name} ${loadOf(name).replace('-', ' ')}.`).join('; ');
    throw new AgentError('oserr', `cannot ${verb} ${names.join(' ')}: systemctl exited with 5 and said: ${said}`, {
      hint: `see systemctl status ${unknown.join(' ')}`,
    });
  }

  return {
    change,
    script(name, onStart) {
      const entry = entries.get(name);
      if (entry === undefined) entries.set(name, { state: asleep(name), onStart, isScripted: true });
      else entry.onStart = onStart;
    },
    get isRebooting() {
      return isRebooting;
    },
    boot() {
      isRebooting = false;
      for (const [name, entry] of entries) entry.state = { ...asleep(name), load: entry.state.load };
      reread();
      for (const path of Object.keys(files.snapshot())) {
        const wanted = /^\/etc\/systemd\/system\/[^/]+\.(?:wants|requires)\/([^/]+)$/.exec(path)?.[1];
        if (wanted !== undefined) start(wanted);
      }
    },
    async states(names) {
      log.assertAlive();
      return names.map((name) => {
        const state = entries.get(name)?.state ?? { ...asleep(name), load: 'not-found' };
        return { ...state, needsReload: state.needsReload || (entries.has(name) && needsReload(name)) };
      });
    },
    async reload() {
      log.run('daemon-reload', reread);
    },
    async queueStart(names) {
      queue('start', names, start);
    },
    async queueStop(names) {
      queue('stop', names, (name) => change(name, { active: 'inactive', sub: 'dead', jobQueued: false }));
    },
    async queueRestart(names) {
      queue('restart', names, (name) => {
        const active = entries.get(name)?.state.active;
        if (active !== 'active' && active !== 'activating') return;
        change(name, { active: 'inactive', sub: 'dead' });
        start(name);
      });
    },
    async reloadServices(names) {
      log.run(`reload ${names.join(' ')}`, () => undefined);
    },
    async resetFailed(names) {
      log.run(`reset-failed ${names.join(' ')}`, () => {
        for (const name of names) {
          const entry = entries.get(name);
          if (entry === undefined) continue;
          entry.state = { ...entry.state, restarts: 0 };
          if (entry.state.active === 'failed') change(name, { active: 'inactive', sub: 'dead', result: 'success' });
        }
      });
    },
    async reboot() {
      log.run('reboot', () => {
        isRebooting = true;
      });
    },
  };
}

function asleep(name: string): UnitState {
  return {
    name,
    load: 'loaded',
    active: 'inactive',
    sub: 'dead',
    result: 'success',
    restarts: 0,
    statusText: '',
    activeEnterMs: 0,
    inactiveEnterMs: 0,
    mainStartMs: 0,
    needsReload: false,
    jobQueued: false,
  };
}

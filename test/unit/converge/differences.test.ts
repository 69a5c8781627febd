// Wishes against what was found: each rule of the plan, as data in and text out.

import { describe, expect, test } from 'bun:test';
import { type PlanOptions, planDifferences } from '../../../agent/converge/differences.ts';
import { type Memory, remember } from '../../../agent/converge/journal.ts';
import type { Observation, ObservedFile } from '../../../agent/converge/observation.ts';
import { AgentError } from '../../../agent/model/errors.ts';
import type { AbsolutePath } from '../../../agent/model/paths.ts';
import type { Plan } from '../../../agent/model/plan.ts';
import { describeStep, type Step } from '../../../agent/model/step.ts';
import type {
  DirectoryWish,
  FileWish,
  GroupWish,
  LinkWish,
  ModuleWish,
  UnitWish,
  Wish,
} from '../../../agent/model/wish.ts';
import type { FileStat } from '../../../agent/ports/files.ts';
import { unitState } from '../../support/builders.ts';

const base = { component: 'etcd', why: 'w' } as const;
const account = { name: 'etcd', uid: 5, gid: 6 };
const file: FileWish = { ...base, kind: 'file', path: '/f', content: 'wanted', mode: 0o644, owner: null };
const directory: DirectoryWish = { ...base, kind: 'directory', path: '/d', mode: 0o700, owner: account };
const link: LinkWish = { ...base, kind: 'link', path: '/l', target: '/usr/lib/systemd/system/x.service' };
const group: GroupWish = { ...base, kind: 'group', name: 'docker', members: ['fedora'] };
const unit: UnitWish = { ...base, kind: 'unit', unit: 'x.service', readsFiles: ['/f'] };
const module: ModuleWish = { ...base, kind: 'module', module: 'vxlan', provides: null };
const digest = (text: string): string => `digest of ${text}`;

function stat(overrides: Partial<FileStat> = {}): FileStat {
  return { kind: 'file', mode: 0o644, uid: 0, gid: 0, sizeBytes: 1, modifiedMs: 0, ...overrides };
}

function found(content: string, overrides: Partial<FileStat> = {}): ObservedFile {
  return { stat: stat(overrides), content };
}

function seen(overrides: Partial<Observation> = {}): Observation {
  return {
    files: new Map(),
    links: new Map(),
    units: new Map(),
    staleUnits: new Set(),
    missingModules: new Set(),
    copies: new Map(),
    ...overrides,
  };
}

const files = (entries: Readonly<Record<string, ObservedFile>>): Observation =>
  seen({ files: new Map(Object.entries(entries) as [AbsolutePath, ObservedFile][]) });

function memory(overrides: Partial<Memory> = {}): Memory {
  return { ...remember(''), ...overrides };
}

function plan(wishes: readonly Wish[], at: Observation, past = memory(), options: Partial<PlanOptions> = {}): Plan {
  const spec = { component: 'etcd', wishes, waitingFor: [] } as const;
  return planDifferences([spec], at, past, { restart: false, rebootAfterFirst: false, ...options }, digest);
}

const text = (p: Plan): string[] => p.steps.map(describeStep);

function only(p: Plan): Step<'writeFile'> {
  const [step] = p.steps;
  if (p.steps.length !== 1 || step?.kind !== 'writeFile') throw new Error(`not one write: ${text(p).join('; ')}`);
  return step;
}

describe('order', () => {
  test('directories, files, groups, links, one reload, modules, starts, restarts, reboot', () => {
    const dropIn: FileWish = { ...file, path: '/etc/systemd/system/x.service.d/a.conf' };
    const other: UnitWish = { ...unit, unit: 'y.service', readsFiles: [dropIn.path] };
    const at = seen({
      missingModules: new Set(['vxlan']),
      units: new Map([['y.service', unitState('y.service')]]),
    });
    expect(text(plan([unit, other, module, link, group, dropIn, directory], at, memory(), { restart: true }))).toEqual([
      'make directory /d (0700 owner etcd)',
      'create /etc/systemd/system/x.service.d/a.conf',
      'create /etc/group',
      'link /l -> /usr/lib/systemd/system/x.service',
      'systemctl daemon-reload',
      'load kernel module vxlan',
      'start x.service (without waiting)',
      'restart y.service (without waiting)',
    ]);
  });
  test('a host that is as wanted gets nothing', () => {
    const at: Observation = {
      files: new Map<AbsolutePath, ObservedFile>([
        ['/f', found('wanted')],
        ['/d', { stat: stat({ kind: 'directory', mode: 0o700, uid: 5, gid: 6 }), content: null }],
        ['/etc/group', found('docker:x:1:fedora\n')],
      ]),
      links: new Map([['/l', { stat: stat({ kind: 'link' }), target: link.target }]]),
      units: new Map([['x.service', unitState('x.service')]]),
      staleUnits: new Set(),
      missingModules: new Set(),
      copies: new Map(),
    };
    const all = plan([directory, file, group, link, module, unit], at, memory(), {
      restart: true,
      rebootAfterFirst: true,
    });
    expect({ steps: text(all), pending: all.restartPending }).toEqual({ steps: [], pending: [] });
  });
});

describe('files', () => {
  test('that are not there are created, and nothing is kept', () => {
    expect(only(plan([file], seen()))).toMatchObject({ before: null, keepAs: null, drifted: false });
  });
  test('of somebody else are kept as *.save first', () => {
    expect(only(plan([file], files({ '/f': found('theirs') })))).toMatchObject({
      before: 'theirs',
      keepAs: '/f.save',
      drifted: false,
    });
  });
  test('beside which a *.save stands already are kept by digest; the same text is not kept again', () => {
    const at = (copy: string | null): Observation => ({
      ...files({ '/f': found('theirs') }),
      copies: new Map([['/f.save', copy]]),
    });
    expect(only(plan([file], at('other'))).keepAs).toBe('/f.save-digest of th');
    expect(only(plan([file], at(null))).keepAs).toBe('/f.save-digest of th');
    expect(only(plan([file], at('theirs'))).keepAs).toBeNull();
  });
  const written = new Map<AbsolutePath, ReadonlySet<string>>([['/f', new Set([digest('old'), digest('wanted')])]]);
  test('that we wrote ourselves are replaced without a copy, also after a crash', () => {
    for (const certain of [new Set<AbsolutePath>(), new Set<AbsolutePath>(['/f'])]) {
      expect(only(plan([file], files({ '/f': found('old') }), memory({ written, certain })))).toMatchObject({
        keepAs: null,
        drifted: false,
      });
    }
  });
  test('that were edited after we wrote them are drift, kept by digest', () => {
    const past = memory({ written, certain: new Set<AbsolutePath>(['/f']) });
    expect(only(plan([file], files({ '/f': found('edited') }), past))).toMatchObject({
      keepAs: '/f.save-digest of ed',
      drifted: true,
    });
  });
  test('that a run which was cut off never came to are originals, and no drift', () => {
    expect(only(plan([file], files({ '/f': found('theirs') }), memory({ written })))).toMatchObject({
      keepAs: '/f.save',
      drifted: false,
    });
  });
  test('with the right content and another mode or owner get attributes only', () => {
    expect(text(plan([file], files({ '/f': found('wanted', { mode: 0o600 }) })))).toEqual(['set mode 0644 on /f']);
    expect(text(plan([{ ...file, owner: account }], files({ '/f': found('wanted') })))).toEqual([
      'set mode 0644 owner etcd on /f',
    ]);
    // Null is whoever it is.
    expect(text(plan([file], files({ '/f': found('wanted', { uid: 7, gid: 7 }) })))).toEqual([]);
  });
  test('behind a link are compared by content, whatever the mode of the link', () => {
    expect(text(plan([file], files({ '/f': found('wanted', { kind: 'link', mode: 0o777 }) })))).toEqual([]);
  });
  test.each(['directory', 'other'] as const)('in whose place stands a %s stop the run', (kind) => {
    expect(() => plan([file], files({ '/f': { stat: stat({ kind }), content: null } }))).toThrow(AgentError);
  });
  test('that are sensitive say so in the step', () => {
    expect(only(plan([{ ...file, sensitive: true }], seen())).sensitive).toBe(true);
  });
});

describe('directories', () => {
  const at = (overrides: Partial<FileStat>): Observation =>
    files({ '/d': { stat: stat({ kind: 'directory', mode: 0o700, uid: 5, gid: 6, ...overrides }), content: null } });
  test('are made, or put right in mode and owner', () => {
    expect(text(plan([directory], seen()))).toEqual(['make directory /d (0700 owner etcd)']);
    expect(text(plan([directory], at({ mode: 0o755 })))).toEqual(['set mode 0700 owner etcd on /d']);
    expect(text(plan([directory], at({ uid: 0 })))).toEqual(['set mode 0700 owner etcd on /d']);
    expect(text(plan([directory], at({})))).toEqual([]);
  });
  test('in whose place stands a file stop the run', () => {
    expect(() => plan([directory], at({ kind: 'file' }))).toThrow(AgentError);
  });
});

describe('links', () => {
  const at = (kind: FileStat['kind'], target: string | null): Observation =>
    seen({ links: new Map([['/l', { stat: stat({ kind }), target }]]) });
  test("that are there are left, wherever they lead: that was somebody's choice", () => {
    expect(text(plan([link], at('link', '/lib/systemd/system/x.service')))).toEqual([]);
    expect(text(plan([link], at('link', '/etc/systemd/system/x.service')))).toEqual([]);
    expect(text(plan([link], at('link', '/dev/null')))).toEqual([]);
  });
  test('that are missing are made', () => {
    expect(text(plan([link], seen()))).toHaveLength(1);
  });
  test('in whose place stands a file stop the run', () => {
    expect(() => plan([link], at('file', null))).toThrow(AgentError);
  });
});

describe('groups', () => {
  test('keep mode and owner of the file, and of gshadow the content is not shown', () => {
    const at = files({
      '/etc/group': found('root:x:0:\n', { mode: 0o664, gid: 7 }),
      '/etc/gshadow': found('root:::\n', { mode: 0o640, gid: 42 }),
    });
    const steps = plan([group], at).steps;
    expect(steps).toMatchObject([
      { path: '/etc/group', mode: 0o664, owner: { uid: 0, gid: 7 }, sensitive: false, keepAs: null },
      { path: '/etc/gshadow', mode: 0o640, owner: { uid: 0, gid: 42 }, sensitive: true, keepAs: null },
    ]);
  });
  test('are taken over from /usr/lib/group; without gshadow none is made', () => {
    const at = files({ '/etc/group': found('root:x:0:\n'), '/usr/lib/group': found('docker:x:978:\n') });
    expect(only(plan([group], at)).content).toBe('root:x:0:\ndocker:x:978:fedora\n');
  });
});

describe('units', () => {
  const at = (...states: readonly ReturnType<typeof unitState>[]): Observation =>
    seen({ units: new Map(states.map((s) => [s.name, s])), files: new Map([['/f', found('wanted')]]) });
  test.each([
    [{ active: 'inactive' }, ['start x.service (without waiting)']],
    [{ active: 'failed' }, ['start x.service (without waiting)']],
    [{ active: 'inactive', load: 'not-found' }, ['start x.service (without waiting)']],
    [{ active: 'inactive', jobQueued: true }, []],
    [{ active: 'activating' }, []],
    [{ active: 'deactivating' }, []],
    [{ active: 'active' }, []],
    [{ active: 'inactive', load: 'masked' }, []],
  ] as const)('in state %j: %j', (state, steps) => {
    expect(text(plan([unit], at(unitState('x.service', state))))).toEqual([...steps]);
  });
  test("whose files change are told as pending, and restarted on the operator's word only", () => {
    const running = seen({ units: new Map([['x.service', unitState('x.service')]]) });
    const held = plan([file, unit], running);
    expect({ steps: text(held), pending: held.restartPending }).toEqual({
      steps: ['create /f'],
      pending: ['x.service'],
    });
    const allowed = plan([file, unit], running, memory(), { restart: true });
    expect({ steps: text(allowed), pending: allowed.restartPending }).toEqual({
      steps: ['create /f', 'restart x.service (without waiting)'],
      pending: [],
    });
  });
  test('that systemd holds in an older state are read again', () => {
    expect(text(plan([unit], at(unitState('x.service', { needsReload: true }))))).toEqual(['systemctl daemon-reload']);
  });
});

describe('the reboot after the first configuration', () => {
  const options = { rebootAfterFirst: true };
  test('comes last, and instead of the start of units', () => {
    expect(text(plan([file, unit], seen(), memory(), options))).toEqual(['create /f', 'reboot']);
  });
  test('does not come when no file was to be written', () => {
    const at = seen({ files: new Map([['/f', found('wanted')]]) });
    expect(text(plan([file, unit], at, memory(), options))).toEqual(['start x.service (without waiting)']);
  });
  test('comes all the same when the run that wrote them was cut off', () => {
    const at = seen({ files: new Map([['/f', found('wanted')]]) });
    expect(text(plan([file, unit], at, memory(), { ...options, resumesFirst: true }))).toEqual(['reboot']);
  });
});

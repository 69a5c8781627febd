// The walls between the rooms of agent/ are real: each kind of violation, planted, is refused by the biome.json we ship.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const repository = join(import.meta.dirname, '../..');

interface Planted {
  /** path below the repository */
  readonly file: string;
  readonly text: string;
  /** the rule that must refuse it; none for a file that must pass */
  readonly rule?: string;
  /** a word of the advice that must come with the refusal */
  readonly advice?: string;
}

const everyRoom = [
  'model',
  'ports',
  'render',
  'config',
  'metadata',
  'layout',
  'components',
  'converge',
  'readiness',
  'upgrade',
  'media',
  'report',
  'join',
  'storage',
  'live',
  'host',
  'cli',
] as const;
type Room = (typeof everyRoom)[number];

const pure = ['model'] as const;
const asking = ['model', 'ports'] as const;

/** Who may import whom, written a second time on purpose: the linter's lists and this table must agree. */
const mayImport: Record<Room, { readonly rooms: readonly Room[]; readonly libraries: readonly string[] }> = {
  model: { rooms: [], libraries: ['json-schema-to-ts'] },
  ports: { rooms: pure, libraries: [] },
  render: { rooms: pure, libraries: ['diff'] },
  config: { rooms: ['model', 'render'], libraries: ['ajv', 'yaml'] },
  metadata: { rooms: asking, libraries: ['yaml'] },
  layout: { rooms: asking, libraries: [] },
  components: { rooms: ['model', 'ports', 'render', 'live'], libraries: [] },
  converge: { rooms: ['model', 'ports', 'render'], libraries: [] },
  join: { rooms: ['model', 'ports', 'render', 'converge'], libraries: [] },
  storage: { rooms: ['model', 'ports', 'render', 'converge'], libraries: [] },
  live: { rooms: ['model', 'ports', 'render'], libraries: [] },
  readiness: { rooms: asking, libraries: [] },
  upgrade: { rooms: asking, libraries: [] },
  media: { rooms: ['model', 'ports', 'render'], libraries: [] },
  report: { rooms: asking, libraries: ['pino'] },
  host: { rooms: asking, libraries: ['etcd3', 'dockerode', 'systeminformation', 'node:fs', 'node:fs/promises'] },
  cli: { rooms: everyRoom.filter((room) => room !== 'host' && room !== 'cli'), libraries: ['commander'] },
};

const libraries = [
  'ajv',
  'yaml',
  'pino',
  'commander',
  'etcd3',
  'dockerode',
  'systeminformation',
  'json-schema-to-ts',
  'diff',
  'node:fs',
  'node:fs/promises',
  'fs',
  'bun',
] as const;

const forbiddenGlobals = {
  Date: 'Date.now()',
  process: 'process.argv',
  fetch: "fetch('/')",
  setTimeout: 'setTimeout(planted, 1)',
  setInterval: 'setInterval(planted, 1)',
  setImmediate: 'setImmediate(planted)',
  performance: 'performance.now()',
  Bun: 'Bun.version',
  crypto: 'crypto.randomUUID()',
  require: "require('fs')",
  globalThis: 'globalThis',
} as const;

/** The three ways to reach a module; each must meet the same wall. */
const ways = {
  static: (specifier: string) => `import { thing } from '${specifier}';\nexport const planted = () => thing;\n`,
  typeonly: (specifier: string) => `import type { Thing } from '${specifier}';\nexport type Planted = Thing;\n`,
  dynamic: (specifier: string) => `export const planted = () => import('${specifier}');\n`,
  reexport: (specifier: string) => `export { thing } from '${specifier}';\n`,
};

function plantImports(): Planted[] {
  const planted: Planted[] = [];
  for (const room of everyRoom) {
    const allowed = mayImport[room];
    for (const [way, text] of Object.entries(ways)) {
      for (const other of everyRoom) {
        if (other === room) continue;
        const refused = !allowed.rooms.includes(other);
        for (const [folder, up] of [
          ['', '../'],
          ['inner/', '../../'],
        ] as const) {
          planted.push({
            file: `agent/${room}/${folder}${way}-room-${other}.ts`,
            text: text(`${up}${other}/thing.ts`),
            ...(refused ? { rule: 'noRestrictedImports', advice: `agent/${room}` } : {}),
          });
        }
      }
      for (const library of libraries) {
        const refused = !allowed.libraries.includes(library);
        planted.push({
          file: `agent/${room}/${way}-library-${library.replaceAll(/[:/]/g, '-')}.ts`,
          text: text(library),
          ...(refused ? { rule: 'noRestrictedImports', advice: `agent/${room}` } : {}),
        });
      }
    }
    planted.push({
      file: `agent/${room}/detour.ts`,
      text: ways.static('./../host/thing.ts'),
      rule: 'noRestrictedImports',
      advice: 'shortest relative path',
    });
    planted.push({
      file: `agent/${room}/to-main.ts`,
      text: ways.static('../main.ts'),
      rule: 'noRestrictedImports',
      advice: `agent/${room}`,
    });
    planted.push({ file: `agent/${room}/thing.ts`, text: 'export const thing = 1;\nexport type Thing = number;\n' });
    planted.push({ file: `agent/${room}/own.ts`, text: ways.static('./thing.ts') });
    planted.push({ file: `agent/${room}/inner/own.ts`, text: ways.static('../thing.ts') });
  }
  planted.push({
    file: 'agent/compose.ts',
    text: ways.static('etcd3'),
    rule: 'noRestrictedImports',
    advice: 'compose',
  });
  planted.push({
    file: 'agent/render/unit.ts',
    text: "import unit from '../../units/etcd.service' with { type: 'text' };\nexport const planted = () => unit;\n",
  });
  planted.push({
    file: 'agent/model/unit.ts',
    text: "import unit from '../../units/etcd.service' with { type: 'text' };\nexport const planted = () => unit;\n",
    rule: 'noRestrictedImports',
  });
  return planted;
}

function plantGlobals(): Planted[] {
  const planted: Planted[] = [];
  const places = [...everyRoom.map((room) => `agent/${room}/`), 'agent/cli/inner/', 'agent/'];
  for (const place of places) {
    const refused = place !== 'agent/host/';
    for (const [name, use] of Object.entries(forbiddenGlobals)) {
      planted.push({
        file: `${place}global-${name.toLowerCase()}.ts`,
        text: `export const planted = () => ${use};\n`,
        ...(refused ? { rule: 'noRestrictedGlobals', advice: 'agent/' } : {}),
      });
    }
    planted.push({
      file: `${place}global-chance.ts`,
      text: 'export const planted = () => Math.random();\n',
      ...(refused ? { rule: 'plugin', advice: 'agent/ports' } : {}),
    });
  }
  planted.push({
    file: 'agent/main.ts',
    text: 'export const planted = () => [process.argv, Date.now(), Math.random()];\n',
  });
  return planted;
}

const everything = [...plantImports(), ...plantGlobals()];

describe('walls', () => {
  let planted = '';
  /** what the linter said, per file: rule, message and advice in one text each */
  const found = new Map<string, string[]>();

  beforeAll(() => {
    planted = mkdtempSync(join(tmpdir(), 'walls-'));
    for (const name of ['biome.json', 'package.json', 'packaging/lint']) {
      cpSync(join(repository, name), join(planted, name), { recursive: true });
    }
    for (const { file, text } of everything) {
      mkdirSync(dirname(join(planted, file)), { recursive: true });
      writeFileSync(join(planted, file), text);
    }
    // the JSON reporters leave out the advice, which is the half that an author needs: read what an author reads
    const { stdout, stderr } = spawnSync(
      join(repository, 'node_modules/.bin/biome'),
      ['lint', '--colors=off', '--max-diagnostics=none', 'agent'],
      { cwd: planted, encoding: 'utf8', maxBuffer: 1 << 28 },
    );
    const heading = /^(agent\/\S+?\.ts)(?::\d+:\d+)? (\S+) .*━+$/gm;
    const output = `${stdout}${stderr}`;
    const marks = [...output.matchAll(heading)];
    for (const [index, mark] of marks.entries()) {
      const file = mark[1] ?? '';
      const text = output.slice(mark.index, marks[index + 1]?.index);
      found.set(file, [...(found.get(file) ?? []), text.replace(mark[0], mark[2] ?? '')]);
    }
    // biome over some hundred planted files, on a machine that may be busy
  }, 60_000);

  afterAll(() => rmSync(planted, { recursive: true, force: true }));

  const findings = (file: string): readonly string[] => found.get(file) ?? [];

  test('every room of the tree is in the table', () => {
    const rooms = readdirSync(join(repository, 'agent'), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    expect(rooms.map((room) => room.name).filter((name) => !everyRoom.some((room) => room === name))).toEqual([]);
  });

  test('each planted violation is refused, with advice', () => {
    const missed = everything
      .filter(({ rule }) => rule !== undefined)
      .filter(({ file, rule, advice }) => {
        const texts = findings(file);
        return !texts.some((text) => text.includes(rule ?? '') && text.includes(advice ?? ''));
      })
      .map(({ file }) => ({ file, got: findings(file) }));
    expect(missed).toEqual([]);
  });

  test('each clean file passes', () => {
    // the other rules (unused things, barrel files, …) are not what is planted here
    const wall = /noRestricted(Imports|Globals)|plugin/;
    const refused = everything
      .filter(({ rule }) => rule === undefined)
      .map(({ file }) => ({ file, got: findings(file).filter((text) => wall.test(text)) }))
      .filter(({ got }) => got.length > 0);
    expect(refused).toEqual([]);
  });
});

// The compiler is as strict as tsconfig.json says: each kind of carelessness, planted, is refused.

import { beforeAll, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const repository = join(import.meta.dirname, '../..');

const planted: readonly (readonly [claim: string, text: string, code: string])[] = [
  ['a value of the wrong type', "export const count: number = 'one';", 'TS2322'],
  ['null where it is not allowed', 'export const size = (text: string | null) => text.length;', 'TS18047'],
  ['an array element taken for granted', 'export const first = (list: string[]): string => list[0];', 'TS2322'],
  [
    'undefined for an optional property',
    'export const options: { readonly name?: string } = { name: undefined };',
    'TS2375',
  ],
  [
    'a property of an index signature as if it were declared',
    'export const name = (env: Record<string, string>) => env.NAME;',
    'TS4111',
  ],
  [
    'a case that falls through',
    'export function f(n: number) { switch (n) { case 1: n++; case 2: return n; default: return 0; } }',
    'TS7029',
  ],
  ['a path that returns nothing', 'export function f(n: number) { if (n > 1) return n; }', 'TS7030'],
  ['an enum', 'export enum Color { red }', 'TS1294'],
  ['a type imported as a value', "import { Count } from './other.ts';\nexport const one: Count = 1;", 'TS1484'],
  ['an import without extension', "import { count } from './other';\nexport const one = count;", 'TS2835'],
  ['an unused variable', 'export function f() { const unused = 1; }', 'TS6133'],
];

describe('types', () => {
  let output = '';

  // one run for all: each file is wrong by itself
  beforeAll(() => {
    const folder = mkdtempSync(join(tmpdir(), 'types-'));
    try {
      for (const name of ['tsconfig.json', 'package.json']) cpSync(join(repository, name), join(folder, name));
      symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
      mkdirSync(join(folder, 'agent'));
      writeFileSync(join(folder, 'agent/other.ts'), 'export const count = 1;\nexport type Count = number;\n');
      const clean = "import { type Count, count } from './other.ts';\nexport const one: Count = count;\n";
      writeFileSync(join(folder, 'agent/clean.ts'), clean);
      for (const [index, [, text]] of planted.entries()) writeFileSync(join(folder, `agent/planted-${index}.ts`), text);
      const argv = [join(repository, 'node_modules/typescript/bin/tsc'), '--pretty', 'false'];
      const run = spawnSync(process.execPath, argv, { cwd: folder, encoding: 'utf8' });
      expect(run.status).not.toBe(0);
      output = run.stdout;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  const said = (file: string): string[] => output.split('\n').filter((line) => line.startsWith(`agent/${file}.ts(`));

  test.each(planted.map(([claim, , code], index) => [claim, index, code] as const))(
    '%s is refused',
    (_claim, index, code) => {
      expect(said(`planted-${index}`).join('\n')).toContain(code);
    },
  );

  test('a clean file passes', () => {
    expect(said('clean')).toEqual([]);
    expect(said('other')).toEqual([]);
  });
});

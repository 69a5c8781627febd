// The lint rules beside the walls bite: each habit that the house does not have, planted, is refused.

import { describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const repository = join(import.meta.dirname, '../..');

function lint(file: string, text: string): { readonly code: number | null; readonly output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'lint-'));
  try {
    for (const name of ['biome.json', 'package.json', 'packaging/lint']) {
      cpSync(join(repository, name), join(folder, name), { recursive: true });
    }
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
    const { status, stdout, stderr } = spawnSync(
      join(repository, 'node_modules/.bin/biome'),
      ['check', '--colors=off', '--error-on-warnings', 'agent'],
      { cwd: folder, encoding: 'utf8' },
    );
    return { code: status, output: `${stdout}${stderr}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const work = 'export async function work(): Promise<void> {\n  await Promise.resolve();\n}\n';

const planted: readonly (readonly [claim: string, rule: string, text: string])[] = [
  ['any', 'noExplicitAny', 'export const parse = (text: any): string => String(text);\n'],
  ['a non-null assertion', 'noNonNullAssertion', 'export const size = (text?: string): number => text!.length;\n'],
  ['a default export', 'noDefaultExport', 'export default 1;\n'],
  ['a barrel file', 'noBarrelFile', "export { thing } from './thing.ts';\n"],
  ['an enum', 'noEnum', 'export enum Color {\n  red,\n}\n'],
  ['console', 'noConsole', "export const say = (): void => console.log('said');\n"],
  ['a promise nobody waits for', 'noFloatingPromises', `${work}export function start(): void {\n  work();\n}\n`],
  [
    'a switch that forgets a case',
    'useExhaustiveSwitchCases',
    "type Kind = 'a' | 'b';\nexport function f(kind: Kind): number {\n  switch (kind) {\n    case 'a':\n      return 1;\n  }\n  return 0;\n}\n",
  ],
  ['double quotes', 'format', 'export const text = "text";\n'],
];

describe('lint', () => {
  test.each(planted)('%s is refused', (_claim, rule, text) => {
    const said = lint('agent/model/planted.ts', text);
    expect(said.output).toContain(rule);
    expect(said.code).not.toBe(0);
  });

  test('a file name that is not kebab-case is refused', () => {
    const said = lint('agent/model/plantedFile.ts', 'export const planted = 1;\n');
    expect(said.output).toContain('useFilenamingConvention');
    expect(said.code).not.toBe(0);
  });

  test('a clean file passes', () => {
    expect(lint('agent/model/planted.ts', 'export const planted = 1;\n').code).toBe(0);
  });
});

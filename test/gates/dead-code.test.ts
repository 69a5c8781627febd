// Dead code is found: an unused file, export and package, planted, are refused by the knip.json we ship.

import { describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const repository = join(import.meta.dirname, '../..');

/** A small repository under our own knip.json whose package.json has just what its files use. */
const clean: Readonly<Record<string, string>> = {
  'agent/main.ts': "import { parse } from 'yaml';\nimport { used } from './cli/used.ts';\nparse(used);\n",
  'agent/cli/used.ts': "export const used = '';\n",
};

function look(
  files: Readonly<Record<string, string>>,
  dependencies: readonly string[] = ['yaml'],
): { readonly code: number | null; readonly output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'knip-'));
  try {
    cpSync(join(repository, 'knip.json'), join(folder, 'knip.json'));
    cpSync(join(repository, 'tsconfig.json'), join(folder, 'tsconfig.json'));
    symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
    const { name, type } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
    const manifest = { name, type, dependencies: Object.fromEntries(dependencies.map((it) => [it, '*'])) };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    for (const [file, text] of Object.entries({ ...clean, ...files })) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    // hints about entries of knip.json that this small tree does not have are not what is asked
    const argv = [join(repository, 'node_modules/knip/bin/knip.js'), '--no-progress', '--no-config-hints'];
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, { cwd: folder, encoding: 'utf8' });
    return { code: status, output: `${stdout}${stderr}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('dead code', () => {
  test('a clean tree passes', () => {
    const { code, output } = look({});
    expect(output).not.toContain('Unused');
    expect(code).toBe(0);
  });

  test('a file that nothing imports is refused', () => {
    const { code, output } = look({ 'agent/cli/forgotten.ts': 'export const forgotten = 1;\n' });
    expect(output).toContain('agent/cli/forgotten.ts');
    expect(code).not.toBe(0);
  });

  test('an export that nothing imports is refused', () => {
    const { code, output } = look({ 'agent/cli/used.ts': "export const used = '';\nexport const unused = 1;\n" });
    expect(output).toMatch(/unused .*agent\/cli\/used\.ts/);
    expect(code).not.toBe(0);
  });

  test('a package that nothing imports is refused', () => {
    const { code, output } = look({}, ['yaml', 'pino']);
    expect(output).toContain('pino');
    expect(code).not.toBe(0);
  });

  test('a package that is imported and not declared is refused', () => {
    const { code, output } = look({ 'agent/cli/used.ts': "import 'commander';\nexport const used = '';\n" });
    expect(output).toContain('commander');
    expect(code).not.toBe(0);
  });
});

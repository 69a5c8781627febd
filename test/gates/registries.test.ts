// Every file of a room that is a list is in the list: a component, a backend, a source or a verb cannot be forgotten.

import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withTempDir } from '../support/temp-dir.ts';

const agent = join(import.meta.dirname, '../../agent');

interface Registry {
  /** Folder, below agent/. */
  readonly folder: string;
  readonly list: string;
  /** A file belongs into the list when it exports a value of this type. */
  readonly type: RegExp;
}

const registries: readonly Registry[] = [
  { folder: 'components', list: 'registry.ts', type: /^export const (\w+): Component = /m },
  { folder: 'render/flannel-backends', list: 'registry.ts', type: /^export const (\w+): FlannelBackendRule</m },
  { folder: 'metadata', list: 'registry.ts', type: /^export const (\w+): MetadataSource = /m },
  { folder: 'upgrade/strategies', list: 'registry.ts', type: /^export const (\w+): Strategy = /m },
  { folder: 'cli', list: 'verbs.ts', type: /^export const (\w+): Action = /m },
];

/** Names that a file of the folder exports and the list does not import, or imports without using them. */
function forgotten(root: string, { folder, list, type }: Registry): string[] {
  const directory = join(root, folder);
  const listed = readFileSync(join(directory, list), 'utf8');
  const files = readdirSync(directory).filter((name) => name.endsWith('.ts') && name !== list);
  return files.flatMap((file) => {
    const text = readFileSync(join(directory, file), 'utf8');
    const names = [...text.matchAll(new RegExp(type, 'gm'))].map((m) => m[1] ?? '');
    const imports = listed.includes(`'./${file}'`);
    // An import alone puts nothing into the list.
    const body = listed.replace(/^import[^;]*;$/gm, '');
    return names
      .filter((name) => !imports || !new RegExp(`\\b${name}\\b`).test(body))
      .map((name) => `${file}: ${name}`);
  });
}

function members(root: string, { folder, list, type }: Registry): string[] {
  return readdirSync(join(root, folder)).filter(
    (name) => name !== list && name.endsWith('.ts') && type.test(readFileSync(join(root, folder, name), 'utf8')),
  );
}

describe.each(registries)('the list of $folder', (registry) => {
  test('has every file of its folder', () => {
    expect(forgotten(agent, registry)).toEqual([]);
  });
  test('is looked at by a rule that finds its files', () => {
    expect(members(agent, registry).length).toBeGreaterThanOrEqual(3);
  });
  test('a planted file that is not in it is found', async () => {
    await withTempDir(async (directory) => {
      const folder = join(directory, registry.folder);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, registry.list), readFileSync(join(agent, registry.folder, registry.list), 'utf8'));
      const sample = members(agent, registry)[0] ?? '';
      const [line = '', name = ''] =
        registry.type.exec(readFileSync(join(agent, registry.folder, sample), 'utf8')) ?? [];
      await writeFile(join(folder, 'planted.ts'), `// Planted.\n\n${line.replace(name, 'planted')} …;\n`);
      expect(forgotten(directory, registry)).toEqual(['planted.ts: planted']);
      await writeFile(join(folder, 'helper.ts'), '// No member.\n\nexport const helper = 1;\n');
      expect(forgotten(directory, registry)).toHaveLength(1);
    });
  });
});

test('every room that has a registry.ts is among the lists here', () => {
  const found = (folder: string): string[] =>
    readdirSync(join(agent, folder), { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? found(join(folder, entry.name)) : entry.name === 'registry.ts' ? [folder] : [],
    );
  expect(found('').sort()).toEqual(
    registries
      .filter((r) => r.list === 'registry.ts')
      .map((r) => r.folder)
      .sort(),
  );
});

// package-lock.json installs anywhere: every package is in it, and no registry is.

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const repository = join(import.meta.dirname, '../..');

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly optional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const text = readFileSync(join(repository, 'package-lock.json'), 'utf8');
const { packages } = JSON.parse(text) as { readonly packages: Readonly<Record<string, Locked>> };

/** Whether node would find `name` from the folder `from`. */
function isLocked(name: string, from: string): boolean {
  for (let folder = from; ; folder = dirname(folder)) {
    const base = folder === '.' || folder === '' ? '' : `${folder}/`;
    if (packages[`${base}node_modules/${name}`]) return true;
    if (base === '') return false;
  }
}

describe('package-lock.json', () => {
  test('names no registry: npm asks the one that is configured', () => {
    expect(Object.values(packages).filter((entry) => entry.resolved !== undefined)).toEqual([]);
    expect(text).not.toMatch(/registry\./);
  });

  test('has every package that another one names, for other platforms too', () => {
    // `npm ci` refuses a lock file without them, and npm leaves out those that the registry in use does not offer
    const missing = Object.entries(packages).flatMap(([folder, entry]) =>
      Object.keys({ ...entry.dependencies, ...entry.devDependencies, ...entry.optionalDependencies })
        .filter((name) => !isLocked(name, folder))
        .map((name) => `${folder}: ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test('has a digest for everything that is installed on Linux with glibc', () => {
    const without = Object.entries(packages)
      .filter(([folder, entry]) => folder !== '' && entry.integrity === undefined && !entry.optional)
      .map(([folder]) => folder);
    expect(without).toEqual([]);
  });

  test('package.json names exact versions only', () => {
    const { dependencies, devDependencies, optionalDependencies } = packages[''] ?? {};
    const versions = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});

// What package-lock.json says of a package: version, digest, licence; and the runtime of another processor by it.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { repository, runProgram } from './source.ts';
import { isNative, type Target } from './targets.ts';

export interface LockedPackage {
  readonly version: string;
  /** `sha512-…` in base64, as npm writes it */
  readonly integrity: string;
  readonly license: string | undefined;
}

/** @param folder of the package, as in `node_modules/yaml`. @throws when it is not locked with a digest */
export function locked(folder: string): LockedPackage {
  // npm's own copy has what is installed; other processors' packages are in the lock file alone
  for (const file of ['node_modules/.package-lock.json', 'package-lock.json']) {
    const path = join(repository, file);
    if (!existsSync(path)) continue;
    const { packages } = JSON.parse(readFileSync(path, 'utf8')) as {
      readonly packages: Readonly<Record<string, { version?: string; integrity?: string; license?: string }>>;
    };
    const { version, integrity, license } = packages[folder] ?? {};
    if (version !== undefined && integrity !== undefined) return { version, integrity, license };
  }
  throw new Error(`package-lock.json has no version and digest of ${folder}: run \`npm install\` and commit it`);
}

/** The SHA-512 that a package's `integrity` stands for, in hexadecimal. */
export function sha512Of(integrity: string): string {
  const base64 = /^sha512-(\S+)$/.exec(integrity)?.[1];
  if (base64 === undefined) throw new Error(`'${integrity}' is no SHA-512: npm writes no other kind for this registry`);
  return Buffer.from(base64, 'base64').toString('hex');
}

/**
 * The bun of the lock file for a processor that is not this machine's, fetched by npm once and kept in build/runtime.
 *
 * `npm ci` leaves packages of other processors out, and bun itself would download one from a place of its own.
 *
 * @throws when what came is not what the lock file has
 */
export function runtimeFor(target: Target): string {
  if (isNative(target)) throw new Error(`${target.runtimePackage} is in node_modules: nothing to fetch`);
  const { version, integrity } = locked(`node_modules/${target.runtimePackage}`);
  const digest = sha512Of(integrity);
  const cache = join(repository, 'build/runtime');
  const kept = join(cache, `${target.bun}-${version}-${digest.slice(0, 16)}`);
  const program = join(kept, 'package/bin/bun');
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'fetch-'));
  try {
    runProgram(['npm', 'pack', '--silent', `${target.runtimePackage}@${version}`, '--pack-destination', work]);
    const name = `${target.runtimePackage.replace('@', '').replace('/', '-')}-${version}.tgz`;
    const came = createHash('sha512')
      .update(readFileSync(join(work, name)))
      .digest('hex');
    if (came !== digest) {
      throw new Error(`${target.runtimePackage} ${version} from the registry is not the one of package-lock.json`);
    }
    runProgram(['tar', '--extract', '--gzip', '--file', name], { cwd: work });
    rmSync(join(work, name));
    try {
      // whole or not at all; another build may have been faster
      renameSync(work, kept);
    } catch (error) {
      if (!existsSync(program)) throw error;
    }
    return program;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

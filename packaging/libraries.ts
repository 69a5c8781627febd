// Which libraries of others are in the binary: from the files that went into the bundle, for the notices and the SBOM.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Library {
  readonly name: string;
  readonly version: string;
  readonly license: string | undefined;
  /** relative to the repository, as in package-lock.json */
  readonly folder: string;
  /** the text of its licence, as the package brings it */
  readonly licenseText: string | undefined;
}

/** @param inputs files that went into the bundle, relative to the repository */
export function bundledLibraries(root: string, inputs: Iterable<string>): readonly Library[] {
  const folders = new Set<string>();
  for (const input of inputs) {
    const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (folder !== undefined && !input.startsWith('..')) folders.add(folder);
  }
  return [...folders].sort().map((folder) => library(root, folder));
}

/** @throws when a library brings no licence text and names no licence: then somebody has to decide */
function library(root: string, folder: string): Library {
  const path = join(root, folder);
  const manifest: unknown = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
  const { name, version, license } = manifest as { name: string; version: string; license?: string };
  const file = readdirSync(path).find((entry) => /^(licen[cs]e|copying|notice)/i.test(entry));
  if (file === undefined && license === undefined) throw new Error(`${name} has no licence: it cannot be shipped`);
  const licenseText = file === undefined ? undefined : readFileSync(join(path, file), 'utf8').trim();
  return { name, version, license, folder, licenseText };
}

// The notices that the licences of bundled libraries ask for: their texts travel with the binary.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @param inputs files that went into the bundle, relative to the repository
 * @throws when a library brings no licence text and names no licence: then somebody has to decide
 */
export function notices(root: string, inputs: Iterable<string>): string {
  const folders = new Set<string>();
  for (const input of inputs) {
    const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (folder !== undefined && !input.startsWith('..')) folders.add(folder);
  }
  const entries = [...folders].sort().map((folder) => notice(join(root, folder)));
  const runtime =
    'Bun (the runtime this program is compiled with)\nLicense: MIT; it contains JavaScriptCore (LGPL-2.1) and other ' +
    'libraries, listed with their sources at https://bun.com/docs/project/license\n';
  return ['diyc-agent contains the following software of others.\n', runtime, ...entries].join(
    `\n${'-'.repeat(80)}\n\n`,
  );
}

function notice(folder: string): string {
  const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const { name, version, license } = manifest as { name: string; version: string; license?: string };
  const file = readdirSync(folder).find((entry) => /^(licen[cs]e|copying|notice)/i.test(entry));
  if (file === undefined && license === undefined) throw new Error(`${name} has no licence: it cannot be shipped`);
  const text = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  return `${name} ${version}\nLicense: ${license ?? 'see below'}\n${text}`;
}

/** Where this machine gets its packages from, re-aimed at another suite: the repository itself names no mirror. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Suite {
  readonly name: string;
  /** Suites without an `-updates` and a security archive. */
  readonly rolling: boolean;
  /** Packages that have split off from others there. */
  readonly further: readonly string[];
}

const SUITES: readonly Suite[] = [
  { name: 'bookworm', rolling: false, further: [] },
  { name: 'trixie', rolling: false, further: ['docker-cli'] },
  { name: 'sid', rolling: true, further: ['docker-cli'] },
];

export function suiteNamed(name: string): Suite {
  const suite = SUITES.find((known) => known.name === name);
  if (suite === undefined) {
    throw new Error(`unknown suite ${name}: one of ${SUITES.map((known) => known.name).join(', ')}`);
  }
  return suite;
}

interface Archive {
  readonly uri: string;
  readonly signedBy: string | undefined;
}

function field(stanza: string, name: string): string | undefined {
  const line = stanza.split('\n').find((text) => text.toLowerCase().startsWith(`${name.toLowerCase()}:`));
  return line?.slice(name.length + 1).trim();
}

function fromDeb822(text: string): Archive[] {
  const archives: Archive[] = [];
  for (const stanza of text.split(/\n\s*\n/)) {
    if (field(stanza, 'Enabled')?.toLowerCase() === 'no') continue;
    if (field(stanza, 'Types')?.split(/\s+/).includes('deb') !== true) continue;
    // only Debian's own archives: others (a vendor's, a language's) do not carry the base system
    if (field(stanza, 'Components')?.split(/\s+/).includes('main') !== true) continue;
    for (const uri of field(stanza, 'URIs')?.split(/\s+/) ?? []) {
      archives.push({ uri, signedBy: field(stanza, 'Signed-By') });
    }
  }
  return archives;
}

function fromOneLine(text: string): Archive[] {
  const archives: Archive[] = [];
  for (const line of text.split('\n')) {
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+\S+\s+(.*)$/.exec(line.trim());
    if (match === null) continue;
    const [, options = '', uri = '', components = ''] = match;
    if (!components.split(/\s+/).includes('main')) continue;
    archives.push({ uri, signedBy: /signed-by=(\S+)/.exec(options)?.[1] });
  }
  return archives;
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return '';
  }
}

async function machineArchives(): Promise<Archive[]> {
  const dir = '/etc/apt/sources.list.d';
  const names = await readdir(dir).catch(() => []);
  const found = fromOneLine(await readIfThere('/etc/apt/sources.list'));
  for (const name of names.toSorted()) {
    const text = await readIfThere(join(dir, name));
    if (name.endsWith('.sources')) found.push(...fromDeb822(text));
    else if (name.endsWith('.list')) found.push(...fromOneLine(text));
  }
  return found;
}

/**
 * deb822 text for `suite`, from the archives this machine is configured with; null on a relative of Debian (Ubuntu),
 * whose archives do not have the suite: there mmdebstrap knows Debian's own mirror, and the keyring package its keys.
 */
export async function sourcesFor(suite: Suite): Promise<string | null> {
  if (!/^ID=debian$/m.test(await readIfThere('/etc/os-release'))) return null;
  const stanzas: string[] = [];
  for (const archive of await machineArchives()) {
    const security = /security/.test(archive.uri);
    if (security && suite.rolling) continue;
    const suites = security
      ? `${suite.name}-security`
      : suite.rolling
        ? suite.name
        : `${suite.name} ${suite.name}-updates`;
    const stanza = ['Types: deb', `URIs: ${archive.uri}`, `Suites: ${suites}`, 'Components: main'];
    if (archive.signedBy !== undefined) stanza.push(`Signed-By: ${archive.signedBy}`);
    stanzas.push(stanza.join('\n'));
  }
  if (stanzas.length === 0) {
    throw new Error(
      'no Debian archive in /etc/apt/sources.list or /etc/apt/sources.list.d: the lab builds its hosts from there',
    );
  }
  return `${stanzas.join('\n\n')}\n`;
}

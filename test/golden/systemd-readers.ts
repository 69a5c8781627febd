// What systemd makes of files on disk, by its own rules: environment files, and units with their drop-ins merged.

import { readdir, readFile } from 'node:fs/promises';

/**
 * The variables of an EnvironmentFile=, by systemd's own state machine (parse_env_file_internal in src/basic/env-file.c):
 * comments, quotes, escapes and continued lines included.
 */
export function readEnvironmentFile(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  let [state, key, value, kept]: [EnvState, string, string, number] = ['before key', '', '', 0];
  const push = (): void => {
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key.trimEnd())) values[key.trimEnd()] = value;
    [state, key, value, kept] = ['before key', '', '', 0];
  };
  for (const c of text) {
    switch (state) {
      case 'before key':
        if (c === '#' || c === ';') state = 'comment';
        else if (!/\s/.test(c)) [state, key] = ['key', c];
        break;
      case 'key':
        if (c === '\n') [state, key] = ['before key', ''];
        else if (c === '=') [state, value, kept] = ['before value', '', 0];
        else key += c;
        break;
      case 'before value':
        if (c === '\n') push();
        else if (c === "'") state = 'single quoted';
        else if (c === '"') state = 'double quoted';
        else if (c === '\\') state = 'escape';
        else if (!/\s/.test(c)) {
          [state, value] = ['value', value + c];
          kept = value.length;
        }
        break;
      case 'value':
        if (c === '\n') {
          value = value.slice(0, kept);
          push();
        } else if (c === '\\') state = 'escape';
        else {
          value += c;
          if (!/\s/.test(c)) kept = value.length;
        }
        break;
      case 'escape':
        state = 'value';
        if (c !== '\n') {
          value += c;
          kept = value.length;
        }
        break;
      case 'single quoted':
        if (c === "'") state = 'before value';
        else value += c;
        break;
      case 'double quoted':
        if (c === '"') state = 'before value';
        else if (c === '\\') state = 'double quoted escape';
        else value += c;
        break;
      case 'double quoted escape':
        state = 'double quoted';
        if ('"\\`$'.includes(c)) value += c;
        else if (c !== '\n') value += `\\${c}`;
        break;
      case 'comment':
        if (c === '\\') state = 'comment escape';
        else if (c === '\n') state = 'before key';
        break;
      case 'comment escape':
        state = 'comment';
        break;
    }
  }
  if (state === 'value' || state === 'before value') push();
  return values;
}

type EnvState =
  | 'before key'
  | 'key'
  | 'before value'
  | 'value'
  | 'escape'
  | 'single quoted'
  | 'double quoted'
  | 'double quoted escape'
  | 'comment'
  | 'comment escape';

/** Settings by `Section.Key`, in the order in which systemd has them: the unit, then its drop-ins sorted by file name. */
export type UnitSettings = ReadonlyMap<string, readonly string[]>;

const unitDirectories = ['/etc/systemd/system', '/run/systemd/system', '/usr/lib/systemd/system'];

/** A unit as systemd would load it from the tree: an empty assignment resets the list before it. */
export async function loadUnit(root: string, name: string): Promise<UnitSettings> {
  const settings = new Map<string, string[]>();
  for (const text of await unitTexts(root, name)) {
    let section = '';
    for (const line of text.replace(/\\\n/g, ' ').split('\n')) {
      const header = /^\[(.+)\]$/.exec(line.trim());
      const [, key, value] = /^([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (header?.[1] !== undefined) section = header[1];
      else if (key !== undefined && value !== undefined) {
        const place = `${section}.${key}`;
        settings.set(place, value === '' ? [] : [...(settings.get(place) ?? []), value.replace(/\s+/g, ' ')]);
      }
    }
  }
  return settings;
}

async function unitTexts(root: string, name: string): Promise<string[]> {
  const read = (path: string): Promise<string | null> => readFile(`${root}${path}`, 'utf8').catch(() => null);
  const texts = await Promise.all(unitDirectories.map((directory) => read(`${directory}/${name}`)));
  const dropIns = new Map<string, string>();
  for (const directory of unitDirectories) {
    for (const file of await readdir(`${root}${directory}/${name}.d`).catch(() => [])) {
      if (file.endsWith('.conf') && !dropIns.has(file)) dropIns.set(file, `${directory}/${name}.d/${file}`);
    }
  }
  const sorted = [...dropIns].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => read(path));
  return [texts.find((text) => text !== null) ?? null, ...(await Promise.all(sorted))].filter((text) => text !== null);
}

/** The last value of a setting, which is the one that counts where there can be only one. */
export function lastOf(settings: UnitSettings, place: string): string | null {
  return settings.get(place)?.at(-1) ?? null;
}

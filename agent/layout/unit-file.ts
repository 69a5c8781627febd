// systemd's unit files as ordered assignments, read by the rules of systemd.syntax(7) and systemd.unit(5).

import type { InstalledUnit } from '../model/layout.ts';
import { type AbsolutePath, systemUnits, under } from '../model/paths.ts';

export interface UnitEntry {
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

export type InstallLink = InstalledUnit['installLinks'][number];

/**
 * The assignments of a unit file in their order. Drop-ins are assignments that come later: append theirs.
 * Never fails; what is no assignment is left out, as systemd does after a warning.
 */
export function parseUnitFile(text: string): UnitEntry[] {
  const entries: UnitEntry[] = [];
  let section = '';
  for (const line of logicalLines(text)) {
    const header = /^\[([^\]]*)\]$/.exec(line);
    if (header !== null) {
      section = header[1] ?? '';
      continue;
    }
    const equals = line.indexOf('=');
    if (equals <= 0 || section === '') continue;
    entries.push({ section, key: line.slice(0, equals).trim(), value: line.slice(equals + 1).trim() });
  }
  return entries;
}

/** The values of a list setting; an empty assignment resets what came before it. */
export function settingValues(entries: readonly UnitEntry[], section: string, key: string): string[] {
  let values: string[] = [];
  for (const entry of entries) {
    if (entry.section !== section || entry.key !== key) continue;
    values = entry.value === '' ? [] : [...values, entry.value];
  }
  return values;
}

/** The value of a setting that has one: the last wins, an empty one unsets it. */
export function settingValue(entries: readonly UnitEntry[], section: string, key: string): string | null {
  return settingValues(entries, section, key).at(-1) ?? null;
}

/**
 * The links `systemctl enable` makes for a unit: WantedBy=, RequiredBy=, UpheldBy= and Alias= of its [Install] section.
 * What Also= names is in `alsoEnabled`.
 *
 * @param path where the unit was found, which is where the links point
 */
export function installLinks(name: string, text: string, path: AbsolutePath): InstallLink[] {
  const entries = parseUnitFile(text);
  const names = (key: string): string[] => installNames(entries, key, name);
  const inDirectory = (key: string, suffix: string): InstallLink[] =>
    names(key).map((other) => ({ path: under(systemUnits, `${other}.${suffix}`, name), target: path }));
  return [
    ...names('Alias')
      .filter((alias) => alias !== name)
      .map((alias) => ({ path: under(systemUnits, alias), target: path })),
    ...inDirectory('WantedBy', 'wants'),
    ...inDirectory('RequiredBy', 'requires'),
    ...inDirectory('UpheldBy', 'upholds'),
  ];
}

/** Units that are enabled together with this one. */
export function alsoEnabled(name: string, text: string): string[] {
  return installNames(parseUnitFile(text), 'Also', name).filter((other) => other !== name);
}

/**
 * Specifiers that depend on the name of the unit alone: %n %N %p %i %j %%.
 *
 * @returns null when the text has another one, whose value only systemd knows
 */
export function expandSpecifiers(text: string, unit: string): string | null {
  const bare = unit.replace(/\.[a-z]+$/, '');
  const [prefix = bare, instance = ''] = bare.split('@');
  const values: Readonly<Record<string, string>> = {
    '%%': '%',
    '%n': unit,
    '%N': bare,
    '%p': prefix,
    '%i': instance,
    '%j': prefix.split('-').at(-1) ?? prefix,
  };
  const specifiers = text.match(/%./g) ?? [];
  if (specifiers.some((s) => values[s] === undefined)) return null;
  return text.replace(/%./g, (s) => values[s] ?? s);
}

/** Words of a setting: whitespace separates, single and double quotes group, a backslash escapes in double quotes. */
export function settingWords(value: string): string[] {
  const words = value.match(/(?:"(?:\\.|[^"\\])*"?|'[^']*'?|[^\s"'])+/g) ?? [];
  return words.map((word) =>
    word.replace(/"((?:\\.|[^"\\])*)"?|'([^']*)'?/g, (_, double?: string, single?: string) =>
      double === undefined ? (single ?? '') : double.replace(/\\(.)/g, '$1'),
    ),
  );
}

function installNames(entries: readonly UnitEntry[], key: string, unit: string): string[] {
  const words = settingValues(entries, 'Install', key).flatMap(settingWords);
  const names = words.map((word) => expandSpecifiers(word, unit));
  // What systemd would refuse as the name of a unit never becomes a path.
  const valid = names.filter((n): n is string => n !== null && /^[A-Za-z0-9:_.\\@-]+\.[a-z]+$/.test(n));
  return [...new Set(valid)];
}

/** Lines without comments; a backslash at the end joins the next line, comments between them are skipped. */
function logicalLines(text: string): string[] {
  const lines: string[] = [];
  let open: string | null = null;
  for (const line of text.split('\n')) {
    if (/^\s*[#;]/.test(line)) continue;
    const joined: string = (open ?? '') + line;
    if (endsInEscape(line)) {
      open = `${joined.slice(0, -1)} `;
      continue;
    }
    open = null;
    lines.push(joined.trim());
  }
  if (open !== null) lines.push(open.trim());
  return lines.filter((line) => line !== '');
}

function endsInEscape(line: string): boolean {
  const backslashes = /\\*$/.exec(line)?.[0] ?? '';
  return backslashes.length % 2 === 1;
}

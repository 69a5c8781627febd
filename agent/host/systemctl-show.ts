// Reads what `systemctl show` prints: KEY=value lines, one block per unit, empty lines between the blocks.

import { AgentError } from '../model/errors.ts';
import type { UnitState } from '../ports/units.ts';

/** What is asked for; every property exists since systemd 219 but NRestarts (235). */
export const shownProperties = [
  'Id',
  'Names',
  'LoadState',
  'ActiveState',
  'SubState',
  'Result',
  'NRestarts',
  'StatusText',
  'ActiveEnterTimestampMonotonic',
  'InactiveEnterTimestampMonotonic',
  'ExecMainStartTimestampMonotonic',
  'NeedDaemonReload',
  'Job',
] as const;

/**
 * States in the order of `names`; the name that was asked for stays, also where it is an alias.
 *
 * @throws AgentError `oserr` when the text does not have one block for each name
 */
export function parseShow(text: string, names: readonly string[]): UnitState[] {
  const blocks = text
    .split(/\n{2,}/)
    .map((block) => block.trim())
    .filter((block) => block !== '')
    .map(propertiesOf);
  if (blocks.length !== names.length) {
    throw new AgentError(
      'oserr',
      `systemctl show told about ${blocks.length} units when asked about ${names.join(' ')}`,
      {
        hint: `run systemctl show ${names.join(' ')} by hand and look at what it prints`,
      },
    );
  }
  return names.map((name, i) => stateOf(name, blocks[i] ?? new Map<string, string>()));
}

function propertiesOf(block: string): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  for (const line of block.split('\n')) {
    const equals = line.indexOf('=');
    if (equals > 0) properties.set(line.slice(0, equals), line.slice(equals + 1));
  }
  return properties;
}

function stateOf(name: string, properties: ReadonlyMap<string, string>): UnitState {
  const text = (key: (typeof shownProperties)[number]): string => properties.get(key) ?? '';
  return {
    name,
    load: text('LoadState') || 'not-found',
    active: text('ActiveState') || 'inactive',
    sub: text('SubState') || 'dead',
    result: text('Result') || 'success',
    restarts: numberOf(text('NRestarts')),
    statusText: text('StatusText'),
    activeEnterMs: Math.floor(numberOf(text('ActiveEnterTimestampMonotonic')) / 1000),
    inactiveEnterMs: Math.floor(numberOf(text('InactiveEnterTimestampMonotonic')) / 1000),
    mainStartMs: Math.floor(numberOf(text('ExecMainStartTimestampMonotonic')) / 1000),
    needsReload: text('NeedDaemonReload') === 'yes',
    jobQueued: numberOf(text('Job')) > 0,
  };
}

function numberOf(text: string): number {
  return /^[0-9]+$/.test(text) ? Number(text) : 0;
}

// What a node remembers of its upgrade, in /var: read, checked, and replaced only as it was read.

import { AgentError } from '../model/errors.ts';
import { parseJsonObject } from '../model/json-object.ts';
import { upgradeFile } from '../model/paths.ts';
import type { Release } from '../model/release.ts';
import type { Ask, Baseline, BootInstant, Denial, Errand, UpgradeMemory, UpgradePhase } from '../model/upgrade.ts';
import type { Files, ReadOnlyFiles } from '../ports/files.ts';

const phases: readonly UpgradePhase[] = [
  'steady',
  'ready-to-go',
  'rebooting',
  'verifying',
  'rolling-back',
  'recovering',
];

/** The memory with the very text it was read from, which a later write expects to find. */
export interface Remembered {
  readonly memory: UpgradeMemory | null;
  readonly text: string | null;
}

/**
 * @returns null as memory when there is none yet
 * @throws AgentError `data` when the file is there and not understood: a host that does not know whether it is in the
 *   middle of an upgrade does not begin another
 */
export async function readMemory(files: Pick<ReadOnlyFiles, 'readText'>): Promise<Remembered> {
  const text = await files.readText(upgradeFile);
  if (text === null) return { memory: null, text };
  const value = parseJsonObject<UpgradeMemory>(text);
  if (value === null || !isMemory(value)) {
    throw new AgentError('data', `cannot read ${upgradeFile}: it is not what this version of the agent writes`, {
      hint: `look at it, and move it away when no upgrade is under way on this host: mv ${upgradeFile} ${upgradeFile}.bad`,
    });
  }
  return { memory: value, text };
}

type Fields<T> = Partial<Record<keyof T, unknown>>;

/** Everything that decides something has to be there, and to be what it is; what is only shown is taken as it is. */
function isMemory(value: Fields<UpgradeMemory>): value is UpgradeMemory {
  return (
    value.schema === 1 &&
    phases.some((p) => p === value.phase) &&
    isInstant(value.began) &&
    [value.goodSince, value.checkedAt, value.lookAgain].every((at) => at === null || isInstant(at)) &&
    isNullOr(value.errand, isErrand) &&
    isNullOr<Ask>(value.ask, (ask) => askKinds.some((kind) => kind === ask.kind)) &&
    isNullOr<Deployed>(value.cameFrom, (from) => isRelease(from.release) && typeof from.checksum === 'string') &&
    isNullOr<Baseline>(value.baseline, (b) => Array.isArray(b.met) && Array.isArray(b.unmet)) &&
    isNullOr<Lost>(value.lost, (lost) => typeof lost.release === 'string' && typeof lost.times === 'number') &&
    isNullOr<Denial>(value.untoldDenial, (denial) => isRelease(denial.release)) &&
    isNullOr(value.verified, isRelease) &&
    isNullOr<Staged>(value.stagedAt, (staged) => typeof staged.what === 'string' && isInstant(staged.at)) &&
    isNullOr<Waiting>(value.waiting, (waiting) => typeof waiting.reason === 'string') &&
    value.proof !== undefined &&
    Array.isArray(value.missed) &&
    value.missed.every((m: unknown) => isObject<Missed>(m) && typeof m.holder === 'string' && isInstant(m.since)) &&
    typeof value.restarts === 'number' &&
    typeof value.foreignSlot === 'boolean'
  );
}

const askKinds: readonly Ask['kind'][] = ['upgrade', 'reboot', 'rollback'];

type Deployed = NonNullable<UpgradeMemory['cameFrom']>;
type Lost = NonNullable<UpgradeMemory['lost']>;
type Staged = NonNullable<UpgradeMemory['stagedAt']>;
type Waiting = NonNullable<UpgradeMemory['waiting']>;
type Missed = UpgradeMemory['missed'][number];

function isObject<T>(value: unknown): value is Fields<T> {
  return typeof value === 'object' && value !== null;
}

function isNullOr<T>(value: unknown, isWhole: (fields: Fields<T>) => boolean): boolean {
  return value === null || (isObject<T>(value) && isWhole(value));
}

function isInstant(value: unknown): boolean {
  return isObject<BootInstant>(value) && typeof value.bootId === 'string' && typeof value.uptimeMs === 'number';
}

function isRelease(value: unknown): boolean {
  return isObject<Release>(value) && typeof value.id === 'string' && typeof value.text === 'string';
}

function isErrand(value: Fields<Exclude<Errand, { kind: 'reboot' }>>): boolean {
  const kind: unknown = value.kind;
  return (
    kind === 'reboot' ||
    ((kind === 'upgrade' || kind === 'rollback') && isRelease(value.release) && typeof value.checksum === 'string')
  );
}

/**
 * Write it down, fsynced, if the file still has the text it was read from.
 *
 * @returns the text that stands there now
 * @throws AgentError `tempfail` when somebody else wrote meanwhile: an operator asked for something
 */
export async function writeMemory(files: Files, memory: UpgradeMemory, expected: string | null): Promise<string> {
  const text = `${JSON.stringify(memory)}\n`;
  if (text !== expected) await files.replace(upgradeFile, text, { mode: 0o600, owner: null }, expected);
  return text;
}

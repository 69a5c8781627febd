// What a node remembers of its upgrade, in /var: read, checked, and replaced only as it was read.

import { AgentError } from '../model/errors.ts';
import { parseJsonObject } from '../model/json-object.ts';
import { upgradeFile } from '../model/paths.ts';
import type { UpgradeMemory, UpgradePhase } from '../model/upgrade.ts';
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
  const phase = phases.find((p) => p === value?.phase);
  if (value?.schema !== 1 || phase === undefined || typeof value.began !== 'object' || value.began === null) {
    throw new AgentError('data', `cannot read ${upgradeFile}: it is not what this version of the agent writes`, {
      hint: `look at it, and move it away when no upgrade is under way on this host: mv ${upgradeFile} ${upgradeFile}.bad`,
    });
  }
  return { memory: value as UpgradeMemory, text };
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

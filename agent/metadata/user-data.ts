// Files that come with the metadata: this instance's user-data, and a cluster file beside the meta-data.

import { isAgentError } from '../model/errors.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';

const instanceDirectory: AbsolutePath = '/var/lib/cloud/instance';

export interface FoundText {
  readonly kind: 'found';
  readonly file: AbsolutePath;
  readonly text: string;
}

/** `unreadable` is the normal case of `status` without root: user-data may hold secrets and is often 0600. */
export type UserData =
  | FoundText
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly file: AbsolutePath; readonly reason: string };

/**
 * This instance's cloud-config as text: as it was written, where it is one plain document; else as cloud-init merged
 * it from archives and parts; else, where cloud-init has not run, that of the seed.
 *
 * @param seedDirectories from resolveHostFacts
 * @throws AgentError of kinds other than `noperm` and `data`, which are outcomes here
 */
export async function readUserData(files: ReadOnlyFiles, seedDirectories: readonly AbsolutePath[]): Promise<UserData> {
  const written = await readOutcome(files, under(instanceDirectory, 'user-data.txt'));
  if (isCloudConfig(written)) return written;
  const merged = await readOutcome(files, under(instanceDirectory, 'cloud-config.txt'));
  if (merged.kind === 'found') return merged;
  for (const outcome of [written, merged]) if (outcome.kind === 'unreadable') return outcome;
  // A script, or an archive of which nothing was merged: then there is no cloud-config.
  if (written.kind === 'found') return { kind: 'absent' };
  for (const directory of seedDirectories) {
    const seeded = await readOutcome(files, under(directory, 'user-data'));
    if (seeded.kind !== 'absent')
      return seeded.kind === 'unreadable' || isCloudConfig(seeded) ? seeded : { kind: 'absent' };
  }
  return { kind: 'absent' };
}

/**
 * The first `cluster.yaml` that lies beside a meta-data.
 *
 * @throws AgentError as ReadOnlyFiles.readText: a cluster file that is there and cannot be read is never passed over
 */
export async function readSeedClusterFile(
  files: ReadOnlyFiles,
  seedDirectories: readonly AbsolutePath[],
): Promise<FoundText | null> {
  for (const directory of seedDirectories) {
    const file = under(directory, 'cluster.yaml');
    const text = await files.readText(file);
    if (text !== null) return { kind: 'found', file, text };
  }
  return null;
}

/** True for one plain document; a template's first line comes before the mark (`## template: jinja`). */
function isCloudConfig(userData: UserData): boolean {
  return userData.kind === 'found' && /^(?:## template:[^\n]*\n)?#cloud-config\s/.test(`${userData.text}\n`);
}

async function readOutcome(files: ReadOnlyFiles, file: AbsolutePath): Promise<UserData> {
  try {
    const text = await files.readText(file);
    return text === null ? { kind: 'absent' } : { kind: 'found', file, text };
  } catch (error) {
    // Compressed user-data is no text; what cloud-init made of it lies beside it.
    if (isAgentError(error) && (error.kind === 'noperm' || error.kind === 'data')) {
      return { kind: 'unreadable', file, reason: error.message };
    }
    throw error;
  }
}

// Runs docker-storage-setup of Atomic hosts, and keeps what it says.

import { readFile, unlink } from 'node:fs/promises';
import { AgentError } from '../model/errors.ts';
import type { StorageSetup } from '../ports/storage.ts';
import type { Exec } from './child-exec.ts';
import { isAbsent, systemError } from './system-errors.ts';

/** It waits 60 s for a pool that is not there yet (DEVICE_WAIT_TIMEOUT), and then makes one. */
const deadlineMs = 240_000;

export interface HostStorageSetupOptions {
  readonly exec: Exec;
  /** Where it writes docker's options. */
  readonly resultFile?: string;
}

/** The StorageSetup port. */
export function hostStorageSetup({
  exec,
  resultFile = '/etc/sysconfig/docker-storage',
}: HostStorageSetupOptions): StorageSetup {
  return {
    async run(program) {
      await removeEmptyResult(resultFile);
      const result = await exec.run([program], { deadlineMs });
      // All that it says to people is on standard error; standard output has what LVM said.
      const said = `${result.stdout}${result.stderr}`;
      if (result.exitCode === 0) return said;
      const how = result.timedOut
        ? `did not end within ${Math.round(result.durationMs / 1000)} s`
        : result.signal !== null
          ? `was ended by ${result.signal}`
          : `exited with ${result.exitCode}`;
      const lines = complaints(said);
      throw new AgentError(
        'oserr',
        `cannot set docker's storage up: ${program} ${how}${lines === '' ? '' : ` and said: ${lines}`}`,
        {
          hint: `see man docker-storage-setup; what it was told is in /etc/sysconfig/docker-storage-setup, what it wrote in ${resultFile}`,
          retryable: result.timedOut,
        },
      );
    },
  };
}

/**
 * Packages of docker bring this file with a variable and no value. While it exists, and the pool does (on its disk,
 * after a live host has rebooted), docker-storage-setup leaves both as they are and ends with 0; it writes docker's
 * options only where the file is missing (setup_lvm_thin_pool_compat in container-storage-setup.sh).
 */
async function removeEmptyResult(file: string): Promise<void> {
  try {
    const text = await readFile(file, 'utf8');
    const lines = text.split('\n').map((line) => line.trim());
    const isEmpty = lines.every(
      (line) => line === '' || line.startsWith('#') || /^DOCKER_STORAGE_OPTIONS=(""|'')?$/.test(line),
    );
    if (isEmpty) await unlink(file);
  } catch (error) {
    if (isAbsent(error)) return;
    throw systemError(error, `look at ${file}`, file);
  }
}

/** `ERROR:` lines first; without one, what came last. */
function complaints(said: string): string {
  const lines = said
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const errors = lines.filter((line) => line.startsWith('ERROR:'));
  const infos = lines.filter((line) => line.startsWith('INFO:'));
  const chosen = errors.length > 0 ? [...errors, ...infos.slice(-2)] : lines.slice(-4);
  return chosen.join('; ').slice(0, 800);
}

// Asks an installed program for its version.

import type { Programs } from '../ports/host.ts';
import type { Exec } from './child-exec.ts';

const deadlineMs = 5_000;
const maxVersionChars = 4096;

/** The Programs port: what the program prints for --version, on either stream (flanneld writes to stderr). */
export function installedPrograms(exec: Exec): Programs {
  return {
    async versionText(_program, path) {
      try {
        const result = await exec.run([path, '--version'], { deadlineMs });
        const text = `${result.stdout}${result.stderr}`.slice(0, maxVersionChars);
        // The oldest flanneld print the version and exit with 2: what was printed counts, not the exit code.
        return result.timedOut || text.trim() === '' ? null : text;
      } catch {
        // Not there, not executable, made for another machine: it cannot be asked, and that is the answer.
        return null;
      }
    },
  };
}

// Programs that only pretend: the real way of starting processes, with a script in the place of systemctl and the like.

import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { childExec, type Exec } from '../../agent/host/child-exec.ts';

const stub = fileURLToPath(new URL('../stubs/program.sh', import.meta.url));

export interface StubPrograms {
  readonly exec: Exec;
  /** What a program was called with so far, one line per call. */
  calls(name: string): Promise<string[]>;
  /** Change what a program does. */
  does(name: string, shell: string): Promise<void>;
}

/** @param programs shell code by program name; the arguments are in "$@" */
export async function stubPrograms(
  directory: string,
  programs: Readonly<Record<string, string>>,
): Promise<StubPrograms> {
  const does = async (name: string, shell: string): Promise<void> => {
    await copyFile(stub, `${directory}/${name}`);
    await chmod(`${directory}/${name}`, 0o755);
    await writeFile(`${directory}/${name}.does`, `${shell}\n`);
  };
  for (const [name, shell] of Object.entries(programs)) await does(name, shell);
  return {
    exec: childExec({ directories: [directory] }),
    does,
    async calls(name) {
      const text = await readFile(`${directory}/${name}.calls`, 'utf8').catch(() => '');
      return text.split('\n').filter((line) => line !== '');
    },
  };
}

// The agent's command line inside this process: the sources as they are now, on real files, without starting a program.

import { runProgram } from '../../agent/cli/program.ts';
import { composeContext } from '../../agent/compose.ts';
import type { AgentRun } from './golden.ts';

/** Run a verb to its end; an error that main.ts would print is thrown. */
export async function inProcess(args: readonly string[]): Promise<AgentRun> {
  let stdout = '';
  let stderr = '';
  const out = (text: string): void => {
    stdout += text;
  };
  const err = (text: string): void => {
    stderr += text;
  };
  const around = {
    version: '0.0.0-test',
    isTerminal: false,
    toJournal: false,
    out,
    err,
    signal: new AbortController().signal,
  };
  const code = await runProgram(args, {
    ...around,
    noColor: true,
    context: (options, verb) => composeContext(options, verb, around),
  });
  return { code, stdout, stderr };
}

// The composition root: the real host, the reporter that fits where the output goes, and nothing else.

import type { CommandContext, GlobalOptions } from './cli/command.ts';
import { realHost } from './host/real-host.ts';
import { AgentError } from './model/errors.ts';
import type { Reporter } from './ports/reporter.ts';
import { terminalReporter } from './report/terminal.ts';

export interface Surroundings {
  readonly version: string;
  readonly isTerminal: boolean;
  /** Standard error goes to the journal: JSON lines there, text everywhere else. */
  readonly toJournal: boolean;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Everything a verb gets, made once its options are known. */
export async function composeContext(
  options: GlobalOptions,
  verb: string,
  around: Surroundings,
): Promise<CommandContext> {
  const root = options.root.replace(/\/+$/, '') || '/';
  if (!root.startsWith('/')) {
    throw new AgentError('usage', `--root is "${options.root}", which is not an absolute path`, {
      hint: 'write it from the root: --root /srv/image',
    });
  }
  const host = realHost({ root });
  return {
    host,
    reporter: await reporterFor(options, verb, around),
    options: { ...options, root },
    version: around.version,
    isTerminal: around.isTerminal,
    out: around.out,
    err: around.err,
    signal: around.signal,
  };
}

async function reporterFor(options: GlobalOptions, verb: string, around: Surroundings): Promise<Reporter> {
  if (around.toJournal && !options.verbose) {
    const { journalReporter } = await import('./report/journal.ts');
    return journalReporter({ write: around.err }, verb);
  }
  return terminalReporter(around.err, options.quiet ? 'warn' : options.verbose ? 'debug' : 'info');
}

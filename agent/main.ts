// Entry of the binary: arguments in, exit code out; the only place that knows the process.

import { InvalidClusterFile } from './cli/invalid-cluster-file.ts';
import { runProgram } from './cli/program.ts';
import { AgentError, exitCodes, isAgentError } from './model/errors.ts';
import { errorJson, errorText } from './report/error-text.ts';
import { version } from './version.ts';

const out = (text: string): void => void process.stdout.write(text);
const err = (text: string): void => void process.stderr.write(text);

// `diyc-agent nodes | head` closes the pipe early; that is no fault of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () =>
    stop.abort(new AgentError('tempfail', `ended by ${signal}`, { hint: 'run it again; it goes on where it stopped' })),
  );

const argv = process.argv.slice(2);
const toJournal = process.env['JOURNAL_STREAM'] !== undefined && !process.stderr.isTTY;

// The exit code is set and not enforced: process.exit() would lose what a slow pipe has not taken yet.
void main().then((code) => {
  process.exitCode = code;
});

async function main(): Promise<number> {
  try {
    const isTerminal = process.stdout.isTTY === true;
    return await runProgram(argv, {
      version,
      isTerminal,
      noColor: (process.env['NO_COLOR'] ?? '') !== '',
      out,
      err,
      context: async (options, verb) => {
        const { composeContext } = await import('./compose.ts');
        return composeContext(options, verb, { version, isTerminal, toJournal, out, err, signal: stop.signal });
      },
    });
  } catch (cause) {
    return fail(cause);
  }
}

function fail(cause: unknown): number {
  const error = isAgentError(cause) ? cause : bug(cause);
  const isInvalid = cause instanceof InvalidClusterFile;
  if (argv.includes('--json')) out(errorJson(error, isInvalid ? cause.diagnostics : []));
  else err((isInvalid ? cause.findings : '') + errorText(error));
  return error.exitCode;
}

function bug(cause: unknown): AgentError {
  const stack = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  err(`${stack}\n`);
  return new AgentError(
    'bug',
    `something happened that the agent does not expect: ${cause instanceof Error ? cause.message : String(cause)}`,
    {
      hint: `report this with the lines above (exit code ${exitCodes.bug})`,
      cause,
    },
  );
}

// The contract of a verb: what it is called, what it takes, and what it does with the context it is given.

import type { Command } from 'commander';
import type { Host } from '../ports/host.ts';
import type { Reporter } from '../ports/reporter.ts';

export interface GlobalOptions {
  readonly root: string;
  readonly config?: string;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
}

/** Everything a verb may use; nothing else of the process is in its reach. */
export interface CommandContext {
  readonly host: Host;
  readonly reporter: Reporter;
  readonly options: GlobalOptions;
  readonly version: string;
  readonly isTerminal: boolean;
  /** Standard output: the answer. */
  readonly out: (text: string) => void;
  /** Standard error: progress and warnings. */
  readonly err: (text: string) => void;
  /** Fires when the operator or systemd asks the run to end. */
  readonly signal: AbortSignal;
}

/** Runs with the context and the verb's own options; returns the exit code. */
export type Action = (
  context: CommandContext,
  options: Readonly<Record<string, unknown>>,
  args: readonly string[],
) => Promise<number>;

export interface Verb {
  /** Declares itself on the program; `run` is called with the action when the verb is chosen. */
  declare(program: Command, run: (action: Action) => (...parameters: unknown[]) => Promise<void>): void;
}

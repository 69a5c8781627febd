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
  program: Command,
) => Promise<number>;

/** A verb as data: what the command line needs to know of it, and where its action is found when it is chosen. */
export interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly description?: string;
  readonly options?: readonly VerbOption[];
  readonly argument?: {
    readonly name: string;
    readonly about: string;
    readonly choices?: readonly string[];
    readonly optional?: true;
  };
  /** Loaded only when the verb is chosen: `--version` has no use for a YAML parser. */
  readonly load?: () => Promise<Action>;
  /** For a verb that is a group of verbs. */
  readonly verbs?: readonly Verb[];
}

export interface VerbOption {
  /** As commander has it: `--deadline <duration>`. */
  readonly flags: string;
  readonly about: string;
  readonly preset?: string | boolean;
}

// Every failure of the agent is one AgentError: a closed kind, a sentence, and what the operator can do.

/**
 * The closed set of failure kinds and the exit code of each, after sysexits(3), so that units can name
 * them in RestartPreventExitStatus=. `status` alone uses 1, 2 and 3 besides these.
 */
export const exitCodes = {
  /** The command line was wrong. */
  usage: 64,
  /** A fact about this host is missing or malformed: meta-data, instance data, user-data. */
  data: 65,
  /** Something on the network does not answer: no etcd endpoint, no docker engine. */
  unavailable: 69,
  /** An unreachable state was reached: a fault of the agent itself. */
  bug: 70,
  /** A program or a system call failed. */
  oserr: 71,
  /** Not yet: the same command may succeed later. */
  tempfail: 75,
  /** The agent may not do this: not root, or the file is not writable. */
  noperm: 77,
  /** The operator's cluster file is invalid. */
  config: 78,
} as const;

export type ErrorKind = keyof typeof exitCodes;

export interface ErrorDetails {
  /** What the operator can do about it, as an instruction. */
  readonly hint: string;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable?: boolean;
  /** Somebody else changed what was planned for: looking again is all it takes. */
  readonly isConflict?: boolean;
  readonly cause?: unknown;
}

/** The one error class. `message` says what was attempted and why it failed, with the values involved. */
export class AgentError extends Error {
  readonly kind: ErrorKind;
  readonly hint: string;
  readonly retryable: boolean;
  readonly isConflict: boolean;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'AgentError';
    this.kind = kind;
    this.hint = details.hint;
    this.isConflict = details.isConflict === true;
    this.retryable = details.retryable ?? (kind === 'unavailable' || kind === 'tempfail');
  }

  get exitCode(): number {
    return exitCodes[this.kind];
  }
}

/** True for errors made by the agent itself; anything else that reaches the top is a bug. */
export function isAgentError(error: unknown): error is AgentError {
  return error instanceof AgentError;
}

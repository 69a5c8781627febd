// The one table from a system call's error code to the agent's kinds, with what the operator can do about each.

import { AgentError, type ErrorKind, isAgentError } from '../model/errors.ts';

interface Meaning {
  readonly kind: ErrorKind;
  readonly reason: string;
  readonly hint: string;
}

/** The code of a failed system call, `ENOENT`; null for any other error. */
export function errorCode(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

/** True when the path, or a directory on the way to it, does not exist. */
export function isAbsent(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/**
 * Turn the error of a system call into an AgentError; an AgentError passes through unchanged.
 *
 * @param attempted what was tried, `write /etc/etcd/etcd.conf`
 * @param path the path on the host that the operator would look at
 */
export function systemError(error: unknown, attempted: string, path: string): AgentError {
  if (isAgentError(error)) return error;
  const code = errorCode(error);
  const meaning = meaningOf(code, path);
  if (meaning !== null) {
    return new AgentError(meaning.kind, `cannot ${attempted}: ${meaning.reason}`, { hint: meaning.hint, cause: error });
  }
  const text = error instanceof Error ? error.message : String(error);
  if (code === null) {
    return new AgentError('bug', `cannot ${attempted}: ${text}`, {
      hint: 'this is a fault of diyc-agent: report it with the output of the same command and --json',
      cause: error,
    });
  }
  return new AgentError('oserr', `cannot ${attempted}: ${text}`, {
    hint: `look at ${path} and at the kernel's messages (journalctl -k), then run the same command again`,
    cause: error,
  });
}

function meaningOf(code: string | null, path: string): Meaning | null {
  switch (code) {
    case 'ENOSPC':
      return {
        kind: 'oserr',
        reason: 'no space left on the file system (bytes or inodes)',
        hint: `free space on the file system that holds ${path} (df -h and df -i show it), then run the same command again`,
      };
    case 'EDQUOT':
      return {
        kind: 'oserr',
        reason: 'the disk quota is used up',
        hint: `raise the quota or free space on the file system that holds ${path}, then run the same command again`,
      };
    case 'EROFS':
      return {
        kind: 'oserr',
        reason: 'the file system is read-only',
        hint: `make the file system that holds ${path} writable; when it became read-only by itself, journalctl -k tells why`,
      };
    case 'EACCES':
    case 'EPERM':
      return {
        kind: 'noperm',
        reason: `permission denied (${code})`,
        hint: `run as root; as root already, see whether ${path} is immutable (lsattr) or the unit's sandbox or SELinux forbids it (journalctl)`,
      };
    case 'ELOOP':
      return {
        kind: 'data',
        reason: 'its symbolic links go round in a circle, or a link appeared while it was opened',
        hint: `correct the symbolic links on the way to ${path} (namei -l shows them)`,
      };
    case 'ENOTDIR':
    case 'EEXIST':
      return {
        kind: 'data',
        reason: 'something that is no directory stands where a directory is needed',
        hint: `move away what is in the way of ${path} (namei -l shows it)`,
      };
    case 'EISDIR':
      return { kind: 'data', reason: 'it is a directory', hint: `move the directory ${path} away` };
    case 'ENXIO':
    case 'ENODEV':
      return {
        kind: 'data',
        reason: 'it is no regular file',
        hint: `move ${path} away, or put a regular file in its place`,
      };
    case 'ENAMETOOLONG':
      return { kind: 'data', reason: 'the name is too long for the file system', hint: 'choose a shorter name' };
    case 'EIO':
      return {
        kind: 'oserr',
        reason: 'the disk reported an input/output error',
        hint: "look at the kernel's messages (journalctl -k) and at the health of the disk",
      };
    case 'EMFILE':
    case 'ENFILE':
      return {
        kind: 'tempfail',
        reason: 'too many open files',
        hint: 'see which process holds them (lsof), then run the same command again',
      };
    default:
      return null;
  }
}

// The one table from iscsiadm's exit codes to the agent's kinds, with what the operator can do about each.

import { AgentError, type ErrorKind } from '../model/errors.ts';
import { printableLine } from '../model/printable.ts';

/**
 * `success` for the operations that take it as one; `retry`: may pass by itself; `limited retry`: may pass, and often
 * does not; `permanent`: another try cannot change it.
 */
export type IscsiCodeClass = 'success' | 'retry' | 'limited retry' | 'permanent';

export interface IscsiCode {
  readonly code: number;
  /** As in include/iscsi_err.h. */
  readonly name: string;
  readonly class: IscsiCodeClass;
  readonly kind: ErrorKind;
  /** Why it failed, to be read after a colon. */
  readonly meaning: string;
  readonly hint: string;
}

const targetHint = 'see that the target is up, that its portal listens there, and that no firewall is between';
const daemonHint = 'see systemctl status iscsid.socket iscsid and journalctl -u iscsid';
const kernelHint = "see journalctl -u iscsid and the kernel's messages (journalctl -k)";
const isnsHint = 'diyc-agent asks no iSNS server: see what iscsid.conf and the records (iscsiadm -m node) say of one';
const versionHint = 'iscsiadm and the running iscsid seem to be of different versions: systemctl restart iscsid';

/** By code, without gaps; include/iscsi_err.h of open-iscsi, iscsiadm(8). */
export const iscsiCodes: readonly IscsiCode[] = [
  row('ISCSI_SUCCESS', 'success', 'oserr', 'it succeeded', 'nothing is to be done'),
  row('ISCSI_ERR', 'limited retry', 'tempfail', 'iscsiadm gives no reason', kernelHint),
  row('ISCSI_ERR_SESS_NOT_FOUND', 'limited retry', 'tempfail', 'there is no such session', 'see iscsiadm -m session'),
  row('ISCSI_ERR_NOMEM', 'retry', 'tempfail', 'there was not enough memory', 'see free -m, and what uses the memory'),
  row('ISCSI_ERR_TRANS', 'retry', 'unavailable', 'the connection to the portal failed', targetHint),
  // A target that is not ready yet answers like one that will never let us in.
  row('ISCSI_ERR_LOGIN', 'limited retry', 'unavailable', 'the target did not take the login', targetHint),
  row(
    'ISCSI_ERR_IDBM',
    'permanent',
    'oserr',
    'the database of records could not be used',
    'see that its directory (/etc/iscsi on Debian, /var/lib/iscsi elsewhere) is writable and its disk not full',
  ),
  row(
    'ISCSI_ERR_INVAL',
    'permanent',
    'oserr',
    'iscsiadm or the target took something for invalid',
    'see iscsiadm -m node -T TARGET -p PORTAL; a record of another version of open-iscsi has to be deleted (-o delete)',
  ),
  row('ISCSI_ERR_TRANS_TIMEOUT', 'retry', 'unavailable', 'the portal did not answer in time', targetHint),
  row('ISCSI_ERR_INTERNAL', 'limited retry', 'tempfail', 'iscsid or the kernel had a fault of its own', kernelHint),
  row(
    'ISCSI_ERR_LOGOUT',
    'retry',
    'tempfail',
    'the logout failed',
    'see that nothing uses the disks any more: mounts, volume groups (vgs), holders in lsblk',
  ),
  // A discovery that is refused a connection six times ends with this too (measured with 2.1.8).
  row(
    'ISCSI_ERR_PDU_TIMEOUT',
    'retry',
    'unavailable',
    'the portal gave no answer, or nobody listens there',
    targetHint,
  ),
  row(
    'ISCSI_ERR_TRANS_NOT_FOUND',
    'permanent',
    'oserr',
    'the kernel module iscsi_tcp is not loaded and could not be',
    'modprobe iscsi_tcp says why; after a kernel update the modules of the running one may be gone: reboot',
  ),
  row('ISCSI_ERR_ACCESS', 'permanent', 'noperm', 'iscsid talks to root only', 'run as root'),
  row('ISCSI_ERR_TRANS_CAPS', 'permanent', 'oserr', 'the transport cannot do this', kernelHint),
  row('ISCSI_ERR_SESS_EXISTS', 'success', 'tempfail', 'there is a session already', 'see iscsiadm -m session'),
  row('ISCSI_ERR_INVALID_MGMT_REQ', 'permanent', 'oserr', 'iscsid does not know the request', versionHint),
  row('ISCSI_ERR_ISNS_UNAVAILABLE', 'permanent', 'oserr', 'iSNS is not supported', isnsHint),
  row('ISCSI_ERR_ISCSID_COMM_ERR', 'retry', 'unavailable', 'the connection to iscsid broke', daemonHint),
  // Also what a target gives that proves itself with another secret than the record's (measured with 2.1.8 and tgt).
  row(
    'ISCSI_ERR_FATAL_LOGIN',
    'limited retry',
    'config',
    'the target refused the login for good: no such target there, or it takes no further session, or it could not prove itself',
    'compare target and portal in the cluster file with what the target offers: iscsiadm -m discoverydb -t st -p PORTAL -o nonpersistent --discover',
  ),
  row('ISCSI_ERR_ISCSID_NOTCONN', 'retry', 'unavailable', 'iscsid does not run', daemonHint),
  row(
    'ISCSI_ERR_NO_OBJS_FOUND',
    'success',
    'tempfail',
    'there is no record, no session or no target of that name',
    'see iscsiadm -m node and iscsiadm -m session',
  ),
  row(
    'ISCSI_ERR_SYSFS_LOOKUP',
    'retry',
    'tempfail',
    'it is not, or no longer, in /sys',
    'see iscsiadm -m session -P 1',
  ),
  row('ISCSI_ERR_HOST_NOT_FOUND', 'retry', 'tempfail', 'the host was not found', 'see iscsiadm -m session -P 3'),
  row(
    'ISCSI_ERR_LOGIN_AUTH_FAILED',
    'permanent',
    'config',
    "the target refused the initiator's name, user name or secret",
    "let this node's initiator name in at the target (its access list), and give both sides the same CHAP user and secret",
  ),
  row('ISCSI_ERR_ISNS_QUERY', 'permanent', 'oserr', 'the query to an iSNS server failed', isnsHint),
  row('ISCSI_ERR_ISNS_REG_FAILED', 'permanent', 'oserr', 'the registration with an iSNS server failed', isnsHint),
  row('ISCSI_ERR_OP_NOT_SUPP', 'permanent', 'oserr', 'the operation is not supported', versionHint),
  row(
    'ISCSI_ERR_BUSY',
    'retry',
    'tempfail',
    'it is in use',
    'see that nothing uses the disks any more: mounts, volume groups (vgs), holders in lsblk',
  ),
  row('ISCSI_ERR_AGAIN', 'retry', 'tempfail', 'iscsid asks to try again', daemonHint),
  row('ISCSI_ERR_UNKNOWN_DISCOVERY_TYPE', 'permanent', 'oserr', 'the kind of discovery is not known', versionHint),
  row('ISCSI_ERR_CHILD_TERMINATED', 'retry', 'tempfail', 'a process of it was ended', kernelHint),
  row('ISCSI_ERR_SESSION_NOT_CONNECTED', 'retry', 'tempfail', 'the session is not connected', targetHint),
  row('ISCSI_ERR_REQ_TIMEDOUT', 'retry', 'unavailable', 'the request was not answered in time', targetHint),
].map((entry, code) => ({ code, ...entry }));

function row(
  name: string,
  codeClass: IscsiCodeClass,
  kind: ErrorKind,
  meaning: string,
  hint: string,
): Omit<IscsiCode, 'code'> {
  return { name, class: codeClass, kind, meaning, hint };
}

/** How iscsiadm ended, as ExecResult has it. */
export interface IscsiOutcome {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly durationMs: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the record says of CHAP, for the codes that a wrong user or secret gives. */
export interface IscsiErrorContext {
  readonly username: string | null;
  readonly mutualUsername: string | null;
}

/**
 * The AgentError for an end of iscsiadm that is no success. Its last words are part of the message, secrets are not:
 * iscsiadm prints none without `--show`, which is never given.
 *
 * @param attempted for people, with target and portal: `log in to iqn.… at 192.168.98.253:3260`
 * @param chap of the record that was used; null where none is concerned or known
 */
export function iscsiError(
  outcome: IscsiOutcome,
  attempted: string,
  chap: IscsiErrorContext | null = null,
): AgentError {
  const said = lastWords(outcome);
  if (outcome.timedOut) {
    const secs = Math.round(outcome.durationMs / 1000);
    return new AgentError('unavailable', `cannot ${attempted}: iscsiadm did not end within ${secs} s${said}`, {
      hint: `${targetHint}; ${daemonHint}`,
      retryable: true,
    });
  }
  if (outcome.exitCode === null) {
    return new AgentError('tempfail', `cannot ${attempted}: iscsiadm was ended by ${outcome.signal}${said}`, {
      hint: kernelHint,
      retryable: true,
    });
  }
  const known = iscsiCodes[outcome.exitCode];
  if (known === undefined) {
    return new AgentError(
      'oserr',
      `cannot ${attempted}: iscsiadm exited with ${outcome.exitCode}, which no version known to diyc-agent does${said}`,
      { hint: kernelHint },
    );
  }
  const { kind, meaning, hint, isRetryable } = refined(known, outcome, chap);
  return new AgentError(kind, `cannot ${attempted}: ${meaning} (iscsiadm exited with ${known.code})${said}`, {
    hint,
    retryable: isRetryable,
  });
}

interface Verdict extends Pick<IscsiCode, 'kind' | 'meaning' | 'hint'> {
  readonly isRetryable: boolean;
}

/** Some codes are told apart by what iscsiadm says, or by what the record holds. */
function refined(known: IscsiCode, outcome: IscsiOutcome, chap: IscsiErrorContext | null): Verdict {
  const plain = { ...known, isRetryable: known.class !== 'permanent' };
  const words = `${outcome.stderr}\n${outcome.stdout}`;
  if (known.name === 'ISCSI_ERR_IDBM' && /acquiring lock/.test(words)) {
    // Whoever is killed while it holds the lock leaves it behind, and every later iscsiadm fails after 30 s (measured).
    return {
      kind: 'tempfail',
      meaning: 'the database of records is locked by another iscsiadm, or by one that was killed',
      hint: 'when pgrep -x iscsiadm finds none: rm -f /run/lock/iscsi/lock.write',
      isRetryable: true,
    };
  }
  if (known.name === 'ISCSI_ERR_IDBM' && /are not root|Permission denied/.test(words)) {
    return { kind: 'noperm', meaning: 'the database of records is for root', hint: 'run as root', isRetryable: false };
  }
  if (known.name === 'ISCSI_ERR_LOGIN_AUTH_FAILED' && chap !== null) return { ...plain, ...refusedLogin(chap) };
  if (known.name === 'ISCSI_ERR_FATAL_LOGIN' && chap !== null && chap.mutualUsername !== null) {
    return {
      ...plain,
      meaning: `the target refused the login, or did not prove itself as the user ${quoted(chap.mutualUsername)}`,
      hint: "compare the secret in the password file of storage.iscsi.chap.mutual with the target's own (outgoing) one",
      isRetryable: false,
    };
  }
  return plain;
}

function refusedLogin({ username, mutualUsername }: IscsiErrorContext): Pick<Verdict, 'meaning' | 'hint'> {
  const acl = "let this node's initiator name in at the target (its access list)";
  if (username === null) {
    return {
      meaning: "the target refused the initiator's name, or wants CHAP, and the record has no CHAP user",
      hint: `${acl}, or declare storage.iscsi.chap in the cluster file`,
    };
  }
  const mutual = mutualUsername === null ? '' : `, and the same for the user ${quoted(mutualUsername)} of the way back`;
  return {
    meaning: `the target refused the CHAP user ${quoted(username)}, its secret, or the initiator's name`,
    hint: `compare the secret in the file that storage.iscsi.chap.passwordFile names with the target's${mutual}; ${acl}`,
  };
}

function quoted(text: string): string {
  return JSON.stringify(printableLine(text.slice(0, 64)));
}

/** The last lines of what it said, without those of the programs it starts. */
function lastWords({ stderr, stdout }: IscsiOutcome): string {
  const lines = (stderr.trim() || stdout.trim())
    .split('\n')
    .map((line) => line.replace(/^iscsiadm: /, '').trim())
    .filter((line) => line !== '');
  const text = printableLine([...new Set(lines)].slice(-3).join('; ')).slice(0, 500);
  return text === '' ? '' : ` and said: ${text}`;
}

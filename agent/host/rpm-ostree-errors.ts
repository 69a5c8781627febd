// What rpm-ostree and bootc say when they fail, as kinds: both end with 1 for everything, so only the words tell.

import { AgentError, type ErrorKind } from '../model/errors.ts';
import { printableLine } from '../model/printable.ts';
import type { ExecResult } from './child-exec.ts';

/** The part of a run that an error is made of. */
export type OsTreeOutcome = Pick<ExecResult, 'argv' | 'exitCode' | 'signal' | 'stdout' | 'stderr' | 'timedOut'>;

interface Meaning {
  readonly words: RegExp;
  readonly kind: ErrorKind;
  readonly hint: string;
  readonly isConflict?: boolean;
  /** Where it differs from what the kind says. */
  readonly isRetryable?: boolean;
}

/**
 * The first that matches counts: what another client does comes before what it may have caused, a full disk before the
 * download that met it. Words from coreos/rpm-ostree (rpmostreed-sysroot.cxx, rpmostreed-transaction{,-types}.cxx,
 * rpmostreed-utils.cxx, rpmostree-clientlib.cxx), ostreedev/ostree (ostree-repo-commit.c, ostree-fetcher-*.c),
 * bootc (lib/src/cli.rs) and reports: coreos/rpm-ostree#976, #565, coreos/fedora-coreos-tracker#423, #731, coreos/zincati#1186.
 */
const meanings: readonly Meaning[] = [
  {
    words: /Reboot initiated, cannot start new transaction/,
    kind: 'tempfail',
    hint: 'nothing is to be done: the host is about to reboot',
  },
  {
    words: /System transaction in progress|Opening .*sysroot.*lock|Locking sysroot/,
    kind: 'tempfail',
    hint: 'wait for the other tool that works on the deployments (ostree, bootc); journalctl -u rpm-ostreed shows it',
  },
  {
    words: /Transaction in progress: /,
    kind: 'tempfail',
    hint: 'wait for it (rpm-ostree status), or end it with rpm-ostree cancel',
  },
  {
    words: /Reboot blocked by a systemd inhibitor lock/,
    kind: 'tempfail',
    hint: 'systemd-inhibit --list shows who holds it',
  },
  {
    words: /Bus owner changed, aborting|NameHasNoOwner|NoReply|remote peer '?org\.projectatomic/,
    kind: 'tempfail',
    hint: 'rpm-ostreed went away meanwhile: see journalctl -u rpm-ostreed',
  },
  {
    words: /Updates and deployments are driven by/,
    kind: 'oserr',
    hint: 'one agent only may update a host: systemctl disable --now UNIT, with the unit named above',
    isRetryable: false,
  },
  {
    words: /not booted via libostree|not booted into an OSTree system|requires a booted host|not a bootc/i,
    kind: 'oserr',
    hint: 'this host is not image-based as it was booted: see cat /proc/cmdline for ostree=',
  },
  {
    words:
      /not allowed for user|Authorization error|[Nn]ot authorized|Rejected send message|Interactive authentication required|AccessDenied|requires root|must be (?:run|executed) as (?:the )?root/,
    kind: 'noperm',
    hint: 'run as root',
  },
  {
    words: /min-free-space-(?:percent|size)|No space left on device|insufficient (?:free )?space|Disk quota exceeded/i,
    kind: 'oserr',
    hint: 'make room: rpm-ostree cleanup -b -m, then -r for the earlier deployment; ostree admin pin shows what is kept; df -h /sysroot /boot',
    isRetryable: false,
  },
  {
    words: /Expected staged base checksum|No pending staged deployment found|Staged deployment already unlocked/,
    kind: 'tempfail',
    hint: 'somebody else changed what is staged: see rpm-ostree status',
    isConflict: true,
  },
  {
    words: /Staged deployment \(remove with cleanup -p\)/,
    kind: 'tempfail',
    hint: 'rpm-ostree cleanup -p',
    isConflict: true,
  },
  {
    words: /No rollback (?:deployment found|available)|Rollback is not container image based/,
    kind: 'data',
    hint: 'there is no earlier deployment on this host: deploy a release instead',
  },
  {
    words:
      /(?:Version|Checksum|Commit) \S+ not found in|Cannot look up version while|Invalid (?:rev|checksum) |No such metadata object|Refspec '.*' not found|manifest unknown|name unknown|no such (?:tag|image)|HTTP 404/,
    kind: 'data',
    hint: 'see which releases the origin has: ostree log on it, rpm-ostree status for the origin itself',
  },
  {
    words: /local rpm-ostree modifications/,
    kind: 'oserr',
    hint: 'rpm-ostree reset, then reboot; or upgrade with rpm-ostree',
    isRetryable: false,
  },
  {
    words: /Could not depsolve transaction|conflicting requests|nothing provides/,
    kind: 'oserr',
    hint: 'a layered package does not fit the new base: rpm-ostree uninstall it, or wait for its repository',
    isRetryable: false,
  },
  {
    words: /GPG signatures|[Ss]ignature verification|not signed with a trusted key|Source image rejected/,
    kind: 'oserr',
    hint: 'the origin is not signed by a key that this host trusts: see rpm-ostree status -v, ostree remote list -u',
    isRetryable: false,
  },
  {
    words:
      /While fetching |Couldn't resolve|Could not resolve|Temporary failure in name resolution|no such host|[Cc]onnection (?:refused|reset|timed out)|Couldn't connect|Failed to connect|Network is unreachable|No route to host|[Tt]imeout|timed out|TLS handshake|SSL|HTTP [45]\d\d|pinging container registry|Failed to download metadata|Cannot download|toomanyrequests/,
    kind: 'unavailable',
    hint: 'see that the origin answers from this host: rpm-ostree status tells which it is',
  },
];

/**
 * The failure of a command as an AgentError, with the program's own last words and the figures in them.
 *
 * @param attempted for people: `stage the release 41.2`
 * @returns `oserr` where the words mean nothing to us; `tempfail` when it did not end in time, for the daemon goes on
 */
export function osTreeError(outcome: OsTreeOutcome, attempted: string): AgentError {
  const program = outcome.argv[0] ?? 'the program';
  const said = lastWords(outcome);
  if (outcome.timedOut) {
    return new AgentError('tempfail', `cannot ${attempted}: ${outcome.argv.join(' ')} did not end in time${said}`, {
      hint:
        program === 'rpm-ostree'
          ? 'the daemon goes on with it: see rpm-ostree status; rpm-ostree cancel ends it'
          : `see journalctl and ${program} status`,
    });
  }
  const meaning = meanings.find((m) => m.words.test(`${outcome.stderr}\n${outcome.stdout}`));
  const how = outcome.signal === null ? `exited with ${outcome.exitCode}` : `was ended by ${outcome.signal}`;
  return new AgentError(meaning?.kind ?? 'oserr', `cannot ${attempted}: ${program} ${how}${said}`, {
    hint: meaning?.hint ?? `run ${outcome.argv.join(' ')} by hand, and see journalctl -u rpm-ostreed`,
    ...(meaning?.isConflict === undefined ? {} : { isConflict: meaning.isConflict }),
    ...(meaning?.isRetryable === undefined ? {} : { retryable: meaning.isRetryable }),
  });
}

/** @returns the option that this version does not know, `--lock-finalization`; null for any other failure */
export function unknownOption({ exitCode, stderr }: OsTreeOutcome): string | null {
  if (exitCode === 0) return null;
  // GLib's option parser, and clap's of bootc.
  const found = /Unknown option (--[\w-]+)|unexpected argument '(--[\w-]+)'/.exec(stderr);
  return found?.[1] ?? found?.[2] ?? null;
}

function lastWords({ stderr, stdout }: OsTreeOutcome): string {
  const lines = (stderr.trim() || stdout.trim())
    .split('\n')
    .map((line) => line.replace(/^(?:error|ERROR):? /, '').trim())
    .filter((line) => line !== '');
  const text = printableLine(lines.slice(-4).join('; ')).slice(0, 600);
  return text === '' ? '' : ` and said: ${text}`;
}

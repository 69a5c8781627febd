// Who is logged in, as logind says it: ids first, then each session's properties, because the columns of the list vary.

import { existsSync, readFileSync } from 'node:fs';
import { AgentError } from '../model/errors.ts';
import { printableLine } from '../model/printable.ts';
import type { LoginSession, Sessions } from '../ports/survey.ts';
import { assertSucceeded, type Exec, type ExecResult, type NamedProgram } from './child-exec.ts';

export interface LoginSessionsOptions {
  readonly exec: Exec;
  /** The session this process runs in; null when in none, as in a service. Default: asked of the kernel. */
  readonly ownSession?: () => string | null;
}

const attempted = 'find out who is logged in';
const hint =
  'see systemctl status systemd-logind.service and run loginctl list-sessions; as long as logind does not answer nobody knows who is there';

/** Every property exists since systemd 219; empty ones are left out by old versions. */
const properties = ['Id', 'Name', 'Class', 'State', 'TTY', 'Seat', 'Remote', 'RemoteHost', 'Service'] as const;

/**
 * Classes behind which nobody sits, of pam_systemd(8) up to systemd 260: greeters, locks in front of a session that is
 * listed itself, cron and the like, service managers. A class that is not known counts as a person.
 */
const classesOfNobody: ReadonlySet<string> = new Set([
  'greeter',
  'lock-screen',
  'background',
  'background-light',
  'manager',
  'manager-early',
  'none',
]);

/** PAM services of jobs: cron's sessions are `background` only where PAM_TTY says cron, and at's are `user`. */
const servicesOfJobs: ReadonlySet<string> = new Set(['cron', 'crond', 'atd', 'anacron']);

const callDeadlineMs = 5_000;
const overallDeadlineMs = 15_000;
/** How many sessions one call is asked about; a session's block has some 200 bytes. */
const batchSize = 64;
const maxOutputBytes = 256 * 1024;
const maxListed = 4096;
/** Sessions come and go between the list and the question; so often the list is made anew. */
const rounds = 5;
const shownNameLength = 64;

type Properties = ReadonlyMap<string, string>;

/** The Sessions port over loginctl. */
export function loginSessions({ exec, ownSession = ownSessionOfProcess }: LoginSessionsOptions): Sessions {
  async function run(argv: readonly [NamedProgram, ...string[]], endMs: number): Promise<ExecResult> {
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) throw unknown(`logind took more than ${overallDeadlineMs} ms for its answers`);
    return await exec.run(argv, { deadlineMs: Math.min(callDeadlineMs, leftMs), maxOutputBytes });
  }

  async function listed(endMs: number): Promise<readonly string[]> {
    const result = await run(['loginctl', '--no-pager', '--no-legend', 'list-sessions'], endMs);
    assertSucceeded(result, attempted, hint);
    return idsOf(result.stdout);
  }

  return {
    async people() {
      const endMs = performance.now() + overallDeadlineMs;
      const known = new Map<string, Properties>();
      let refused: ExecResult | null = null;
      for (let round = 0; round < rounds; round++) {
        const ids = await listed(endMs);
        const open = ids.filter((id) => !known.has(id));
        for (let i = 0; i < open.length; i += batchSize) {
          const batch = open.slice(i, i + batchSize);
          const argv = ['loginctl', '--no-pager', 'show-session', ...properties.map((p) => `--property=${p}`)] as const;
          const result = await run([...argv, '--', ...batch], endMs);
          for (const [id, block] of blocksOf(result.stdout)) if (batch.includes(id)) known.set(id, block);
          // One that has gone meanwhile fails the whole call: what it said of others holds, and the list is asked again.
          if (result.exitCode !== 0) refused = result;
        }
        if (ids.every((id) => known.has(id))) {
          const own = ownSession();
          return ids.flatMap((id) => personOf(id, known.get(id) ?? new Map<string, string>(), own));
        }
      }
      if (refused !== null) assertSucceeded(refused, attempted, hint);
      throw unknown(`logind lists sessions of which it says nothing, ${rounds} times in a row`);
    },
  };
}

/** The first column is the id in every version: `SESSION UID USER SEAT` (219) to `… LEADER CLASS TTY IDLE SINCE` (257). */
function idsOf(text: string): readonly string[] {
  const ids = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const columns = line.split(/\s+/);
      const [id = ''] = columns;
      if (columns.length < 3 || !/^[A-Za-z0-9]+$/.test(id)) {
        throw unknown(`loginctl list-sessions printed "${printableLine(line).slice(0, 120)}", which is no session`);
      }
      return id;
    });
  if (Buffer.byteLength(text) >= maxOutputBytes || ids.length > maxListed) {
    throw unknown(`logind lists more than ${Math.min(ids.length - 1, maxListed)} sessions`);
  }
  return ids;
}

function blocksOf(text: string): ReadonlyMap<string, Properties> {
  const blocks = new Map<string, Properties>();
  // The last block may have been cut off where the output is bounded; then it lacks what follows, and is not believed.
  if (Buffer.byteLength(text) >= maxOutputBytes) throw unknown('loginctl show-session printed too much');
  for (const block of text.split(/\n{2,}/)) {
    const found = new Map<string, string>();
    for (const line of block.split('\n')) {
      const equals = line.indexOf('=');
      if (equals > 0) found.set(line.slice(0, equals), line.slice(equals + 1).trim());
    }
    const id = found.get('Id');
    if (id !== undefined) blocks.set(id, found);
  }
  return blocks;
}

function personOf(id: string, session: Properties, own: string | null): LoginSession[] {
  const text = (name: (typeof properties)[number]): string => session.get(name) ?? '';
  const [user, state, sessionClass] = [text('Name'), text('State'), text('Class')];
  if (user === '' || state === '' || sessionClass === '') {
    throw unknown(`loginctl show-session ${id} tells no Name, State or Class`);
  }
  // Closing: whoever it was has logged out, and something that was left behind still runs.
  if (state === 'closing' || classesOfNobody.has(sessionClass) || servicesOfJobs.has(text('Service'))) return [];
  const where = text('TTY').replace(/^\/dev\//, '') || text('Seat') || text('RemoteHost');
  return [{ id, user: shown(user), where: shown(where), isOwn: id === own }];
}

function shown(text: string): string {
  return printableLine(text).slice(0, shownNameLength);
}

function unknown(why: string): AgentError {
  return new AgentError('oserr', `cannot ${attempted}: ${why}`, { hint });
}

/**
 * The session this process belongs to, or null.
 *
 * First the control group, which is where logind itself looks: sudo and su stay in it, because pam_systemd makes no
 * session inside a session. Then the kernel's audit session, which logind takes for the id where auditing is on, and
 * which survives sudo, su and a terminal that a user manager started (desktops: no session scope); not in a container,
 * where it is that of the outer host and may be another's id here. Last $XDG_SESSION_ID, which sudo drops. Ids are not
 * given twice in one boot, so a stale one is nobody's. Inside tmux or screen it is the session in which that was
 * started: another login that attached to it is told as somebody else, which errs on the side of waiting.
 */
function ownSessionOfProcess(): string | null {
  return ownSessionFrom({
    cgroup: readOrEmpty('/proc/self/cgroup'),
    auditSession: existsSync('/run/systemd/container') ? '' : readOrEmpty('/proc/self/sessionid'),
    xdgSessionId: process.env['XDG_SESSION_ID'] ?? '',
  });
}

/** The rule of it, from the three texts. */
export function ownSessionFrom(from: {
  readonly cgroup: string;
  readonly auditSession: string;
  readonly xdgSessionId: string;
}): string | null {
  const scope = /\/session-([A-Za-z0-9]+)\.scope(?:\/|$)/m.exec(from.cgroup)?.[1];
  if (scope !== undefined) return scope;
  const audit = from.auditSession.trim();
  // All ones: unset, as for services.
  if (/^[1-9][0-9]*$/.test(audit) && audit !== '4294967295') return audit;
  return /^[A-Za-z0-9]+$/.test(from.xdgSessionId) ? from.xdgSessionId : null;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Not every kernel has auditing.
    return '';
  }
}

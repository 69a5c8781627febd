// The initiator through iscsiadm, and its sessions as the kernel shows them below /sys.

import { AgentError, isAgentError } from '../model/errors.ts';
import { normalPortal } from '../model/iscsi-portal.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import type { IscsiNode, IscsiSession } from '../model/storage.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import type { Iscsi } from '../ports/storage.ts';
import type { Exec, ExecResult } from './child-exec.ts';
import { iscsiError } from './iscsi-errors.ts';
import { parseNodes, parseRecordedChap, type RecordedChap, sessionOf } from './iscsiadm-output.ts';

/**
 * A killed iscsiadm may leave the database locked until somebody removes the lock, and one that waits for a lock gives
 * up after 30 s by itself (both measured with 2.1.8): so nothing that uses the database is killed before that.
 */
const lockWaitMs = 30_000;
const databaseDeadlineMs = lockWaitMs + 15_000;
/** A portal that answers does so at once. One that does not is tried 6 × 15 s by iscsiadm: another one should have its turn. */
const discoveryDeadlineMs = lockWaitMs + 15_000;
/** iscsid.conf and the compiled-in defaults both make 120 s of tries (8 × 15 s, 4 × 30 s); it has to end by itself. */
const loginDeadlineMs = lockWaitMs + 120_000 + 10_000;
/** The target has 15 s for its answer (logout_timeout); then iscsid drops the connection. */
const logoutDeadlineMs = lockWaitMs + 30_000;
/** Each disk is asked for its size; a scan of many LUNs takes a while. */
const rescanDeadlineMs = 60_000;

const sessionDirectory: AbsolutePath = '/sys/class/iscsi_session';
const connectionDirectory: AbsolutePath = '/sys/class/iscsi_connection';

const success = { login: [0, 15], logout: [0, 21], list: [0, 21], other: [0] } as const;

/**
 * The Iscsi port. Sessions are read from /sys: that starts no process, needs no root, and below another root there are
 * none, as it should be. Records are asked from `iscsiadm -m node`, because only iscsiadm knows which database it was
 * compiled for; that needs root.
 *
 * @param files of the host, for /sys
 */
export function iscsiInitiator(exec: Exec, files: Pick<ReadOnlyFiles, 'list' | 'readText'>): Iscsi {
  function iscsiadm(args: readonly string[], deadlineMs: number): Promise<ExecResult> {
    return exec.run(['iscsiadm', ...args], { deadlineMs });
  }

  async function records(): Promise<readonly IscsiNode[]> {
    const result = await iscsiadm(['-m', 'node'], databaseDeadlineMs);
    expect(result, success.list, 'list the records of the iSCSI initiator');
    return result.exitCode === 0 ? parseNodes(result.stdout) : [];
  }

  async function sessions(): Promise<readonly IscsiSession[]> {
    const [names, connections] = await Promise.all([files.list(sessionDirectory), files.list(connectionDirectory)]);
    const found = await Promise.all(names.map((name) => session(name, connections)));
    return found.filter((s) => s !== null).sort((a, b) => a.id - b.id);
  }

  async function session(name: string, connections: readonly string[]): Promise<IscsiSession | null> {
    const prefix = `connection${name.slice('session'.length)}:`;
    const connection = connections.find((c) => c.startsWith(prefix)) ?? `${prefix}0`;
    const of = (file: string): Promise<string | null> => readAttribute(under(sessionDirectory, name, file));
    const its = (file: string): Promise<string | null> => readAttribute(under(connectionDirectory, connection, file));
    const [targetname, state, initiatorname, address, port] = await Promise.all([
      of('targetname'),
      of('state'),
      of('initiatorname'),
      its('persistent_address'),
      its('persistent_port'),
    ]);
    return sessionOf({ name, targetname, state, initiatorname, persistent_address: address, persistent_port: port });
  }

  /** A session that is taken down meanwhile takes its files with it, or answers with an error. */
  async function readAttribute(path: AbsolutePath): Promise<string | null> {
    try {
      return await files.readText(path);
    } catch (error) {
      if (isAgentError(error)) return null;
      throw error;
    }
  }

  /** For the message of a refused login; null where it cannot be read, which must not hide the refusal. */
  async function recordedChap({ portal, target }: IscsiNode): Promise<RecordedChap | null> {
    const result = await iscsiadm(['-m', 'node', '-T', target, '-p', portal], databaseDeadlineMs);
    return result.exitCode === 0 ? parseRecordedChap(result.stdout) : null;
  }

  return {
    sessions,
    records,
    async discover(text) {
      const portal = normalPortal(text);
      // Without -o a discovery deletes and rewrites records; with nonpersistent it makes none and changes none (measured).
      const args = ['-m', 'discoverydb', '-t', 'st', '-p', portal, '-o', 'nonpersistent', '--discover'];
      const result = await iscsiadm(args, discoveryDeadlineMs);
      // 21: it answered and offers this initiator nothing.
      expect(result, success.list, `ask ${portal} which iSCSI targets it offers`);
      return parseNodes(result.stdout);
    },
    async addRecord(node) {
      const portal = normalPortal(node.portal);
      // `-o new` on a record that is there replaces it: CHAP and timeouts are gone (measured with 2.1.8).
      if ((await records()).some((r) => r.target === node.target && r.portal === portal)) return;
      const result = await iscsiadm(['-m', 'node', '-T', node.target, '-p', portal, '-o', 'new'], databaseDeadlineMs);
      expect(result, success.other, `add a record of ${node.target} at ${portal}`);
    },
    async login(node) {
      const { target } = node;
      const portal = normalPortal(node.portal);
      const result = await iscsiadm(['-m', 'node', '-T', target, '-p', portal, '--login'], loginDeadlineMs);
      const attempted = `log in to ${target} at ${portal}`;
      if (isSuccess(result, success.login)) return;
      const mayBeChap = result.exitCode === 24 || result.exitCode === 19;
      throw iscsiError(result, attempted, mayBeChap ? await recordedChap({ portal, target }) : null);
    },
    async logout(node) {
      const { target } = node;
      const portal = normalPortal(node.portal);
      const result = await iscsiadm(['-m', 'node', '-T', target, '-p', portal, '--logout'], logoutDeadlineMs);
      expect(result, success.logout, `log out from ${target} at ${portal}`);
    },
    async rescan(target) {
      for (const { id, portal, state } of (await sessions()).filter((s) => s.target === target)) {
        // Disks of a lost session hold every question back, for as long as replacement_timeout says.
        if (state !== null && state !== 'LOGGED_IN') throw lostSession(target, portal, state);
        const result = await iscsiadm(['-m', 'session', '-r', String(id), '-R'], rescanDeadlineMs);
        expect(result, success.other, `ask ${target} at ${portal} for its LUNs and their sizes`);
      }
    },
  };
}

function isSuccess(result: ExecResult, codes: readonly number[]): boolean {
  return !result.timedOut && result.exitCode !== null && codes.includes(result.exitCode);
}

function expect(result: ExecResult, codes: readonly number[], attempted: string): void {
  if (!isSuccess(result, codes)) throw iscsiError(result, attempted);
}

function lostSession(target: string, portal: string, state: string): AgentError {
  return new AgentError('tempfail', `cannot ask ${target} at ${portal} for its LUNs: the session is ${state}`, {
    hint: 'see that the target is up and can be reached; iscsid gets the session back by itself',
  });
}

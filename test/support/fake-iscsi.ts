// An initiator and the targets it can reach, in memory: records are files, and a login fails as a real target would have it.

import { iscsiError } from '../../agent/host/iscsi-errors.ts';
import { normalPortal, parsePortal } from '../../agent/model/iscsi-portal.ts';
import { type AbsolutePath, under } from '../../agent/model/paths.ts';
import { type IscsiNode, type IscsiSession, iscsiDiskPath } from '../../agent/model/storage.ts';
import type { Iscsi } from '../../agent/ports/storage.ts';
import { parseInitiatorName } from '../../agent/render/initiator-name.ts';
import { parseIscsiRecord, recordFileOf } from '../../agent/render/iscsi-record.ts';
import type { EffectLog } from './effect-log.ts';
import type { FakeFiles } from './fake-files.ts';

interface FakeChap {
  readonly username: string;
  readonly secret: string;
}

/** A target; `Disk` is whatever the builder's disks are. */
export interface FakeTarget<Disk> {
  readonly target: string;
  readonly portals: readonly string[];
  /** Disks by their LUN. */
  readonly luns: Readonly<Record<number, Disk>>;
  /** What an initiator has to prove; absent: nothing. */
  readonly chap?: FakeChap;
  /** What the target proves when it is asked to; an initiator that asks for another one does not believe it. */
  readonly mutualChap?: FakeChap;
  /** The initiators that are let in; absent: all. */
  readonly acl?: readonly string[];
  /** False: nothing listens at its portals. */
  readonly answers?: boolean;
}

export interface FakeIscsiOptions<Disk> {
  readonly files: FakeFiles;
  readonly log: EffectLog;
  readonly targets: readonly FakeTarget<Disk>[];
  /** A disk comes, under the name that udev gives it; called again at a rescan. */
  plug(path: AbsolutePath, disk: Disk): void;
  unplug(path: AbsolutePath): void;
  /** Default: Debian's. */
  readonly database?: AbsolutePath;
  readonly initiatorNameFile?: AbsolutePath;
}

export interface FakeIscsi<Disk> extends Iscsi {
  /** Every login that was tried, refused ones too: `target portal`. */
  readonly logins: readonly string[];
  /** Change a target; LUNs that it gets show at the next login or rescan. */
  setTarget(target: FakeTarget<Disk>): void;
  /** One portal, of whatever targets: `down` refuses connections. */
  setPortal(portal: string, state: 'up' | 'down'): void;
  /** The name that iscsid read when it started, where that is not what the file says now; null: the file's. */
  setDaemonName(name: string | null): void;
  /** The connection is lost or found again; its disks stay, as they do in reality. */
  setState(target: string, state: 'LOGGED_IN' | 'FAILED'): void;
  /** Sessions do not outlive a boot; records do unless the files do not. */
  boot(): void;
}

interface LiveSession extends IscsiSession {
  readonly disks: Set<AbsolutePath>;
}

/** The record that `-o new` of open-iscsi 2.1.8 makes, shortened to what matters. */
function newRecord(target: string, address: string, port: number): string {
  return `# BEGIN RECORD 2.1.8
node.name = ${target}
node.tpgt = -1
node.startup = automatic
iface.iscsi_ifacename = default
iface.transport_name = tcp
node.discovery_type = static
node.session.initial_login_retry_max = 8
node.session.auth.authmethod = None
node.session.auth.chap_algs = MD5
node.session.timeo.replacement_timeout = 120
node.conn[0].address = ${address}
node.conn[0].port = ${port}
node.conn[0].timeo.login_timeout = 15
node.conn[0].timeo.noop_out_interval = 5
node.conn[0].timeo.noop_out_timeout = 5
# END RECORD
`;
}

/** The initiator of a fake host. */
export function fakeIscsi<Disk>(options: FakeIscsiOptions<Disk>): FakeIscsi<Disk> {
  const { files, log, plug, unplug } = options;
  const nodesDirectory = under(options.database ?? '/etc/iscsi', 'nodes');
  const nameFile = options.initiatorNameFile ?? '/etc/iscsi/initiatorname.iscsi';
  const targets = new Map(options.targets.map((t) => [t.target, t]));
  const down = new Set<string>();
  let sessions: LiveSession[] = [];
  let daemonName: string | null = null;
  let nextId = 1;
  const logins: string[] = [];

  const isAt = (target: FakeTarget<Disk>, portal: string): boolean =>
    target.portals.some((p) => normalPortal(p) === portal);

  /** The target that a login reaches; the portal listens when any of its targets does. */
  function reach(portal: string): readonly FakeTarget<Disk>[] {
    const there = [...targets.values()].filter((t) => isAt(t, portal) && t.answers !== false);
    return down.has(portal) ? [] : there;
  }

  function fail(code: number, attempted: string, stderr: string, chap: Parameters<typeof iscsiError>[2] = null): never {
    const outcome = { exitCode: code, signal: null, timedOut: false, durationMs: 1, stdout: '', stderr };
    throw iscsiError(outcome, attempted, chap);
  }

  async function initiatorName(): Promise<string> {
    const text = await files.readText(nameFile);
    return daemonName ?? (text === null ? null : parseInitiatorName(text)) ?? 'iqn.2016-04.com.open-iscsi:unnamed';
  }

  async function records(): Promise<IscsiNode[]> {
    const found: IscsiNode[] = [];
    for (const target of await files.list(nodesDirectory)) {
      for (const name of await files.list(under(nodesDirectory, target))) {
        const [, address = '', port = ''] = /^(.+?),(\d+)(?:,-?\d+)?$/.exec(name) ?? [];
        const portal = parsePortal(address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
        if (portal !== null)
          found.push({
            portal: normalPortal(address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`),
            target,
          });
      }
    }
    return found;
  }

  async function readRecord(node: IscsiNode): Promise<ReadonlyMap<string, string> | null> {
    if (!(await records()).some((r) => r.target === node.target && r.portal === node.portal)) return null;
    const directory = under(nodesDirectory, node.target);
    const path = await recordFileOf(directory, await files.list(directory), node, (p) => files.list(p));
    return parseIscsiRecord((await files.readText(path)) ?? '');
  }

  function scan(session: LiveSession): void {
    const luns = targets.get(session.target)?.luns ?? {};
    const paths = new Map(
      Object.entries(luns).map(([lun, disk]) => [iscsiDiskPath(session.portal, session.target, Number(lun)), disk]),
    );
    for (const [path, disk] of paths) plug(path, disk);
    // The kernel keeps a disk whose LUN is gone: only a logout takes it away.
    for (const path of paths.keys()) session.disks.add(path);
  }

  return {
    logins,
    async sessions() {
      log.assertAlive();
      return sessions.map(({ disks: _, ...session }) => session);
    },
    async records() {
      log.assertAlive();
      return await records();
    },
    async discover(text) {
      log.assertAlive();
      const portal = normalPortal(text);
      const there = reach(portal);
      if (there.length === 0) {
        fail(
          11,
          `ask ${portal} which iSCSI targets it offers`,
          `iscsiadm: cannot make connection to ${parsePortal(portal)?.address}: Connection refused\niscsiadm: connection login retries (reopen_max) 5 exceeded\niscsiadm: Could not perform SendTargets discovery: iSCSI PDU timed out\n`,
        );
      }
      const name = await initiatorName();
      return there
        .filter((t) => t.acl === undefined || t.acl.includes(name))
        .map((t) => ({ portal, target: t.target }));
    },
    async addRecord(node) {
      log.assertAlive();
      const portal = normalPortal(node.portal);
      const parsed = parsePortal(portal);
      if (parsed === null) throw new Error(`fake iscsi: "${node.portal}" is no portal`);
      if ((await records()).some((r) => r.target === node.target && r.portal === portal)) return;
      const { address, port } = parsed;
      const path = under(nodesDirectory, node.target, `${address},${port}`);
      log.run(`iscsi record ${node.target} ${portal}`, () =>
        files.put({ [path]: { text: newRecord(node.target, address, port), mode: 0o600 } }),
      );
    },
    async login(node) {
      log.assertAlive();
      const portal = normalPortal(node.portal);
      const attempted = `log in to ${node.target} at ${portal}`;
      logins.push(`${node.target} ${portal}`);
      const record = await readRecord({ ...node, portal });
      if (record === null) fail(21, attempted, 'iscsiadm: No records found\n');
      if (sessions.some((s) => s.target === node.target && s.portal === portal)) return;
      const words = (code: number, meaning: string): string =>
        `iscsiadm: Could not login to [iface: default, target: ${node.target}, portal: ${portal.replace(/:(\d+)$/, ',$1')}].\niscsiadm: initiator reported error (${code} - ${meaning})\niscsiadm: Could not log into all portals\n`;
      const reached = reach(portal);
      if (reached.length === 0) fail(8, attempted, words(8, 'connection timed out'));
      const target = reached.find((t) => t.target === node.target);
      const setting = (key: string): string | null => record.get(`node.session.auth.${key}`) ?? null;
      const usesChap = setting('authmethod') === 'CHAP';
      const chap = {
        username: usesChap ? setting('username') : null,
        mutualUsername: usesChap ? setting('username_in') : null,
      };
      if (target === undefined) fail(19, attempted, words(19, 'encountered non-retryable iSCSI login failure'), chap);
      const name = await initiatorName();
      const isProven =
        target.chap === undefined ||
        (chap.username === target.chap.username && setting('password') === target.chap.secret);
      if (!isProven || (target.acl !== undefined && !target.acl.includes(name)))
        fail(24, attempted, words(24, 'iSCSI login failed due to authorization failure'), chap);
      const { mutualChap } = target;
      if (chap.mutualUsername !== null) {
        if (chap.mutualUsername !== mutualChap?.username || setting('password_in') !== mutualChap.secret)
          fail(19, attempted, words(19, 'encountered non-retryable iSCSI login failure'), chap);
      }
      log.run(`iscsi login ${node.target} ${portal}`, () => {
        const session: LiveSession = {
          id: nextId++,
          portal,
          target: node.target,
          initiatorName: name,
          state: 'LOGGED_IN',
          disks: new Set(),
        };
        sessions.push(session);
        scan(session);
      });
    },
    async logout(node) {
      log.assertAlive();
      const portal = normalPortal(node.portal);
      const ended = sessions.filter((s) => s.target === node.target && s.portal === portal);
      if (ended.length === 0) return;
      log.run(`iscsi logout ${node.target} ${portal}`, () => {
        sessions = sessions.filter((s) => !ended.includes(s));
        for (const session of ended) for (const path of session.disks) unplug(path);
      });
    },
    async rescan(target) {
      log.assertAlive();
      for (const session of sessions.filter((s) => s.target === target)) {
        if (session.state !== 'LOGGED_IN')
          fail(32, `ask ${target} at ${session.portal} for its LUNs and their sizes`, '');
        log.run(`iscsi rescan ${target} ${session.portal}`, () => scan(session));
      }
    },
    setTarget: (target) => void targets.set(target.target, target),
    setPortal(portal, state) {
      if (state === 'down') down.add(normalPortal(portal));
      else down.delete(normalPortal(portal));
    },
    setDaemonName(name) {
      daemonName = name;
    },
    setState(target, state) {
      sessions = sessions.map((s) => (s.target === target ? { ...s, state } : s));
    },
    boot() {
      for (const session of sessions) for (const path of session.disks) unplug(path);
      sessions = [];
      daemonName = null;
      nextId = 1;
    },
  };
}

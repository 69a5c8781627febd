// The iSCSI session of this node: one target, one of its portals, logged in under this node's own name.

import { execute } from '../converge/executors.ts';
import { type Look, waitFor } from '../converge/wait.ts';
import { AgentError, isAgentError } from '../model/errors.ts';
import type { IscsiLayout } from '../model/layout.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import type { Step } from '../model/step.ts';
import type { IscsiConfig, IscsiNode, IscsiSecrets, IscsiSession } from '../model/storage.ts';
import type { Host } from '../ports/host.ts';
import type { Reporter } from '../ports/reporter.ts';
import { iscsiRecordSecrets, iscsiRecordSettings, parseIscsiRecord, recordFileOf } from '../render/iscsi-record.ts';

export interface SessionRequest {
  readonly iscsi: IscsiConfig;
  readonly secrets: IscsiSecrets;
  readonly layout: IscsiLayout;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

const iscsidUnit = 'iscsid.service';

/**
 * Log in at the first portal that answers, and wait for that as long as it takes.
 *
 * Each portal is asked what it offers, without a record being made of it; then exactly one record is added, given the
 * settings that storage under docker needs, and logged in to. Sessions and records of anybody else are not touched.
 *
 * @throws AgentError `config` for what another try cannot change (a refused CHAP secret or initiator name); `tempfail`
 * when the deadline passes, with what each portal last said
 */
export async function openSession(host: Host, reporter: Reporter, request: SessionRequest): Promise<IscsiSession> {
  const { deadlineMs, signal } = request;
  const options = { owner: 'storage', deadlineMs, ...(signal === undefined ? {} : { signal }) };
  const daemon: DaemonMemory = { restartedMs: null };
  return await waitFor(host, reporter, options, () => lookForSession(host, reporter, request, daemon));
}

/** When the daemon that this run restarted had been started; null: none was. */
interface DaemonMemory {
  restartedMs: number | null;
}

async function lookForSession(
  host: Host,
  reporter: Reporter,
  request: SessionRequest,
  daemon: DaemonMemory,
): Promise<Look<IscsiSession>> {
  const { iscsi } = request;
  const sessions = await host.iscsi.sessions();
  const own = ownSession(sessions, iscsi);
  if (own !== null) return judgeSession(own, iscsi);
  const stale = await staleDaemon(host, sessions, request.layout, daemon);
  if (stale !== null) return stale;
  const reasons: string[] = [];
  let hint = '';
  for (const portal of iscsi.portals) {
    try {
      await connect(host, reporter, { portal, target: iscsi.target }, request);
      const opened = ownSession(await host.iscsi.sessions(), iscsi);
      if (opened !== null) return judgeSession(opened, iscsi);
      reasons.push(`${portal}: the login was accepted, and the kernel has no session`);
    } catch (error) {
      if (!isAgentError(error) || !error.retryable) throw error;
      reasons.push(error.message);
      hint = error.hint;
    }
  }
  return { ready: false, reason: reasons.join('; '), ...(hint === '' ? {} : { hint }) };
}

/** The session to the declared target at one of the declared portals; others' sessions are none of ours. */
export function ownSession(
  sessions: readonly IscsiSession[],
  iscsi: Pick<IscsiConfig, 'target' | 'portals'>,
): IscsiSession | null {
  const matching = sessions.filter((s) => s.target === iscsi.target && iscsi.portals.includes(s.portal));
  return matching.find((s) => s.state === 'LOGGED_IN') ?? matching[0] ?? null;
}

function judgeSession(session: IscsiSession, iscsi: IscsiConfig): Look<IscsiSession> {
  if (session.initiatorName !== null && session.initiatorName !== iscsi.initiatorName) {
    return {
      ready: false,
      reason: `the session to ${session.target} is logged in as ${session.initiatorName}, which is not this node's name ${iscsi.initiatorName}`,
      hint: `two hosts of one name throw each other out: iscsiadm -m node -T ${session.target} -p ${session.portal} --logout, then systemctl restart iscsid`,
    };
  }
  if (session.state !== null && session.state !== 'LOGGED_IN') {
    return {
      ready: false,
      reason: `the session to ${session.target} at ${session.portal} is ${session.state}; iscsid is trying to get it back`,
      hint: 'see that the target is up and can be reached',
    };
  }
  return { ready: true, value: session };
}

/**
 * An iscsid that was started before this node's name was written logs in under the old one: that of an image, which
 * all hosts share. Without sessions a restart costs nothing; with sessions it is left alone.
 */
async function staleDaemon(
  host: Host,
  sessions: readonly IscsiSession[],
  layout: IscsiLayout,
  memory: DaemonMemory,
): Promise<Look<IscsiSession> | null> {
  if (sessions.length > 0) return null;
  const restarting: Look<IscsiSession> = {
    ready: false,
    reason: `iscsid restarts, so that it uses this node's own name from ${layout.initiatorNameFile}`,
  };
  const [[daemon], stat, uptimeText] = await Promise.all([
    host.units.states([iscsidUnit]),
    host.files.stat(layout.initiatorNameFile),
    host.files.readText('/proc/uptime'),
  ]);
  const uptimeMs = Number(uptimeText?.split(' ')[0]) * 1000;
  if (daemon === undefined || daemon.active !== 'active' || stat === null || Number.isNaN(uptimeMs)) return null;
  // Once is enough: a wall clock that was set back since the name was written would make every daemon seem older.
  if (memory.restartedMs !== null) return daemon.mainStartMs === memory.restartedMs ? restarting : null;
  const daemonAgeMs = uptimeMs - daemon.mainStartMs;
  if (daemon.mainStartMs === 0 || daemonAgeMs <= host.clock.now() - stat.modifiedMs) return null;
  memory.restartedMs = daemon.mainStartMs;
  await host.units.queueRestart([iscsidUnit]);
  return restarting;
}

/** @throws AgentError as the initiator's port does; retryable where another try may help */
async function connect(host: Host, reporter: Reporter, node: IscsiNode, request: SessionRequest): Promise<void> {
  const { iscsi } = request;
  if (iscsi.discovery === 'sendtargets') await expectOffered(host, node, iscsi);
  const records = await host.iscsi.records();
  if (!records.some((r) => r.target === node.target && r.portal === node.portal)) {
    await act(host, reporter, {
      kind: 'addIscsiRecord',
      component: 'iscsi',
      why: 'the cluster file declares it',
      ...node,
    });
  }
  for (const step of await planRecord(host, node, request)) await act(host, reporter, step);
  await act(host, reporter, { kind: 'loginIscsi', component: 'iscsi', why: `as ${iscsi.initiatorName}`, ...node });
}

async function expectOffered(host: Host, node: IscsiNode, iscsi: IscsiConfig): Promise<void> {
  const offered = await host.iscsi.discover(node.portal);
  if (offered.some((o) => o.target === node.target)) return;
  const names = [...new Set(offered.map((o) => o.target))];
  throw new AgentError(
    'tempfail',
    `${node.portal} does not offer ${node.target} to ${iscsi.initiatorName}; it offers ${names.join(', ') || 'nothing'}`,
    { hint: `let ${iscsi.initiatorName} in at the target (its access list), or correct target in the cluster file` },
  );
}

/** What the record lacks of the settings and secrets; empty when it is as wanted. */
async function planRecord(host: Host, node: IscsiNode, request: SessionRequest): Promise<Step[]> {
  const path = await findRecord(host, node, request.layout);
  const settings = iscsiRecordSettings(request.iscsi);
  const secrets = iscsiRecordSecrets(request.secrets);
  const text = await host.files.readText(path);
  const present = text === null ? new Map<string, string>() : parseIscsiRecord(text);
  const isSet = ([key, value]: readonly [string, string | null]): boolean => (present.get(key) ?? null) === value;
  const differing = settings.filter((s) => !isSet(s));
  const differingSecrets = secrets.filter(([key, secret]) => !isSet([key, secret?.reveal() ?? null]));
  if (differing.length === 0 && differingSecrets.length === 0) return [];
  return [
    {
      kind: 'setIscsiRecord',
      component: 'iscsi',
      why: "for storage under docker, and logged in to by the agent's own unit",
      path,
      settings: differing,
      secrets: differingSecrets,
    },
  ];
}

async function findRecord(host: Host, node: IscsiNode, layout: IscsiLayout): Promise<AbsolutePath> {
  const directory = under(layout.database, 'nodes', node.target);
  const names = await host.files.list(directory);
  return await recordFileOf(directory, names, node, async (path) => await host.files.list(path));
}

/** Sessions are made anew at each boot, so they are told and not journaled: the journal is for what touches disks. */
async function act(host: Host, reporter: Reporter, step: Step): Promise<void> {
  const beganMs = host.clock.monotonicMs();
  await execute(host, step);
  reporter.emit({ event: 'step.finished', step, durationMs: host.clock.monotonicMs() - beganMs });
}

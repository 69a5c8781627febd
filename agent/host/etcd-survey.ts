// Asks etcd members, each for itself, how they see their cluster: what one does not know, another may.

import { request } from 'node:http';
import * as etcd from 'etcd3';
import { AgentError } from '../model/errors.ts';
import type { MemberView, Surveyed } from '../ports/survey.ts';
import { EndpointFailure } from './endpoint-failover.ts';
import { EndpointClient, unwrapped } from './etcd-endpoint-client.ts';
import { etcdError } from './etcd-errors.ts';

/** A linearizable read; the key is the one of etcd's own /health, and need not be there. */
const anyKey = { key: Buffer.from('health'), limit: 1 };

/**
 * Every member's view, all asked at once, each with its own deadline. Never throws.
 *
 * Over gRPC and not over the JSON gateway: the gateway has another prefix and other errors in each minor version, may
 * be switched off, and every verb that surveys has the library loaded for the semaphore anyway. Status and member list
 * are answered by the member alone, with or without a quorum, from etcd 3.0 to 3.6 (the list since 3.5 only because
 * `linearizable` is not asked for): a member that is cut off tells what it knew last.
 */
export function surveyEtcd(endpoints: readonly string[], deadlineMs: number): Promise<readonly Surveyed[]> {
  return Promise.all(endpoints.map((endpoint) => surveyOne(endpoint, deadlineMs)));
}

async function surveyOne(endpoint: string, deadlineMs: number): Promise<Surveyed> {
  const startedMs = performance.now();
  let client: EndpointClient | null = null;
  try {
    client = new EndpointClient(endpoint, ['KV', 'Cluster', 'Maintenance']);
    return { endpoint, ...(await viewThrough(client, deadlineMs)) };
  } catch (thrown) {
    const leftMs = deadlineMs - (performance.now() - startedMs);
    const reason = reasonOf(thrown, deadlineMs);
    const version = reason.startsWith('refused') || leftMs <= 0 ? null : await askVersion(endpoint, leftMs);
    const isV2 = version !== null && /^[0-2]\./.test(version);
    return { endpoint, view: null, detail: isV2 ? `is etcd ${version}, which has the v2 API only` : reason };
  } finally {
    client?.end();
  }
}

async function viewThrough(client: EndpointClient, deadlineMs: number): Promise<Omit<Surveyed, 'endpoint'>> {
  const options = { deadline: Date.now() + deadlineMs };
  const [status, listing, read] = await Promise.allSettled([
    client.maintenance.status(options),
    client.cluster.memberList({}, options),
    client.kv.range(anyKey, options),
  ]);
  if (status.status === 'rejected') throw status.reason;
  const said = status.value;
  // A learner answers its status and serializable reads, nothing else (etcd: v3rpc/util.go).
  if (listing.status === 'rejected' && !said.isLearner) throw listing.reason;
  const canCommit = read.status === 'fulfilled';
  const view: MemberView = {
    clusterId: said.header.cluster_id,
    memberId: said.header.member_id,
    leaderId: said.leader,
    isLearner: said.isLearner,
    raftTerm: said.raftTerm,
    raftIndex: said.raftIndex,
    raftAppliedIndex: said.raftAppliedIndex,
    dbSizeBytes: Number(said.dbSize),
    version: said.version,
    alarms: tellsAlarms(said.version)
      ? alarmsIn(said.errors)
      : await askAlarms(client, options).catch((thrown: unknown) => [
          `unknown: the alarms of etcd ${said.version} could not be asked for, it ${reasonOf(thrown, deadlineMs)}`,
        ]),
    members:
      listing.status === 'rejected'
        ? []
        : listing.value.members.map(({ ID, name, isLearner, peerURLs }) => ({
            id: ID,
            name,
            isLearner,
            peerUrls: peerURLs,
          })),
    canCommit,
  };
  if (canCommit) return { view, detail: 'answers, and is part of a quorum' };
  const why = said.isLearner
    ? 'is a learner'
    : said.leader === '0'
      ? 'knows of no leader'
      : `${reasonOf(read.reason, deadlineMs)} when asked for what needs a quorum`;
  return { view, detail: `answers for itself, but ${why}` };
}

export interface Standing {
  /** A copy of the member's store made from now on ends with this revision or a later one; decimal text. */
  readonly floorRevision: string;
  readonly dbSizeBytes: number;
}

/**
 * How far one member is, by a linearizable read: it has everything up to there.
 *
 * @throws AgentError `unavailable` when it does not answer in time, or is part of no quorum
 */
export async function askStanding(endpoint: string, deadlineMs: number): Promise<Standing> {
  let client: EndpointClient | null = null;
  try {
    client = new EndpointClient(endpoint, ['KV', 'Maintenance']);
    const options = { deadline: Date.now() + deadlineMs };
    const [{ header }, { dbSize }] = await Promise.all([
      client.kv.range(anyKey, options),
      client.maintenance.status(options),
    ]);
    const isInFile = await isLastChangeKept(client, header.revision, options);
    return { floorRevision: isInFile ? header.revision : '0', dbSizeBytes: Number(dbSize) };
  } catch (thrown) {
    const reason = reasonOf(thrown, deadlineMs);
    throw new AgentError('unavailable', `cannot ask etcd at ${endpoint} how far its store is: it ${reason}`, {
      hint: 'see systemctl status etcd.service there; a cluster answers only while more than half of its members run',
      cause: thrown,
    });
  } finally {
    client?.end();
  }
}

/**
 * Whether the file holds the change that made this revision. A removal may be dropped from it once it was compacted, and a
 * new store stands at 1 with nothing in it.
 */
async function isLastChangeKept(
  client: EndpointClient,
  revision: string,
  options: { deadline: number },
): Promise<boolean> {
  const before = BigInt(revision) - 1n;
  if (before <= 0n) return false;
  try {
    await client.kv.range({ ...anyKey, revision: String(before) }, options);
    return true;
  } catch (thrown) {
    const error = unwrapped(thrown);
    // Compacted up to the last change itself.
    if (error instanceof etcd.GRPCOutOfRangeError && error.message.includes('compacted')) return false;
    throw thrown;
  }
}

/** Since 3.4 the status has the alarms; before, asking for them takes a quorum. */
function tellsAlarms(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 3 || (major === 3 && minor >= 4);
}

async function askAlarms(client: EndpointClient, options: { deadline: number }): Promise<string[]> {
  const { alarms } = await client.maintenance.alarm({ action: 'Get' }, options);
  return [...new Set(alarms.map(({ alarm }) => alarm.toUpperCase()))];
}

/** An alarm comes as the text of its message, `memberID:10501334649042878790 alarm:NOSPACE `; the rest is plain text. */
function alarmsIn(errors: readonly string[]): string[] {
  const names = errors.map((text) => /\balarm:\s*([A-Z]+)/.exec(text)?.[1] ?? text.trim());
  return [...new Set(names)];
}

function reasonOf(thrown: unknown, deadlineMs: number): string {
  const error = unwrapped(thrown);
  if (error instanceof etcd.GRPCDeadlineExceededError) return `did not answer within ${deadlineMs} ms`;
  const known = etcdError(etcd, error, 'ask for its view of the cluster', deadlineMs);
  return known instanceof EndpointFailure ? known.reason : known.message;
}

const maxBodyBytes = 4096;

/** The version that a web server there tells; null when there is none, or it tells no version. Never throws. */
function askVersion(endpoint: string, deadlineMs: number): Promise<string | null> {
  return new Promise((resolve) => {
    const none = (): void => resolve(null);
    try {
      const signal = AbortSignal.timeout(Math.ceil(deadlineMs));
      const ask = request(new URL('/version', endpoint), { signal, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          if (body.length < maxBodyBytes) body += chunk;
        });
        response.on('error', none);
        // etcd 2.1 and newer name the server, 2.0 the release, 0.4 says `etcd 0.4.9`.
        response.on('end', () =>
          resolve(/(?:"(?:etcdserver|releaseVersion)":\s*"|^etcd )(\d+\.\d[^"\s]*)/.exec(body)?.[1] ?? null),
        );
      });
      ask.on('error', none);
      ask.end();
    } catch {
      none();
    }
  });
}

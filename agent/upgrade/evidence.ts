// Everything that the proof before a reboot is made from, asked anew and all at once, each question with its deadline.

import { memberClientUrls, memberNodes, storageOf } from '../model/cluster-config.ts';
import { bootedOf, pendingOf } from '../model/deployment.ts';
import { isAgentError } from '../model/errors.ts';
import { emptyLedger, type FormatLedger, noteFormats, parseLedger } from '../model/format-ledger.ts';
import { parsePortal } from '../model/iscsi-portal.ts';
import { type Known, known } from '../model/known.ts';
import { formatLedgerFile, snapshotDirectory, under } from '../model/paths.ts';
import type { Proof } from '../model/proof.ts';
import type { Holder } from '../model/semaphore.ts';
import type { Ask, BootInstant, Errand, UpgradeMemory } from '../model/upgrade.ts';
import { type Coordination, isMember } from './coordination.ts';
import { holdersAnywhere } from './fleet-state.ts';
import { type FormatVerdict, judgeFormats } from './formats.ts';
import { type Other, type ProofSight, prove } from './proof.ts';
import { formatPackagesOf, type Look, stateOf, unknownFrom } from './sight.ts';
import { type HolderVerdict, judgeHolder, missOf } from './takeover.ts';

const answerWithinMs = 5_000;

/**
 * Look at everything and put it together.
 *
 * @param slot null where the strategy needs none
 * @param missed since when this node has missed holders of slots
 */
export async function gatherProof(
  coordination: Coordination,
  seen: Look,
  errand: Errand,
  ask: Ask | null,
  slot: ProofSight['slot'],
  missed: UpgradeMemory['missed'] = [],
): Promise<Proof> {
  const { sight, fleet } = seen;
  const { host, config, node, group } = coordination;
  const others = config.nodes.filter((n) => n.name !== node.name);
  const holders = fleet.known ? holdersAnywhere(fleet.value).filter((h) => h.id !== node.name) : [];
  const lost = new Map(
    holders.flatMap((h) => {
      const verdict = lostAs(h, seen, missed, sight.instant);
      return verdict === null ? [] : [[h.id, verdict] as const];
    }),
  );
  const members = memberNodes(config).filter((n) => n.name !== node.name);
  const endpoints = members.map((n) => `http://${n.address}:${config.etcd.clientPort}`);
  const [surveyed, people, snapshot, bootServers, portals, formats] = await Promise.all([
    host.etcd.survey(endpoints, answerWithinMs),
    peopleOf(coordination, ask),
    snapshotOf(coordination),
    Promise.all(
      [...new Set([...coordination.bootUrls, ...group.probes])].map(async (url) => ({
        url,
        reached: await host.reach.http(url, answerWithinMs),
      })),
    ),
    Promise.all(portalsOf(coordination).map((portal) => reachPortal(coordination, portal))),
    formatsOf(coordination, sight.os, errand),
  ]);
  return prove({
    node: node.name,
    instant: sight.instant,
    now: sight.now,
    errand,
    group,
    outsideWindow: ask?.outsideWindow === true,
    acceptOutage: ask?.acceptOutage === true,
    permit: sight.permit,
    fleet: fleet.known ? known({ hold: fleet.value.hold, denied: fleet.value.denied }) : fleet,
    wouldBoot: pendingByName(sight.os),
    slot,
    isMember: isMember(coordination),
    members: members.flatMap((member, index) => {
      const answer = surveyed[index];
      return answer === undefined ? [] : [{ node: member.name, surveyed: answer }];
    }),
    // One that is away for too long is not on its way any more: with further slots the others would follow it.
    onTheirWay: holders.filter((h) => !lost.has(h.id)).map((h) => h.id),
    others: fleet.known
      ? known(
          others.map((n): Other => {
            const record = fleet.value.records.get(n.name) ?? null;
            const verdict = lost.get(n.name);
            return {
              node: n.name,
              record,
              reportAgeMs: record === null ? Number.NaN : host.clock.ageMs(record.reportedAt),
              ...(verdict === undefined ? {} : { lost: verdict }),
            };
          }),
        )
      : fleet,
    people,
    snapshot,
    bootServers,
    portals,
    formats,
  });
}

function lostAs(
  holder: Holder,
  { fleet }: Look,
  missed: UpgradeMemory['missed'],
  now: BootInstant,
): Extract<HolderVerdict, { kind: 'lost' }> | null {
  const reports = fleet.known && fleet.value.records.has(holder.id);
  const verdict = judgeHolder(holder, reports, missOf(holder, missed), now);
  return verdict.kind === 'lost' ? verdict : null;
}

/** What a plain reboot would boot instead of what runs, by name. */
function pendingByName(os: Look['sight']['os']): string | null {
  const pending = os.kind === 'tree' ? pendingOf(os.state) : null;
  return pending === null || pending.locked ? null : (pending.version ?? pending.base.slice(0, 12));
}

/** Who asked for the reboot need not be waited for. */
async function peopleOf({ host, group }: Coordination, ask: Ask | null): Promise<ProofSight['people']> {
  if (group.loggedInUsers === 'ignore') return known([]);
  try {
    const people = await host.sessions.people();
    return known(people.map((s) => (s.id === ask?.session ? { ...s, isOwn: true } : s)));
  } catch (error) {
    return unknownFrom(error);
  }
}

/** Snapshots have this name only once they were restored aside. */
const snapshotName = /^snapshot-(\d+)\.db$/;

/** The newest snapshot that is known to be good; null where none is asked of this node. */
export async function snapshotOf(coordination: Coordination): Promise<ProofSight['snapshot']> {
  const { host, group } = coordination;
  if (group.snapshotMaxAgeSecs === 0 || !isMember(coordination)) return null;
  try {
    let newest: { ageMs: number; text: string } | null = null;
    for (const name of await host.files.list(snapshotDirectory)) {
      const revision = snapshotName.exec(name)?.[1];
      const stat = revision === undefined ? null : await host.files.stat(under(snapshotDirectory, name));
      if (revision === undefined || stat === null) continue;
      const ageMs = host.clock.now() - stat.modifiedMs;
      if (newest !== null && Math.abs(newest.ageMs) <= Math.abs(ageMs)) continue;
      const minutes = Math.round(ageMs / 60_000);
      newest = { ageMs, text: `snapshot of revision ${revision}, ${minutes} min old, restored aside` };
    }
    return known(newest);
  } catch (error) {
    return unknownFrom(error);
  }
}

function portalsOf({ config, node }: Coordination): string[] {
  return [...(storageOf(config, node.name)?.iscsi?.portals ?? [])];
}

async function reachPortal({ host }: Coordination, portal: string): Promise<ProofSight['portals'][number]> {
  const parsed = parsePortal(portal);
  const reached =
    parsed === null
      ? { ok: false, detail: 'is no address' }
      : await host.reach.tcp(parsed.address, parsed.port, answerWithinMs);
  return { portal, reached };
}

/**
 * The ledger with the version that etcd's data may be of by now: this node last wrote down what it saw when it proved
 * itself, and the members that followed it may have raised the cluster's version since. Of members that do not answer
 * nothing is known, so the lowest of those that do is as high as it can be.
 */
async function withMembersNow({ host, config }: Coordination, ledger: FormatLedger): Promise<FormatLedger> {
  const surveyed = await host.etcd.survey(memberClientUrls(config), answerWithinMs);
  const etcdVersions = surveyed.flatMap((s) => (s.view === null ? [] : [s.view.version]));
  return noteFormats(ledger, { release: null, etcdVersions, docker: null, dockerDriver: null, at: '' });
}

/** What the errand means for the data on this host. */
export async function formatsOf(
  coordination: Coordination,
  os: Look['sight']['os'],
  errand: Errand,
): Promise<Known<FormatVerdict>> {
  const { host } = coordination;
  try {
    const ledger = errand.kind === 'reboot' ? emptyLedger : parseLedger(await host.files.readText(formatLedgerFile));
    if (ledger === null) {
      return {
        known: false,
        why: `${formatLedgerFile} is not what this version of the agent writes: nobody knows which formats the data are in`,
        hint: `move it away once you know that the deployment can read this host's data: mv ${formatLedgerFile} ${formatLedgerFile}.bad`,
      };
    }
    const none: ReadonlyMap<string, string> = new Map();
    const state = stateOf(os);
    const booted = state === null ? null : bootedOf(state);
    const isDeployment = errand.kind !== 'reboot' && booted !== null;
    const [from, to] = isDeployment
      ? await Promise.all([
          formatPackagesOf(host.osTree, booted.checksum),
          formatPackagesOf(host.osTree, errand.checksum),
        ])
      : [none, none];
    const now = isDeployment && isMember(coordination) ? await withMembersNow(coordination, ledger) : ledger;
    return known(judgeFormats({ errand, from, to, ledger: now, isMember: isMember(coordination) }));
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return { known: false, why: error.message, hint: error.hint };
  }
}

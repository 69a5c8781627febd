// Whether etcd keeps its quorum without this node, counted from the survivors' own views and not from any inventory.

import type { ProofItem } from '../model/proof.ts';
import type { MemberView } from '../ports/survey.ts';
import type { ProofSight } from './proof.ts';

/** Entries a healthy follower may be behind at the instant of asking; one that is catching up is further back. */
const allowedLag = 1_000n;

type QuorumSight = Pick<ProofSight, 'node' | 'isMember' | 'members' | 'onTheirWay' | 'acceptOutage'>;

interface Survivor {
  readonly node: string;
  readonly view: MemberView;
}

/**
 * Survivors are members that are not this node and do not hold a slot themselves, answer for themselves, are voters,
 * know a leader, can commit, carry no alarm and are not behind. They have to be a majority of the voters that they
 * themselves list. What they do not agree on is unknown.
 */
export function judgeQuorum(sight: QuorumSight): ProofItem {
  const question = 'Quorum';
  const others = sight.members.filter((m) => m.node !== sight.node);
  const asked = others.filter((m) => !sight.onTheirWay.includes(m.node));
  const views = asked.flatMap(({ node, surveyed }) => (surveyed.view === null ? [] : [{ node, view: surveyed.view }]));
  // A learner lists nobody and has no vote: what it says of the others is no evidence.
  const voting = views.filter((v) => !v.view.isLearner);
  const reference = voting[0]?.view;
  const hint = 'diyc-agent nodes and etcdctl endpoint status show the members; repair etcd first';
  if (asked.length === 0 && others.length > 0) {
    const away = others.map((m) => m.node).join(', ');
    return { question, answer: 'no', message: `every other member is on its way: ${away}`, hint };
  }
  if (reference === undefined) {
    if (sight.acceptOutage && asked.length === 0) {
      return {
        question,
        answer: 'yes',
        message: 'etcd has no other member; an operator accepts that it is away meanwhile',
      };
    }
    const message =
      asked.length === 0
        ? 'etcd has no other member that would go on without this one'
        : `no other member answers: ${asked.map((m) => `${m.node} ${m.surveyed.detail}`).join(', ')}`;
    return asked.length === 0
      ? {
          question,
          answer: 'no',
          message,
          hint: '--accept-outage reboots it all the same; etcd is away until it is back',
        }
      : { question, answer: 'unknown', message, hint };
  }
  const quarrel = disagreement(voting);
  if (quarrel !== null) return { question, answer: 'unknown', message: quarrel, hint };
  const voters = reference.members.filter((m) => !m.isLearner).length;
  const needed = Math.floor(voters / 2) + 1;
  const newest = newestIndex(views);
  const judged = views.map((survivor) => ({
    node: survivor.node,
    fault: strangerFault(survivor, voting) ?? faultOf(survivor, newest),
  }));
  const well = judged.filter((j) => j.fault === null).map((j) => j.node);
  const ill = [
    ...judged.flatMap((j) => (j.fault === null ? [] : [`${j.node} ${j.fault}`])),
    ...asked.filter((m) => m.surveyed.view === null).map((m) => `${m.node} ${m.surveyed.detail}`),
  ];
  const onTheirWay = others.filter((m) => !asked.includes(m)).map((m) => m.node);
  const without = sight.isMember ? `without ${sight.node}` : 'as it is';
  const uncounted = [...ill, ...onTheirWay.map((node) => `${node} is on its way`)];
  const rest = uncounted.length === 0 ? '' : ` (not counted: ${uncounted.join(', ')})`;
  const count = `${well.length} of ${voters} voters are well ${without}: ${well.join(', ') || 'none'}; ${needed} are needed${rest}`;
  if (well.length >= needed) return { question, answer: 'yes', message: count };
  if (sight.acceptOutage && voters <= 2 && ill.length === 0) {
    return { question, answer: 'yes', message: `${count}; an operator accepts that etcd is away meanwhile` };
  }
  if (onTheirWay.length > 0 && well.length + onTheirWay.length >= needed) {
    const back = `it goes on once ${onTheirWay.join(', ')} is back: diyc-agent reboot status shows how far that is`;
    return { question, answer: 'no', message: count, hint: back };
  }
  const lone =
    voters <= 2 && ill.length === 0 ? '--accept-outage reboots it all the same; etcd is away meanwhile' : hint;
  return { question, answer: 'no', message: count, hint: lone };
}

/** Math.max knows no 64-bit numbers. */
function newestIndex(views: readonly Survivor[]): bigint {
  let newest = 0n;
  for (const { view } of views) {
    const index = BigInt(view.raftIndex);
    if (index > newest) newest = index;
  }
  return newest;
}

function disagreement(views: readonly Survivor[]): string | null {
  const clusters = new Set(views.map((v) => v.view.clusterId));
  if (clusters.size > 1) {
    return `the members are of ${clusters.size} clusters: ${views.map((v) => `${v.node} of ${v.view.clusterId}`).join(', ')}`;
  }
  const lists = new Map<string, string[]>();
  for (const { node, view } of views) {
    const list = view.members
      .map((m) => `${m.id}${m.isLearner ? ' (learner)' : ''}`)
      .sort()
      .join(' ');
    lists.set(list, [...(lists.get(list) ?? []), node]);
  }
  if (lists.size > 1) {
    return `the members do not list the same members: ${[...lists.values()].map((nodes) => nodes.join(', ')).join(' against ')}`;
  }
  return null;
}

/** One that has no vote by its own list, or is another's endpoint: two answers of one member are one vote. */
function strangerFault({ node, view }: Survivor, voting: readonly Survivor[]): string | null {
  if (view.isLearner) return null;
  if (!view.members.some((m) => m.id === view.memberId && !m.isLearner)) return 'is not among the voters that it lists';
  const first = voting.find((v) => v.view.memberId === view.memberId);
  return first === undefined || first.node === node ? null : `is the same member as ${first.node}`;
}

function faultOf({ view }: Survivor, newest: bigint): string | null {
  if (view.isLearner) return 'is a learner and has no vote';
  if (view.leaderId === '0') return 'knows of no leader';
  if (!view.canCommit) return 'cannot reach a majority';
  if (view.alarms.length > 0) return `has an alarm: ${view.alarms.join(', ')}`;
  // etcd up to 3.3 does not say how far it has applied.
  if (view.raftAppliedIndex === '0') return null;
  const behind = newest - BigInt(view.raftAppliedIndex);
  return behind > allowedLag ? `is ${behind} entries behind` : null;
}

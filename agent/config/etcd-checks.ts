// Rules about etcd's members and timing that a schema cannot say.

import type { Diagnostic } from '../model/diagnostic.ts';
import { nearestName } from '../model/node-identity.ts';
import { type DraftText, defaults, draftNodes, numberAt, textsAt, topEntry } from './draft.ts';
import { finding } from './findings.ts';
import { entryAt, type LocatedMapping } from './located.ts';

/** All nodes when there are 1, 3 or 5, the numbers of members that make a good quorum; else nobody can guess. */
export function defaultMembers(names: readonly string[]): readonly string[] | null {
  return [1, 3, 5].includes(names.length) ? names : null;
}

/** Members that are nodes, in a number that makes a quorum; the bootstrap of this version; ports and timeouts. */
export function checkEtcd(tree: LocatedMapping): Diagnostic[] {
  return [...memberChecks(tree), ...bootstrapCheck(tree), ...portCheck(tree), ...timeoutCheck(tree)];
}

function memberChecks(tree: LocatedMapping): Diagnostic[] {
  const names = draftNodes(tree).map((node) => node.name);
  if (entryAt(tree, ['etcd', 'members']) === null) return unnamedMembers(tree, names);
  const members = textsAt(tree, ['etcd', 'members']);
  const unknown = members.filter((m) => !names.includes(m.text)).map((m) => unknownMember(m, names));
  return [...unknown, ...evenMembers(tree, new Set(members.map((m) => m.text)).size)];
}

function unnamedMembers(tree: LocatedMapping, names: readonly string[]): Diagnostic[] {
  if (names.length === 0 || defaultMembers(names) !== null) return [];
  return [
    finding({
      at: entryAt(tree, ['nodes'])?.keyAt ?? tree.at,
      path: ['etcd', 'members'],
      value: null,
      rule: 'members-unnamed',
      message: `there are ${names.length} nodes, and the file does not say which of them run an etcd member`,
      remedy: `name three or five of them (or one), for example etcd: { members: [${exampleMembers(names).join(', ')}] }`,
    }),
  ];
}

function exampleMembers(names: readonly string[]): readonly string[] {
  return names.slice(0, names.length < 3 ? 1 : 3);
}

function unknownMember(member: DraftText, names: readonly string[]): Diagnostic {
  const nearest = nearestName(member.text, names);
  return finding({
    at: member.at,
    path: member.path,
    value: member.text,
    rule: 'unknown-member',
    message: `etcd.members names "${member.text}", and there is no node of that name`,
    remedy: `${nearest === null ? '' : `did you mean "${nearest}"? `}name one of ${shortList(names)}, or add it under nodes`,
  });
}

function shortList(names: readonly string[]): string {
  const rest = names.length - 10;
  return names.slice(0, 10).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

function evenMembers(tree: LocatedMapping, count: number): Diagnostic[] {
  const entry = entryAt(tree, ['etcd', 'members']);
  if (entry === null || count === 0 || count % 2 === 1) return [];
  const survives = count / 2 - 1;
  const message =
    count === 2
      ? 'two members are worse than one: when either is down, etcd stops, and with it all changes to the cluster'
      : `${count} members survive the loss of ${survives}, as ${count - 1} do, and each write waits for one more`;
  return [
    finding({
      severity: 'warning',
      at: entry.keyAt,
      path: ['etcd', 'members'],
      value: `${count} members`,
      rule: 'even-members',
      message,
      remedy: count === 2 ? 'name one member, or three' : `name ${count - 1} or ${count + 1} members`,
    }),
  ];
}

function bootstrapCheck(tree: LocatedMapping): Diagnostic[] {
  const bootstrap = entryAt(tree, ['etcd', 'bootstrap']);
  if (bootstrap?.value.kind !== 'mapping') return [];
  const methods = ['discovery', 'srv'].filter((key) => entryAt(bootstrap.value, [key]) !== null);
  if (methods.length === 0) return [];
  return [
    finding({
      at: bootstrap.keyAt,
      path: ['etcd', 'bootstrap'],
      value: methods.join(' and '),
      rule: 'not-supported',
      message: 'this version bootstraps etcd only from the static list of members',
      remedy: 'write bootstrap: static, or leave it out; the members and their addresses are in this file anyway',
    }),
  ];
}

function portCheck(tree: LocatedMapping): Diagnostic[] {
  const peer = numberAt(tree, ['etcd', 'peerPort']);
  const client = numberAt(tree, ['etcd', 'clientPort']);
  const given = client ?? peer;
  if (given === null || (peer?.number ?? defaults.peerPort) !== (client?.number ?? defaults.clientPort)) return [];
  return [
    finding({
      at: given.at,
      path: given.path,
      value: String(given.number),
      rule: 'ports-equal',
      message: 'etcd cannot listen for peers and for clients on one port',
      remedy: `give them different ports; the usual ones are peerPort: ${defaults.peerPort} and clientPort: ${defaults.clientPort}`,
    }),
  ];
}

function timeoutCheck(tree: LocatedMapping): Diagnostic[] {
  const heartbeat = numberAt(tree, ['etcd', 'heartbeatIntervalMs']);
  const election = numberAt(tree, ['etcd', 'electionTimeoutMs']);
  const given = election ?? heartbeat;
  if (given === null || topEntry(tree, 'etcd') === null) return [];
  const heartbeatMs = heartbeat?.number ?? defaults.heartbeatIntervalMs;
  const electionMs = election?.number ?? defaults.electionTimeoutMs;
  if (electionMs >= 5 * heartbeatMs) return [];
  return [
    finding({
      at: given.at,
      path: given.path,
      value: String(given.number),
      rule: 'election-timeout',
      message:
        `etcd refuses an election timeout of ${electionMs} ms${election === null ? ' (its default)' : ''}, ` +
        `less than five heartbeats of ${heartbeatMs} ms${heartbeat === null ? ' (its default)' : ''}`,
      remedy: `write electionTimeoutMs: ${Math.min(10 * heartbeatMs, 50_000)}, ten heartbeats; at least ${5 * heartbeatMs}`,
    }),
  ];
}

// Who this host is: a name that cloud-init was given, matched exactly to one node of the cluster file.

import type { ClusterConfig } from './cluster-config.ts';
import { AgentError } from './errors.ts';

/** What a metadata source can tell about this host, before it is compared with the cluster file. */
export interface HostFacts {
  /** The short name: the part of local-hostname before the first dot. */
  readonly name: string;
  readonly instanceId: string | null;
  /** Which source gave the name, for people: `cloud-init instance data (seed-dir /var/cloud-init/)`. */
  readonly source: string;
  /** Every source that was looked at, in order, with what came of it. */
  readonly tried: readonly SourceOutcome[];
}

export interface SourceOutcome {
  readonly source: string;
  readonly outcome: 'won' | 'absent' | 'without a name' | 'not consulted';
}

export type EtcdRole = 'member' | 'client';

export interface NodeIdentity {
  readonly name: string;
  readonly address: string;
  /** Whether this node runs an etcd member or only talks to the members. */
  readonly etcdRole: EtcdRole;
  readonly metadata: Readonly<Record<string, string>>;
  readonly instanceId: string | null;
  /** DMI product UUID where readable, else the machine id: what tells two clones apart. */
  readonly hardwareId: string | null;
  readonly source: string;
}

/**
 * Find this host in the cluster file by exact comparison of names.
 *
 * @throws AgentError kind `data` when the name is not in the file; the known names are listed and the nearest is suggested
 */
export function identify(config: ClusterConfig, facts: HostFacts, hardwareId: string | null): NodeIdentity {
  const node = config.nodes.find((n) => n.name === facts.name);
  if (node === undefined) {
    const known = config.nodes.map((n) => n.name);
    const inOtherCase = known.find((n) => n.toLowerCase() === facts.name.toLowerCase());
    const nearest = inOtherCase ?? nearestName(facts.name, known);
    throw new AgentError(
      'data',
      `this host is called "${facts.name}", according to ${facts.source}; cluster "${config.cluster}" has no node of that name, its nodes are ${known.join(', ')}`,
      {
        hint:
          (nearest === null ? '' : `did you mean "${nearest}"? `) +
          (inOtherCase === undefined ? '' : 'names are compared letter by letter, capitals included; ') +
          `correct local-hostname in the host's meta-data, or add "${facts.name}" with its address under nodes: in the cluster file`,
      },
    );
  }
  return {
    name: node.name,
    address: node.address,
    etcdRole: config.etcd.members.includes(node.name) ? 'member' : 'client',
    metadata: node.metadata,
    instanceId: facts.instanceId,
    hardwareId,
    source: facts.source,
  };
}

/** The known name with the smallest edit distance, if that is at most a third of its length (and at least one edit). */
export function nearestName(name: string, known: readonly string[]): string | null {
  let best: { name: string; distance: number } | null = null;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    const allowed = Math.max(1, Math.floor(candidate.length / 3));
    if (distance <= allowed && (best === null || distance < best.distance)) best = { name: candidate, distance };
  }
  return best?.name ?? null;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitution));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

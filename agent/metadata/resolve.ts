// Which host this is: the sources in order, the first with a name wins, and what came of each is kept.

import { AgentError } from '../model/errors.ts';
import type { HostFacts, SourceOutcome } from '../model/node-identity.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import { shortName } from './hostname.ts';
import { readInstanceId } from './instance-link.ts';
import { lastResort, metadataSources } from './registry.ts';
import { kickstartSeedDirectory, standardSeedDirectories } from './seed-directory.ts';
import type { MetadataSource, SourceFacts } from './source.ts';

export interface ResolvedHostFacts extends HostFacts {
  /** Where a cluster file may lie beside the meta-data, best first; not all of them need exist. */
  readonly seedDirectories: readonly AbsolutePath[];
}

interface Answer {
  readonly source: MetadataSource;
  readonly facts: SourceFacts | null;
}

/**
 * Find out who this host is, from files only.
 *
 * A source that is there without a name does not end the search, but it rules out the last resort: where any metadata
 * exists the system's own hostname is never taken for an answer.
 *
 * @throws AgentError `data` when a source is garbled, when the name is no host name, and when nothing gives a name;
 * then every place that was looked at is listed
 */
export async function resolveHostFacts(
  files: ReadOnlyFiles,
  sources: readonly MetadataSource[] = metadataSources,
): Promise<ResolvedHostFacts> {
  const answers: Answer[] = [];
  for (const source of sources) {
    const facts = await source.read(files);
    answers.push({ source, facts });
    if (facts !== null && facts.localHostname !== null) break;
  }
  const isUndescribed = answers.every(({ facts }) => facts === null);
  if (isUndescribed) answers.push({ source: lastResort, facts: await lastResort.read(files) });

  const winner = answers.at(-1);
  const name = winner?.facts?.localHostname ?? null;
  if (winner === undefined || winner.facts === null || name === null) throw nameless(answers);
  const { source, facts } = winner;
  const shown = facts.detail === '' ? source.name : `${source.name} (${facts.detail})`;
  return {
    name: shortName(name, shown),
    instanceId: firstOf(answers, (a) => a.instanceId) ?? (await readInstanceId(files)),
    source: shown,
    tried: [...sources, lastResort].map((s) => outcomeOf(s, answers, source)),
    seedDirectories: seedDirectories(answers),
  };
}

function outcomeOf(source: MetadataSource, answers: readonly Answer[], winner: MetadataSource): SourceOutcome {
  const answer = answers.find((a) => a.source === source);
  if (answer === undefined) return { source: source.name, outcome: 'not consulted' };
  if (answer.facts === null) return { source: source.name, outcome: 'absent' };
  return { source: source.name, outcome: source === winner ? 'won' : 'without a name' };
}

function firstOf<T>(answers: readonly Answer[], pick: (facts: SourceFacts) => T | null): T | null {
  for (const { facts } of answers) {
    const value = facts === null ? null : pick(facts);
    if (value !== null) return value;
  }
  return null;
}

function seedDirectories(answers: readonly Answer[]): AbsolutePath[] {
  const told = answers.flatMap(({ facts }) => facts?.seedDirectory ?? []);
  // The winner's own first: that is where this host's name came from.
  return [...new Set([...told.toReversed(), ...standardSeedDirectories, kickstartSeedDirectory])];
}

function nameless(answers: readonly Answer[]): AgentError {
  const looked = answers.map(({ source, facts }) => {
    const outcome = facts === null ? 'not there' : (facts.remark ?? 'without a name');
    return `${source.name} (${source.files.join(', ')}): ${outcome}`;
  });
  const exists = answers.some(({ facts }) => facts !== null);
  const what = exists ? 'there is meta-data without local-hostname' : 'there is no meta-data on this host';
  return new AgentError('data', `cannot find out which node this host is: ${what}; looked at ${looked.join('; ')}`, {
    hint:
      'give the host its name: "local-hostname: a1" in the meta-data of its seed, or ds=nocloud;h=a1 on its kernel command line' +
      (exists ? '; a seed that is fetched over the network is seen only once cloud-init has fetched it' : ''),
  });
}

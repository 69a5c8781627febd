// From the host's files to the context everything is decided from: meta-data, cluster file, identity, layout.

import { diagnosticsText } from '../config/diagnostics-text.ts';
import { type ClusterDocument, documentDirectories } from '../config/documents.ts';
import { type Resolution, resolveCluster } from '../config/resolve.ts';
import { observeLayout } from '../layout/observe.ts';
import { liveContext } from '../live/context.ts';
import { resolveHostFacts } from '../metadata/resolve.ts';
import { readSeedClusterFile, readUserData } from '../metadata/user-data.ts';
import type { ClusterConfig } from '../model/cluster-config.ts';
import { type Diagnostic, hasErrors } from '../model/diagnostic.ts';
import { AgentError, isAgentError } from '../model/errors.ts';
import { type HostFacts, identify } from '../model/node-identity.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import type { NodeContext } from '../ports/component.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import type { ReadOnlyHost } from '../ports/host.ts';
import type { Reporter } from '../ports/reporter.ts';
import { InvalidClusterFile } from './invalid-cluster-file.ts';

/** Every place a cluster file may be in, for the message when there is none. */
export const searchedPlaces: readonly string[] = [
  '--config <file>',
  ...documentDirectories.toReversed().map((d) => d.clusterFile),
  'the diyc: key of cloud-config user-data',
  'cluster.yaml beside the meta-data',
];

export interface Documents {
  readonly documents: readonly ClusterDocument[];
  /** Places that could not be read; without root that is normal for user-data. */
  readonly unreadable: readonly string[];
}

/**
 * Read every document that may describe the cluster.
 *
 * @param configFile given with --config: then it alone counts
 * @param seedDirectories where meta-data lies; empty when this host has none
 * @throws AgentError `usage` when --config names no file, and as ReadOnlyFiles.readText
 */
export async function readDocuments(
  files: ReadOnlyFiles,
  configFile: AbsolutePath | null,
  seedDirectories: readonly AbsolutePath[],
): Promise<Documents> {
  if (configFile !== null) {
    const text = await readClusterText(files, configFile);
    if (text === null) {
      throw new AgentError('usage', `--config names ${configFile}, and there is no such file`, {
        hint: 'give the path of a cluster file',
      });
    }
    return { documents: [{ file: configFile, text, layer: 'option', dropIn: null }], unreadable: [] };
  }
  const documents: ClusterDocument[] = [];
  const unreadable: string[] = [];
  for (const { layer, clusterFile, dropInDirectory } of documentDirectories) {
    const text = await readClusterText(files, clusterFile);
    if (text !== null) documents.push({ file: clusterFile, text, layer, dropIn: null });
    for (const name of await files.list(dropInDirectory)) {
      const file = under(dropInDirectory, name);
      const dropIn = await readClusterText(files, file);
      if (dropIn !== null) documents.push({ file, text: dropIn, layer, dropIn: name });
    }
  }
  const seeded = await asConfig(() => readSeedClusterFile(files, seedDirectories));
  if (seeded !== null) documents.push({ file: seeded.file, text: seeded.text, layer: 'seed', dropIn: null });
  const userData = await readUserData(files, seedDirectories);
  if (userData.kind === 'found')
    documents.push({ file: userData.file, text: userData.text, layer: 'user-data', dropIn: null });
  if (userData.kind === 'unreadable') unreadable.push(`${userData.file}: ${userData.reason}`);
  return { documents, unreadable };
}

/** A cluster file that cannot be understood is the operator's to correct (`config`), whatever is wrong with it. */
async function readClusterText(files: ReadOnlyFiles, file: AbsolutePath): Promise<string | null> {
  return await asConfig(() => files.readText(file));
}

async function asConfig<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!isAgentError(error) || error.kind !== 'data') throw error;
    throw new AgentError('config', error.message, { hint: error.hint, cause: error });
  }
}

/** The cluster file as resolved, and who wrote which line. */
export async function readCluster(
  files: ReadOnlyFiles,
  configFile: AbsolutePath | null,
  seedDirectories: readonly AbsolutePath[],
): Promise<Resolution> {
  const { documents, unreadable } = await readDocuments(files, configFile, seedDirectories);
  if (documents.length === 0 && unreadable.length > 0) {
    throw new AgentError('noperm', `no cluster file can be read: ${unreadable.join('; ')}`, {
      hint: 'run the command as root',
    });
  }
  return resolveCluster(documents, searchedPlaces);
}

export interface Gathered extends NodeContext {
  readonly facts: HostFacts;
  /** What is odd about the cluster file, for the verbs by which an operator applies it; timers would repeat it for ever. */
  readonly warnings: readonly Diagnostic[];
}

/**
 * Find out everything a plan is made from. Reads only.
 *
 * @throws InvalidClusterFile with all findings; AgentError `data` when the host cannot be identified
 */
export async function gather(
  host: ReadOnlyHost,
  reporter: Reporter,
  configFile: AbsolutePath | null,
): Promise<Gathered> {
  const facts = await resolveHostFacts(host.files);
  const resolution = await readCluster(host.files, configFile, facts.seedDirectories);
  const config = valid(resolution);
  const node = identify(config, facts, await host.machine.hardwareId());
  const [layout, live] = await Promise.all([
    observeLayout(host.files, host.programs, { etcdApi: config.flannel.etcdApi }),
    liveContext(host, node.name),
  ]);
  reporter.emit({
    event: 'identity.found',
    node: node.name,
    address: node.address,
    source: node.source,
    etcdRole: node.etcdRole,
  });
  return { config, node, layout, live, facts, agentProgram: host.machine.program, warnings: resolution.diagnostics };
}

/** The configuration, its warnings told; or all findings as one error. */
export function accepted(resolution: Resolution, reporter: Reporter): ClusterConfig {
  const config = valid(resolution);
  tellWarnings(resolution.diagnostics, reporter);
  return config;
}

export function tellWarnings(warnings: readonly Diagnostic[], reporter: Reporter): void {
  for (const d of warnings) reporter.emit({ event: 'config.warning', message: d.message, hint: d.remedy });
}

function valid({ config, diagnostics, documents }: Resolution): ClusterConfig {
  if (config === null || hasErrors(diagnostics))
    throw new InvalidClusterFile(diagnostics, diagnosticsText(diagnostics, documents));
  return config;
}

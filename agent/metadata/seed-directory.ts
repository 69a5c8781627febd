// NoCloud's seed directories, read as cloud-init does: for hosts whose cloud-init leaves no instance data (0.7.x).

import { parseDocument } from 'yaml';
import { AgentError } from '../model/errors.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import { readNoCloudArguments } from './kernel-args.ts';
import { type MetaData, parseMetaData } from './meta-data.ts';
import { printable } from './printable.ts';
import { localSeedDirectory } from './seedfrom.ts';
import type { MetadataSource, SourceFacts } from './source.ts';

/** Where cloud-init looks by itself; the first that is there ends its search. */
export const standardSeedDirectories = [
  '/var/lib/cloud/seed/nocloud',
  '/var/lib/cloud/seed/nocloud-net',
] as const satisfies readonly AbsolutePath[];

/** Where a kickstart puts the seed and names it on the kernel command line only; below --root there is no such line. */
export const kickstartSeedDirectory: AbsolutePath = '/var/cloud-init';

const configuration: AbsolutePath = '/etc/cloud/cloud.cfg';
const configurationDirectory: AbsolutePath = '/etc/cloud/cloud.cfg.d';

export const standardSeed: MetadataSource = {
  name: 'seed directory of cloud-init',
  files: standardSeedDirectories.map((directory) => under(directory, 'meta-data')),
  async read(files) {
    const found = await readStandardSeed(files);
    return found === null ? null : factsOf(found.directory, found.metaData);
  },
};

/** The directory that seedfrom names. What cloud-init's own seed says comes before it, so it is asked later. */
export const namedSeed: MetadataSource = {
  name: 'seed directory named by seedfrom',
  files: [`seedfrom of ${configurationDirectory}/*.cfg, of a seed's meta-data or of the kernel command line`],
  async read(files) {
    const seedfrom = await readSeedfrom(files);
    const directory = localSeedDirectory(seedfrom);
    if (seedfrom === null) return null;
    if (directory === null) return without(`seedfrom is ${printable(seedfrom)}, which is no directory of this host`);
    const metaData = await readMetaData(files, directory);
    if (metaData === null) return without(`${directory}/meta-data, named by seedfrom, does not exist`);
    return factsOf(directory, metaData);
  },
};

export const kickstartSeed: MetadataSource = {
  name: 'seed directory of a kickstart',
  files: [under(kickstartSeedDirectory, 'meta-data')],
  async read(files) {
    const metaData = await readMetaData(files, kickstartSeedDirectory);
    return metaData === null ? null : factsOf(kickstartSeedDirectory, metaData);
  },
};

function factsOf(directory: AbsolutePath, metaData: MetaData): SourceFacts {
  const { localHostname, instanceId, remark } = metaData;
  return { localHostname, instanceId, seedDirectory: directory, detail: directory, remark };
}

function without(remark: string): SourceFacts {
  return { localHostname: null, instanceId: null, seedDirectory: null, detail: '', remark };
}

async function readMetaData(files: ReadOnlyFiles, directory: AbsolutePath): Promise<MetaData | null> {
  const file = under(directory, 'meta-data');
  const text = await files.readText(file);
  return text === null ? null : parseMetaData(text, file);
}

async function readStandardSeed(files: ReadOnlyFiles): Promise<{ directory: AbsolutePath; metaData: MetaData } | null> {
  for (const directory of standardSeedDirectories) {
    const metaData = await readMetaData(files, directory);
    if (metaData !== null) return { directory, metaData };
  }
  return null;
}

/** cloud-init's configuration wins; then the kernel command line, whose values come before those of a seed. */
async function readSeedfrom(files: ReadOnlyFiles): Promise<string | null> {
  const configured = await readConfiguredSeedfrom(files);
  if (configured !== null) return configured;
  const fromKernel = (await readNoCloudArguments(files))?.seedfrom ?? null;
  return fromKernel ?? (await readStandardSeed(files))?.metaData.seedfrom ?? null;
}

async function readConfiguredSeedfrom(files: ReadOnlyFiles): Promise<string | null> {
  const names = (await files.list(configurationDirectory)).filter((name) => name.endsWith('.cfg'));
  const paths = [configuration, ...names.map((name) => under(configurationDirectory, name))];
  const texts = await Promise.all(paths.map(async (path) => ({ path, text: await files.readText(path) })));
  // The last file wins, as in cloud-init.
  for (const { path, text } of texts.toReversed()) {
    const seedfrom = text === null ? null : parseConfiguredSeedfrom(text, path);
    if (seedfrom !== null) return seedfrom;
  }
  return null;
}

/**
 * `datasource: {NoCloud: {seedfrom: …}}` of one of cloud-init's configuration files.
 *
 * @throws AgentError `data` when the file speaks of seedfrom and is no YAML
 */
function parseConfiguredSeedfrom(text: string, file: string): string | null {
  // Most of these files are about something else: not worth a parser.
  if (!text.includes('seedfrom')) return null;
  let value: unknown;
  try {
    const document = parseDocument(text, { version: '1.1', uniqueKeys: false, logLevel: 'error', prettyErrors: false });
    const first = document.errors[0];
    if (first !== undefined) throw first;
    value = document.getIn(['datasource', 'NoCloud', 'seedfrom']);
  } catch (error) {
    const why = printable(error instanceof Error ? error.message : String(error));
    throw new AgentError('data', `cannot read seedfrom in ${file}: ${why}`, {
      hint: `correct the YAML of ${file}; cloud-init cannot read it either`,
      cause: error,
    });
  }
  return typeof value === 'string' && value !== '' ? value : null;
}

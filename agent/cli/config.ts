// `config validate|show|schema`: the operator's file, judged and shown without touching anything.

import { diagnosticsText } from '../config/diagnostics-text.ts';
import { schemaText } from '../config/schema-text.ts';
import { showCluster } from '../config/show.ts';
import { resolveHostFacts } from '../metadata/resolve.ts';
import { hasErrors } from '../model/diagnostic.ts';
import { exitCodes, isAgentError } from '../model/errors.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import type { Action } from './command.ts';
import { accepted, readCluster } from './gather.ts';
import { configFile } from './options.ts';

/** Print all findings; 78 when one is an error. */
export const validateConfig: Action = async ({ host, options, out }) => {
  const resolution = await readCluster(host.files, configFile(options.config), await seedDirectories(host.files));
  const { diagnostics } = resolution;
  const isValid = !hasErrors(diagnostics);
  if (options.json) out(`${JSON.stringify({ schema: 1, valid: isValid, diagnostics })}\n`);
  else out(diagnosticsText(diagnostics, resolution.documents) + (isValid ? 'the cluster file is valid\n' : ''));
  return isValid ? 0 : exitCodes.config;
};

/** Print the effective cluster file. */
export const showConfig: Action = async ({ host, reporter, options: global, out }, options) => {
  const resolution = await readCluster(host.files, configFile(global.config), await seedDirectories(host.files));
  const cluster = accepted(resolution, reporter);
  if (global.json) out(`${JSON.stringify({ schema: 1, config: cluster, origins: resolution.origins })}\n`);
  else if (resolution.raw !== null) {
    out(
      showCluster(
        { config: cluster, origins: resolution.origins, raw: resolution.raw },
        { origin: options['origin'] === true },
      ),
    );
  }
  return 0;
};

/** Print the JSON Schema. */
export const printSchema: Action = async ({ out }) => {
  out(schemaText());
  return 0;
};

/** A host without meta-data may still have a cluster file in /etc; that is judged all the same. */
async function seedDirectories(files: ReadOnlyFiles): Promise<readonly AbsolutePath[]> {
  try {
    return (await resolveHostFacts(files)).seedDirectories;
  } catch (error) {
    if (isAgentError(error) && error.kind === 'data')
      return ['/var/lib/cloud/seed/nocloud', '/var/lib/cloud/seed/nocloud-net', '/var/cloud-init'];
    throw error;
  }
}

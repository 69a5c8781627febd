// cloud-init's own account of this instance (17.2 and newer): what it made of its sources, written before bootcmd.

import { AgentError } from '../model/errors.ts';
import type { AbsolutePath } from '../model/paths.ts';
import { notText } from './hostname.ts';
import { printable } from './printable.ts';
import { localSeedDirectory } from './seedfrom.ts';
import type { MetadataSource, SourceFacts } from './source.ts';

const file: AbsolutePath = '/run/cloud-init/instance-data.json';
const redacted = 'redacted for non-root user';

export const instanceData: MetadataSource = {
  name: 'cloud-init instance data',
  files: [file],
  async read(files) {
    const text = await files.readText(file);
    return text === null ? null : parseInstanceData(text, file);
  },
};

type Json = Readonly<Record<string, unknown>>;

/**
 * What instance-data.json says of this host.
 *
 * The name is `ds.meta_data["local-hostname"]`. `v1.local_hostname` alone proves nothing: without a name in the
 * meta-data cloud-init puts the system's own hostname there. Datasources that publish their raw answer instead of
 * `meta_data` (Azure, GCE) are believed when a key of that answer and `v1.local_hostname` agree.
 *
 * @returns null when cloud-init found no datasource at all and says so in the file
 * @throws AgentError `data` when the file is no JSON object, or the name in it is redacted, binary or no text
 */
export function parseInstanceData(text: string, where: string): SourceFacts | null {
  const root = parseObject(text, where);
  const v1 = objectAt(root, 'v1');
  const ds = objectAt(root, 'ds');
  const meta = { ...objectAt(ds, 'meta-data'), ...objectAt(ds, 'meta_data') };
  if (isNone(v1)) return null;

  assertNotEncoded(root, where);
  const given = nameIn(meta, where) ?? corroborated(v1, [meta, objectAt(ds, 'metadata'), ds]);
  const subplatform = textAt(v1, 'subplatform') ?? '';
  return {
    localHostname: given,
    instanceId: usable(idText(v1['instance_id']) ?? idText(v1['instance-id']) ?? idText(meta['instance-id'])),
    seedDirectory: seedOfSubplatform(subplatform) ?? localSeedDirectory(textAt(meta, 'seedfrom')),
    detail: printable(subplatform.replace(/^(\S+) \((.*)\)$/, '$1 $2')),
    remark: given === null ? 'its ds.meta_data has no local-hostname' : null,
  };
}

/**
 * The seed directory in `seed-dir (cmdline,/var/cloud-init/)`: cloud-init joins everything it found with commas, the
 * place that the user-data came from last.
 */
export function seedOfSubplatform(subplatform: string): AbsolutePath | null {
  const inside = /^seed-dir \((.*)\)$/.exec(subplatform)?.[1];
  if (inside === undefined) return null;
  const directories = inside.split(',').map((part) => localSeedDirectory(part));
  return directories.findLast((d) => d !== null && !d.startsWith('/dev/')) ?? null;
}

function parseObject(text: string, where: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw garbled(where, printable(error instanceof Error ? error.message : String(error)), error);
  }
  if (!isObject(value)) throw garbled(where, 'it is no JSON object');
  return value;
}

function garbled(where: string, why: string, cause?: unknown): AgentError {
  return new AgentError('data', `cannot read cloud-init's instance data in ${where}: ${why}`, {
    hint: 'reboot, so that cloud-init writes it anew, or look into /var/log/cloud-init.log for what stopped it',
    cause,
  });
}

/** cloud-init without any datasource calls it `none` and still writes the file. */
function isNone(v1: Json): boolean {
  return (
    [v1['platform'], v1['cloud_name'], v1['cloud-name']].includes('none') || v1['instance_id'] === 'iid-datasource-none'
  );
}

function nameIn(meta: Json, where: string): string | null {
  const value = meta['local-hostname'];
  if (value === undefined || value === null || value === '') return null;
  if (typeof value !== 'string') {
    throw notText(`ds.meta_data of ${where}`, null, JSON.stringify(value) ?? 'no value');
  }
  if (value === redacted) throw unusable(where, 'redacted', 'make the datasource not mark local-hostname as sensitive');
  if (value.startsWith('ci-b64:')) throw binary(where);
  return value;
}

function corroborated(v1: Json, answers: readonly Json[]): string | null {
  const short = v1['local_hostname'] ?? v1['local-hostname'];
  // NoCloud itself knows no other key.
  if (typeof short !== 'string' || short === '' || v1['platform'] === 'nocloud') return null;
  const keys = ['local-hostname', 'local_hostname', 'hostname'];
  const values = answers.flatMap((answer) => keys.map((key) => answer[key]));
  const agrees = (value: unknown): value is string =>
    typeof value === 'string' && value !== redacted && (value === short || value.startsWith(`${short}.`));
  return values.find(agrees) ?? null;
}

function assertNotEncoded(root: Json, where: string): void {
  const encoded = root['base64_encoded_keys'] ?? root['base64-encoded-keys'];
  if (!Array.isArray(encoded)) return;
  if (encoded.some((key) => typeof key === 'string' && /^ds\/meta[_-]data\/local-hostname$/.test(key)))
    throw binary(where);
}

function binary(where: string): AgentError {
  return unusable(
    where,
    'binary data',
    'write local-hostname in the meta-data as plain text, as in "local-hostname: a1"',
  );
}

function unusable(where: string, what: string, hint: string): AgentError {
  return new AgentError('data', `local-hostname in ds.meta_data of ${where} is ${what}, which is no name`, { hint });
}

function usable(id: string | null): string | null {
  return id === redacted ? null : id;
}

function idText(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : null;
}

function objectAt(object: Json, key: string): Json {
  const value = object[key];
  return isObject(value) ? value : {};
}

function textAt(object: Json, key: string): string | null {
  const value = object[key];
  return typeof value === 'string' ? value : null;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

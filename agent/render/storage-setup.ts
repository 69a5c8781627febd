// What docker-storage-setup is told, what it told docker, and the options that docker gets where it is not installed.

import { type DockerStorageConfig, dockerPoolVolume, mapperPath, type StorageDriver } from '../model/storage.ts';
import { header } from './marker.ts';

/** What a new pool leaves free: room for its metadata to grow, and for the spare copy that a repair needs. */
const dataSize = '90%FREE';

/**
 * The text of /etc/sysconfig/docker-storage-setup. It is sourced by bash, and read by systemd as the unit's environment.
 *
 * Variables that a version does not know it ignores: SETUP_LVM_THIN_POOL was asked for until April 2015 only.
 */
export function renderStorageSetup(docker: DockerStorageConfig): string {
  const settings: (readonly [key: string, value: string])[] = [
    ['VG', docker.volumeGroup],
    ['STORAGE_DRIVER', docker.driver],
    ...(docker.driver === 'devicemapper' ? poolSettings(docker) : []),
    ['DEVICE_WAIT_TIMEOUT', '60'],
    ['WIPE_SIGNATURES', 'false'],
    ['GROWPART', 'false'],
  ];
  return [
    header("docker-storage-setup works in the volume group of docker's disks"),
    '# DEVS stays unset: diyc-agent looks at the disks and makes the group. docker-storage-setup would partition a disk\n',
    '# without knowing whose it is, and its versions differ in what they do to a disk that is a physical volume as a whole.\n',
    ...settings.map(([key, value]) => `${key}=${quoted(value)}\n`),
  ].join('');
}

function poolSettings(docker: DockerStorageConfig): readonly (readonly [key: string, value: string])[] {
  return [
    ['SETUP_LVM_THIN_POOL', 'yes'],
    ['DATA_SIZE', dataSize],
    // MiB. Its own least size is 2G; without a unit the number is read alike by every version.
    ['MIN_DATA_SIZE', '256'],
    ['CHUNK_SIZE', '512K'],
    ['AUTO_EXTEND_POOL', 'yes'],
    ['POOL_AUTOEXTEND_THRESHOLD', '60'],
    ['POOL_AUTOEXTEND_PERCENT', '20'],
    // xfs is its default, and an option of the same name replaces it.
    ...(docker.filesystem === 'xfs'
      ? []
      : [['EXTRA_STORAGE_OPTIONS', `--storage-opt dm.fs=${docker.filesystem}`] as const]),
  ];
}

/** Bash expands nothing between single quotes; systemd reads them alike as long as the value has none itself. */
function quoted(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/** What docker is told in /etc/sysconfig/docker-storage. */
export interface DockerStorageOptions {
  /** Every word, without quotes. */
  readonly words: readonly string[];
  /** As named; `devicemapper` also where only a pool is named; null where nothing names one. */
  readonly driver: string | null;
  /** Path of the thin pool's device; null where docker is given none. */
  readonly thinPoolDevice: string | null;
}

/**
 * Read /etc/sysconfig/docker-storage: the last DOCKER_STORAGE_OPTIONS of the file, as systemd does.
 *
 * @param text null where there is no such file
 * @returns null where it tells docker nothing, as the file of docker's packages
 */
export function parseDockerStorage(text: string | null): DockerStorageOptions | null {
  let words: readonly string[] = [];
  for (const line of (text ?? '').split('\n')) {
    const value = /^\s*(?:export\s+)?DOCKER_STORAGE_OPTIONS=(.*)$/.exec(line)?.[1];
    if (value !== undefined) words = wordsOf(unquoted(value.trim()));
  }
  if (words.length === 0) return null;
  const pool = storageOptions(words).get('dm.thinpooldev') ?? null;
  return {
    words,
    driver:
      optionValue(words, '--storage-driver') ?? optionValue(words, '-s') ?? (pool === null ? null : 'devicemapper'),
    // docker takes the bare name of the device too.
    thinPoolDevice: pool === null || pool.startsWith('/') ? pool : `/dev/mapper/${pool}`,
  };
}

/** `other` names what stands there instead: a driver that is set up already is not changed by docker-storage-setup. */
type StorageSetupVerdict =
  | { readonly kind: 'absent' }
  | { readonly kind: 'as wanted' }
  | { readonly kind: 'other'; readonly found: string };

/** Pure: whether docker-storage-setup did what was wanted, by its effect; its exit code is 0 for much that it ignored. */
export function storageSetupVerdict(
  options: DockerStorageOptions | null,
  wanted: DockerStorageConfig,
): StorageSetupVerdict {
  if (options === null) return { kind: 'absent' };
  const { driver, thinPoolDevice, words } = options;
  if (driver === null) return { kind: 'other', found: `options that name no driver (${words.join(' ')})` };
  if (driver !== 'devicemapper') {
    return driver === wanted.driver ? { kind: 'as wanted' } : { kind: 'other', found: driver };
  }
  const found = `devicemapper on ${thinPoolDevice ?? 'files in /var/lib/docker (loopback)'}`;
  if (wanted.driver !== 'devicemapper') return { kind: 'other', found };
  const isRight = thinPoolDevice === mapperPath(wanted.volumeGroup, dockerPoolVolume);
  return isRight ? { kind: 'as wanted' } : { kind: 'other', found };
}

/**
 * docker's options for the declared storage, one word each.
 *
 * @param dockerVersion `1.6.2`; docker before 1.7 does not start with an option it does not know; null: not known, so it is new
 */
export function dockerStorageOptions(
  docker: DockerStorageConfig,
  dockerVersion: string | null = null,
): readonly string[] {
  const driver: StorageDriver = docker.driver;
  if (driver === 'overlay2') return ['--storage-driver=overlay2'];
  const options = [
    `dm.thinpooldev=${mapperPath(docker.volumeGroup, dockerPoolVolume)}`,
    `dm.fs=${docker.filesystem}`,
    // A device that something still holds open is removed later, instead of the container's removal failing.
    ...(isBefore17(dockerVersion) ? [] : ['dm.use_deferred_removal=true']),
  ];
  return [`--storage-driver=${driver}`, ...options.map((option) => `--storage-opt=${option}`)];
}

function isBefore17(version: string | null): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  return major !== undefined && (Number(major) < 1 || (Number(major) === 1 && Number(minor) < 7));
}

/** `dm.fs=xfs` as written after --storage-opt, in either form. */
function storageOptions(words: readonly string[]): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  words.forEach((word, i) => {
    const text = word === '--storage-opt' ? words[i + 1] : /^--storage-opt=(.*)$/.exec(word)?.[1];
    const [, key, value] = /^([^=]+)=(.*)$/.exec(text ?? '') ?? [];
    if (key !== undefined && value !== undefined) options.set(key, value);
  });
  return options;
}

/** `--name value` or `--name=value`. */
function optionValue(words: readonly string[], name: string): string | null {
  const at = words.findIndex((word) => word === name || word.startsWith(`${name}=`));
  const word = words[at];
  if (word === undefined) return null;
  return word === name ? (words[at + 1] ?? null) : word.slice(name.length + 1);
}

/** A whole value between quotes; a comment after the closing quote is none of it. */
function unquoted(value: string): string {
  const [, double] = /^"((?:[^"\\]|\\.)*)"/.exec(value) ?? [];
  if (double !== undefined) return double.replace(/\\(["$`\\])/g, '$1');
  return /^'([^']*)'/.exec(value)?.[1] ?? value;
}

/** Words at blanks; quotes around a part of a word group it. */
function wordsOf(value: string): string[] {
  const words = value.match(/(?:"[^"]*"|'[^']*'|[^\s"']|["'](?![\s\S]*["']))+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, (_, a?: string, b?: string) => a ?? b ?? ''));
}

// Reads `rpm-ostree status --json` as versions from 2018 on print it: a field may be missing, none may be of another type.

import type { Candidate, Deployment } from '../model/deployment.ts';
import { AgentError } from '../model/errors.ts';
import { printableLine } from '../model/printable.ts';

/** A deployment with what only rpm-ostree's own commands need. */
export interface RpmOstreeDeployment {
  readonly deployment: Deployment;
  /** What `finalize-deployment` compares with: the commit below the layered packages, though the image has a digest. */
  readonly baseCommit: string;
  /** Updates come as a container image, so `deploy` cannot look up versions. */
  readonly tracksImage: boolean;
}

export interface RpmOstreeStatus {
  /** The default of the next boot first. */
  readonly deployments: readonly RpmOstreeDeployment[];
  readonly transaction: string | null;
  readonly cachedUpdate: Candidate | null;
  /** False for versions whose status has no word for updates (before 2018). */
  readonly tellsUpdates: boolean;
  readonly updateDriver: { readonly name: string; readonly unit: string } | null;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Fields by version: `staged` and `pinned` since 2018.6, `finalization-locked` since 2019.3, `update-driver` since
 * 2021.1, `container-image-reference` since 2021.7 (coreos/rpm-ostree, src/daemon/rpmostreed-deployment-utils.cxx,
 * src/app/rpmostree-builtin-status.cxx).
 *
 * @throws AgentError `oserr` with the name of the field that is missing or of another type, and for output that was cut
 */
export function parseRpmOstreeStatus(text: string): RpmOstreeStatus {
  const top = objectOf(parsed(text), 'the whole');
  const list = top['deployments'];
  if (!Array.isArray(list)) throw unreadable('deployments', list);
  const deployments = list.map((entry, i) => deploymentOf(objectOf(entry, `deployments[${i}]`), `deployments[${i}]`));
  return {
    deployments,
    transaction: transactionOf(top['transaction']),
    cachedUpdate: cachedUpdateOf(top['cached-update']),
    tellsUpdates: 'cached-update' in top,
    updateDriver: updateDriverOf(top['update-driver']),
  };
}

function deploymentOf(entry: Json, at: string): RpmOstreeDeployment {
  const checksum = text(entry, 'checksum', at);
  if (checksum === null || !/^[0-9a-f]{64}$/.test(checksum)) throw unreadable(`${at}.checksum`, entry['checksum']);
  const booted = flag(entry, 'booted', at);
  if (booted === null) throw unreadable(`${at}.booted`, entry['booted']);
  const baseCommit = text(entry, 'base-checksum', at) ?? checksum;
  const image = text(entry, 'container-image-reference', at);
  const digest = text(entry, 'container-image-reference-digest', at);
  const live = text(entry, 'live-replaced', at) ?? text(entry, 'live-inprogress', at);
  return {
    baseCommit,
    tracksImage: image !== null,
    deployment: {
      checksum,
      base: digest ?? baseCommit,
      version: text(entry, 'version', at) ?? text(entry, 'base-version', at),
      origin: image ?? originOf(text(entry, 'origin', at)),
      booted,
      staged: flag(entry, 'staged', at) ?? false,
      locked: flag(entry, 'finalization-locked', at) ?? false,
      pinned: flag(entry, 'pinned', at) ?? false,
      requestedPackages: texts(entry, 'requested-packages', at),
      localPackages: [
        ...texts(entry, 'requested-local-packages', at),
        ...texts(entry, 'requested-local-fileoverride-packages', at),
      ].map(withoutEpoch),
      overrides: [
        ...texts(entry, 'requested-base-removals', at),
        ...texts(entry, 'requested-base-local-replacements', at).map(withoutEpoch),
        ...replacementsByRemote(entry['requested-base-remote-replacements'], at),
      ],
      liveApplied: live !== null && live !== '',
      unlocked: text(entry, 'unlocked', at) ?? 'none',
    },
  };
}

/** A host that was set to a bare commit has that commit for an origin, and nothing to be updated from. */
function originOf(origin: string | null): string | null {
  return origin === null || /^[0-9a-f]{64}$/.test(origin) ? null : origin;
}

/** `[method, D-Bus name of the client, object path]`; the method is empty where nothing is under way. */
function transactionOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (!Array.isArray(value) || !value.every((part): part is string => typeof part === 'string')) {
    throw unreadable('transaction', value);
  }
  const [method = '', sender = ''] = value;
  if (method === '') return null;
  return printableLine(sender === '' ? method : `${method} (from ${sender})`);
}

/** An empty object where nothing newer is known. */
function cachedUpdateOf(value: unknown): Candidate | null {
  if (value === null || value === undefined) return null;
  const update = objectOf(value, 'cached-update');
  const version = text(update, 'version', 'cached-update');
  const base =
    text(update, 'container-image-reference-digest', 'cached-update') ?? text(update, 'checksum', 'cached-update');
  return version === null && base === null ? null : { version, base };
}

function updateDriverOf(value: unknown): RpmOstreeStatus['updateDriver'] {
  if (value === null || value === undefined) return null;
  const driver = objectOf(value, 'update-driver');
  const name = text(driver, 'driver-name', 'update-driver');
  if (name === null) return null;
  return { name: printableLine(name), unit: text(driver, 'driver-sd-unit', 'update-driver') ?? '' };
}

/** Lists of names, alone or by the repository they come from. */
function replacementsByRemote(value: unknown, at: string): string[] {
  if (value === null || value === undefined) return [];
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object') throw unreadable(`${at}.requested-base-remote-replacements`, value);
  return Object.values(value).flatMap((part: unknown) => replacementsByRemote(part, at));
}

/** `docker-ce-3:24.0.7-1.fc39.x86_64` without the epoch, as the model has it. */
export function withoutEpoch(nevra: string): string {
  return nevra.replace(/-\d+:(?=[^:]+$)/, '-');
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw unreadable('the whole', json, error);
  }
}

function objectOf(value: unknown, at: string): Json {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw unreadable(at, value);
  return value as Json;
}

function text(entry: Json, field: string, at: string): string | null {
  const value = entry[field];
  if (value === null || value === undefined) return null;
  if (typeof value !== 'string') throw unreadable(`${at}.${field}`, value);
  return value;
}

function flag(entry: Json, field: string, at: string): boolean | null {
  const value = entry[field];
  if (value === null || value === undefined) return null;
  if (typeof value !== 'boolean') throw unreadable(`${at}.${field}`, value);
  return value;
}

function texts(entry: Json, field: string, at: string): string[] {
  const value = entry[field];
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value) || !value.every((part): part is string => typeof part === 'string')) {
    throw unreadable(`${at}.${field}`, value);
  }
  return value;
}

function unreadable(field: string, value: unknown, cause?: unknown): AgentError {
  const seen = typeof value === 'string' ? JSON.stringify(value.slice(-100)) : JSON.stringify(value)?.slice(0, 100);
  return new AgentError('oserr', `rpm-ostree status --json cannot be understood: ${field} is ${seen ?? 'missing'}`, {
    hint: 'run rpm-ostree status --json by hand and look at what it prints',
    ...(cause === undefined ? {} : { cause }),
  });
}

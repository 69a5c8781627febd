// Reads `bootc status --format=json`, org.containers.bootc/v1alpha1 and v1: slots become an ordered list of deployments.

import type { Candidate, Deployment } from '../model/deployment.ts';
import { AgentError } from '../model/errors.ts';

export interface BootcDeployment {
  readonly deployment: Deployment;
  /** rpm-ostree layered or overrode packages: bootc refuses to upgrade it. */
  readonly isIncompatible: boolean;
  /** The tree's directory below /ostree/deploy; null on hosts without an ostree repository (composefs). */
  readonly directory: string | null;
}

export interface BootcStatus {
  /** The default of the next boot first. */
  readonly deployments: readonly BootcDeployment[];
  readonly isRollbackQueued: boolean;
  readonly cachedUpdate: Candidate | null;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * The fields are those of containers/bootc, lib/src/spec.rs (crates/lib/src/spec.rs since 2025): v1alpha1 had `isContainer`
 * before `type`, `version`, `rollbackQueued` and `otherDeployments` came later.
 *
 * @returns null on a host that was not installed by bootc: `type` is null there
 * @throws AgentError `oserr` with the name of the field that is missing or of another type, and for output that was cut
 */
export function parseBootcStatus(text: string): BootcStatus | null {
  const top = objectOf(parsed(text), 'the whole');
  if (top['kind'] !== 'BootcHost') throw unreadable('kind', top['kind']);
  const status = objectOf(top['status'], 'status');
  const isHost = 'type' in status ? status['type'] !== null : status['isContainer'] !== false;
  if (!isHost || isNothing(status['booted'])) return null;
  const entry = (slot: string): BootcDeployment[] =>
    isNothing(status[slot]) ? [] : [deploymentOf(objectOf(status[slot], `status.${slot}`), `status.${slot}`, slot)];
  const others = status['otherDeployments'] ?? [];
  if (!Array.isArray(others)) throw unreadable('status.otherDeployments', others);
  const isRollbackQueued = flag(status, 'rollbackQueued', 'status');
  const [staged, booted, rollback] = [entry('staged'), entry('booted'), entry('rollback')];
  const known = isRollbackQueued ? [...rollback, ...staged, ...booted] : [...staged, ...booted, ...rollback];
  return {
    deployments: [
      ...known,
      ...others.map((other, i) => {
        const at = `status.otherDeployments[${i}]`;
        return deploymentOf(objectOf(other, at), at, 'other');
      }),
    ],
    isRollbackQueued,
    cachedUpdate: cachedUpdateOf(objectOf(status['booted'], 'status.booted')),
  };
}

function deploymentOf(entry: Json, at: string, slot: string): BootcDeployment {
  const ostree = isNothing(entry['ostree']) ? null : objectOf(entry['ostree'], `${at}.ostree`);
  const composefs = isNothing(entry['composefs']) ? null : objectOf(entry['composefs'], `${at}.composefs`);
  const checksum =
    ostree !== null
      ? text(ostree, 'checksum', `${at}.ostree`)
      : composefs === null
        ? null
        : text(composefs, 'verity', `${at}.composefs`);
  if (checksum === null) throw unreadable(`${at}.ostree.checksum`, null);
  const image = isNothing(entry['image']) ? null : objectOf(entry['image'], `${at}.image`);
  const isIncompatible = flag(entry, 'incompatible', at);
  return {
    isIncompatible,
    directory: ostree === null ? null : directoryOf(ostree, checksum, `${at}.ostree`),
    deployment: {
      checksum,
      base: (image === null ? null : text(image, 'imageDigest', `${at}.image`)) ?? checksum,
      version: image === null ? null : text(image, 'version', `${at}.image`),
      origin: image === null ? null : referenceOf(objectOf(image['image'], `${at}.image.image`), `${at}.image.image`),
      booted: slot === 'booted',
      staged: slot === 'staged',
      locked: flag(entry, 'downloadOnly', at),
      pinned: flag(entry, 'pinned', at),
      requestedPackages: [],
      localPackages: [],
      // bootc does not tell what was changed, only that something was.
      overrides: isIncompatible ? ['(changed by rpm-ostree)'] : [],
      liveApplied: false,
      unlocked: 'none',
    },
  };
}

function directoryOf(ostree: Json, checksum: string, at: string): string {
  const serial = ostree['deploySerial'];
  if (typeof serial !== 'number' || !Number.isInteger(serial)) throw unreadable(`${at}.deploySerial`, serial);
  // Told since 2025; `default` is what bootc itself installs to.
  const stateroot = text(ostree, 'stateroot', at) ?? 'default';
  if (!/^[\w.-]+$/.test(stateroot) || !/^[0-9a-f]{64}$/.test(checksum)) throw unreadable(at, ostree);
  return `${stateroot}/deploy/${checksum}.${serial}`;
}

function referenceOf(image: Json, at: string): string | null {
  const name = text(image, 'image', at);
  const transport = text(image, 'transport', at);
  return name === null || transport === null ? name : `${transport}:${name}`;
}

function cachedUpdateOf(booted: Json): Candidate | null {
  if (isNothing(booted['cachedUpdate'])) return null;
  const at = 'status.booted.cachedUpdate';
  const update = objectOf(booted['cachedUpdate'], at);
  return { version: text(update, 'version', at), base: text(update, 'imageDigest', at) };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw unreadable('the whole', json, error);
  }
}

function isNothing(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

function objectOf(value: unknown, at: string): Json {
  if (isNothing(value) || typeof value !== 'object' || Array.isArray(value)) throw unreadable(at, value);
  return value as Json;
}

function text(entry: Json, field: string, at: string): string | null {
  const value = entry[field];
  if (isNothing(value)) return null;
  if (typeof value !== 'string') throw unreadable(`${at}.${field}`, value);
  return value;
}

/** Missing is false: the version that does not know it does not do it. */
function flag(entry: Json, field: string, at: string): boolean {
  const value = entry[field] ?? false;
  if (typeof value !== 'boolean') throw unreadable(`${at}.${field}`, value);
  return value;
}

function unreadable(field: string, value: unknown, cause?: unknown): AgentError {
  const seen = typeof value === 'string' ? JSON.stringify(value.slice(-100)) : JSON.stringify(value)?.slice(0, 100);
  return new AgentError('oserr', `bootc status cannot be understood: ${field} is ${seen ?? 'missing'}`, {
    hint: 'run bootc status --format=json by hand and look at what it prints',
    ...(cause === undefined ? {} : { cause }),
  });
}

// A release: what a deployment is made of, named alike on every host, so that one node's verdict counts for all.

import type { Deployment } from './deployment.ts';

export interface Release {
  /**
   * The base with all that is layered on it: `<base>` or `<base>+etcd-3.5.16-1.x86_64,…`. Not the deployment's checksum:
   * with layered packages every host makes a commit of its own.
   */
  readonly id: string;
  /** For people: `41.20261101.0 + diyc-agent-0.4.0-1.x86_64`. */
  readonly text: string;
}

/** Packages whose version decides what a host can read of its own data, besides all that are layered. */
export const formatPackages: readonly string[] = [
  'etcd',
  'flannel',
  'docker',
  'docker-ce',
  'moby-engine',
  'lvm2',
  'diyc-agent',
];

/** @param packages of that deployment by name, as name-version-release.arch; what is not layered is passed over */
export function releaseOf(deployment: Deployment, packages: ReadonlyMap<string, string>): Release {
  const layered = [
    ...deployment.requestedPackages.map((name) => packages.get(name) ?? name),
    ...deployment.localPackages,
    ...deployment.overrides.map((name) => `override:${name}`),
  ];
  const sorted = [...new Set(layered)].sort();
  const short = deployment.version ?? deployment.base.replace(/^sha256:/, '').slice(0, 12);
  return {
    id: sorted.length === 0 ? deployment.base : `${deployment.base}+${sorted.join(',')}`,
    text: sorted.length === 0 ? short : `${short} + ${sorted.join(', ')}`,
  };
}

/** Whether the operator's word means this release: its version, its id, or the beginning of its commit. */
export function isCalled(release: Release, version: string | null, word: string): boolean {
  const base = release.id.split('+')[0] ?? release.id;
  const bare = word.replace(/^sha256:/, '');
  return (
    word === release.id ||
    word === version ||
    (/^[0-9a-f]{7,64}$/.test(bare) && base.replace(/^sha256:/, '').startsWith(bare))
  );
}

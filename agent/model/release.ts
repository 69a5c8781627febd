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

/**
 * Whether what is known of one release says something of another: the same base, with all that was layered there. More
 * layered packages do not make a bad base good; another version of a layered package may.
 */
export function meets(known: Release, release: Release): boolean {
  const [base, layers] = partsOf(known);
  const [otherBase, otherLayers] = partsOf(release);
  return base === otherBase && layers.every((layer) => otherLayers.includes(layer));
}

/** Whether two hosts are in the same release as far as both have it: the base, and every package that both layer. */
export function agree(one: Release, other: Release): boolean {
  if (one.id === other.id) return true;
  const [base, layers] = partsOf(one);
  const [otherBase, otherLayers] = partsOf(other);
  const isSame = (layer: string): boolean => {
    const there = otherLayers.filter((l) => packageOf(l) === packageOf(layer));
    return there.length === 0 || there.includes(layer);
  };
  return base === otherBase && layers.every(isSame);
}

/** Name and architecture of `name-version-release.arch`; an override is told by its name alone, and is that whole. */
function packageOf(layer: string): string {
  return layer.startsWith('override:') ? layer : layer.replace(/-[^-]+-[^-]+?(\.[^.-]+)$/, '$1');
}

/** Versions may have a `+` of their own, commits and digests have none. */
function partsOf({ id }: Release): readonly [string, readonly string[]] {
  const at = id.indexOf('+');
  return at < 0 ? [id, []] : [id.slice(0, at), id.slice(at + 1).split(',')];
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

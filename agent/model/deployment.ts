// What is deployed on an image-based host: the trees it can boot, as rpm-ostree or bootc tell it.

/** One tree that the host can boot. */
export interface Deployment {
  /** The commit that is booted; with layered packages it was made on this very host and is found nowhere else. */
  readonly checksum: string;
  /** The commit, or the image's digest, that came from outside: the same on every host that got the same. */
  readonly base: string;
  readonly version: string | null;
  /** Refspec or image reference that updates come from; null for a bare commit. */
  readonly origin: string | null;
  readonly booted: boolean;
  /** Written to the boot loader when the host shuts down in order. */
  readonly staged: boolean;
  /** Staged, and kept from being finalised by any odd reboot. */
  readonly locked: boolean;
  readonly pinned: boolean;
  /** Names as the operator gave them to `rpm-ostree install`. */
  readonly requestedPackages: readonly string[];
  /** Packages installed from files, name-version-release.arch: no upgrade ever replaces them. */
  readonly localPackages: readonly string[];
  /** Removed or replaced packages of the base. */
  readonly overrides: readonly string[];
  /** Packages were put into the running tree (apply-live). */
  readonly liveApplied: boolean;
  /** Somebody made /usr writable: `development`, `hotfix` or `transient`; `none` otherwise. */
  readonly unlocked: string;
}

export interface OsConflict {
  /** One CamelCase word, stable. */
  readonly reason: string;
  readonly message: string;
  /** The command that frees the host. */
  readonly hint: string;
  /** Nothing can be staged while it stands. */
  readonly blocks: boolean;
}

export interface OsState {
  readonly driver: 'rpm-ostree' | 'bootc';
  /** The default of the next boot comes first, which need not be the booted one. */
  readonly deployments: readonly Deployment[];
  /** What another client has under way, for people: `upgrade (from :1.42)`. Null when nothing is. */
  readonly transaction: string | null;
  /** What the last check found; null when nothing newer is known. */
  readonly cachedUpdate: Candidate | null;
  /** Another agent that updates this host, `Zincati`; null when there is none. */
  readonly updateDriver: string | null;
  readonly conflicts: readonly OsConflict[];
}

/** Something newer than what is deployed. */
export interface Candidate {
  readonly version: string | null;
  /** Commit or digest; null where the tool does not say before it has it. */
  readonly base: string | null;
}

export function bootedOf(state: OsState): Deployment | null {
  return state.deployments.find((d) => d.booted) ?? null;
}

export function stagedOf(state: OsState): Deployment | null {
  return state.deployments.find((d) => d.staged) ?? null;
}

/**
 * What the next boot goes to, if that is not what runs: what is staged or, by an rpm-ostree that does not stage (before
 * 2018.6), what was written to the boot loader at once. After a rollback that is the earlier deployment.
 */
export function pendingOf(state: OsState): Deployment | null {
  const [first] = state.deployments;
  return stagedOf(state) ?? (first !== undefined && !first.booted ? first : null);
}

/** What rolling back leads to: the default where that is another tree already, else the first that the booted one replaced. */
export function rollbackOf(state: OsState): Deployment | null {
  const [first] = state.deployments;
  // `rpm-ostree rollback` moves the earlier tree to the front, before the booted one and before pinned ones.
  if (first !== undefined && !first.booted && !first.staged) return first;
  const booted = state.deployments.findIndex((d) => d.booted);
  // rpm-ostree keeps the order of the boot menu: what comes after the booted one is what it replaced.
  return state.deployments.slice(booted + 1).find((d) => !d.staged && !d.booted) ?? null;
}

// The port to image-based operating systems: what is deployed, and the few things that are done to it.

import type { Candidate, OsState } from '../model/deployment.ts';

export interface ReadOnlyOsTree {
  /**
   * What is deployed.
   *
   * @returns null on a host that is no image-based one (not booted by ostree, or neither rpm-ostree nor bootc is there)
   * @throws AgentError `oserr` when the program fails or its answer cannot be understood: then nothing is known;
   *   `tempfail` while the daemon is busy
   */
  state(): Promise<OsState | null>;
  /**
   * Versions of packages in a deployment.
   *
   * @returns name to name-version-release.arch, without those that are not in it
   * @throws AgentError `oserr`
   */
  packages(checksum: string, names: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

/**
 * One transaction at a time: whatever another client has under way is `tempfail`, with its name.
 */
export interface OsTree extends ReadOnlyOsTree {
  /** Ask the origin; nothing is downloaded but metadata. @returns null when there is nothing newer */
  check(signal?: AbortSignal): Promise<Candidate | null>;
  /**
   * Stage a deployment for the next boot, kept from being finalised by an odd reboot where the tool can do that.
   *
   * @param release version or commit; null: what the origin offers
   * @returns whether anything was staged; false when the host is there already
   * @throws AgentError `data` when there is no such release, `unavailable` when the origin does not answer
   */
  stage(release: string | null, signal?: AbortSignal): Promise<boolean>;
  /** Drop what is staged; nothing staged is success. */
  discardStaged(): Promise<void>;
  /** Let the staged deployment be finalised and reboot into it; returns at once, the shutdown follows. */
  finalize(checksum: string): Promise<void>;
  /**
   * Make that deployment, the earlier one or after a fallback the booted one, the default of the next boot; what is
   * staged is dropped by it. One that is the default already stays so. No reboot.
   *
   * @throws AgentError `data` when there is no such deployment; `oserr` when the tool chose another one
   */
  rollBack(checksum: string): Promise<void>;
}

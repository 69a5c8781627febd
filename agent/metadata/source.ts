// The contract of a metadata source: one place that may know this host's name and instance.

import type { AbsolutePath } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';

/** What one source says of this host, before it is judged. */
export interface SourceFacts {
  /** As it was given: neither cut to its first part nor checked. Null when the source has none. */
  readonly localHostname: string | null;
  readonly instanceId: string | null;
  /** Where the seed of this host lies, when the source tells and the place is a directory of this host. */
  readonly seedDirectory: AbsolutePath | null;
  /** What stands behind the name of the source, for people: `seed-dir /var/cloud-init/`; empty when nothing does. */
  readonly detail: string;
  /** Why there is no name, or what else a person should know; null when there is nothing to say. */
  readonly remark: string | null;
}

export interface MetadataSource {
  /** For people and for `tried`: `cloud-init instance data`. */
  readonly name: string;
  /** The files it reads, for people. */
  readonly files: readonly string[];
  /**
   * @returns null when this host has no such source
   * @throws AgentError `data` when the source is there and cannot be understood: a garbled source is never passed over
   */
  read(files: ReadOnlyFiles): Promise<SourceFacts | null>;
}

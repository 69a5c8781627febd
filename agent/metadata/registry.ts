// The metadata sources, in the order in which they are asked.
//
// To add one:
//   1. write agent/metadata/<source>.ts: its idea in the first line, a pure parse, and a thin MetadataSource around it;
//   2. put it into the list below; its place is its priority, the first that has a name wins;
//   3. write test/unit/metadata/<source>.test.ts, with a captured document in test/fixtures/metadata/.
// A source returns null where the host does not have it, and throws where it is there and cannot be understood.

import { instanceData } from './instance-data.ts';
import { kernelArguments } from './kernel-args.ts';
import { kickstartSeed, namedSeed, standardSeed } from './seed-directory.ts';
import type { MetadataSource } from './source.ts';
import { systemHostname } from './system-hostname.ts';

export const metadataSources: readonly MetadataSource[] = [
  instanceData,
  kernelArguments,
  standardSeed,
  namedSeed,
  kickstartSeed,
];

/** Asked only where none of the above exists: what the system is called may be what somebody typed years ago. */
export const lastResort: MetadataSource = systemHostname;

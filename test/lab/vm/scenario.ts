/** A scenario is one claim about machines with real storage, tried on them; it asserts on the system and not on what a log says. */

import type { StorageLab } from './lab.ts';

export interface StorageScenario {
  readonly name: string;
  readonly claim: string;
  /** `brief` ones are part of `make test`; the others are `make lab-storage`. */
  readonly part: 'brief' | 'long';
  /** It counts as failed when it takes longer. */
  readonly timeBoxMs: number;
  /** Starts from no machine and a storage without targets. It may throw `Skip` of ../scenario.ts with a reason. */
  readonly run: (lab: StorageLab) => Promise<void>;
}

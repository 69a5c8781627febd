/** A scenario is one claim about real hosts, tried on them; it asserts on the system and not on what a log says. */

import type { Lab } from './cluster.ts';

export interface Scenario {
  readonly name: string;
  readonly claim: string;
  /** `ready`: three nodes of a working cluster; `blank`: three hosts that are off and have never booted. */
  readonly from: 'ready' | 'blank';
  readonly run: (lab: Lab) => Promise<void>;
}

/** Thrown by a scenario that cannot run on this machine. */
export class Skip extends Error {}

export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

export function expectEqual<T extends string | number | boolean | undefined>(
  actual: T,
  expected: T,
  what: string,
): void {
  if (actual !== expected)
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, is ${JSON.stringify(actual)}`);
}

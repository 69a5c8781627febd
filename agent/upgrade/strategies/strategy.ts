// What each upgrade strategy has to say for itself: when a host of the group may go, and whether it needs a slot for it.

import type { StrategyName, UpgradeGroup } from '../../model/upgrade.ts';
import { windowState } from '../../model/weekly-window.ts';

/** Whether the hosts of a group may go at an instant; for people why, or why not and until when. */
export type Permit =
  | { readonly go: true; readonly message: string }
  | {
      readonly go: false;
      readonly message: string;
      /** When to ask again; null: nothing but another declaration changes it. */
      readonly opensMs: number | null;
    };

export interface Strategy {
  readonly name: StrategyName;
  /**
   * Whether a node that is no etcd member takes a slot too; members always do: two of them going at the same instant
   * would take the quorum with them.
   */
  readonly takesSlot: boolean;
  /** @param nowMs since 1970-01-01 UTC */
  permits(group: UpgradeGroup, nowMs: number): Permit;
}

/** Go within the windows of the group, and at any time where it has none. */
export function permitInWindows(group: UpgradeGroup, nowMs: number): Permit {
  const { isOpen, opensMs, text } = windowState(group.windows, group.timeZone, nowMs);
  return isOpen ? { go: true, message: text } : { go: false, message: text, opensMs };
}

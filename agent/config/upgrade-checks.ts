// Rules about upgrades that a schema cannot say: of each part by itself, of who is in which group, and of what applies.

import type { Diagnostic } from '../model/diagnostic.ts';
import type { LocatedMapping } from './located.ts';
import { checkGroups } from './upgrade-group-checks.ts';
import { checkMembership } from './upgrade-group-nodes.ts';
import { groupDrafts, upgradeParts } from './upgrade-groups.ts';
import { checkUpgradePart } from './upgrade-part-checks.ts';

/** Windows, zones, times and addresses; nodes and canaries of groups; strategies and slots as they apply to each group. */
export function checkUpgrade(tree: LocatedMapping): Diagnostic[] {
  const drafts = groupDrafts(tree);
  return [
    ...upgradeParts(tree).flatMap(checkUpgradePart),
    ...checkMembership(tree, drafts),
    ...checkGroups(tree, drafts),
  ];
}

// How the nodes of each group are upgraded: what stands for all with the group's own laid over it, each value traceable.

import { type ClusterFile, defaultUpgradeGroup } from '../model/cluster-config.ts';
import type { UpgradeGroup, UpgradePolicy } from '../model/upgrade.ts';
import { parseWeeklyWindow } from '../model/weekly-window.ts';
import { draftNodes, textAt, textsAt } from './draft.ts';
import { parseDuration } from './duration.ts';
import { entryAt, type KeyPath, type LocatedEntry, type LocatedMapping, toPlain, valueAt } from './located.ts';
import { mergeMappings } from './merge.ts';

type WrittenUpgrade = NonNullable<ClusterFile['upgrade']>;

/** The group of all nodes that are in no other; it may be written, without nodes. */
export const restGroup = defaultUpgradeGroup.name;

/** One mapping of upgrades where it was written: for all nodes, or for a group. */
export interface UpgradePart {
  /** Null for what stands for all. */
  readonly group: string | null;
  readonly tree: LocatedMapping;
  readonly path: KeyPath;
}

export interface GroupDraft {
  readonly name: string;
  /** As written, for `default` those that are left, in the order of the file; names that are no nodes may be among them. */
  readonly nodes: readonly string[];
  /** The group's own laid over what stands for all. */
  readonly tree: LocatedMapping;
  /** From the strongest. */
  readonly parts: readonly UpgradePart[];
}

/** Every mapping of upgrades in the file, that for all nodes first. */
export function upgradeParts(tree: LocatedMapping): UpgradePart[] {
  const groups = valueAt(tree, ['upgrade', 'groups']);
  const names = groups?.kind === 'mapping' ? [...groups.entries.keys()] : [];
  const parts = names.map((name) => partAt(tree, name, ['upgrade', 'groups', name]));
  return [partAt(tree, null, ['upgrade']), ...parts].filter((part) => part !== null);
}

function partAt(tree: LocatedMapping, group: string | null, path: KeyPath): UpgradePart | null {
  const value = valueAt(tree, path);
  return value?.kind === 'mapping' ? { group, tree: value, path } : null;
}

/** The groups: `default` first, whether or not any node is left for it, then those of the file; none without `upgrade:`. */
export function groupDrafts(tree: LocatedMapping): GroupDraft[] {
  const [shared, ...groups] = upgradeParts(tree);
  if (shared === undefined) return [];
  const others = groups.filter(({ group }) => group !== restGroup);
  const named = others.map((own) => {
    const nodes = new Set(textsAt(own.tree, ['nodes']).map(({ text }) => text));
    return groupDraft(own.group ?? '', [...nodes], shared, own);
  });
  const rest = draftNodes(tree).filter(({ name }) => !named.some(({ nodes }) => nodes.includes(name)));
  const written = groups.find(({ group }) => group === restGroup) ?? null;
  return [
    groupDraft(
      restGroup,
      rest.map(({ name }) => name),
      shared,
      written,
    ),
    ...named,
  ];
}

function groupDraft(name: string, nodes: readonly string[], shared: UpgradePart, own: UpgradePart | null): GroupDraft {
  if (own === null) return { name, nodes, tree: shared.tree, parts: [shared] };
  const tree = mergeMappings(withoutWaiting(shared.tree, own.tree), own.tree, shared.path);
  return { name, nodes, tree, parts: [own, shared] };
}

/** A group that says `immediate` says by that that the windows and slots of all are not for it. */
function withoutWaiting(shared: LocatedMapping, own: LocatedMapping): LocatedMapping {
  if (textAt(own, ['strategy'])?.text !== 'immediate') return shared;
  const entries = [...shared.entries].filter(([key]) => key !== 'window' && key !== 'slots');
  return { ...shared, entries: new Map(entries) };
}

/** Where a value that applies to a group was written; null where it has none. */
export function writtenInGroup(
  draft: GroupDraft,
  key: string,
): { readonly entry: LocatedEntry; readonly path: KeyPath; readonly group: string | null } | null {
  if (!draft.tree.entries.has(key)) return null;
  for (const part of draft.parts) {
    const entry = entryAt(part.tree, [key]);
    if (entry !== null) return { entry, path: [...part.path, key], group: part.group };
  }
  return null;
}

/** The policy of a tree that has passed all checks; null when the file does not speak of upgrades. */
export function upgradePolicy(tree: LocatedMapping): UpgradePolicy | null {
  const [shared] = upgradeParts(tree);
  if (shared === undefined) return null;
  const drafts = groupDrafts(tree).filter(({ nodes }) => nodes.length > 0);
  return {
    groups: drafts.map((draft) => ({ ...upgradeGroup(draft), nodes: draft.nodes })),
    fleetLockListen: textAt(shared.tree, ['fleetLock', 'listen'])?.text ?? null,
  };
}

/** A group with every default filled in. */
export function upgradeGroup({ name, nodes, tree, parts }: GroupDraft): UpgradeGroup {
  const written = toPlain(tree) as WrittenUpgrade;
  const defaults = defaultUpgradeGroup;
  // What stands for all names the canaries of every group.
  const hasOwnCanary = parts.some((part) => part.group === name && part.tree.entries.has('canary'));
  const canary = written.canary ?? defaults.canary;
  return {
    name,
    strategy: written.strategy ?? defaults.strategy,
    slots: written.slots ?? defaults.slots,
    windows: written.window?.map(parseWeeklyWindow).filter((window) => typeof window !== 'string') ?? defaults.windows,
    timeZone: written.timeZone ?? defaults.timeZone,
    automatic: written.automatic ?? defaults.automatic,
    canary: hasOwnCanary ? canary : canary.filter((node) => nodes.includes(node)),
    checkEverySecs: secsOf(written.checkEvery) ?? defaults.checkEverySecs,
    soakSecs: secsOf(written.soak) ?? defaults.soakSecs,
    readyWithinSecs: secsOf(written.readyWithin) ?? defaults.readyWithinSecs,
    loggedInUsers: written.loggedInUsers ?? defaults.loggedInUsers,
    snapshotMaxAgeSecs:
      written.snapshotMaxAge === 'off' ? 0 : (secsOf(written.snapshotMaxAge) ?? defaults.snapshotMaxAgeSecs),
    probes: written.probes ?? defaults.probes,
    fleetLockUrl: written.fleetLock?.url ?? defaults.fleetLockUrl,
  };
}

function secsOf(duration: string | undefined): number | null {
  return duration === undefined ? null : parseDuration(duration);
}

// Rules about what applies to a group in the end, wherever each key of it was written: strategy, windows, slots.

import type { Diagnostic } from '../model/diagnostic.ts';
import { draftNodes, textAt, textsAt } from './draft.ts';
import { defaultMembers } from './etcd-checks.ts';
import { finding, scalarText } from './findings.ts';
import { entryAt, type LocatedMapping } from './located.ts';
import { lineOf } from './node-checks.ts';
import { type GroupDraft, writtenInGroup } from './upgrade-groups.ts';

/** Strategies that contradict windows and slots, and slots that let too many go; told once for each place. */
export function checkGroups(tree: LocatedMapping, drafts: readonly GroupDraft[]): Diagnostic[] {
  const names = draftNodes(tree).map(({ name }) => name);
  const given = entryAt(tree, ['etcd', 'members']);
  const members =
    given === null ? (defaultMembers(names) ?? []) : textsAt(tree, ['etcd', 'members']).map(({ text }) => text);
  const found = drafts
    .filter(({ nodes }) => nodes.length > 0)
    .flatMap((draft) => [
      ...windowMissing(draft),
      ...contradictions(draft),
      ...slotsOfGroup(draft),
      ...slotsOfQuorum(draft, members),
      ...applyAtOnce(draft, members),
    ]);
  // What stands for all applies to several groups, and is to be changed in one place.
  const places = new Map(found.toReversed().map((d) => [`${d.rule} ${d.path}`, d]));
  return found.filter((d) => places.get(`${d.rule} ${d.path}`) === d);
}

function strategyOf(draft: GroupDraft): string | null {
  return textAt(draft.tree, ['strategy'])?.text ?? null;
}

function hasWindows(draft: GroupDraft): boolean {
  const window = writtenInGroup(draft, 'window')?.entry.value;
  // Something else than a list is the schema's to refuse.
  return window !== undefined && (window.kind !== 'sequence' || window.items.length > 0);
}

function windowMissing(draft: GroupDraft): Diagnostic[] {
  const strategy = writtenInGroup(draft, 'strategy');
  if (strategy === null || strategyOf(draft) !== 'window' || hasWindows(draft)) return [];
  return [
    finding({
      at: strategy.entry.value.at,
      path: strategy.path,
      value: 'window',
      rule: 'window-missing',
      message: `the strategy is window, and group ${draft.name} has none: its nodes would never go`,
      remedy: 'add one, window: [Sat 02:00-04:00], or write strategy: semaphore',
    }),
  ];
}

function contradictions(draft: GroupDraft): Diagnostic[] {
  const strategy = writtenInGroup(draft, 'strategy');
  if (strategy === null || strategyOf(draft) !== 'immediate') return [];
  return ['window', 'slots'].flatMap((key) => {
    const written = writtenInGroup(draft, key);
    if (written === null || (key === 'window' && !hasWindows(draft))) return [];
    return [
      finding({
        at: written.entry.keyAt,
        path: written.path,
        value: scalarText(written.entry.value),
        rule: 'immediate-waits',
        message: `the strategy is immediate (${lineOf({ at: strategy.entry.keyAt }, { at: written.entry.keyAt })}): its nodes wait for no ${key === 'slots' ? 'slot' : 'window'}`,
        remedy: `remove ${key}, or write strategy: semaphore`,
      }),
    ];
  });
}

interface WrittenSlots {
  readonly count: number;
  readonly base: Pick<Parameters<typeof finding>[0], 'severity' | 'at' | 'path' | 'value'>;
}

/** The slots of a group where they are more than one, which is what every group has at least. */
function severalSlots(draft: GroupDraft): WrittenSlots | null {
  const written = writtenInGroup(draft, 'slots');
  const value = written?.entry.value;
  if (written === null || value?.kind !== 'scalar' || strategyOf(draft) === 'immediate') return null;
  const count = value.value;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 2) return null;
  return { count, base: { severity: 'warning', at: value.at, path: written.path, value: value.source } };
}

function slotsOfGroup(draft: GroupDraft): Diagnostic[] {
  const slots = severalSlots(draft);
  const count = draft.nodes.length;
  // A node by itself has nobody to wait for, however many slots there are.
  if (slots === null || count === 1 || slots.count < count) return [];
  return [
    finding({
      ...slots.base,
      rule: 'slots-of-all',
      message: `group ${draft.name} has ${count} nodes, so that with ${slots.count} slots all of them may be away at once`,
      remedy: count > 2 ? `give a number from 1 to ${count - 1}` : 'write slots: 1',
    }),
  ];
}

function slotsOfQuorum(draft: GroupDraft, members: readonly string[]): Diagnostic[] {
  const slots = severalSlots(draft);
  const mayBeAway = Math.floor((members.length - 1) / 2);
  const ofGroup = draft.nodes.filter((node) => members.includes(node)).length;
  if (slots === null || Math.min(slots.count, ofGroup) <= Math.max(1, mayBeAway)) return [];
  return [
    finding({
      ...slots.base,
      rule: 'slots-over-quorum',
      message:
        `${slots.count} slots are more than etcd can do without: of its ${members.length} members ${mayBeAway} may be away, ` +
        `and ${ofGroup} are in group ${draft.name}; no more than the quorum allows ever go at once, whatever stands here`,
      remedy: `write slots: ${Math.max(1, mayBeAway)}, or put the nodes that are no members into a group of their own`,
    }),
  ];
}

function applyAtOnce(draft: GroupDraft, members: readonly string[]): Diagnostic[] {
  const automatic = writtenInGroup(draft, 'automatic');
  const isApplied = textAt(draft.tree, ['automatic'])?.text === 'apply';
  if (automatic === null || !isApplied || strategyOf(draft) !== 'immediate' || members.length < 2) return [];
  return [
    finding({
      severity: 'warning',
      at: automatic.entry.value.at,
      path: automatic.path,
      value: 'apply',
      rule: 'apply-at-once',
      message: `the nodes of group ${draft.name} reboot by themselves and wait for nobody: a release that does not boot takes all of them, only etcd members go one after the other`,
      remedy: 'write strategy: semaphore, or automatic: stage',
    }),
  ];
}

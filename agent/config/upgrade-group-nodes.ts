// Rules about who is in which group, and which of them go first.

import type { Diagnostic } from '../model/diagnostic.ts';
import { nearestName } from '../model/node-identity.ts';
import { type DraftText, draftNodes, textsAt } from './draft.ts';
import { finding } from './findings.ts';
import { entryAt, type LocatedMapping } from './located.ts';
import { lineOf } from './node-checks.ts';
import { isGivenOtherwise } from './relevant-errors.ts';
import { type GroupDraft, restGroup, type UpgradePart, upgradeParts } from './upgrade-groups.ts';
import { nameInUpgrade } from './upgrade-part-checks.ts';

/** Names that are nodes, each in one group; groups that have any; canaries that are of their group. */
export function checkMembership(tree: LocatedMapping, drafts: readonly GroupDraft[]): Diagnostic[] {
  const parts = upgradeParts(tree);
  const names = draftNodes(tree).map(({ name }) => name);
  const groups = parts.filter(({ group }) => group !== null);
  return [
    ...parts.flatMap((part) => unknownNodes(part, names)),
    ...twoGroups(groups.filter(({ group }) => group !== restGroup)),
    ...groups.flatMap((part) => nodesOfGroup(tree, part, drafts)),
    ...parts.flatMap((part) => canaryChecks(part, names, drafts)),
  ];
}

function listOf(part: UpgradePart, key: string): DraftText[] {
  return textsAt(part.tree, [key]).map((text) => ({ ...text, path: [...part.path, ...text.path] }));
}

function unknownNodes(part: UpgradePart, names: readonly string[]): Diagnostic[] {
  return ['nodes', 'canary'].flatMap((key) =>
    listOf(part, key)
      .filter(({ text }) => !names.includes(text))
      .map(({ at, path, text }) => {
        const nearest = nearestName(text, names);
        return finding({
          at,
          path,
          value: text,
          rule: 'unknown-node',
          message: `${nameInUpgrade(part.group, key)} names "${text}", and there is no node of that name`,
          remedy: nearest === null ? 'name a node, or add it under nodes' : `did you mean "${nearest}"?`,
        });
      }),
  );
}

function twoGroups(parts: readonly UpgradePart[]): Diagnostic[] {
  const seen = new Map<string, { readonly group: string | null; readonly at: DraftText['at'] }>();
  return parts.flatMap((part) =>
    listOf(part, 'nodes').flatMap(({ at, path, text }) => {
      const first = seen.get(text);
      if (first === undefined) seen.set(text, { group: part.group, at });
      // Within one group it is the schema that says so.
      if (first === undefined || first.group === part.group) return [];
      return [
        finding({
          at,
          path,
          value: text,
          rule: 'two-groups',
          message: `node ${text} is in group ${first.group} already (${lineOf(first, { at })}), and each node takes its slot of one group`,
          remedy: 'remove it from one of the two',
        }),
      ];
    }),
  );
}

function nodesOfGroup(tree: LocatedMapping, part: UpgradePart, drafts: readonly GroupDraft[]): Diagnostic[] {
  const nodes = entryAt(part.tree, ['nodes']);
  const draft = drafts.find(({ name }) => name === part.group);
  const base = { at: nodes?.keyAt ?? entryAt(tree, part.path)?.keyAt ?? part.tree.at, path: part.path, value: null };
  if (part.group === restGroup) {
    if (nodes !== null) {
      return [
        finding({
          ...base,
          path: [...part.path, 'nodes'],
          rule: 'nodes-of-default',
          message: `group ${restGroup} has every node that is in no other group, and none by name`,
          remedy: 'remove the key, or give the group another name',
        }),
      ];
    }
    if (draft === undefined || draft.nodes.length > 0) return [];
    return [
      finding({
        ...base,
        severity: 'warning',
        rule: 'empty-group',
        message: `no node is left for group ${restGroup}: each is in another group`,
        remedy: 'remove the group, or take a node out of another one',
      }),
    ];
  }
  const isEmpty = nodes === null || (nodes.value.kind === 'sequence' && nodes.value.items.length === 0);
  if (!isEmpty || isGivenOtherwise(part.tree, 'nodes', ['nodes'])) return [];
  return [
    finding({
      ...base,
      rule: 'empty-group',
      message: `group ${part.group} has no nodes`,
      remedy: 'name them, nodes: [w1, w2], or remove the group',
    }),
  ];
}

function canaryChecks(part: UpgradePart, names: readonly string[], drafts: readonly GroupDraft[]): Diagnostic[] {
  return listOf(part, 'canary').flatMap(({ at, path, text }) => {
    const home = drafts.find(({ nodes }) => nodes.includes(text));
    if (!names.includes(text) || home === undefined) return [];
    const isOther = part.group !== null && home.name !== part.group;
    const own = home.parts.find(({ group }) => group !== null);
    const isOverridden =
      part.group === null &&
      own !== undefined &&
      own.tree.entries.has('canary') &&
      !textsAt(own.tree, ['canary']).some((canary) => canary.text === text);
    if (!isOther && !isOverridden) return [];
    return [
      finding({
        at,
        path,
        value: text,
        rule: 'canary-of-other-group',
        message: isOther
          ? `node ${text} is not of group ${part.group} but of ${home.name}, and would go first for nobody`
          : `node ${text} is of group ${home.name}, which has a canary of its own without it`,
        remedy: `move it to the canary of group ${home.name}, or remove it`,
      }),
    ];
  });
}

// What a schema cannot say: rules that bind one part of the cluster file to another, and parts not acted on yet.

import type { Diagnostic } from '../model/diagnostic.ts';
import { checkDocker } from './docker-checks.ts';
import { topEntry } from './draft.ts';
import { checkEtcd } from './etcd-checks.ts';
import { finding } from './findings.ts';
import { checkFlannel } from './flannel-checks.ts';
import type { LocatedMapping } from './located.ts';
import { checkNodes } from './node-checks.ts';
import { checkStorage } from './storage-checks.ts';

/** Check the merged tree; parts that the schema refuses are passed over, so that both kinds of findings come at once. */
export function crossCheck(tree: LocatedMapping): Diagnostic[] {
  return [
    ...checkNodes(tree),
    ...checkEtcd(tree),
    ...checkFlannel(tree),
    ...checkDocker(tree),
    ...checkStorage(tree),
    ...notActedOn(tree),
  ];
}

function notActedOn(tree: LocatedMapping): Diagnostic[] {
  const upgrade = topEntry(tree, 'upgrade');
  if (upgrade === null) return [];
  return [
    finding({
      severity: 'warning',
      at: upgrade.keyAt,
      path: ['upgrade'],
      value: null,
      rule: 'not-acted-on',
      message: 'upgrade is declared, and this version does not act on it',
      remedy: 'upgrade the hosts by hand, one after the other; the declaration may stay',
    }),
  ];
}

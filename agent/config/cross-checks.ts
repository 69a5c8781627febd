// What a schema cannot say: rules that bind one part of the cluster file to another, and parts not acted on yet.

import type { Diagnostic } from '../model/diagnostic.ts';
import { checkDocker } from './docker-checks.ts';
import { topEntry } from './draft.ts';
import { checkEtcd } from './etcd-checks.ts';
import { finding } from './findings.ts';
import { checkFlannel } from './flannel-checks.ts';
import type { LocatedMapping } from './located.ts';
import { checkNodes } from './node-checks.ts';

/** Check the merged tree; parts that the schema refuses are passed over, so that both kinds of findings come at once. */
export function crossCheck(tree: LocatedMapping): Diagnostic[] {
  return [...checkNodes(tree), ...checkEtcd(tree), ...checkFlannel(tree), ...checkDocker(tree), ...notActedOn(tree)];
}

function notActedOn(tree: LocatedMapping): Diagnostic[] {
  const parts = [
    {
      key: 'storage',
      message: 'storage is declared, and this version cannot attach it: docker is held until it is there',
      remedy: 'remove storage to let docker run on what the host has, or keep it and attach the storage by other means',
    },
    {
      key: 'upgrade',
      message: 'upgrade is declared, and this version does not act on it',
      remedy: 'upgrade the hosts by hand, one after the other; the declaration may stay',
    },
  ];
  return parts.flatMap(({ key, message, remedy }) => {
    const entry = topEntry(tree, key);
    if (entry === null) return [];
    return [
      finding({
        severity: 'warning',
        at: entry.keyAt,
        path: [key],
        value: null,
        rule: 'not-acted-on',
        message,
        remedy,
      }),
    ];
  });
}

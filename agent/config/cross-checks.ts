// What a schema cannot say: rules that bind one part of the cluster file to another.

import type { Diagnostic } from '../model/diagnostic.ts';
import { checkDocker } from './docker-checks.ts';
import { checkEtcd } from './etcd-checks.ts';
import { checkFlannel } from './flannel-checks.ts';
import type { LocatedMapping } from './located.ts';
import { checkNodes } from './node-checks.ts';
import { checkStorage } from './storage-checks.ts';
import { checkUpgrade } from './upgrade-checks.ts';

/** Check the merged tree; parts that the schema refuses are passed over, so that both kinds of findings come at once. */
export function crossCheck(tree: LocatedMapping): Diagnostic[] {
  return [
    ...checkNodes(tree),
    ...checkEtcd(tree),
    ...checkFlannel(tree),
    ...checkDocker(tree),
    ...checkStorage(tree),
    ...checkUpgrade(tree),
  ];
}

// The key space: every key below its cluster, no two the same, whatever the names are.

import { expect, test } from 'bun:test';
import {
  deniedKey,
  flannelConfigKey,
  flannelSubnetsPrefix,
  holdKey,
  nodeKey,
  nodesPrefix,
  proofKey,
  semaphoreKey,
  targetKey,
  upgradePrefix,
} from '../../../agent/model/keys.ts';

test('keys are those of the protocol', () => {
  expect([
    nodeKey('c', 'a1'),
    semaphoreKey('c', 'g'),
    targetKey('c', 'g'),
    deniedKey('c', 'g'),
    holdKey('c', 'g'),
    proofKey('c', 'g', 'a1'),
    flannelConfigKey('/admin/flannel'),
    flannelSubnetsPrefix('/admin/flannel'),
  ]).toEqual([
    '/diyc/c/nodes/a1',
    '/diyc/c/upgrade/g/semaphore',
    '/diyc/c/upgrade/g/target',
    '/diyc/c/upgrade/g/denied',
    '/diyc/c/upgrade/g/hold',
    '/diyc/c/upgrade/g/proofs/a1',
    '/admin/flannel/config',
    '/admin/flannel/subnets/',
  ]);
});

test('no two keys of any clusters, groups and nodes are the same, and none is taken for a node', () => {
  const names = ['a', 'a1', 'nodes', 'upgrade', 'proofs', 'semaphore', 'hold', 'target', 'denied', 'default'];
  const keys = names.flatMap((cluster) => [
    ...names.map((node) => nodeKey(cluster, node)),
    ...names.flatMap((group) => [
      semaphoreKey(cluster, group),
      targetKey(cluster, group),
      deniedKey(cluster, group),
      holdKey(cluster, group),
      ...names.map((node) => proofKey(cluster, group, node)),
    ]),
  ]);
  expect(new Set(keys).size).toBe(keys.length);
  for (const cluster of names) {
    const own = keys.filter((key) => key.startsWith(nodesPrefix(cluster)));
    expect(own).toEqual(names.map((node) => nodeKey(cluster, node)));
    expect(keys.filter((key) => key.startsWith(upgradePrefix(cluster))).length).toBe(names.length * (4 + names.length));
  }
});

// The effective configuration as YAML that resolves to itself, and on demand the origin of each line.

import type { ClusterConfig } from '../model/cluster-config.ts';
import type { UpgradeGroup } from '../model/upgrade.ts';
import { draftNodes, textAt } from './draft.ts';
import { durationText } from './duration.ts';
import { type KeyPath, type LocatedMapping, type Place, pathText, toPlain } from './located.ts';
import type { Origin } from './merge.ts';
import { portalsOf, storageDefaults, storageParts, type WrittenStorage } from './node-storage.ts';
import { groupDrafts, restGroup, upgradeGroup, upgradeParts } from './upgrade-groups.ts';
import { yaml11Reading } from './yaml-traps.ts';

/** What is shown: a resolution, or the parts of one. */
export interface Shown {
  readonly config: ClusterConfig | null;
  readonly origins: readonly Origin[];
  readonly raw: LocatedMapping | null;
}

export interface ShowOptions {
  /** Put the file and line of each value behind it, and those of the values it replaced. */
  readonly origin: boolean;
}

// Maps and not objects: an object would move a node called `12` to the front.
type Tree = ReadonlyMap<string, Tree | Leaf>;
type Leaf = string | number | boolean | null | readonly (Leaf | ReadonlyMap<string, Tree | Leaf>)[];

/**
 * The configuration with all defaults, as a cluster file; each group of upgrades with all that applies to it.
 *
 * @returns empty when there is no valid configuration: its parts may hold what must not be printed
 */
export function showCluster(shown: Shown, options: ShowOptions): string {
  if (shown.config === null || shown.raw === null) return '';
  const lines = linesOf(effectiveTree(shown.config, shown.raw), []);
  if (!options.origin) return lines.map((line) => `${line.text}\n`).join('');
  const origins = new Map(shown.origins.map((origin) => [origin.path, origin]));
  const width = Math.min(60, Math.max(...lines.filter((line) => line.path !== null).map((line) => line.text.length)));
  return lines.map((line) => `${withOrigin(line, origins, width)}\n`).join('');
}

interface Line {
  readonly text: string;
  /** Null for the head of a mapping, whose lines have origins of their own. */
  readonly path: KeyPath | null;
}

function withOrigin(line: Line, origins: ReadonlyMap<string, Origin>, width: number): string {
  if (line.path === null) return line.text;
  const origin = origins.get(pathText(line.path)) ?? origins.get(pathText(laidUnder(line.path)));
  const words = origin === undefined ? 'default' : [...[origin.at].map(placeText), ...overriddenText(origin)].join(' ');
  return `${line.text.padEnd(width)}  # ${words}`;
}

/** Where a key stands that a group has from what stands for all of them. */
function laidUnder(path: KeyPath): KeyPath {
  const [top, groups, , ...rest] = path;
  return top === 'upgrade' && groups === 'groups' ? [top, ...rest] : path;
}

function overriddenText(origin: Origin): readonly string[] {
  return origin.overridden.length === 0 ? [] : [`(over ${origin.overridden.map(placeText).join(', ')})`];
}

function placeText(place: Place): string {
  return `${place.file}:${place.line}`;
}

function effectiveTree(config: ClusterConfig, raw: LocatedMapping): Tree {
  const { etcd, flannel, docker } = config;
  const storages = storageTrees(config, raw);
  return tree({
    version: 1,
    cluster: config.cluster,
    nodes: new Map(
      config.nodes.map((node) => [
        node.name,
        tree({ address: node.address, metadata: labels(node.metadata), storage: storages.get(node.name) }),
      ]),
    ),
    etcd: tree({ ...etcd, bootstrap: 'static' }),
    flannel: tree({ ...flannel, backend: tree({ ...flannel.backend }) }),
    docker: tree({
      group: tree({ ...docker.group }),
      addressPools: docker.addressPools?.map((pool) => tree({ ...pool })),
    }),
    storage: storages.get(null),
    firstBoot: tree({ ...config.firstBoot }),
    upgrade: upgradeTree(raw),
  });
}

function tree(fields: Readonly<Record<string, Tree | Leaf | undefined>>): Tree {
  return new Map(
    Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])),
  );
}

function labels(metadata: Readonly<Record<string, string>>): Tree | undefined {
  const entries = Object.entries(metadata);
  return entries.length === 0 ? undefined : new Map(entries);
}

/**
 * Storage by node, and under null that of all nodes: defaults where a section begins, and each node's initiator name,
 * so that nothing that applies to a node is left to be worked out.
 */
function storageTrees(config: ClusterConfig, raw: LocatedMapping): ReadonlyMap<string | null, Tree> {
  const parts = new Map(storageParts(raw).map((part) => [part.node, toPlain(part.tree) as WrittenStorage]));
  const shared = parts.get(null);
  const trees = new Map<string | null, Tree>();
  for (const { name, storage } of config.nodes) {
    const own = parts.get(name);
    const isNamedForAll = shared?.iscsi?.initiatorName !== undefined && own?.iscsi?.initiatorName === undefined;
    const named = storage?.iscsi && !isNamedForAll ? { initiatorName: storage.iscsi.initiatorName } : {};
    const iscsi = { ...own?.iscsi, ...named };
    const branch = tree({
      iscsi: Object.keys(iscsi).length === 0 ? undefined : iscsiTree(iscsi, shared?.iscsi),
      docker: own?.docker && dockerTree(own.docker, shared?.docker),
    });
    if (own !== undefined || branch.size > 0) trees.set(name, branch);
  }
  if (shared !== undefined) {
    trees.set(
      null,
      tree({ iscsi: shared.iscsi && iscsiTree(shared.iscsi), docker: shared.docker && dockerTree(shared.docker) }),
    );
  }
  return trees;
}

type WrittenIscsi = Partial<NonNullable<WrittenStorage['iscsi']>>;
type WrittenDocker = Partial<NonNullable<WrittenStorage['docker']>>;

/** @param over what these keys are laid over, and which therefore has the defaults already */
function iscsiTree(written: WrittenIscsi, over?: WrittenIscsi): Tree {
  const { portal, portals, chap } = written;
  const filled = over === undefined ? storageDefaults : null;
  return tree({
    portal: portal === undefined ? undefined : portalsOf({ portal })[0],
    portals: portals === undefined ? undefined : portalsOf({ portals }),
    target: written.target,
    discovery: written.discovery ?? filled?.discovery,
    initiatorName: written.initiatorName,
    initiatorNamePrefix: written.initiatorNamePrefix,
    chap:
      chap &&
      tree({
        username: chap.username,
        passwordFile: chap.passwordFile,
        mutual: chap.mutual && tree({ ...chap.mutual }),
      }),
    replacementTimeoutSecs: written.replacementTimeoutSecs ?? filled?.replacementTimeoutSecs,
  });
}

function dockerTree(written: WrittenDocker, over?: WrittenDocker): Tree {
  const filled = over === undefined ? storageDefaults : null;
  return tree({
    volumeGroup: written.volumeGroup,
    devices: written.devices,
    driver: written.driver ?? filled?.driver,
    filesystem: written.filesystem ?? filled?.filesystem,
    wipe: written.wipe ?? filled?.wipe,
  });
}

/** What stands for all, then each group of the file with all that applies to it; undefined when nothing is declared. */
function upgradeTree(raw: LocatedMapping): Tree | undefined {
  const [shared, ...groups] = upgradeParts(raw);
  if (shared === undefined) return undefined;
  const nodes = draftNodes(raw).map(({ name }) => name);
  const all = upgradeGroup({ name: restGroup, nodes, tree: shared.tree, parts: [shared] });
  const listen = textAt(shared.tree, ['fleetLock', 'listen'])?.text;
  const drafts = groupDrafts(raw).filter(({ name }) => groups.some(({ group }) => group === name));
  const branches = drafts.map((draft) => {
    const members = draft.name === restGroup ? undefined : draft.nodes;
    return [draft.name, new Map([...tree({ nodes: members }), ...groupTree(upgradeGroup(draft))])] as const;
  });
  return new Map([
    ...groupTree(all, listen),
    ...tree({ groups: branches.length === 0 ? undefined : new Map(branches) }),
  ]);
}

function groupTree(group: UpgradeGroup, listen?: string): Tree {
  // What is immediate has neither.
  const waits = group.strategy !== 'immediate';
  const fleetLock = tree({ url: group.fleetLockUrl ?? undefined, listen });
  return tree({
    strategy: group.strategy,
    slots: waits ? group.slots : undefined,
    window: waits ? group.windows.map(({ text }) => text) : undefined,
    timeZone: group.timeZone,
    automatic: group.automatic,
    canary: group.canary,
    checkEvery: durationText(group.checkEverySecs),
    soak: durationText(group.soakSecs),
    readyWithin: durationText(group.readyWithinSecs),
    loggedInUsers: group.loggedInUsers,
    snapshotMaxAge: group.snapshotMaxAgeSecs === 0 ? 'off' : durationText(group.snapshotMaxAgeSecs),
    probes: group.probes,
    fleetLock: fleetLock.size === 0 ? undefined : fleetLock,
  });
}

function linesOf(branch: Tree, path: KeyPath): Line[] {
  const indent = '  '.repeat(path.length);
  return [...branch].flatMap(([key, value]): Line[] => {
    const inner = [...path, key];
    if (!(value instanceof Map) || value.size === 0) {
      return [{ text: `${indent}${keyText(key)}: ${inlineText(value)}`, path: inner }];
    }
    return [{ text: `${indent}${keyText(key)}:`, path: null }, ...linesOf(value, inner)];
  });
}

function inlineText(value: Tree | Leaf): string {
  if (value instanceof Map) {
    const pairs = [...value].map(([key, inner]) => `${keyText(key)}: ${inlineText(inner)}`);
    return pairs.length === 0 ? '{}' : `{ ${pairs.join(', ')} }`;
  }
  if (Array.isArray(value)) return `[${value.map(inlineText).join(', ')}]`;
  return typeof value === 'string' ? scalarText(value) : String(value);
}

function keyText(key: string): string {
  return scalarText(key);
}

/** Plain where every YAML reader sees this text and nothing else; else in double quotes, as JSON. */
function scalarText(text: string): string {
  const isPlain = /^[A-Za-z0-9_/](?:[A-Za-z0-9_./+-]|:(?=[A-Za-z0-9]))*$/.test(text);
  const isNumber = /^[-+.0-9][0-9a-fA-FoxeE.+_-]*$/.test(text) && !/^[0-9]+(?:\.[0-9]+){3}$/.test(text);
  return isPlain && !isNumber && yaml11Reading(text) === null ? text : JSON.stringify(text);
}

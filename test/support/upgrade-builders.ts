// Upgrades to start a test from: a healthy node a1 of three members, in 41.1, nothing under way; a test overrides what differs.

import { defaultUpgradeGroup } from '../../agent/model/cluster-config.ts';
import type { Condition, ConditionType } from '../../agent/model/condition.ts';
import type { Deployment, OsState } from '../../agent/model/deployment.ts';
import { known } from '../../agent/model/known.ts';
import type { ReadinessRecord } from '../../agent/model/readiness.ts';
import { type Release, releaseOf } from '../../agent/model/release.ts';
import type { Holder, Semaphore } from '../../agent/model/semaphore.ts';
import type {
  Ask,
  BootInstant,
  Denial,
  Errand,
  Hold,
  UpgradeGroup,
  UpgradeMemory,
  UpgradeTarget,
  UpgradeView,
} from '../../agent/model/upgrade.ts';
import type { MemberView, Surveyed } from '../../agent/ports/survey.ts';
import { type FleetSight, freshMemory, type OsSight, type Sight } from '../../agent/upgrade/machine.ts';
import type { Other, ProofSight } from '../../agent/upgrade/proof.ts';

/** The wall clock of everything that is built here. */
export const someTime = '2026-01-01T00:00:00.000Z';

/** An instant of `boot-2`, or of another boot. */
export function instant(uptimeSecs: number, bootId = 'boot-2'): BootInstant {
  return { bootId, uptimeMs: uptimeSecs * 1_000 };
}

/** 64 hexadecimal digits that tell versions apart: `41.2` gives `34312e32000…`. */
export function checksumOf(version: string): string {
  return [...version]
    .map((letter) => letter.charCodeAt(0).toString(16).padStart(2, '0'))
    .join('')
    .padEnd(64, '0');
}

/** What is so of a deployment of which nothing is said: no layers, neither booted nor staged. */
export const plainDeployment: Omit<Deployment, 'checksum' | 'base' | 'version' | 'origin'> = {
  booted: false,
  staged: false,
  locked: false,
  pinned: false,
  requestedPackages: [],
  localPackages: [],
  overrides: [],
  liveApplied: false,
  unlocked: 'none',
};

/** A deployment without layers, neither booted nor staged. */
export function deployment(version: string, overrides: Partial<Deployment> = {}): Deployment {
  return {
    ...plainDeployment,
    checksum: checksumOf(version),
    base: checksumOf(version),
    version,
    origin: 'fedora:fedora/x86_64/coreos/stable',
    ...overrides,
  };
}

/** In the version, booted. */
export function bootedIn(version: string, overrides: Partial<Deployment> = {}): Deployment {
  return deployment(version, { booted: true, ...overrides });
}

/** The version staged, and locked as the agent stages it. */
export function stagedAs(version: string, overrides: Partial<Deployment> = {}): Deployment {
  return deployment(version, { staged: true, locked: true, ...overrides });
}

/** The release of a deployment without layers. */
export function releaseNamed(version: string): Release {
  return { id: checksumOf(version), text: version };
}

/** rpm-ostree with these deployments, in the order of the boot menu. */
export function osState(deployments: readonly Deployment[], overrides: Partial<OsState> = {}): OsState {
  return {
    driver: 'rpm-ostree',
    deployments,
    transaction: null,
    cachedUpdate: null,
    updateDriver: null,
    conflicts: [],
    ...overrides,
  };
}

/** Deployments as a look sees them; layered packages have no version. */
export function treeOf(deployments: readonly Deployment[], overrides: Partial<OsState> = {}): OsSight {
  const releases = new Map(deployments.map((d) => [d.checksum, releaseOf(d, new Map())]));
  return { kind: 'tree', state: osState(deployments, overrides), releases };
}

export const noTree: OsSight = { kind: 'none', why: 'this host is not upgraded by deployments', hint: 'use dnf' };
export const unknownTree: OsSight = { kind: 'unknown', why: 'rpm-ostree does not answer', hint: 'journalctl' };

/** Group `default`: semaphore, one slot, nothing by itself, 60 s of soak, ready within 600 s, checks each hour. */
export function upgradeGroup(overrides: Partial<UpgradeGroup> = {}): UpgradeGroup {
  return {
    ...defaultUpgradeGroup,
    strategy: 'semaphore',
    slots: 1,
    automatic: 'off',
    soakSecs: 60,
    readyWithinSecs: 600,
    checkEverySecs: 3_600,
    ...overrides,
  };
}

/** A condition that holds. */
export function met(type: ConditionType, overrides: Partial<Condition> = {}): Condition {
  return { type, status: 'True', reason: 'Well', message: `${type} is well`, severity: 'failed', ...overrides };
}

/** A condition that does not hold, and needs a person. */
export function unmet(type: ConditionType, overrides: Partial<Condition> = {}): Condition {
  return { type, status: 'False', reason: 'Ill', message: `${type} is ill`, severity: 'failed', ...overrides };
}

export const wellConditions: readonly Condition[] = [met('EtcdHealthy'), met('FlannelLease'), met('DockerRunning')];

export function fleetSight(overrides: Partial<FleetSight> = {}): FleetSight {
  return { hold: null, target: null, denied: [], slot: null, canariesToWaitFor: () => [], ...overrides };
}

/** The store does not answer. */
export const unknownFleet = {
  known: false,
  why: 'etcd does not answer',
  hint: 'look at etcd',
} as const;

/** What may be left out keeps the healthy value. */
export interface SightOverrides extends Partial<Omit<Sight, 'fleet' | 'group'>> {
  readonly fleet?: Partial<FleetSight> | 'unknown';
  readonly group?: Partial<UpgradeGroup>;
}

/** a1, 1000 s after boot-2, in 41.1 with 41.0 behind it, all well, store known, any time is right. */
export function sight({ fleet = {}, group = {}, ...overrides }: SightOverrides = {}): Sight {
  return {
    now: someTime,
    instant: instant(1_000),
    node: 'a1',
    group: upgradeGroup(group),
    os: treeOf([bootedIn('41.1'), deployment('41.0')]),
    fleet: fleet === 'unknown' ? unknownFleet : known(fleetSight(fleet)),
    conditions: wellConditions,
    greenboot: 'absent',
    permit: { go: true, message: 'no window is declared, any time is right' },
    ...overrides,
  };
}

/** Steady since 100 s after boot-2, proven in 41.1, nothing asked. */
export function memory(overrides: Partial<UpgradeMemory> = {}): UpgradeMemory {
  return { ...freshMemory(someTime, instant(100)), verified: releaseNamed('41.1'), ...overrides };
}

export function upgradeTo(version: string): Errand {
  return { kind: 'upgrade', release: releaseNamed(version), checksum: checksumOf(version) };
}

export function rollbackTo(version: string, reason = 'it is slow'): Errand {
  return { kind: 'rollback', release: releaseNamed(version), checksum: checksumOf(version), reason };
}

export const plainReboot: Errand = { kind: 'reboot', reason: 'new kernel arguments' };

/** An operator's word, without any exception from the rules. */
export function asked(kind: Ask['kind'], overrides: Partial<Ask> = {}): Ask {
  return {
    kind,
    release: null,
    reason: 'new kernel arguments',
    by: 'operator on a1',
    at: someTime,
    outsideWindow: false,
    acceptOutage: false,
    deny: false,
    session: null,
    ...overrides,
  };
}

export function denialOfVersion(version: string, overrides: Partial<Denial> = {}): Denial {
  return { release: releaseNamed(version), reason: 'etcd did not start', by: 'a2', at: someTime, ...overrides };
}

export const someHold: Hold = { schema: 1, reason: 'sale', by: 'operator on a2', at: someTime };

export function targetOf(release: string): UpgradeTarget {
  return { schema: 1, release, by: 'operator on a2', at: someTime };
}

/** A member of the cluster that prepares its upgrade to 41.2. */
export function holder(id: string, overrides: Partial<Holder> = {}): Holder {
  return {
    id,
    kind: 'node',
    bootId: `boot-of-${id}`,
    isMember: true,
    reason: 'upgrade to 41.2',
    release: checksumOf('41.2'),
    since: someTime,
    stage: 'preparing',
    ...overrides,
  };
}

export function semaphoreWith(holders: readonly Holder[], overrides: Partial<Semaphore> = {}): Semaphore {
  return { schema: 1, group: 'default', slots: 1, holders, log: [], ...overrides };
}

/** What a well voter of a cluster of so many voters says: `a1` is member 101, leader, and so on. */
export function memberView(node: string, voters = 3, overrides: Partial<MemberView> = {}): MemberView {
  return {
    clusterId: '14841639068965178418',
    memberId: memberIdOf(node),
    leaderId: '101',
    isLearner: false,
    raftTerm: '2',
    raftIndex: '5000',
    raftAppliedIndex: '5000',
    dbSizeBytes: 20_480,
    version: '3.5.16',
    alarms: [],
    members: Array.from({ length: voters }, (_, index) => listedMember(`a${index + 1}`)),
    canCommit: true,
    ...overrides,
  };
}

export function listedMember(node: string, isLearner = false): MemberView['members'][number] {
  return { id: memberIdOf(node), name: node, isLearner, peerUrls: [`http://${node}:2380`] };
}

function memberIdOf(node: string): string {
  return String(100 + Number(node.slice(1)));
}

/** The answer of one member's client port. */
export function surveyedAs(node: string, view: MemberView | null): ProofSight['members'][number] {
  const detail = view === null ? 'did not answer within 5000 ms' : 'answered';
  return { node, surveyed: { endpoint: `http://${node}:2379`, view, detail } satisfies Surveyed };
}

export function upgradeView(overrides: Partial<UpgradeView> = {}): UpgradeView {
  return {
    group: 'default',
    phase: 'steady',
    since: someTime,
    booted: releaseNamed('41.1'),
    staged: null,
    rollback: releaseNamed('41.0'),
    verified: releaseNamed('41.1').id,
    waiting: null,
    hint: null,
    layered: [],
    liveApplied: false,
    pinned: false,
    conflicts: [],
    seenAt: someTime,
    ...overrides,
  };
}

/** What a well node publishes. */
export function readinessRecord(node: string, overrides: Partial<ReadinessRecord> = {}): ReadinessRecord {
  return {
    schema: 1,
    node,
    address: `192.168.99.5${node.slice(1)}`,
    etcdRole: 'member',
    metadata: {},
    summary: 'ready',
    conditions: wellConditions,
    versions: {},
    bootId: `boot-of-${node}`,
    machineId: null,
    reportedAt: someTime,
    since: someTime,
    subnet: null,
    upgrade: upgradeView(),
    ...overrides,
  };
}

/** Another node that reported 10 s ago. */
export function other(node: string, record: Partial<ReadinessRecord> | null = {}, reportAgeMs = 10_000): Other {
  return {
    node,
    record: record === null ? null : readinessRecord(node, record),
    reportAgeMs: record === null ? Number.NaN : reportAgeMs,
  };
}

/** a1 of three well members, about to be upgraded to 41.2, slot held, nobody there, nothing in the way. */
export function proofSight(overrides: Partial<ProofSight> = {}): ProofSight {
  return {
    node: 'a1',
    instant: instant(1_000),
    now: someTime,
    errand: upgradeTo('41.2'),
    group: upgradeGroup({ snapshotMaxAgeSecs: 3_600 }),
    outsideWindow: false,
    acceptOutage: false,
    permit: { go: true, message: 'no window is declared, any time is right' },
    fleet: known({ hold: null, denied: [] }),
    wouldBoot: null,
    slot: known({ isHeld: true, message: `slot of group default held since ${someTime}` }),
    isMember: true,
    members: [surveyedAs('a2', memberView('a2')), surveyedAs('a3', memberView('a3'))],
    onTheirWay: [],
    others: known([other('a2'), other('a3')]),
    people: known([]),
    snapshot: known({ ageMs: 60_000, text: 'snapshot of revision 12, 1 min old, restored aside' }),
    bootServers: [],
    portals: [],
    formats: known({ message: 'no data format changes for good', crossings: [], refusal: null }),
    ...overrides,
  };
}

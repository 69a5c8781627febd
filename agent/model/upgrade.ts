// What an upgrade is about: the declared policy, what operators asked of the fleet, and what a node remembers of its own.

import type { ConditionType } from './condition.ts';
import type { OsConflict } from './deployment.ts';
import type { Proof } from './proof.ts';
import type { Release } from './release.ts';

export type StrategyName = 'immediate' | 'semaphore' | 'window';

/** Times of a week at which a host may reboot, on the wall clock of the group's time zone. */
export interface WeeklyWindow {
  /** 0 is Sunday. */
  readonly days: readonly number[];
  /** Minutes since midnight of the day it opens. */
  readonly startMinute: number;
  /** Up to two days: 25:00 is written 01:00 and lies on the next day. Never equal to the start. */
  readonly endMinute: number;
  /** As the operator wrote it. */
  readonly text: string;
}

/** How the nodes of one group are upgraded; every node is in exactly one. */
export interface UpgradeGroup {
  readonly name: string;
  readonly strategy: StrategyName;
  /** How many of the group may be on their way at once. */
  readonly slots: number;
  /** Empty: always open. */
  readonly windows: readonly WeeklyWindow[];
  /** IANA name, `Europe/Berlin`; UTC where nothing is said. */
  readonly timeZone: string;
  /** How far a node goes by itself; `off`: only what an operator asks for. */
  readonly automatic: 'off' | 'check' | 'stage' | 'apply';
  /** These go first; the others follow once all of them are verified in the release. */
  readonly canary: readonly string[];
  readonly checkEverySecs: number;
  /** How long a node has to stay ready after its reboot before its slot is free again. */
  readonly soakSecs: number;
  /** How long a node may take to become ready after its reboot; then the release is red. */
  readonly readyWithinSecs: number;
  readonly loggedInUsers: 'wait' | 'ignore';
  /** A snapshot of etcd may be that old; 0: none is asked for. */
  readonly snapshotMaxAgeSecs: number;
  /** URLs that must answer from this node before it reboots, besides those it booted from. */
  readonly probes: readonly string[];
  /** Base URL of a FleetLock server to be asked instead of etcd's semaphore; null: none. */
  readonly fleetLockUrl: string | null;
}

export interface UpgradePolicy {
  /** In the order of the file, `default` first when any node is in it. */
  readonly groups: readonly (UpgradeGroup & { readonly nodes: readonly string[] })[];
  /** Where this cluster's semaphore is served to FleetLock hosts: `192.168.99.51:3333` or the path of a socket. */
  readonly fleetLockListen: string | null;
}

/** What the operator wants of a group, in etcd. */
export interface UpgradeTarget {
  readonly schema: 1;
  /** Version, commit or digest as given; `latest`: whatever the nodes' origin offers. */
  readonly release: string;
  readonly by: string;
  readonly at: string;
}

export interface Denial {
  readonly release: Release;
  readonly reason: string;
  /** The node, or `operator on a2`. */
  readonly by: string;
  readonly at: string;
}

/** Releases that are not to be tried again; newest last, bounded. */
export interface DeniedReleases {
  readonly schema: 1;
  readonly denied: readonly Denial[];
}

/** Everything stands still until somebody says otherwise. */
export interface Hold {
  readonly schema: 1;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
}

/**
 * `steady`: nothing under way. `ready-to-go`: a deployment is staged, or a reboot asked for, and what stands in the way
 * is being waited for. `rebooting`: the host was told to. `verifying`: back, and to prove itself. `rolling-back`: the
 * release was red and the earlier one is on its way. `recovering`: back in the earlier one, and to prove that.
 */
export type UpgradePhase = 'steady' | 'ready-to-go' | 'rebooting' | 'verifying' | 'rolling-back' | 'recovering';

/** What a host reboots for. */
export type Errand =
  | { readonly kind: 'upgrade'; readonly release: Release; readonly checksum: string }
  | { readonly kind: 'reboot'; readonly reason: string }
  | { readonly kind: 'rollback'; readonly release: Release; readonly checksum: string; readonly reason: string };

/** An operator's word on this node, which goes further than what it does by itself. */
export interface Ask {
  readonly kind: 'upgrade' | 'reboot' | 'rollback';
  /** Version, commit or digest; null: what is staged, or what the origin offers. */
  readonly release: string | null;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
  /** The operator does not want to wait for the window. */
  readonly outsideWindow: boolean;
  /** The operator accepts that a cluster of one or two members has no quorum meanwhile. */
  readonly acceptOutage: boolean;
  /** Of a rollback: the release that is left is denied for the fleet. */
  readonly deny: boolean;
  /** The session it was asked from: its user need not be waited for. */
  readonly session: string | null;
}

/** An instant of one boot by the kernel's own clock, which no time service sets. */
export interface BootInstant {
  readonly bootId: string;
  readonly uptimeMs: number;
}

export interface Baseline {
  readonly met: readonly ConditionType[];
  /** Not met before either: the reboot is not to blame. */
  readonly unmet: readonly ConditionType[];
}

/** What this node remembers of its own upgrade, in /var: it outlives every deployment. */
export interface UpgradeMemory {
  readonly schema: 1;
  readonly phase: UpgradePhase;
  /** ISO 8601; shown, and never computed with. */
  readonly since: string;
  /** When the phase began. */
  readonly began: BootInstant;
  readonly errand: Errand | null;
  readonly ask: Ask | null;
  /** The deployment that was booted before the reboot. */
  readonly cameFrom: {
    readonly release: Release;
    readonly checksum: string;
    /** Checksums of what else could be booted then: that it still can says nothing of what the reboot was for. */
    readonly beside?: readonly string[];
  } | null;
  /** How the host was before the reboot: what was met has to be met again. Null: nobody knows. */
  readonly baseline: Baseline | null;
  /** Since when, in this boot, the node has been as good as before; null while it is not. */
  readonly goodSince: BootInstant | null;
  /** When etcd was last found away in this boot, while the host had to prove itself. */
  readonly withoutStoreAt?: BootInstant;
  /** Reboots for a release from which the host came back in its old deployment, not having tried the new one. */
  readonly lost: { readonly release: string; readonly times: number } | null;
  /** Boots since then that ended before the host had proven itself, in which nobody asked for a reboot. */
  readonly restarts: number;
  /** A verdict that the fleet does not know yet. */
  readonly untoldDenial: Denial | null;
  /** The release this node has proven itself in. */
  readonly verified: Release | null;
  /** The last proof, whatever came of it. */
  readonly proof: Proof | null;
  /** What is waited for now; null when nothing is. */
  readonly waiting: { readonly reason: string; readonly hint?: string } | null;
  /** Holders of slots that do not report, and since when they were missed here. */
  readonly missed: readonly { readonly holder: string; readonly bootId: string | null; readonly since: BootInstant }[];
  /** A slot of a FleetLock server may be ours; of etcd's semaphore etcd itself tells. */
  readonly foreignSlot: boolean;
  readonly checkedAt: BootInstant | null;
  /** The last attempt to stage something, and what it was to be. */
  readonly stagedAt: { readonly what: string; readonly at: BootInstant } | null;
  /** When to look again at the earliest. */
  readonly lookAgain: BootInstant | null;
}

/** What other nodes get to see of it, in the readiness record. */
export interface UpgradeView {
  readonly group: string;
  readonly phase: UpgradePhase;
  readonly since: string;
  readonly booted: Release | null;
  readonly staged: Release | null;
  readonly rollback: Release | null;
  readonly verified: string | null;
  /** For people, what it waits for; null when for nothing. */
  readonly waiting: string | null;
  readonly hint: string | null;
  /** Of the booted deployment: layered and local packages, live-applied ones, pinned. */
  readonly layered: readonly string[];
  readonly liveApplied: boolean;
  readonly pinned: boolean;
  readonly conflicts: readonly OsConflict[];
  /** ISO 8601: when the operating system was asked. */
  readonly seenAt: string;
}

/** Started by its timer, by the report while something is under way, and by an operator's verbs. */
export const upgradeUnit = 'diyc-agent-upgrade.service';

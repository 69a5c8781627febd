// One look: everything the state machine decides from, read anew; what could not be read is said to be unknown.

import { bootedOf, type Deployment, type OsState } from '../model/deployment.ts';
import { AgentError, isAgentError } from '../model/errors.ts';
import { type Known, known } from '../model/known.ts';
import type { ReadinessRecord } from '../model/readiness.ts';
import { agree, formatPackages, type Release, releaseOf } from '../model/release.ts';
import type { BootInstant } from '../model/upgrade.ts';
import type { ReadOnlyHost } from '../ports/host.ts';
import type { ReadOnlyOsTree } from '../ports/os-tree.ts';
import { type Coordination, groupNames } from './coordination.ts';
import { type FleetState, holdersAnywhere, readFleetState } from './fleet-state.ts';
import type { FleetSight, OsSight, Sight } from './machine.ts';
import { strategyOf } from './strategies/registry.ts';

/** What a look brings besides the machine's own sight. */
export interface Look {
  readonly sight: Sight;
  readonly fleet: Known<SeenFleet>;
}

export interface SeenFleet extends FleetState {
  /** Nodes whose record is under a living lease. */
  readonly records: ReadonlyMap<string, ReadinessRecord>;
}

/**
 * Look at the host and at the store, at once.
 *
 * @param foreignSlot a slot of a FleetLock server may be held: nobody but the memory tells
 */
export async function look(coordination: Coordination, foreignSlot: boolean): Promise<Look> {
  const { host, node, group } = coordination;
  const [instant, os, fleet, conditions, greenboot] = await Promise.all([
    bootInstant(host),
    osSight(host.osTree, coordination.isLiveRoot),
    fleetState(coordination),
    coordination.conditions(),
    greenbootVerdict(host),
  ]);
  const sight: Sight = {
    now: host.clock.timestamp(),
    instant,
    node: node.name,
    group,
    os,
    fleet: fleet.known ? known(fleetSight(coordination, fleet.value, foreignSlot)) : fleet,
    conditions,
    greenboot,
    permit: strategyOf(group.strategy).permits(group, host.clock.now()),
  };
  return { sight, fleet };
}

export async function bootInstant({ machine }: Pick<ReadOnlyHost, 'machine'>): Promise<BootInstant> {
  const [bootId, uptimeMs] = await Promise.all([machine.bootId(), machine.uptimeMs()]);
  return { bootId, uptimeMs };
}

/** What is deployed, with the name of every release. */
export async function osSight(osTree: ReadOnlyOsTree, isLiveRoot: boolean): Promise<OsSight> {
  if (isLiveRoot) {
    return {
      kind: 'none',
      why: 'this host runs from the network: its root is gone at each boot, so nothing can be staged on it',
      hint: 'build a new image, put it on the boot server, and run diyc-agent reboot on one host after the other',
    };
  }
  try {
    const state = await osTree.state();
    if (state === null) {
      return {
        kind: 'none',
        why: 'this host is not upgraded by deployments: it was not booted by ostree, or neither rpm-ostree nor bootc is there',
        hint: 'upgrade it with its package manager; diyc-agent reboot then reboots one host after the other',
      };
    }
    const releases = new Map<string, Release>();
    for (const deployment of state.deployments) {
      releases.set(deployment.checksum, await releaseOn(osTree, deployment));
    }
    return { kind: 'tree', state, releases };
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return { kind: 'unknown', why: error.message, hint: error.hint };
  }
}

async function releaseOn(osTree: ReadOnlyOsTree, deployment: Deployment): Promise<Release> {
  const names = deployment.requestedPackages;
  return releaseOf(deployment, names.length === 0 ? new Map() : await osTree.packages(deployment.checksum, names));
}

/** Versions of what decides about data formats, in one deployment. */
export function formatPackagesOf(osTree: ReadOnlyOsTree, checksum: string): Promise<ReadonlyMap<string, string>> {
  return osTree.packages(checksum, formatPackages);
}

export function bootedRelease(os: OsSight): Release | null {
  if (os.kind !== 'tree') return null;
  const booted = bootedOf(os.state);
  return booted === null ? null : (os.releases.get(booted.checksum) ?? null);
}

export function stateOf(os: OsSight): OsState | null {
  return os.kind === 'tree' ? os.state : null;
}

async function fleetState(coordination: Coordination): Promise<Known<SeenFleet>> {
  const { store, config, group } = coordination;
  try {
    const [state, records] = await Promise.all([
      readFleetState(store, config.cluster, group.name, groupNames(config)),
      coordination.records(),
    ]);
    return known({ ...state, records });
  } catch (error) {
    return unknownFrom(error);
  }
}

function fleetSight({ node, group }: Coordination, fleet: SeenFleet, foreignSlot: boolean): FleetSight {
  const { hold, target, denied, records } = fleet;
  const own = holdersAnywhere(fleet).find((h) => h.id === node.name);
  const canaries = group.canary.filter((name) => name !== node.name);
  return {
    hold,
    target,
    denied,
    slot:
      own === undefined && !foreignSlot
        ? null
        : { bootId: own?.bootId ?? null, ...(own?.baseline === undefined ? {} : { baseline: own.baseline }) },
    canariesToWaitFor: (release) =>
      canaries.flatMap((name) => {
        const upgrade = records.get(name)?.upgrade;
        if (upgrade === undefined) return [`${name} does not report what it runs`];
        const isIn = upgrade.booted !== null && agree(upgrade.booted, release);
        if (isIn && upgrade.verified === upgrade.booted?.id) return [];
        return [`${name} ${isIn ? `is in ${release.text} and has not proven it yet` : `is not in ${release.text}`}`];
      }),
  };
}

/** Anything that is no AgentError is a fault of ours and goes on to the top. */
export function unknownFrom(error: unknown): { known: false; why: string; hint: string } {
  if (!isAgentError(error)) throw error;
  return { known: false, why: error.message, hint: error.hint };
}

const greenbootUnit = 'greenboot-healthcheck.service';

/**
 * greenboot's word on this boot. Its unit is oneshot and stays active after success (greenboot 0.15). While it waits
 * for its turn it has a job; without one it was never to run, because nobody enabled it.
 */
async function greenbootVerdict({ units }: Pick<ReadOnlyHost, 'units'>): Promise<Sight['greenboot']> {
  try {
    const [unit] = await units.states([greenbootUnit]);
    if (unit === undefined || unit.load !== 'loaded') return 'absent';
    if (unit.active === 'active') return 'green';
    if (unit.active === 'failed') return 'red';
    // Finished without RemainAfterExit: it has run once, and not failed.
    if (unit.active === 'inactive' && unit.mainStartMs > 0) return unit.result === 'success' ? 'green' : 'red';
    return unit.active === 'activating' || unit.jobQueued ? 'running' : 'absent';
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    // systemd does not answer: whether greenboot is content is not known, and the deadline goes on.
    return 'running';
  }
}

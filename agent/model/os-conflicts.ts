// What stands in the way of upgrades on an image-based host, or will surprise at the next boot, and how to free the host.

import type { Deployment, OsConflict } from './deployment.ts';

/** What bootc says of a host that rpm-ostree drives, or of its own. `unknown`: it is there and did not answer. */
export type BootcView =
  | { readonly kind: 'absent' }
  | { readonly kind: 'no-bootc-host' }
  | { readonly kind: 'unknown'; readonly detail: string }
  | { readonly kind: 'host'; readonly isBootedIncompatible: boolean; readonly isStagedIncompatible: boolean };

export interface ConflictFacts {
  readonly driver: 'rpm-ostree' | 'bootc';
  readonly deployments: readonly Deployment[];
  /** Another agent that is running and updates this host. */
  readonly updateDriver: { readonly name: string; readonly unit: string } | null;
  readonly bootc: BootcView;
  /** `LockLayering` of rpm-ostreed.conf(5). */
  readonly isLayeringLocked: boolean;
}

/** @returns what blocks comes first; otherwise in a fixed order, one of each reason */
export function conflictsOf(facts: ConflictFacts): OsConflict[] {
  const booted = facts.deployments.find((d) => d.booted) ?? null;
  const found = [
    ...ofDriver(facts),
    ...ofBootc(facts, booted),
    ...(booted === null ? [] : ofLayering(facts, booted)),
    ...(booted === null ? [] : ofRunningTree(booted)),
    ...ofOthers(facts.deployments, booted),
  ];
  return [...found.filter((c) => c.blocks), ...found.filter((c) => !c.blocks)];
}

function ofDriver({ updateDriver }: ConflictFacts): OsConflict[] {
  if (updateDriver === null) return [];
  const { name, unit } = updateDriver;
  return [
    {
      reason: 'OtherUpdateDriver',
      message: `${name}${unit === '' ? '' : ` (${unit})`} updates this host, and rpm-ostree refuses upgrades by anybody else`,
      hint: unit === '' ? `stop and disable ${name}` : `systemctl disable --now ${unit}`,
      blocks: true,
    },
  ];
}

function ofBootc({ driver, bootc }: ConflictFacts, booted: Deployment | null): OsConflict[] {
  if (bootc.kind === 'unknown') {
    return [
      {
        reason: 'BootcUnknown',
        message: `bootc is installed and did not say how it sees this host: ${bootc.detail}`,
        hint: 'run bootc status by hand',
        blocks: driver === 'bootc',
      },
    ];
  }
  if (bootc.kind !== 'host' || !(bootc.isBootedIncompatible || bootc.isStagedIncompatible)) return [];
  const which = bootc.isBootedIncompatible ? 'booted' : 'staged';
  if (driver === 'bootc') {
    return [
      {
        reason: 'ChangedByRpmOstree',
        message: `rpm-ostree changed the packages of the ${which} deployment, and bootc refuses to upgrade it`,
        hint:
          which === 'booted'
            ? 'rpm-ostree reset, then reboot; packages belong into the image'
            : 'rpm-ostree cleanup -p; packages belong into the image',
        blocks: true,
      },
    ];
  }
  const packages = [...(booted?.requestedPackages ?? []), ...(booted?.localPackages ?? [])];
  return [
    {
      reason: 'BootcIncompatible',
      message: `the ${which} deployment has changes of rpm-ostree${listed(packages)}: bootc upgrade and bootc switch refuse on this host, updates have to go through rpm-ostree`,
      hint: 'rpm-ostree reset, then reboot, where bootc is to be used; otherwise leave bootc alone (systemctl disable --now bootc-fetch-apply-updates.timer)',
      blocks: false,
    },
  ];
}

function ofLayering({ isLayeringLocked }: ConflictFacts, booted: Deployment): OsConflict[] {
  const found: OsConflict[] = [];
  const [local] = booted.localPackages;
  if (local !== undefined) {
    found.push({
      reason: 'LocalPackages',
      message: `installed from files, no upgrade ever replaces them: ${booted.localPackages.join(', ')}`,
      hint: `rpm-ostree uninstall ${local} --install ./NEW.rpm`,
      blocks: false,
    });
  }
  if (booted.overrides.length > 0 && booted.overrides.every((o) => !o.startsWith('('))) {
    found.push({
      reason: 'Overrides',
      message: `packages of the base are removed or replaced, and stay so in every upgrade: ${booted.overrides.join(', ')}`,
      hint: 'rpm-ostree override reset --all',
      blocks: false,
    });
  }
  const layered = [...booted.requestedPackages, ...booted.localPackages];
  if (isLayeringLocked && layered.length > 0) {
    found.push({
      reason: 'LayeringLocked',
      message: `LockLayering is set in /etc/rpm-ostreed.conf, and the host has layered packages all the same${listed(layered)}: they cannot be changed`,
      hint: 'rpm-ostree reset, or LockLayering=false and rpm-ostree reload',
      blocks: false,
    });
  }
  return found;
}

function ofRunningTree(booted: Deployment): OsConflict[] {
  const found: OsConflict[] = [];
  if (booted.liveApplied) {
    found.push({
      reason: 'LiveApplied',
      message:
        'packages were put into the running system (apply-live): it is no longer what the deployment says, and the next boot has only what is layered',
      hint: 'rpm-ostree status shows LiveDiff; a reboot ends it, rpm-ostree install makes a package stay',
      blocks: false,
    });
  }
  if (booted.unlocked !== 'none') {
    const kept = booted.unlocked === 'hotfix' ? 'the next upgrade' : 'the next boot';
    found.push({
      reason: 'Unlocked',
      message: `/usr was made writable (${booted.unlocked}): what was changed there is lost with ${kept}`,
      hint: 'put the changes into the image or a package; a reboot ends it (hotfix: rpm-ostree upgrade or rollback)',
      blocks: false,
    });
  }
  return found;
}

function ofOthers(deployments: readonly Deployment[], booted: Deployment | null): OsConflict[] {
  const found: OsConflict[] = [];
  const staged = deployments.find((d) => d.staged);
  if (staged !== undefined && booted !== null && staged.origin !== booted.origin) {
    found.push({
      reason: 'StagedElsewhere',
      message: `somebody staged ${staged.version ?? staged.base.slice(0, 19)} of another origin (${staged.origin ?? 'a bare commit'} instead of ${booted.origin ?? 'a bare commit'}): staging replaces it, and until then the next reboot goes there`,
      hint: 'rpm-ostree cleanup -p drops it',
      blocks: false,
    });
  }
  const pinned = deployments.filter((d) => d.pinned && !d.booted);
  if (pinned.length > 0) {
    found.push({
      reason: 'Pinned',
      message: `kept for ever, with the space in /boot and /sysroot: ${pinned.map((d) => d.version ?? d.checksum.slice(0, 12)).join(', ')}`,
      hint: `ostree admin pin --unpin ${deployments.findIndex((d) => d.pinned && !d.booted)} lets it go`,
      blocks: false,
    });
  }
  return found;
}

function listed(packages: readonly string[]): string {
  return packages.length === 0 ? '' : ` (${packages.join(', ')})`;
}

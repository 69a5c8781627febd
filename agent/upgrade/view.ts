// What others get to see of this node's upgrade: left in /run by each run, put into the readiness record by each report.

import { bootedOf, pendingOf, rollbackOf } from '../model/deployment.ts';
import { parseJsonObject } from '../model/json-object.ts';
import { upgradeViewFile } from '../model/paths.ts';
import type { Release } from '../model/release.ts';
import type { UpgradeMemory, UpgradeView } from '../model/upgrade.ts';
import type { Files, ReadOnlyFiles } from '../ports/files.ts';
import type { OsSight } from './machine.ts';

/** What is deployed and how far the upgrade is, as one value. */
export function viewOf(group: string, memory: UpgradeMemory, os: OsSight, seenAt: string): UpgradeView {
  const state = os.kind === 'tree' ? os.state : null;
  const booted = state === null ? null : bootedOf(state);
  const named = (checksum: string | undefined): Release | null =>
    os.kind === 'tree' && checksum !== undefined ? (os.releases.get(checksum) ?? null) : null;
  const { waiting } = memory;
  return {
    group,
    phase: memory.phase,
    since: memory.since,
    booted: named(booted?.checksum),
    staged: named(state === null ? undefined : pendingOf(state)?.checksum),
    rollback: named(state === null ? undefined : rollbackOf(state)?.checksum),
    verified: memory.verified?.id ?? null,
    // A host without deployments has nothing to say of them while nothing is under way.
    waiting: waiting?.reason ?? (os.kind === 'unknown' ? os.why : null),
    hint: waiting !== null ? (waiting.hint ?? null) : os.kind === 'unknown' ? os.hint : null,
    layered: booted === null ? [] : [...booted.requestedPackages, ...booted.localPackages],
    liveApplied: booted?.liveApplied === true,
    pinned: booted?.pinned === true,
    conflicts: state?.conflicts ?? [],
    seenAt,
  };
}

/** Leave the view where `status` and the report find it. @returns whether it says anything new besides its time */
export async function leaveView(
  {
    host,
    group,
  }: {
    readonly host: { readonly files: Files; readonly clock: { timestamp(): string } };
    readonly group: { readonly name: string };
  },
  memory: UpgradeMemory,
  os: OsSight,
): Promise<boolean> {
  const before = await readView(host.files);
  const view = viewOf(group.name, memory, os, host.clock.timestamp());
  await host.files.replace(upgradeViewFile, `${JSON.stringify(view)}\n`, { mode: 0o644, owner: null });
  return JSON.stringify({ ...before, seenAt: '' }) !== JSON.stringify({ ...view, seenAt: '' });
}

/** The run could not even begin: what keeps it from that is told where the upgrade is told of. */
export async function leaveObstacle(
  { files, clock }: { readonly files: Files; readonly clock: { timestamp(): string } },
  group: string,
  obstacle: { readonly message: string; readonly hint: string },
): Promise<void> {
  const present = await readView(files);
  const now = clock.timestamp();
  const nothing = { booted: null, staged: null, rollback: null, verified: null, layered: [], conflicts: [] };
  const view: UpgradeView = {
    ...(present ?? { ...nothing, liveApplied: false, pinned: false, since: now }),
    group,
    phase: 'recovering',
    waiting: obstacle.message,
    hint: obstacle.hint,
    seenAt: now,
  };
  await files.replace(upgradeViewFile, `${JSON.stringify(view)}\n`, { mode: 0o644, owner: null });
}

/** @returns null where nobody has looked in this boot, or left what this version does not understand */
export async function readView(files: Pick<ReadOnlyFiles, 'readText'>): Promise<UpgradeView | null> {
  const text = await files.readText(upgradeViewFile);
  const value = text === null ? null : parseJsonObject<UpgradeView>(text);
  const isWhole =
    typeof value?.phase === 'string' &&
    typeof value.group === 'string' &&
    Array.isArray(value.conflicts) &&
    Array.isArray(value.layered) &&
    [value.booted, value.staged, value.rollback].every((release) => typeof release === 'object');
  return isWhole ? (value as UpgradeView) : null;
}

// `report`: what the timer runs; looks, writes status and metrics, publishes the record under its lease, and exits.

import { openForwarding } from '../join/forward.ts';
import { reviewSeed } from '../join/seed.ts';
import { etcdEndpoints, storageOf, upgradeOf } from '../model/cluster-config.ts';
import { type Condition, summarize, withSince } from '../model/condition.ts';
import { isAgentError } from '../model/errors.ts';
import { targetKey } from '../model/keys.ts';
import { flannelSubnetFile, metricsFile, seenTargetFile, statusFile } from '../model/paths.ts';
import type { ReadinessRecord, StatusReport } from '../model/readiness.ts';
import type { Secret } from '../model/secret.ts';
import { parseStorageResult, storageFile } from '../model/storage-result.ts';
import { type UpgradeView, upgradeUnit } from '../model/upgrade.ts';
import type { Host } from '../ports/host.ts';
import type { KeyStore } from '../ports/store.ts';
import { renderMetrics } from '../readiness/metrics.ts';
import { publish } from '../readiness/publish.ts';
import { parseEnvFile } from '../render/env-file.ts';
import { parseLease, renderFlannelNetwork } from '../render/flannel.ts';
import { storageUnit } from '../render/storage-mount.ts';
import { readMemory } from '../upgrade/memory.ts';
import { bootInstant } from '../upgrade/sight.ts';
import { readView } from '../upgrade/view.ts';
import { backendSecret } from './backend-secret.ts';
import type { Action, CommandContext } from './command.ts';
import { allConditions } from './conditions.ts';
import { type Gathered, gather } from './gather.ts';
import { configFile } from './options.ts';
import { requireRoot } from './permission.ts';
import { failedReport, readReport, reportOf } from './status-report.ts';

/** Observe, publish, write down. */
export const runReport: Action = async (context) => {
  const { host, reporter, options, version } = context;
  requireRoot(host, options.root, 'report');
  const earlier = await readReport(host.files);
  let node: Gathered;
  try {
    node = await gather(host, reporter, configFile(options.config));
  } catch (error) {
    if (!isAgentError(error)) throw error;
    // A host that does not know who it is says so where `status` and the metrics can be found.
    await writeLocal(host, await failedReport(host, error, version, earlier));
    throw error;
  }
  await review(host, node);
  await retryStorage(host, node);
  const upgrade = await lookAtUpgrade(host);
  const observed = await keepForwarding(context, node, await allConditions(host, node, version, []));
  const conditions = withSince(observed, earlier?.conditions ?? [], host.clock.timestamp());
  const record = { ...(await recordOf(host, node, conditions, earlier, version)), ...seen(upgrade) };
  const published = await tryPublish(context, node, record);
  const all = withSince([...conditions, published], earlier?.conditions ?? [], host.clock.timestamp());
  await writeLocal(host, { ...(await reportOf(host, node, all, version)), ...seen(upgrade) });
  await host.programs.remember();
  return 0;
};

/** Whether etcd still has what was seeded. */
async function review(host: Host, node: Gathered): Promise<void> {
  const { config } = node;
  let secret: Secret | null;
  try {
    secret = await backendSecret(host, config);
  } catch (error) {
    // Without it nobody knows what is wanted; the seeding itself says so, and the rest of the report goes on.
    if (!isAgentError(error)) throw error;
    return;
  }
  const wanted = renderFlannelNetwork(config, secret?.reveal() ?? null);
  await reviewSeed(host, { config, node: node.node, api: node.layout.flannel.etcdApi, wanted });
}

/** Pauses between two attempts that gave up; each of them waits for an hour by itself. */
const storageRetryMs = { waiting: 60_000, failed: 300_000 } as const;

/**
 * systemd has no way to start a oneshot unit again (below 244 it does not even load Restart= in one). An attempt that
 * may succeed later is queued again, one whose programs failed after a longer pause (LVM that did not answer in time);
 * one that was refused waits for a person.
 */
async function retryStorage(host: Host, node: Gathered): Promise<void> {
  if (storageOf(node.config, node.node.name) === null) return;
  const result = parseStorageResult(await host.files.readText(storageFile));
  if (result?.outcome !== 'waiting' && result?.outcome !== 'failed') return;
  const ageMs = host.clock.ageMs(result.at);
  // From the future: the clock was set back since, and the pause would last for as long as it was set back by.
  if (ageMs >= 0 && ageMs < storageRetryMs[result.outcome]) return;
  try {
    const [unit] = await host.units.states([storageUnit]);
    if (unit?.active === 'failed' && !unit.jobQueued) await host.units.queueStart([storageUnit]);
  } catch (error) {
    // The report is about how the host is doing; that systemd does not answer is told by its conditions.
    if (!isAgentError(error)) throw error;
  }
}

const ostreeMarker = '/run/ostree-booted';
/** How old the last look at deployments may be on an image-based host: asking keeps rpm-ostree's daemon running. */
const viewMaxAgeMs = 10 * 60_000;

/**
 * What the upgrade unit last left; and the unit is started while something is under way, so that a node does not wait
 * for the next tick of its timer with a slot in its hand, and on image-based hosts when nobody has looked for a while.
 */
async function lookAtUpgrade(host: Host): Promise<UpgradeView | null> {
  const view = await readView(host.files);
  try {
    if (await isLookDue(host, view)) await host.units.queueStart([upgradeUnit]);
  } catch (error) {
    // A memory that cannot be read, or systemd that does not answer: the report is not where that is told.
    if (!isAgentError(error)) throw error;
  }
  return view;
}

/**
 * An operator's word for the group is followed within a report's pace, not the timer's: one small read. That others see
 * this node is so whatever becomes of it; what could not be noticed is noticed by the next report.
 */
async function noticeTarget(host: Host, { config, node }: Gathered, store: KeyStore): Promise<void> {
  try {
    const target = (await store.read(targetKey(config.cluster, upgradeOf(config, node.name).name))) ?? '';
    if (((await host.files.readText(seenTargetFile)) ?? '') === target) return;
    const [unit] = await host.units.states([upgradeUnit]);
    // A run that is under way may have looked already, and starting it again would start nothing.
    if (unit?.active === 'activating') return;
    await host.units.queueStart([upgradeUnit]);
    await host.files.replace(seenTargetFile, target, { mode: 0o644, owner: null });
  } catch (error) {
    if (!isAgentError(error)) throw error;
  }
}

async function isLookDue(host: Host, view: UpgradeView | null): Promise<boolean> {
  const { memory } = await readMemory(host.files);
  // A host without a memory, as a live one is after each boot, may hold a slot of an earlier boot: one look tells.
  if (memory === null && view === null) return true;
  const isUnderWay = memory !== null && (memory.phase !== 'steady' || memory.ask !== null || memory.waiting !== null);
  if (memory !== null && isUnderWay) {
    const { lookAgain } = memory;
    if (lookAgain === null) return true;
    const { bootId, uptimeMs } = await bootInstant(host);
    return lookAgain.bootId !== bootId || uptimeMs >= lookAgain.uptimeMs;
  }
  if (!(await host.files.exists(ostreeMarker))) return false;
  const ageMs = view === null ? Number.POSITIVE_INFINITY : host.clock.ageMs(view.seenAt);
  return !(ageMs >= 0 && ageMs < viewMaxAgeMs);
}

function seen(upgrade: UpgradeView | null): { readonly upgrade?: UpgradeView } {
  return upgrade === null ? {} : { upgrade };
}

/** A reload of a firewall takes the overlay's rules away; they are put back, and if that fails the node says so. */
async function keepForwarding(
  { host, reporter }: CommandContext,
  node: Gathered,
  conditions: readonly Condition[],
): Promise<readonly Condition[]> {
  if (!conditions.some((c) => c.type === 'DockerRunning' && c.status === 'True')) return conditions;
  try {
    for (const step of await openForwarding(host, node.config))
      reporter.emit({ event: 'step.finished', step, durationMs: 0 });
    return conditions;
  } catch (error) {
    if (!isAgentError(error)) throw error;
    const lost: Condition = {
      type: 'Forwarding',
      status: 'Unknown',
      reason: 'RulesUnknown',
      message: error.message,
      hint: error.hint,
      severity: 'degraded',
    };
    return [...conditions.filter((c) => c.type !== 'Forwarding'), lost];
  }
}

async function writeLocal(host: Host, status: StatusReport): Promise<void> {
  const readable = { mode: 0o644, owner: null };
  await host.files.replace(statusFile, `${JSON.stringify(status)}\n`, readable);
  await host.files.replace(metricsFile, renderMetrics(status), readable);
}

async function recordOf(
  host: Host,
  node: Gathered,
  conditions: readonly Condition[],
  earlier: StatusReport | null,
  version: string,
): Promise<ReadinessRecord> {
  const [bootId, machineId, inventory, leaseText] = await Promise.all([
    host.machine.bootId(),
    host.machine.machineId(),
    host.machine.inventory(),
    host.files.readText(flannelSubnetFile),
  ]);
  const summary = summarize(conditions);
  const now = host.clock.timestamp();
  const lease = leaseText === null ? null : parseLease(parseEnvFile(leaseText));
  const flannelVersion = node.layout.flannel.version;
  return {
    schema: 1,
    node: node.node.name,
    address: node.node.address,
    etcdRole: node.node.etcdRole,
    metadata: node.node.metadata,
    summary,
    conditions,
    versions: { agent: version, ...(flannelVersion === null ? {} : { flannel: flannelVersion }), ...inventory },
    bootId,
    machineId,
    reportedAt: now,
    since: earlier?.summary === summary && earlier.bootId === bootId ? (earlier.summarySince ?? now) : now,
    subnet: lease?.subnet ?? null,
  };
}

/** Publish, and say how that went as a condition: losing etcd changes conditions and nothing else. */
async function tryPublish({ host }: CommandContext, node: Gathered, record: ReadinessRecord): Promise<Condition> {
  const endpoints = etcdEndpoints(node.config, node.node.name);
  const store = await host.etcd.leases(endpoints);
  try {
    const { renewed } = await publish(host, store, node.config.cluster, record);
    if (node.config.upgrade !== null) await noticeTarget(host, node, store);
    return {
      type: 'Published',
      status: 'True',
      reason: renewed ? 'NewLease' : 'LeaseKept',
      message: 'other nodes see this one',
      severity: 'degraded',
    };
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return {
      type: 'Published',
      status: 'False',
      reason: 'StoreUnavailable',
      message: `other nodes do not see this one: ${error.message}`,
      hint: error.hint,
      severity: 'degraded',
    };
  } finally {
    store.close();
  }
}

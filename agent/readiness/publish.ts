// Publishing the readiness record in etcd under a lease that is kept from run to run and made anew when it is lost.

import { nodeKey } from '../model/keys.ts';
import { leaseFile } from '../model/paths.ts';
import type { ReadinessRecord } from '../model/readiness.ts';
import type { Host } from '../ports/host.ts';
import type { LeaseStore } from '../ports/store.ts';

/** Three periods of the report timer: one missed report is no event, three are. */
export const leaseTtlSecs = 60;

export interface Published {
  readonly leaseId: string;
  /** A new lease was needed: the first report of this boot, or the old one had run out. */
  readonly renewed: boolean;
}

/**
 * Put the record under this node's lease.
 *
 * @throws AgentError `unavailable` when etcd does not answer; the record then runs out by itself
 */
export async function publish(
  host: Pick<Host, 'files'>,
  store: LeaseStore,
  cluster: string,
  record: ReadinessRecord,
): Promise<Published> {
  const known = await knownLease(host, record.bootId);
  const isAlive = known !== null && (await store.keepLeaseAlive(known));
  const leaseId = isAlive ? known : await store.grantLease(leaseTtlSecs);
  if (!isAlive) {
    const text = `${JSON.stringify({ leaseId, bootId: record.bootId })}\n`;
    await host.files.replace(leaseFile, text, { mode: 0o600, owner: null });
  }
  await store.putUnderLease(nodeKey(cluster, record.node), JSON.stringify(record), leaseId);
  return { leaseId, renewed: !isAlive };
}

async function knownLease(host: Pick<Host, 'files'>, bootId: string): Promise<string | null> {
  const text = await host.files.readText(leaseFile);
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as { leaseId?: unknown; bootId?: unknown } | null;
    // A lease of an earlier boot is left to run out: it says of that boot that it is over.
    return value !== null && typeof value === 'object' && typeof value.leaseId === 'string' && value.bootId === bootId
      ? value.leaseId
      : null;
  } catch {
    return null;
  }
}

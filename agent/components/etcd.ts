// etcd on this node: a member of the cluster, or nothing at all on a node that is only a client.

import { etcdEndpoints } from '../model/cluster-config.ts';
import type { Condition } from '../model/condition.ts';
import type { EtcdLayout } from '../model/layout.ts';
import { systemUnits, under } from '../model/paths.ts';
import type { ComponentSpec, Wish } from '../model/wish.ts';
import type { Component, NodeContext, UnitTable } from '../ports/component.ts';
import type { ReadOnlyHost } from '../ports/host.ts';
import { etcdDataDirectory, renderEtcdDropIn, renderEtcdEnvironment } from '../render/etcd.ts';
import { renderEtcdUnit } from '../render/own-units.ts';
import { enableWishes, startWishes } from './enable.ts';
import { masked, unitCondition } from './unit-condition.ts';

const unit = 'etcd.service';
const healthDeadlineMs = 1500;

export const etcd: Component = {
  name: 'etcd',

  desire(context: NodeContext): ComponentSpec | null {
    const { config, node, layout } = context;
    if (node.etcdRole === 'client') return null;
    const at = layout.etcd;
    const dropIn = under(systemUnits, `${unit}.d`, 'restart.conf');
    const ownUnit = under(systemUnits, unit);
    const wishes: Wish[] = [
      {
        kind: 'directory',
        component: 'etcd',
        path: etcdDataDirectory(node.name),
        mode: 0o700,
        owner: at.account,
        why: `the data of this member; etcd warns about any other mode and cannot use a directory of root${foreignData(at)}`,
      },
      {
        kind: 'file',
        component: 'etcd',
        path: at.environmentFile,
        content: renderEtcdEnvironment(config, node, layout.flannel.etcdApi === 'v2'),
        mode: 0o644,
        owner: null,
        why: `member ${node.name} of ${config.etcd.members.length}, at ${node.address}`,
      },
      {
        kind: 'file',
        component: 'etcd',
        path: dropIn,
        content: renderEtcdDropIn(
          at.unitReadsNoEnvironmentFile === true ? at.environmentFile : null,
          context.live.root.isLive ? etcdDataDirectory(node.name) : null,
        ),
        mode: 0o644,
        owner: null,
        why: 'etcd is ready only with a quorum, so its start must not time out',
      },
    ];
    if (at.installation === 'program only' && at.program !== null) {
      wishes.push({
        kind: 'file',
        component: 'etcd',
        path: ownUnit,
        content: renderEtcdUnit(at.program, at.environmentFile, at.account?.name ?? 'root'),
        mode: 0o644,
        owner: null,
        why: `${at.program} is here without a unit`,
      });
    }
    const refused = onMemory(context);
    if (at.installation !== 'absent' && refused.length === 0) {
      wishes.push(
        ...enableWishes('etcd', unit, at.unit),
        ...startWishes('etcd', unit, at.unit, [at.environmentFile, dropIn, ownUnit], 'this node is a member'),
      );
    }
    return { component: 'etcd', wishes, waitingFor: [...missing(at), ...masked('EtcdRunning', at.unit), ...refused] };
  },

  async probe(host: ReadOnlyHost, context: NodeContext, units: UnitTable): Promise<readonly Condition[]> {
    const { config, node, layout } = context;
    const isMember = node.etcdRole === 'member';
    const conditions: Condition[] = [];
    if (isMember) {
      conditions.push(...missing(layout.etcd), ...onMemory(context));
      if (layout.etcd.installation !== 'absent') {
        conditions.push(unitCondition('EtcdRunning', unit, units, waitingForPeers(context, units)));
      }
    }
    // A member answers for itself; a client is well served as long as one member is.
    const endpoints = etcdEndpoints(config, node.name);
    const asked = isMember ? endpoints.slice(0, 1) : endpoints;
    const health = await host.etcd.health(asked, healthDeadlineMs);
    const healthy = health.find((h) => h.outcome === 'healthy');
    conditions.push(
      healthy !== undefined
        ? {
            type: 'EtcdHealthy',
            status: 'True',
            reason: 'Healthy',
            message: `etcd answers at ${healthy.endpoint}`,
            severity: 'degraded',
          }
        : {
            type: 'EtcdHealthy',
            status: 'False',
            reason: health.some((h) => h.outcome === 'silent') ? 'NoQuorum' : 'NotAnswering',
            message: health.map((h) => `${h.endpoint}: ${h.detail}`).join('; '),
            hint: `see that etcd runs on ${config.etcd.members.join(', ')} and that ports ${config.etcd.clientPort} and ${config.etcd.peerPort} are open between them`,
            severity: 'degraded',
          },
    );
    return conditions;
  },
};

/** Until there is a quorum the unit just says `start`; the operator wants to know for whom it waits. */
function waitingForPeers(context: NodeContext, units: UnitTable): string | null {
  const { config, node } = context;
  const state = units.get(unit);
  if (state?.active !== 'activating' || state.sub !== 'start') return null;
  const peers = config.etcd.members.filter((m) => m !== node.name);
  if (peers.length === 0) return null;
  const needed = Math.floor(config.etcd.members.length / 2);
  return `${unit} has started and waits for ${needed} of its peers ${peers.join(', ')} to form a quorum`;
}

/** Debian's package starts a cluster of one when it is installed; its data is neither used nor touched. */
function foreignData(layout: EtcdLayout): string {
  const { foreignDataDirectory } = layout;
  return foreignDataDirectory === null ? '' : `; ${foreignDataDirectory}, made by the package, is left alone`;
}

/**
 * A member whose data is in memory comes back from each reboot as a new one with an old address, and can make the
 * others count votes that were never cast twice: it is not started. Nodes that are only clients are welcome on live roots.
 */
function onMemory({ live, node }: NodeContext): Condition[] {
  if (!live.root.isLive || live.etcdData.verdict === 'persistent' || live.etcdMountIsDeclared) return [];
  return [
    {
      type: 'EtcdStorage',
      status: live.etcdData.verdict === 'ram' ? 'False' : 'Unknown',
      reason: 'InMemory',
      message: `etcd is not started: ${live.etcdData.reason}; a voter that forgets its votes endangers the whole cluster`,
      hint: `mount a disk at /var/lib/etcd (fstab, or var-lib-etcd.mount), or take ${node.name} out of etcd.members: it may be a client`,
      severity: 'failed',
    },
  ];
}

function missing(layout: EtcdLayout): Condition[] {
  if (layout.installation !== 'absent') return [];
  return [
    {
      type: 'EtcdInstalled',
      status: 'False',
      reason: 'NotInstalled',
      message: 'this node is to be an etcd member, and neither etcd.service nor an etcd program is installed',
      hint: 'install the package etcd (Debian: etcd-server), or add it to the image',
      severity: 'failed',
    },
  ];
}

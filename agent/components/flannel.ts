// flannel on this node: the overlay network that gives docker its subnet.

import type { Condition } from '../model/condition.ts';
import type { FlannelLayout } from '../model/layout.ts';
import { containsAddress, parseAddress, parseNetwork } from '../model/network-address.ts';
import { type AbsolutePath, flannelSubnetFile, seedFile, systemUnits, under, waitsDirectory } from '../model/paths.ts';
import { parseSeedResult } from '../model/seed-result.ts';
import type { ComponentSpec, FileWish, Wish } from '../model/wish.ts';
import type { Component, NodeContext, UnitTable } from '../ports/component.ts';
import type { ReadOnlyHost } from '../ports/host.ts';
import { parseEnvFile } from '../render/env-file.ts';
import {
  parseLease,
  renderFlannelDropIn,
  renderFlannelEnvironment,
  renderMacPolicy,
  renderModules,
  renderNetworkdUnmanaged,
  renderNetworkManagerUnmanaged,
} from '../render/flannel.ts';
import { backendRule } from '../render/flannel-backends/registry.ts';
import { renderFlannelUnit } from '../render/own-units.ts';
import { enableWishes, startWishes } from './enable.ts';
import { masked, unitCondition } from './unit-condition.ts';

const unit = 'flanneld.service';

export const flannel: Component = {
  name: 'flannel',

  desire(context: NodeContext): ComponentSpec {
    const { config, node, layout } = context;
    const at = layout.flannel;
    const dropIn = under(systemUnits, `${unit}.d`, 'init.conf');
    const ownUnit = under(systemUnits, unit);
    const modules = ['br_netfilter', ...backendRule(config.flannel.backend.type).modules];
    const wishes: Wish[] = [
      file(
        at.environmentFile,
        renderFlannelEnvironment(config, node, at),
        `flanneld finds etcd, its keys and the interface of ${node.address}`,
      ),
      file(
        dropIn,
        renderFlannelDropIn(context.agentProgram, at.unitReadsNoEnvironmentFile === true ? at.environmentFile : null),
        'the network configuration is in etcd before flanneld looks for it',
      ),
      file(
        '/etc/modules-load.d/diyc-agent.conf',
        renderModules(modules),
        'flannel 0.26 and newer ends when br_netfilter is not loaded',
      ),
      file(
        '/etc/systemd/network/50-diyc-agent-flannel.link',
        renderMacPolicy(),
        "udev must not change the MAC of flannel's device",
      ),
      ...modules.map(
        (module): Wish => ({
          kind: 'module',
          component: 'flannel',
          module,
          provides: module === 'br_netfilter' ? '/proc/sys/net/bridge/bridge-nf-call-iptables' : null,
          why: 'the overlay needs it in this boot too',
        }),
      ),
    ];
    if (layout.usesNetworkd) {
      wishes.push(
        file(
          '/etc/systemd/network/10-diyc-agent-flannel.network',
          renderNetworkdUnmanaged(),
          "systemd-networkd must leave flannel's devices alone",
        ),
      );
    }
    if (layout.usesNetworkManager) {
      wishes.push(
        file(
          '/etc/NetworkManager/conf.d/diyc-agent-flannel.conf',
          renderNetworkManagerUnmanaged(),
          "NetworkManager must leave flannel's devices alone",
        ),
      );
    }
    if (at.installation === 'program only' && at.program !== null) {
      wishes.push(
        file(ownUnit, renderFlannelUnit(at.program, at.environmentFile), `${at.program} is here without a unit`),
      );
    }
    if (at.installation !== 'absent') {
      wishes.push(
        ...enableWishes('flannel', unit, at.unit),
        ...startWishes(
          'flannel',
          unit,
          at.unit,
          [at.environmentFile, dropIn, ownUnit],
          'every node has a subnet of the overlay',
        ),
      );
    }
    return { component: 'flannel', wishes, waitingFor: [...missing(at), ...masked('FlannelRunning', at.unit)] };
  },

  async probe(host: ReadOnlyHost, context: NodeContext, units: UnitTable): Promise<readonly Condition[]> {
    const at = context.layout.flannel;
    if (at.installation === 'absent') return missing(at);
    const [waiting, seed, lease] = await Promise.all([
      readWait(host, 'seed'),
      host.files.readText(seedFile),
      host.files.readText(flannelSubnetFile),
    ]);
    // A file that a killed wait left behind says nothing about a unit that is not starting.
    const isStarting = units.get(unit)?.active === 'activating';
    return [
      seedCondition(seed, isStarting ? waiting : null),
      unitCondition('FlannelRunning', unit, units, waiting),
      leaseCondition(lease, context, units.get(unit)?.active === 'active'),
    ];
  },
};

function file(path: AbsolutePath, content: string, why: string): FileWish {
  return { kind: 'file', component: 'flannel', path, content, mode: 0o644, owner: null, why };
}

/** What one of the agent's own waits says of itself, null when it waits for nothing. */
export async function readWait(host: Pick<ReadOnlyHost, 'files'>, owner: string): Promise<string | null> {
  const text = await host.files.readText(under(waitsDirectory, `${owner}.json`));
  if (text === null) return null;
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && 'reason' in parsed && typeof parsed.reason === 'string'
      ? parsed.reason
      : null;
  } catch {
    // Half-written in a crash; the next turn of that wait replaces it.
    return null;
  }
}

function seedCondition(text: string | null, waiting: string | null): Condition {
  const seed = parseSeedResult(text);
  if (seed === null) {
    return {
      type: 'FlannelSeeded',
      status: waiting === null ? 'Unknown' : 'False',
      reason: waiting === null ? 'NotYetAsked' : 'Waiting',
      message: waiting ?? 'no flannel configuration has been looked for in this boot',
      severity: 'waiting',
    };
  }
  if (seed.outcome === 'absent') {
    return {
      type: 'FlannelSeeded',
      status: 'False',
      reason: 'Absent',
      message: `${seed.key} is no longer in etcd; flannel goes on with what it has, and a node that joins now waits`,
      hint: 'systemctl restart flanneld on one node creates it again; find out what removed it, or whether etcd lost its data',
      severity: 'degraded',
    };
  }
  if (seed.outcome === 'drift') {
    return {
      type: 'FlannelSeeded',
      status: 'False',
      reason: 'Drift',
      message: `${seed.key} in etcd is ${seed.found}, and the cluster file asks for ${seed.wanted}; the key is never overwritten`,
      hint: 'make the cluster file say what the key says, or change the key with flannel stopped on all nodes',
      severity: 'degraded',
    };
  }
  return {
    type: 'FlannelSeeded',
    status: 'True',
    reason: seed.outcome === 'created' ? 'Created' : 'Present',
    message: `${seed.key} (etcd API ${seed.api}) is as the cluster file says`,
    severity: 'waiting',
  };
}

function leaseCondition(text: string | null, context: NodeContext, isRunning: boolean): Condition {
  const type = 'FlannelLease';
  const lease = text === null ? null : parseLease(parseEnvFile(text));
  if (lease === null || !isRunning) {
    // The file outlives flanneld: without the daemon it proves nothing.
    return {
      type,
      status: 'False',
      reason: lease === null ? 'NoLease' : 'Stale',
      message:
        lease === null
          ? 'flannel holds no subnet yet'
          : `the lease ${lease.subnet} is from a flanneld that is not running`,
      severity: 'waiting',
    };
  }
  const network = parseNetwork(context.config.flannel.network);
  const gateway = parseAddress(lease.subnet.split('/')[0] ?? '');
  if (network === null || gateway === null || !containsAddress(network, gateway)) {
    return {
      type,
      status: 'False',
      reason: 'WrongNetwork',
      message: `flannel leased ${lease.subnet}, which is outside ${context.config.flannel.network}`,
      hint: 'the configuration in etcd differs from the cluster file: see FlannelSeeded',
      severity: 'degraded',
    };
  }
  return {
    type,
    status: 'True',
    reason: 'Leased',
    message: `subnet ${lease.subnet}, MTU ${lease.mtu}`,
    severity: 'waiting',
  };
}

function missing(layout: FlannelLayout): Condition[] {
  if (layout.installation !== 'absent') return [];
  return [
    {
      type: 'FlannelInstalled',
      status: 'False',
      reason: 'NotInstalled',
      message: 'neither flanneld.service nor a flanneld program is installed',
      hint: 'install the package flannel, or put flanneld into /usr/bin, /usr/local/bin or /opt/bin',
      severity: 'failed',
    },
  ];
}

/** From power-on to three ready nodes without a hand: what the post promises. */

import type { Lab } from '../cluster.ts';
import { expect, expectEqual } from '../scenario.ts';
import { NODES, OVERLAY } from '../seed.ts';

export const name = 'three-nodes-ready';
export const claim =
  'three blank hosts become three healthy members with leases, docker on the lease, and readiness records';
export const from = 'blank';

export async function run(lab: Lab): Promise<void> {
  await lab.powerOn();
  await lab.untilReady();

  const members = await lab.store.members();
  for (const [node, address] of NODES) {
    expectEqual(members.get(node), `http://${address}:2380`, `peer URL of member ${node}`);
  }
  expectEqual(members.size, NODES.size, 'number of etcd members');

  const config: unknown = JSON.parse((await lab.flannelConfig()) ?? 'null');
  const { Network, Backend } = (config ?? {}) as { Network?: unknown; Backend?: { Type?: unknown } };
  expectEqual(String(Network), OVERLAY, "Network in flannel's config key");
  expectEqual(String(Backend?.Type), 'vxlan', "Backend.Type in flannel's config key (absent would mean udp)");

  const leases = await lab.leases();
  expectEqual(new Set(leases.map((lease) => lease.subnet)).size, NODES.size, 'number of different subnets');

  for (const node of lab.nodes) {
    await node.untilBooted();
    for (const unit of ['etcd.service', 'flanneld.service', 'docker.service']) {
      const state = await node.unit(unit);
      expectEqual(state.active, 'active', `${unit} on ${node.name}`);
      expectEqual(state.enabled, 'enabled', `${unit} on ${node.name} at the next boot`);
    }
    const failed = await node.answer(['systemctl', 'list-units', '--failed', '--plain', '--no-legend']);
    expectEqual(failed.trim(), '', `failed units on ${node.name}`);
    const cloudInit: unknown = JSON.parse(await node.readText('/run/cloud-init/result.json'));
    const { v1 } = cloudInit as { v1: { errors: unknown[] } };
    expectEqual(v1.errors.length, 0, `errors of cloud-init on ${node.name} (${JSON.stringify(v1.errors)})`);
  }

  const node = lab.host('a1');
  const wait = await node.exec(['diyc-agent', 'wait', '--for', 'ready', '--nodes', '3', '--timeout', '1m'], 70_000);
  expectEqual(wait.code, 0, `exit code of diyc-agent wait (${wait.stderr.trim()})`);
  const status = await node.exec(['diyc-agent', 'status']);
  expectEqual(status.code, 0, `exit code of diyc-agent status (${status.stdout.trim()})`);
  const nodes = await node.exec(['diyc-agent', 'nodes', '--json']);
  expectEqual(nodes.code, 0, `exit code of diyc-agent nodes (${nodes.stderr.trim()})`);
  for (const known of NODES.keys())
    expect(nodes.stdout.includes(`"${known}"`), `diyc-agent nodes does not list ${known}`);
}

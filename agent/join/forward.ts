// After docker has started: packets of the overlay may reach containers.

import type { ClusterConfig } from '../model/cluster-config.ts';
import type { Step } from '../model/step.ts';
import type { Host } from '../ports/host.ts';
import { bindBackend } from '../render/flannel-backends/registry.ts';

/**
 * The rules that let overlay packets through to docker0. They stand in DOCKER-USER, the chain docker leaves to
 * others and asks first; docker's own chains drop what comes from outside for ports that are not published, and its
 * policy for FORWARD is DROP since 1.13.
 *
 * Where the backend has a device, the rules name it, so that nobody on the hosts' network can pretend to be a container,
 * and docker's own isolation between its networks stays in force.
 */
export function forwardRules(config: ClusterConfig, chain: 'DOCKER-USER' | 'FORWARD'): Step<'insertFirewallRule'>[] {
  const { device } = bindBackend(config.flannel.backend, null);
  const from = device === null ? ['-s', config.flannel.network] : ['-i', device, '-s', config.flannel.network];
  const to = device === null ? ['-d', config.flannel.network] : ['-o', device, '-d', config.flannel.network];
  return [
    {
      kind: 'insertFirewallRule',
      component: 'docker',
      why: 'containers of other hosts reach those of this one',
      table: 'filter',
      chain,
      rule: [...from, '-o', 'docker0', '-j', 'ACCEPT'],
    },
    {
      kind: 'insertFirewallRule',
      component: 'docker',
      why: 'containers of this host reach those of others',
      table: 'filter',
      chain,
      rule: ['-i', 'docker0', ...to, '-j', 'ACCEPT'],
    },
  ];
}

/**
 * Insert the rules that are not there: docker makes its chains when it starts, and a reload of a firewall loses them.
 *
 * @returns the rules that were missing
 * @throws AgentError `oserr` when iptables cannot say whether a rule is there
 */
export async function openForwarding(
  host: Pick<Host, 'kernel'>,
  config: ClusterConfig,
): Promise<Step<'insertFirewallRule'>[]> {
  const chain = (await host.kernel.hasFirewallChain('filter', 'DOCKER-USER')) ? 'DOCKER-USER' : 'FORWARD';
  const inserted: Step<'insertFirewallRule'>[] = [];
  for (const step of forwardRules(config, chain)) {
    if (await host.kernel.ensureFirewallRule(step.table, step.chain, step.rule)) inserted.push(step);
  }
  return inserted;
}

// All conditions of this node, from every component's own probe.

import type { Condition } from '../model/condition.ts';
import { isAgentError } from '../model/errors.ts';
import type { Component, NodeContext, UnitTable } from '../ports/component.ts';
import type { HostAddress, ReadOnlyHost } from '../ports/host.ts';

/**
 * Ask every component how it is doing, all at once; units are asked about in one call. A probe that fails makes its
 * component Unknown, never True, and never keeps the others from being shown.
 */
export async function observeConditions(
  host: ReadOnlyHost,
  context: NodeContext,
  components: readonly Component[],
  unitNames: readonly string[],
): Promise<Condition[]> {
  const units = host.machine.isLive ? await unitTable(host, unitNames) : new Map();
  const [address, ...probed] = await Promise.all([
    addressCondition(host, context),
    ...components.map((component) => probe(host, context, component, units)),
  ]);
  return [identifiedCondition(context), address, ...probed.flat()];
}

async function unitTable(host: ReadOnlyHost, names: readonly string[]): Promise<UnitTable> {
  try {
    const states = await host.units.states(names);
    return new Map(states.map((state) => [state.name, state]));
  } catch (error) {
    // Without an answer every unit is Unknown, and the rest can still be told.
    if (!isAgentError(error)) throw error;
    return new Map();
  }
}

async function probe(
  host: ReadOnlyHost,
  context: NodeContext,
  component: Component,
  units: UnitTable,
): Promise<readonly Condition[]> {
  try {
    return await component.probe(host, context, units);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return [
      {
        type: (
          {
            iscsi: 'IscsiSession',
            storage: 'StorageAttached',
            live: 'LiveOverlay',
            etcd: 'EtcdRunning',
            flannel: 'FlannelRunning',
            docker: 'DockerRunning',
            agent: 'Configured',
          } as const
        )[component.name],
        status: 'Unknown',
        reason: 'ProbeFailed',
        message: error.message,
        hint: error.hint,
        severity: 'degraded',
      },
    ];
  }
}

function identifiedCondition(context: NodeContext): Condition {
  const { node } = context;
  return {
    type: 'Identified',
    status: 'True',
    reason: 'Matched',
    message: `node ${node.name} at ${node.address}, by ${node.source}`,
    severity: 'failed',
  };
}

async function addressCondition(host: ReadOnlyHost, context: NodeContext): Promise<Condition> {
  const { node } = context;
  let addresses: readonly HostAddress[];
  try {
    addresses = await host.network.addresses();
  } catch (error) {
    if (!isAgentError(error)) throw error;
    const { message, hint } = error;
    return { type: 'AddressPresent', status: 'Unknown', reason: 'ProbeFailed', message, hint, severity: 'degraded' };
  }
  const own = addresses.find((a) => a.address === node.address);
  if (own !== undefined) {
    return {
      type: 'AddressPresent',
      status: 'True',
      reason: 'Present',
      message: `${node.address} is on ${own.device}`,
      severity: 'failed',
    };
  }
  const others = addresses.filter((a) => a.device !== 'lo').map((a) => `${a.address} on ${a.device}`);
  return {
    type: 'AddressPresent',
    status: 'False',
    reason: 'Absent',
    message: `the cluster file gives ${node.name} the address ${node.address}, and this host has ${others.join(', ') || 'no address yet'}`,
    hint: "correct the host's network configuration (or its DHCP reservation), or its address in the cluster file",
    severity: 'failed',
  };
}

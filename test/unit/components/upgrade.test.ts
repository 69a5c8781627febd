// Which nodes run the upgrade timer, and which serve FleetLock.

import { describe, expect, test } from 'bun:test';
import { isServedBy, upgrade } from '../../../agent/components/upgrade.ts';
import type { UpgradePolicy } from '../../../agent/model/upgrade.ts';
import { clusterConfig, nodeContext } from '../../support/builders.ts';
import { upgradeGroup } from '../../support/upgrade-builders.ts';

function policy(fleetLockListen: string | null): UpgradePolicy {
  return { groups: [{ ...upgradeGroup(), nodes: ['a1', 'a2', 'a3'] }], fleetLockListen };
}

function wished(given: UpgradePolicy | null): string[] {
  const wishes = upgrade.desire(nodeContext({ config: { upgrade: given } }))?.wishes ?? [];
  return wishes.map((w) => (w.kind === 'link' ? `${w.path} -> ${w.target}` : w.kind === 'unit' ? w.unit : w.kind));
}

const timer = [
  '/etc/systemd/system/timers.target.wants/diyc-agent-upgrade.timer -> /usr/lib/systemd/system/diyc-agent-upgrade.timer',
  'diyc-agent-upgrade.timer',
];
const service = [
  '/etc/systemd/system/multi-user.target.wants/diyc-agent-fleetlock.service -> /usr/lib/systemd/system/diyc-agent-fleetlock.service',
  'diyc-agent-fleetlock.service',
];

describe('upgrade', () => {
  test('wants nothing where the cluster file does not speak of it', () => {
    expect(upgrade.desire(nodeContext())).toBeNull();
  });

  test('wants the timer where it does, and the server where this node is the one', () => {
    expect(wished(policy(null))).toEqual(timer);
    expect(wished(policy('192.168.99.51:3333'))).toEqual([...timer, ...service]);
    expect(wished(policy('192.168.99.52:3333'))).toEqual(timer);
  });

  test.each<[string | null, boolean]>([
    [null, false],
    ['192.168.99.51:3333', true],
    ['192.168.99.5:3333', false],
    ['192.168.99.51', true],
    ['0.0.0.0:3333', true],
    ['[::]:3333', true],
    ['/run/diyc-agent/fleetlock.sock', true],
    ['127.0.0.1:3333', false],
  ])('%s', (listen, isServed) => {
    expect(isServedBy(clusterConfig({ upgrade: policy(listen) }), { address: '192.168.99.51' })).toBe(isServed);
  });

  test('no upgrade policy serves nobody, and there is nothing to probe', async () => {
    expect(isServedBy(clusterConfig(), { address: '192.168.99.51' })).toBe(false);
  });
});

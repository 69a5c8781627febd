// This cluster's slots for hosts that speak FleetLock: granted, refused, given back, and never anybody else's.

import { describe, expect, test } from 'bun:test';
import type { AgentEvent } from '../../../agent/model/event.ts';
import { holdKey, semaphoreKey } from '../../../agent/model/keys.ts';
import type { UpgradeGroup } from '../../../agent/model/upgrade.ts';
import { answerFleetLock, type FleetLockService, holderIdOf } from '../../../agent/upgrade/fleet-lock-service.ts';
import { parseSemaphore } from '../../../agent/upgrade/semaphore.ts';
import { fakeEtcd } from '../../support/fake-etcd.ts';
import { fakeHost } from '../../support/fake-host.ts';
import { holder, semaphoreWith, someHold, someTime, upgradeGroup } from '../../support/upgrade-builders.ts';
import { virtualClock } from '../../support/virtual-clock.ts';

const address = '192.168.99.51';

async function served(group: Partial<UpgradeGroup> = {}) {
  const clock = virtualClock();
  const etcd = fakeEtcd({ members: [address], clock });
  const host = fakeHost({ clock, etcd });
  const store = await host.etcd.leases([`http://${address}:2379`]);
  const events: AgentEvent[] = [];
  const service: FleetLockService = {
    host,
    store,
    reporter: { emit: (event) => void events.push(event) },
    cluster: 'c',
    groups: [upgradeGroup(group), upgradeGroup({ name: 'workers' })],
  };
  const ask = async (operation: 'pre-reboot' | 'steady-state', id: string, name = 'default') => {
    const body = JSON.stringify({ client_params: { id, group: name } });
    const headers = { 'fleet-lock-protocol': 'true' };
    const { status, json } = await answerFleetLock(service, {
      method: 'POST',
      path: `/v1/${operation}`,
      headers,
      body,
    });
    const { kind, value } = json as { readonly kind?: string; readonly value?: string };
    return { status, kind, value };
  };
  const holders = (name = 'default') =>
    parseSemaphore(etcd.keys('v3').get(semaphoreKey('c', name))?.value ?? '')?.holders ?? [];
  return { etcd, events, ask, holders };
}

const granted = { status: 200, kind: undefined, value: undefined };

describe('a host that speaks FleetLock', () => {
  test('takes a slot, may ask again, and gives it back', async () => {
    const { ask, holders, events } = await served();
    expect([await ask('pre-reboot', 'h1'), await ask('pre-reboot', 'h1')]).toEqual([granted, granted]);
    expect(holders()).toEqual([
      holder('fleetlock/h1', {
        kind: 'fleetlock',
        bootId: null,
        isMember: false,
        reason: 'asked by FleetLock',
        release: null,
        since: someTime,
      }),
    ]);
    expect(await ask('pre-reboot', 'h2')).toEqual({
      status: 409,
      kind: 'failed_lock_semaphore_full',
      value: 'the one slot of group default taken: fleetlock/h1 (asked by FleetLock)',
    });
    expect([await ask('steady-state', 'h1'), await ask('steady-state', 'h1'), holders()]).toEqual([
      granted,
      granted,
      [],
    ]);
    expect(events.map((e) => ('outcome' in e ? e.outcome : e.event))).toEqual([
      'granted',
      'granted',
      'full',
      'released',
      'released',
    ]);
  });

  test('waits for a node of the cluster, and the other way round', async () => {
    const { etcd, ask } = await served();
    etcd.put('v3', semaphoreKey('c', 'default'), JSON.stringify(semaphoreWith([holder('a1')])));
    expect((await ask('pre-reboot', 'h1')).status).toBe(409);
  });

  test('cannot release the slot of a node, whatever it calls itself', async () => {
    const { etcd, ask, holders } = await served();
    etcd.put('v3', semaphoreKey('c', 'default'), JSON.stringify(semaphoreWith([holder('a1')])));
    for (const id of ['a1', '/a1', '../a1', 'fleetlock/a1', 'A1', 'a1 ']) await ask('steady-state', id);
    expect(holders()).toEqual([holder('a1')]);
    expect(new Set(['a1', 'fleetlock/a1', '/a1'].map(holderIdOf)).size).toBe(3);
    expect(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(holderIdOf('a1'))).toBe(false);
  });

  test('is held back by a hold and by a shut window, unless it is on its way already; giving back always works', async () => {
    const { etcd, ask, holders } = await served({ slots: 2 });
    await ask('pre-reboot', 'h1');
    etcd.put('v3', holdKey('c', 'default'), JSON.stringify(someHold));
    expect(await ask('pre-reboot', 'h1')).toEqual(granted);
    expect(await ask('pre-reboot', 'h2')).toEqual({
      status: 409,
      kind: 'failed_lock',
      value: 'group default is on hold: sale (operator on a2)',
    });
    expect([await ask('steady-state', 'h1'), holders()]).toEqual([granted, []]);
    const shut = await served({ strategy: 'window' });
    expect(await shut.ask('pre-reboot', 'h1')).toMatchObject({ status: 409, kind: 'failed_lock' });
  });

  test('is told what it did wrong, and touches only its own group', async () => {
    const { ask, holders } = await served();
    expect(await ask('pre-reboot', 'h1', 'nowhere')).toMatchObject({ status: 400, kind: 'unknown_group' });
    expect(await ask('pre-reboot', '')).toMatchObject({ status: 400, kind: 'bad_client_id' });
    await ask('pre-reboot', 'h1', 'workers');
    expect([holders().length, holders('workers').length]).toEqual([0, 1]);
  });

  test.each(['pre-reboot', 'steady-state'] as const)(
    '%s is refused while the store is away or holds what nobody understands',
    async (operation) => {
      const { etcd, ask } = await served();
      etcd.put('v3', semaphoreKey('c', 'default'), 'garbage');
      expect(await ask(operation, 'h1')).toMatchObject({ status: 503, kind: 'store_unavailable' });
      etcd.remove('v3', semaphoreKey('c', 'default'));
      etcd.setAll('refused');
      expect(await ask(operation, 'h1')).toMatchObject({ status: 503, kind: 'store_unavailable' });
    },
  );

  test('twenty of them at once: one goes', async () => {
    const { ask, holders } = await served();
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => ask('pre-reboot', `h${i}`)));
    expect([answers.filter((a) => a.status === 200).length, holders().length]).toEqual([1, 1]);
  });
});

// Asking for a reboot fails: whether the slot may be given back depends on whether the host goes down all the same.

import { expect, test } from 'bun:test';
import { AgentError } from '../../../agent/model/errors.ts';
import type { Coordination } from '../../../agent/upgrade/coordination.ts';
import { type Fleet, upgradeFleet } from '../../support/upgrade-fleet.ts';

const minute = 60_000;

/** The fleet a moment after a1 was to reboot for 41.2. */
async function afterAsking(between: (coordination: Coordination) => Coordination): Promise<Fleet> {
  const fleet = upgradeFleet({
    between: (node, coordination) => (node.name === 'a1' ? between(coordination) : coordination),
  });
  fleet.publish('41.2');
  await fleet.run(2 * minute);
  await fleet.ask('a1', { kind: 'upgrade', release: '41.2' });
  const hasTried = (): boolean => fleet.memory('a1')?.proof != null && fleet.memory('a1')?.phase !== 'steady';
  expect(await fleet.runUntil(hasTried, 5 * minute)).toBe(true);
  return fleet;
}

/** What systemd does to the client in our unit once the reboot it asked for has begun; seen in the lab, on real hosts. */
const ended = (): AgentError =>
  new AgentError('oserr', 'cannot finalise and reboot: rpm-ostree was ended by SIGTERM', { hint: 'none' });

test('the client is ended by the shutdown that it asked for: the slot is kept', async () => {
  const fleet = await afterAsking((coordination) => {
    const { host } = coordination;
    const finalize = async (checksum: string): Promise<never> => {
      await host.osTree.finalize(checksum);
      throw ended();
    };
    return { ...coordination, host: { ...host, osTree: { ...host.osTree, finalize } } };
  });
  expect(fleet.orders.map((o) => o.node)).toEqual(['a1']);
  expect(fleet.semaphore().holders.map((h) => [h.id, h.stage])).toEqual([['a1', 'rebooting']]);
  expect(fleet.memory('a1')?.phase).toBe('rebooting');
});

test('refused, and no reboot under way: the slot goes back, and it is tried again', async () => {
  const fleet = await afterAsking((coordination) => {
    const { host } = coordination;
    const finalize = (): Promise<never> => Promise.reject(ended());
    return { ...coordination, host: { ...host, osTree: { ...host.osTree, finalize } } };
  });
  expect(fleet.orders).toEqual([]);
  expect(fleet.semaphore().holders).toEqual([]);
  expect(fleet.memory('a1')?.phase).toBe('ready-to-go');
  expect(fleet.memory('a1')?.waiting?.reason).toContain('SIGTERM');
});

test('nobody can say whether a reboot is under way: the slot is kept', async () => {
  const fleet = await afterAsking((coordination) => {
    const { host } = coordination;
    const finalize = (): Promise<never> => Promise.reject(ended());
    const states = (): Promise<never> =>
      Promise.reject(new AgentError('oserr', 'systemd does not answer', { hint: 'none' }));
    return {
      ...coordination,
      host: { ...host, osTree: { ...host.osTree, finalize }, units: { ...host.units, states } },
    };
  });
  expect(fleet.semaphore().holders.map((h) => [h.id, h.stage])).toEqual([['a1', 'rebooting']]);
});

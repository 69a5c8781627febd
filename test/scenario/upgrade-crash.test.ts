// The crash matrix of an upgrade: one node's whole way with a good release and with a bad one, ended at every effect.

import { describe, expect, test } from 'bun:test';
import type { Ask } from '../../agent/model/upgrade.ts';
import { type Behaviour, type Fleet, upgradeFleet } from '../support/upgrade-fleet.ts';

const minute = 60_000;
const hour = 60 * minute;
const sides = ['before', 'during', 'after'] as const;

interface Way {
  readonly what: string;
  readonly behaviour: Behaviour;
  readonly kind: Ask['kind'];
  readonly isUpgradedFirst?: boolean;
}

const ways: readonly Way[] = [
  { what: 'a good release', behaviour: 'good', kind: 'upgrade' },
  { what: 'a bad release', behaviour: 'unready', kind: 'upgrade' },
  { what: 'a release that does not boot', behaviour: 'unbootable', kind: 'upgrade' },
  { what: 'a rollback', behaviour: 'good', kind: 'rollback', isUpgradedFirst: true },
  { what: 'a plain reboot', behaviour: 'good', kind: 'reboot' },
];

async function begun({ behaviour, kind, isUpgradedFirst = false }: Way): Promise<Fleet> {
  const fleet = upgradeFleet({ groups: [{ nodes: ['a1', 'a2', 'a3'], soakSecs: 30, readyWithinSecs: 120 }] });
  await fleet.run(2 * minute);
  fleet.publish('41.2', behaviour);
  if (isUpgradedFirst) {
    await fleet.ask('a1', { kind: 'upgrade' });
    if (!(await fleet.runUntil(() => isOver(fleet), hour))) throw new Error('it does not get to 41.2');
  }
  fleet.node('a1').host.log.clear();
  await fleet.ask('a1', { kind });
  return fleet;
}

function isOver(fleet: Fleet): boolean {
  const memory = fleet.memory('a1');
  return (
    fleet.node('a1').state === 'up' &&
    memory?.phase === 'steady' &&
    memory.ask === null &&
    memory.untoldDenial === null &&
    memory.verified !== null &&
    memory.verified.id === fleet.booted('a1').base &&
    fleet.semaphore().holders.length === 0
  );
}

/** What must be the same however the way there was. */
function outcome(fleet: Fleet): Readonly<Record<string, unknown>> {
  const memory = fleet.memory('a1');
  return {
    deployments: fleet.state('a1')?.deployments.map((d) => [d.version, d.booted, d.staged]),
    phase: memory?.phase,
    ask: memory?.ask,
    errand: memory?.errand,
    verified: memory?.verified?.text,
    holders: fleet.semaphore().holders,
    denied: fleet.denied(),
    others: ['a2', 'a3'].map((name) => [fleet.booted(name).version, fleet.orders.some((o) => o.node === name)]),
    lostQuorum: fleet.lostQuorum,
  };
}

for (const way of ways) {
  describe(way.what, () => {
    for (const [how, cut] of [
      ['killed', false],
      ['without power', true],
    ] as const) {
      test(`${how} at any effect, the node ends where it would have ended`, async () => {
        const clean = await begun(way);
        expect(await clean.runUntil(() => isOver(clean), 2 * hour)).toBe(true);
        const effects = [...clean.node('a1').host.effects];
        const wanted = outcome(clean);
        let places = 0;
        const wrong: string[] = [];
        for (let line = 1; line < effects.length; line++) {
          for (const side of sides) {
            const fleet = await begun(way);
            if (cut) fleet.onKilled = (name) => fleet.powerOff(name);
            fleet.killAt('a1', line, side);
            const isThere = await fleet.runUntil(() => isOver(fleet), 3 * hour);
            places++;
            const is = outcome(fleet);
            if (isThere && Bun.deepEquals(is, wanted)) continue;
            const differs = Object.entries(is).filter(([key, value]) => !Bun.deepEquals(value, wanted[key]));
            wrong.push(
              `${line} ${side} ${effects[line]}: ${isThere} ${JSON.stringify(differs)} ${fleet.history.join('; ')}`,
            );
          }
        }
        console.log(
          `${way.what}, ${how}: ${effects.length - 1} effects × ${sides.length} sides: ${places - wrong.length} of ${places} end the same`,
        );
        expect(wrong.slice(0, 3)).toEqual([]);
        expect(places).toBeGreaterThan(60);
      });
    }
  });
}

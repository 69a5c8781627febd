// Fleets under faults: every law holds for seeds that found something once and for fresh ones, and each planted fault is found.

import { describe, expect, test } from 'bun:test';
import { eventsOf, worldOf } from './events.ts';
import { plants } from './plants.ts';
import { explained, simulate } from './simulation.ts';

/** Seeds that broke a law once, with what was wrong. */
const found: Readonly<Record<string, number>> = {};

const fresh = Array.from({ length: 20 }, (_, i) => i + 1);
/** A planted fault has to show within so many fleets. */
const mostFleets = 40;

describe('every law holds', () => {
  for (const [what, seed] of Object.entries(found)) {
    test(`seed ${seed}: ${what}`, async () => {
      const { broken } = await simulate(seed);
      expect(broken === null ? '' : await explained(seed, broken)).toBe('');
    });
  }

  test(`for ${fresh.length} fleets`, async () => {
    const total = { steps: 0, reboots: 0, denials: 0 };
    for (const seed of fresh) {
      const run = await simulate(seed);
      expect(run.broken === null ? '' : await explained(seed, run.broken)).toBe('');
      total.steps += run.steps;
      total.reboots += run.reboots;
      total.denials += run.denials;
    }
    console.log(`${fresh.length} fleets, ${total.steps} steps, ${total.reboots} reboots, ${total.denials} denials`);
    // A simulation in which nothing happens would prove nothing.
    expect([total.reboots > 60, total.denials > 8]).toEqual([true, true]);
  });

  test('the same seed is the same story', async () => {
    const [one, other] = [await simulate(3), await simulate(3)];
    expect(one).toEqual(other);
    expect(eventsOf(3, worldOf(3))).toEqual(eventsOf(3, worldOf(3)));
  });
});

describe('a planted fault is found:', () => {
  for (const [what, plant] of Object.entries(plants)) {
    test(what, async () => {
      const laws: string[] = [];
      let seed = 0;
      while (laws.length === 0 && seed < mostFleets) {
        const { broken } = await simulate(++seed, { plant });
        if (broken !== null) laws.push(broken.law);
      }
      console.log(`${what}: seed ${seed}, ${laws.join()}`);
      expect(laws.length).toBe(1);
    });
  }
});

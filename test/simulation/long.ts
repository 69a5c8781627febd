// Simulates fleets until so many steps (5 s each) are done: bun test/simulation/long.ts [steps] [first seed]
//
// Without arguments: $SIM_STEPS steps, or a million. Prints totals; ends with 1 and a shrunk list of events when a law is broken.

import { explained, simulate } from './simulation.ts';

const steps = Number(process.argv[2] ?? process.env['SIM_STEPS'] ?? 1_000_000);
const first = Number(process.argv[3] ?? 1_000);
const beganMs = performance.now();
const total = { steps: 0, fleets: 0, reboots: 0, denials: 0, takeovers: 0 };
for (let seed = first; total.steps < steps && process.exitCode === undefined; seed++) {
  const run = await simulate(seed);
  total.fleets++;
  total.steps += run.steps;
  total.reboots += run.reboots;
  total.denials += run.denials;
  total.takeovers += run.takeovers;
  if (run.broken !== null) {
    console.error(await explained(seed, run.broken));
    process.exitCode = 1;
  }
}
const secs = Math.round((performance.now() - beganMs) / 1_000);
console.log(
  `${total.fleets} fleets from seed ${first}, ${total.steps} steps, ${total.reboots} reboots, ${total.denials} denials, ` +
    `${total.takeovers} takeovers in ${secs} s: ${process.exitCode === undefined ? 'every law held' : 'a law was broken'}`,
);

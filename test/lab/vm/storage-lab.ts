/** The machine lab's command line: emulated machines with real iSCSI, device mapper and live roots, to look at or to try claims on. */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CURRENT, flanneldBinary } from '../flanneld.ts';
import { interrupt, isInterrupted, refuseWhenInterrupted } from '../interrupt.ts';
import type { LabNames } from '../lab-id.ts';
import { suiteNamed } from '../machine-sources.ts';
import type { Payload } from '../payload.ts';
import { during, say } from '../progress.ts';
import { check, install } from '../requirements.ts';
import { endRunning, tail } from '../run.ts';
import { Skip } from '../scenario.ts';
import { pause } from '../wait.ts';
import { machineLabNames } from './address-plan.ts';
import { down, machineInLab, StorageLab } from './lab.ts';
import type { Machine } from './machine.ts';
import type { StorageScenario } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';
import { seedOf } from './seed.ts';

const USAGE = `usage: bun test/lab/vm/storage-lab.ts COMMAND [options]

  doctor [--fix]         what this machine lacks for the lab; --fix installs packages
  test [--only NAME]     the scenarios (--only may be repeated; --part brief or long: those of one part)
  up                     an installed machine a1 and a live machine a2, with a blank disk each on the storage; they stay
  exec MACHINE -- CMD …  a program on a machine of a lab that is up
  down                   ends it and leaves nothing behind

  --payload PATH  a folder or tar to lay over the machines' root: what the package holds (default build/payload)
  --suite NAME    the Debian of the machines (default bookworm, the last whose docker knows devicemapper)
  --no-flanneld   machines without flanneld, which is not built then
  --id ID         name of this lab, so that two can be up (default main)
  --keep          leave the machines of the last scenario up after test
`;

const EX_USAGE = 64;
const EX_INTERRUPTED = 130;

interface Flags {
  readonly fix: boolean;
  readonly keep: boolean;
  readonly only: readonly string[];
  readonly part?: string | undefined;
  readonly payload: string;
  readonly suite: string;
  readonly 'no-flanneld': boolean;
}

async function doctor(fix: boolean): Promise<number> {
  if (fix) {
    const installed = await during('installing packages', () => install('machines'));
    say(installed.length === 0 ? 'no package was missing' : `installed ${installed.join(' ')}`);
  }
  const findings = await check('machines');
  for (const finding of findings) {
    process.stdout.write(
      finding.ok
        ? `ok       ${finding.what}\n`
        : `MISSING  ${finding.what}: ${finding.seen}\n         ${finding.remedy}\n`,
    );
  }
  return findings.every((finding) => finding.ok) ? 0 : 1;
}

async function create(names: LabNames, flags: Flags): Promise<StorageLab> {
  const lacking = (await check('machines')).filter((finding) => !finding.ok);
  if (lacking.length > 0) {
    const lines = lacking.map((finding) => `  ${finding.what}: ${finding.seen}\n    remedy: ${finding.remedy}`);
    throw new Error(
      `this machine cannot run the lab:\n${lines.join('\n')}\n(bun test/lab/vm/storage-lab.ts doctor --fix installs packages)`,
    );
  }
  const tree = resolve(flags.payload);
  if (!existsSync(tree)) {
    throw new Error(`there is no payload at ${tree}: make it with \`bun packaging/payload.ts build/payload\``);
  }
  const payload: Payload = {
    tree,
    agent: '',
    unitsDir: '',
    flanneld: flags['no-flanneld'] ? undefined : await flanneldBinary(CURRENT),
  };
  return await during('preparing the machines', () => StorageLab.create({ names, suite: flags.suite, payload }));
}

async function up(names: LabNames, flags: Flags): Promise<number> {
  const lab = await create(names, flags);
  const machines: Machine[] = [];
  for (const [name, root] of [
    ['a1', { kind: 'installed' }],
    ['a2', { kind: 'live', overlayMiB: 512 }],
  ] as const) {
    await lab.storage.addTarget({ iqn: `iqn.2015-05.lab.diyc:${name}`, luns: [{ sizeMiB: 2048 }] });
    machines.push(await lab.machine(name, { root, seed: seedOf(name) }));
  }
  say('power on');
  await Promise.all(machines.map((machine) => machine.powerOn()));
  await Promise.all(
    machines.map(async (machine) => {
      const state = await machine.untilBooted();
      say(`${machine.name} (${machine.options.root.kind}) is ${state} after ${Math.round(await machine.uptime())} s`);
    }),
  );
  return 0;
}

/** The scenario, ended when its time is over; what it was waiting for goes on for a moment and fails unheard. */
async function inTimeBox(scenario: StorageScenario, lab: StorageLab): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    const late = new Error(`not done within ${scenario.timeBoxMs / 1000} s`);
    timer = setTimeout(() => reject(late), scenario.timeBoxMs);
  });
  const work = scenario.run(lab);
  work.catch(() => undefined);
  try {
    await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
  }
}

async function test(names: LabNames, flags: Flags): Promise<number> {
  for (const wanted of flags.only) {
    if (!SCENARIOS.some((scenario) => scenario.name === wanted)) {
      throw new Error(`no scenario ${wanted}; there are ${SCENARIOS.map((scenario) => scenario.name).join(', ')}`);
    }
  }
  if (flags.part !== undefined && flags.part !== 'brief' && flags.part !== 'long')
    throw new Error(`no part ${flags.part}: brief or long`);
  const ofPart = SCENARIOS.filter(({ part }) => flags.part === undefined || part === flags.part);
  const chosen = flags.only.length === 0 ? ofPart : ofPart.filter(({ name }) => flags.only.includes(name));
  const count = { passed: 0, failed: 0, skipped: 0 };
  const lab = await create(names, flags);
  for (const scenario of chosen) {
    refuseWhenInterrupted();
    say(`${scenario.name}: ${scenario.claim}`);
    const began = Date.now();
    const took = (): string => `${((Date.now() - began) / 1000).toFixed(1)}s`;
    try {
      await lab.blank();
      await inTimeBox(scenario, lab);
      count.passed++;
      process.stdout.write(`ok      ${scenario.name} (${took()})\n`);
    } catch (error) {
      refuseWhenInterrupted();
      const message = error instanceof Error ? error.message : String(error);
      if (error instanceof Skip) {
        count.skipped++;
        process.stdout.write(`skipped ${scenario.name}: ${message}\n`);
      } else {
        count.failed++;
        process.stdout.write(`FAILED  ${scenario.name} (${took()}): ${message}\n`);
        process.stderr.write(`${await lab.report()}\n`);
      }
    }
  }
  process.stdout.write(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
  return count.failed > 0 ? 1 : 0;
}

/** The command line; throws with what is wrong with it. */
function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      payload: { type: 'string', default: join(import.meta.dirname, '../../../build/payload') },
      suite: { type: 'string', default: 'bookworm' },
      'no-flanneld': { type: 'boolean', default: false },
      id: { type: 'string', default: 'main' },
      only: { type: 'string', multiple: true, default: [] },
      part: { type: 'string' },
      keep: { type: 'boolean', default: false },
      fix: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
}

async function main(argv: readonly string[]): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  let names: LabNames;
  try {
    parsed = parse(argv);
    // before anything is taken down for the sake of a typing error
    suiteNamed(parsed.values.suite);
    names = machineLabNames(parsed.values.id);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return EX_USAGE;
  }
  const { values, positionals } = parsed;
  const [command, ...rest] = positionals;
  if (values.help || command === undefined) {
    process.stdout.write(USAGE);
    return values.help ? 0 : EX_USAGE;
  }
  const takesDown = command === 'up' || command === 'test';
  const work = perform(command, rest, names, values);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (isInterrupted()) return;
      interrupt();
      say(`${signal}${takesDown ? ': taking the lab down' : ''}`);
      endRunning();
      void leave(work, takesDown ? names : undefined);
    });
  }
  return await work;
}

/** The end after a signal: what was under way gets a moment to tidy up, then everything goes. */
async function leave(work: Promise<number>, names: LabNames | undefined): Promise<never> {
  await Promise.race([work.catch(() => undefined), pause(5_000)]);
  try {
    if (names !== undefined) await down(names);
  } catch (error) {
    say(String(error));
  }
  process.exit(EX_INTERRUPTED);
}

async function perform(command: string, rest: readonly string[], names: LabNames, flags: Flags): Promise<number> {
  try {
    switch (command) {
      case 'doctor':
        return await doctor(flags.fix);
      case 'up':
        return await up(names, flags);
      case 'test': {
        const code = await test(names, flags);
        if (!flags.keep) await during('taking the lab down', () => down(names));
        return code;
      }
      case 'exec': {
        const [name, ...program] = rest;
        if (name === undefined || program.length === 0) throw new Error('exec MACHINE -- CMD …');
        const outcome = await (await machineInLab(names, name)).exec(program, 120_000);
        process.stdout.write(outcome.stdout);
        process.stderr.write(outcome.stderr);
        return outcome.code;
      }
      case 'down':
        await during('taking the lab down', () => down(names));
        return 0;
      default:
        process.stderr.write(`unknown command ${command}\n${USAGE}`);
        return EX_USAGE;
    }
  } catch (error) {
    if (!isInterrupted()) process.stderr.write(`${tail(error instanceof Error ? error.message : String(error), 40)}\n`);
    return isInterrupted() ? EX_INTERRUPTED : 1;
  }
}

const code = await main(process.argv.slice(2));
// a signal is being dealt with: `leave` ends the process when the lab is down
if (!isInterrupted()) process.exitCode = code;

/** The lab's command line: three real hosts on this machine, to look at, to show, or to try the claims on. */

import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { down, hostInLab, Lab, type LabOptions } from './cluster.ts';
import { CURRENT, OLD } from './flanneld.ts';
import { interrupt, isInterrupted, refuseWhenInterrupted } from './interrupt.ts';
import { type LabNames, labNames } from './lab-id.ts';
import { suiteNamed } from './machine-sources.ts';
import { assertPingMatrix, cellText } from './ping-matrix.ts';
import { during, say } from './progress.ts';
import { check, install } from './requirements.ts';
import { endRunning, tail } from './run.ts';
import { type Scenario, Skip } from './scenario.ts';
import { SCENARIOS, UPGRADE_SCENARIOS } from './scenarios.ts';
import { pause } from './wait.ts';

const USAGE = `usage: bun test/lab/lab.ts COMMAND [options]

  doctor [--fix]      what this machine lacks for the lab; --fix installs packages
  up                  three hosts from power-on to ready; they stay
  demo                the same with the fleet's table, the leases and the ping matrix, and down again
  test [--only NAME]  the scenarios (--only may be repeated; --part upgrade: the longer ones about upgrades)
  exec HOST -- CMD …  a program on a host of a lab that is up
  down                ends it and leaves nothing behind

  --suite NAME    bookworm (default), trixie or sid: the Debian of the hosts
  --agent FILE    the agent to install (default dist/diyc-agent)
  --payload PATH  a folder or tar to lay over the hosts' root instead: what the package holds
  --seed PLACE    cmdline (default: bootcmd before the network) or dir (bootcmd after it)
  --old-flannel   the last flannel that reads etcd's v2 store
  --id ID         name of this lab, so that two can be up (default main)
  --keep          leave the hosts up after demo or test
`;

/** What --seed may say. */
const SEED_PLACES = { cmdline: 'kernel command line', dir: 'seed directory' } as const;

const EX_USAGE = 64;
const EX_INTERRUPTED = 130;

async function requireMachine(): Promise<void> {
  const lacking = (await check()).filter((finding) => !finding.ok);
  if (lacking.length === 0) return;
  const lines = lacking.map((finding) => `  ${finding.what}: ${finding.seen}\n    remedy: ${finding.remedy}`);
  throw new Error(
    `this machine cannot run the lab:\n${lines.join('\n')}\n(bun test/lab/lab.ts doctor --fix installs packages)`,
  );
}

async function doctor(fix: boolean): Promise<number> {
  if (fix) {
    const installed = await during('installing packages', install);
    say(installed.length === 0 ? 'no package was missing' : `installed ${installed.join(' ')}`);
  }
  const findings = await check();
  for (const finding of findings) {
    process.stdout.write(
      finding.ok
        ? `ok       ${finding.what}\n`
        : `MISSING  ${finding.what}: ${finding.seen}\n         ${finding.remedy}\n`,
    );
  }
  return findings.every((finding) => finding.ok) ? 0 : 1;
}

async function up(options: LabOptions): Promise<Lab> {
  await requireMachine();
  const lab = await during('preparing three blank hosts', () => Lab.create(options));
  say('power on');
  await lab.powerOn();
  await lab.untilReady();
  return lab;
}

async function demo(options: LabOptions, keep: boolean): Promise<number> {
  const lab = await up(options);
  const a1 = lab.host('a1');
  const cells = await during('containers on every host', () => assertPingMatrix(lab));
  const shown: [string, string][] = [
    ['a1$ diyc-agent status', (await a1.exec(['diyc-agent', 'status'])).stdout],
    ['a1$ diyc-agent nodes', (await a1.exec(['diyc-agent', 'nodes'])).stdout],
    [
      "flannel's leases in etcd",
      (await lab.leases()).map((l) => `${l.subnet.padEnd(18)} ${l.publicIp}  ${l.backend}\n`).join(''),
    ],
    ['from a container on one host to one on another', cells.map((cell) => `${cellText(cell)}\n`).join('')],
  ];
  for (const [title, text] of shown) process.stdout.write(`\n${title}\n${text}`);
  if (keep) process.stdout.write(`\nthe hosts stay up; try: bun test/lab/lab.ts exec a1 -- diyc-agent status\n`);
  return 0;
}

/** Brings the lab to where a scenario starts; a cluster that the one before has broken is built anew. */
async function startingPoint(lab: Lab, scenario: Scenario): Promise<void> {
  if (scenario.from === 'blank') {
    await lab.blank();
    return;
  }
  if ((await lab.missing().catch((error: unknown) => String(error))) === undefined) return;
  say('  the cluster is not in order: starting from blank hosts');
  await lab.blank();
  await lab.powerOn();
  await lab.untilReady();
}

async function test(options: LabOptions, only: readonly string[], part: string | undefined): Promise<number> {
  const every = [...SCENARIOS, ...UPGRADE_SCENARIOS];
  for (const wanted of only) {
    if (!every.some((scenario) => scenario.name === wanted)) {
      throw new Error(`no scenario ${wanted}; there are ${every.map((scenario) => scenario.name).join(', ')}`);
    }
  }
  const ofPart = part === 'upgrade' ? UPGRADE_SCENARIOS : SCENARIOS;
  const chosen = only.length === 0 ? ofPart : every.filter((scenario) => only.includes(scenario.name));
  const count = { passed: 0, failed: 0, skipped: 0 };
  await requireMachine();
  const lab = await during('preparing three blank hosts', () => Lab.create(options));
  for (const scenario of chosen) {
    refuseWhenInterrupted();
    say(`${scenario.name}: ${scenario.claim}`);
    const began = Date.now();
    const took = (): string => `${((Date.now() - began) / 1000).toFixed(1)}s`;
    try {
      await startingPoint(lab, scenario);
      await scenario.run(lab);
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
      suite: { type: 'string', default: 'bookworm' },
      agent: { type: 'string', default: 'dist/diyc-agent' },
      payload: { type: 'string' },
      seed: { type: 'string', default: 'cmdline' },
      'old-flannel': { type: 'boolean', default: false },
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
  try {
    parsed = parse(argv);
    // before anything is taken down for the sake of a typing error
    suiteNamed(parsed.values.suite);
    labNames(parsed.values.id);
    const { part } = parsed.values;
    if (part !== undefined && part !== 'upgrade') throw new Error(`--part ${part}: upgrade, or nothing for the others`);
    if (!(parsed.values.seed in SEED_PLACES)) throw new Error(`--seed ${parsed.values.seed}: cmdline or dir`);
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
  const names = labNames(values.id);
  const options: LabOptions = {
    names,
    suite: values.suite,
    seedPlace: values.seed === 'dir' ? SEED_PLACES.dir : SEED_PLACES.cmdline,
    flanneld: values['old-flannel'] ? OLD : CURRENT,
    payload: {
      tree: values.payload === undefined ? undefined : resolve(values.payload),
      agent: resolve(values.agent),
      unitsDir: join(import.meta.dirname, '../../units'),
    },
  };

  // what a run has begun and not finished is taken down; `exec` and `doctor` have nothing of their own
  const takesDown = command === 'up' || command === 'demo' || command === 'test';
  const work = perform(command, rest, options, values);
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

async function perform(
  command: string,
  rest: readonly string[],
  options: LabOptions,
  flags: {
    readonly fix: boolean;
    readonly keep: boolean;
    readonly only: readonly string[];
    readonly part?: string | undefined;
  },
): Promise<number> {
  const { names } = options;
  try {
    switch (command) {
      case 'doctor':
        return await doctor(flags.fix);
      case 'up':
        await up(options);
        return 0;
      case 'demo':
        try {
          return await demo(options, flags.keep);
        } finally {
          if (!flags.keep) await during('taking the lab down', () => down(names));
        }
      case 'test': {
        const code = await test(options, flags.only, flags.part);
        if (!flags.keep) await during('taking the lab down', () => down(names));
        return code;
      }
      case 'exec': {
        const [host, ...program] = rest;
        if (host === undefined || program.length === 0) throw new Error('exec HOST -- CMD …');
        const outcome = await (await hostInLab(names, host)).exec(program, 120_000);
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

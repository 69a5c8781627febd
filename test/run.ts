// Runs what `make check`, `make unit` and `make test` promise, and ends with one line of totals.
//
//   bun test/run.ts check | unit | all
//
// Everything runs even when something before it failed: one round shows all that is wrong. Nothing is skipped in
// silence: what this machine cannot run is counted as skipped, with the reason; in CI ($CI is set) it fails instead.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { nodeOfLockFile } from './support/node-of-lock-file.ts';

const root = resolve(import.meta.dirname, '..');
const bun = join(root, 'node_modules/.bin/bun');

interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Outcome {
  readonly code: number;
  readonly output: string;
}

type Argv = readonly [string, ...string[]];

const onePassed: Count = { passed: 1, failed: 0, skipped: 0 };
const oneFailed: Count = { passed: 0, failed: 1, skipped: 0 };

/** The longest any one program may take, so that a hanging one ends the round with a name and not never. */
const deadlineMs = 30 * 60_000;

/** Run a program, show what it says, and keep it. */
function show(argv: Argv, env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const [program, ...rest] = argv;
  return new Promise((done) => {
    const child = spawn(program, rest, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: deadlineMs,
    });
    let output = '';
    for (const [stream, sink] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ] as const) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        output += text;
        sink.write(text);
      });
    }
    child.on('error', (error) => done({ code: 127, output: `${output}${error.message}` }));
    child.on('close', (code) => done({ code: code ?? 124, output }));
  });
}

function title(text: string): void {
  process.stdout.write(`\n── ${text}\n`);
}

/** A program that either holds or not: counts as one. */
async function holds(name: string, argv: Argv): Promise<Count> {
  title(name);
  const { code } = await show(argv);
  process.stdout.write(code === 0 ? `ok      ${name}\n` : `FAILED  ${name} (exit ${code}): ${argv.join(' ')}\n`);
  return code === 0 ? onePassed : oneFailed;
}

/** The tests below one folder of test/. */
async function tier(name: string): Promise<Count> {
  title(name);
  const folder = join(root, 'test', name);
  const tests = existsSync(folder)
    ? readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts'))
    : [];
  if (tests.length === 0) {
    process.stdout.write('no tests\n');
    return { passed: 0, failed: 0, skipped: 0 };
  }
  const { code, output } = await show([bun, 'test', '--timeout=120000', `./test/${name}/`]);
  return countOf(output, code, / (\d+) pass\b/, / (\d+) fail\b/, [/ (\d+) skip\b/, / (\d+) todo\b/]);
}

/** The unit tests on the other engine: what says that only agent/host and main.ts know Bun. */
async function unitOnNode(): Promise<Count> {
  title('unit, on Node');
  const node = nodeOfLockFile(root);
  if (!existsSync(node)) return cannot('unit, on Node', `there is no ${node}`);
  const { code, output } = await show([bun, 'test/on-node.ts']);
  return countOf(output, code, /^# pass (\d+)/m, /^# fail (\d+)/m, [/^# skipped (\d+)/m, /^# todo (\d+)/m]);
}

async function lab(): Promise<Count> {
  title('lab');
  const driver = 'test/lab/lab.ts';
  const fixed = await show([bun, driver, 'doctor', '--fix']);
  if (fixed.code !== 0) return cannot('lab', 'this machine lacks what `bun test/lab/lab.ts doctor` lists');
  rmSync(join(root, 'build/payload'), { recursive: true, force: true });
  const laid = await show([bun, 'packaging/payload.ts', 'build/payload']);
  if (laid.code !== 0) return oneFailed;
  const { code, output } = await show([bun, driver, 'test', '--payload', 'build/payload']);
  return countOf(output, code, /(\d+) passed, \d+ failed/, /(\d+) failed/, [/(\d+) skipped$/m]);
}

/** Machines with a kernel of their own: what nspawn cannot show, iSCSI, device-mapper and live roots. */
async function machines(): Promise<Count> {
  title('lab of emulated machines');
  const driver = 'test/lab/vm/storage-lab.ts';
  const fixed = await show([bun, driver, 'doctor', '--fix']);
  if (fixed.code !== 0) return cannot('machines', `this machine lacks what \`bun ${driver} doctor\` lists`);
  const { code, output } = await show([bun, driver, 'test', '--part', 'brief', '--payload', 'build/payload']);
  return countOf(output, code, /(\d+) passed, \d+ failed/, /(\d+) failed/, [/(\d+) skipped$/m]);
}

/** The last figure a program printed for each kind. A program that failed without saying so counts as one failure. */
function countOf(output: string, code: number, passed: RegExp, failed: RegExp, skipped: readonly RegExp[]): Count {
  const last = (pattern: RegExp): number => {
    const figures = [...output.matchAll(new RegExp(pattern.source, `g${pattern.flags}`))];
    return Number(figures.at(-1)?.[1] ?? 0);
  };
  const count = {
    passed: last(passed),
    failed: last(failed),
    skipped: skipped.reduce((sum, pattern) => sum + last(pattern), 0),
  };
  if (code !== 0 && count.failed === 0) {
    process.stdout.write(`FAILED  ended with ${code} without naming a failed test\n`);
    return { ...count, failed: 1 };
  }
  return count;
}

function cannot(name: string, why: string): Count {
  const inCi = Boolean(process.env['CI']);
  process.stdout.write(`${inCi ? 'FAILED ' : 'skipped'} ${name}: ${why}\n`);
  return inCi ? oneFailed : { passed: 0, failed: 0, skipped: 1 };
}

/** On which machine the figures below were made. */
function about(): void {
  const version = spawnSync(bun, ['--version'], { encoding: 'utf8' }).stdout.trim();
  process.stdout.write(
    `bun ${version} on ${process.platform} ${process.arch}, ${navigator.hardwareConcurrency} cores\n`,
  );
}

const types = () => holds('types', [bun, 'node_modules/typescript/bin/tsc']);
const lint = () => holds('lint', [join(root, 'node_modules/.bin/biome'), 'check', '--error-on-warnings']);
const deadCode = () => holds('dead code', [bun, 'node_modules/knip/bin/knip.js', '--no-progress']);
const build = () => holds('build', [bun, 'packaging/build.ts']);
const rpm = () =>
  Bun.which('rpmbuild')
    ? holds('rpm', [bun, 'packaging/rpm.ts'])
    : Promise.resolve(cannot('rpm', 'no rpmbuild on this machine'));

/** Folders of test/ that hold tests, the quick ones first; a new folder joins by itself. */
function tiers(): readonly string[] {
  const first = ['gates', 'unit', 'golden', 'scenario', 'contract'];
  const own = new Set(['binary', 'lab', ...first]);
  const others = readdirSync(join(root, 'test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !own.has(entry.name))
    .map((entry) => entry.name)
    .filter((name) => readdirSync(join(root, 'test', name), { recursive: true, encoding: 'utf8' }).some(isTest));
  return [...first, ...others];
}

function isTest(file: string): boolean {
  return file.endsWith('.test.ts');
}

const rounds: Readonly<Record<string, () => readonly (() => Promise<Count>)[]>> = {
  check: () => [types, lint, deadCode],
  unit: () => [() => tier('unit')],
  all: () => [
    types,
    lint,
    deadCode,
    ...tiers().map((name) => () => tier(name)),
    unitOnNode,
    build,
    rpm,
    () => tier('binary'),
    lab,
    machines,
  ],
};

const round = rounds[process.argv[2] ?? ''];
if (round === undefined) {
  process.stderr.write(`usage: bun test/run.ts ${Object.keys(rounds).join(' | ')}\n`);
  process.exitCode = 64;
} else {
  about();
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const stage of round()) {
    const count = await stage();
    total.passed += count.passed;
    total.failed += count.failed;
    total.skipped += count.skipped;
  }
  process.stdout.write(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

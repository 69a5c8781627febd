// The aarch64 binary and RPM, cross-compiled here: run by user-mode emulation, they do what the ones of this machine do.
//
// What emulation shows: the program starts on arm64's glibc, its bytecode is taken, its answers and the files it writes
// are those of x86_64, byte by byte. What it does not: an arm64 kernel, units, speed.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { payload } from '../../packaging/payload.ts';
import { packageVersion } from '../../packaging/source.ts';
import { cannotRun, runner, targetNamed } from '../../packaging/targets.ts';
import { type AgentRun, compareResult, expectSettled, type GoldenCase, runCase } from '../support/golden.ts';
import { lacking, must, unlessInCi } from '../support/package-needs.ts';
import { builtRpm, repository } from '../support/package-root.ts';
import { withTempDir } from '../support/temp-dir.ts';

const target = targetNamed('aarch64');
const bun = join(repository, 'node_modules/.bin/bun');
const binary = join(repository, 'dist/aarch64/diyc-agent');
// on an arm64 machine the other tests are about this binary, and nothing is left for this file
const obstacle = process.arch === 'arm64' ? 'this machine is one' : cannotRun(target);
const leftOut = obstacle === undefined ? lacking(['rpmbuild', 'npm', 'tar']) : unlessInCi(obstacle);

function run([program = '', ...first]: readonly string[], args: readonly string[], env = {}): Promise<AgentRun> {
  return new Promise((done, fail) => {
    const child = spawn(program, [...first, ...args], {
      cwd: '/',
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
      killSignal: 'SIGKILL',
    });
    const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      return () => Buffer.concat(chunks).toString('utf8');
    });
    child.once('error', fail);
    child.once('close', (code) => done({ code, stdout: stdout?.() ?? '', stderr: stderr?.() ?? '' }));
  });
}

const emulated = (args: readonly string[], env = {}) => run([...runner(target), binary], args, env);

describe.skipIf(leftOut !== '')(`aarch64${leftOut}`, () => {
  let work = '';
  let rpm = '';
  let native = '';
  beforeAll(() => {
    mkdirSync(join(repository, 'build'), { recursive: true });
    work = mkdtempSync(join(repository, 'build/aarch64-'));
    native = join(work, 'native/diyc-agent');
    must([bun, 'packaging/build.ts', '--target', 'aarch64'], { cwd: repository });
    // of the same sources, whatever dist/ has by now
    must([bun, 'packaging/build.ts', '--outfile', native], { cwd: repository });
    // its %check runs what it has packed
    must([bun, 'packaging/rpm.ts', '--target', 'aarch64', '--outdir', work], { cwd: repository });
    rpm = join(work, `diyc-agent-${packageVersion()}-1.aarch64.rpm`);
  }, 120_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test('is a program for arm64 that needs no glibc newer than EL 8 has', () => {
    // elf(5): class 64 at 4, little-endian at 5, e_machine at 18; 183 is EM_AARCH64
    const header = readFileSync(binary).subarray(0, 20);
    expect([header[4], header[5], header.readUInt16LE(18)]).toEqual([2, 1, 183]);
    const requires = must(['rpm', '--query', '--package', '--requires', rpm]);
    expect(requires).toContain('ld-linux-aarch64.so.1()(64bit)');
    const minors = [...requires.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
    expect(Math.max(...minors)).toBeLessThanOrEqual(28);
  });

  test('gives the same answers as the binary of this machine', async () => {
    const config = join(repository, 'packaging/cluster.yaml.example');
    const questions: readonly (readonly string[])[] = [
      ['--version'],
      ['--help'],
      ['config', 'schema'],
      ['config', 'validate', '--config', config],
      ['config', 'show', '--config', config, '--json'],
      ['no-such-verb'],
    ];
    for (const args of questions) {
      expect([args, await emulated(args)]).toEqual([args, await run([native], args)]);
    }
  });

  test('does so with its JIT as well', async () => {
    const [, ...withoutJit] = runner(target);
    expect(withoutJit[0]).toBe('BUN_JSC_useJIT=0');
    const answer = must([...withoutJit.slice(1), binary, 'config', 'schema']);
    expect(answer).toBe((await run([native], ['config', 'schema'])).stdout);
  });

  test('takes its bytecode, though another processor made it', async () => {
    const { stderr, stdout } = await emulated(['--version'], { BUN_JSC_verboseDiskCache: '1' });
    expect(`${stdout}${stderr}`).toContain('[Disk Cache] Cache hit for sourceCode');
  });

  for (const name of ['debian-12', 'fedora-22-atomic']) {
    test.skipIf(process.getuid?.() !== 0)(`configures the golden tree ${name} as the sources do`, async () => {
      await withTempDir(async (root) => {
        const folder = join(repository, 'test/golden', name);
        const golden = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as GoldenCase;
        const agent = (args: readonly string[]) => emulated(args);
        const result = await runCase(agent, root, folder, golden);
        await expectSettled(agent, root);
        await compareResult(folder, result, false);
      });
    });
  }

  test('prints the completions that its package has', async () => {
    const files = payload(binary).filter(({ path }) => path.includes('completion') || path.includes('site-functions'));
    const shells = ['bash', 'fish', 'zsh'];
    expect(files).toHaveLength(shells.length);
    for (const [place, shell] of shells.entries()) {
      expect((await emulated(['completion', shell])).stdout).toBe(new TextDecoder().decode(files[place]?.content));
    }
  });

  test('is packed as the other one is: the same files and scriptlets, but for the binary and its SBOM', () => {
    const query = (format: string, file = rpm) => must(['rpm', '--query', '--package', '--qf', format, file]);
    const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    const lines = payload(native).map(({ path, mode, source, content }) => {
      const bytes = source === undefined ? content : readFileSync(source);
      return `${path} ${bytes === undefined ? '' : sha256(bytes)} ${mode.toString(8)}`;
    });
    const packed = query('[%{FILENAMES} %{FILEDIGESTS} %{FILEMODES:octal}\\n]').trimEnd().split('\n');
    // rpm's modes have the kind of file in front
    const different = packed.map((line) => line.replace(/\d+(?=\d{3}$)/, '')).filter((line) => !lines.includes(line));
    expect(different.map((line) => line.split(' ')[0])).toEqual([
      '/usr/bin/diyc-agent',
      '/usr/share/licenses/diyc-agent/diyc-agent.spdx.json',
    ]);
    expect(packed).toHaveLength(lines.length);
    expect(query('%{ARCH}')).toBe('aarch64');
    expect(query('%{POSTIN}\\n%{PREUN}')).toBe(query('%{POSTIN}\\n%{PREUN}', builtRpm));
  });
});

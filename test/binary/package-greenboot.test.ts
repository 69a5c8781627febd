// greenboot's checks: red is what this host alone decides, or an agent that cannot answer; a sick cluster is not.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { payload } from '../../packaging/payload.ts';
import { type Attempt, attempt } from '../support/package-needs.ts';

const checks = payload().filter(({ path }) => path.startsWith('/usr/lib/greenboot/check/') && path.endsWith('.sh'));
const sourceOf = (kind: 'required' | 'wanted'): string =>
  checks.find(({ path }) => path.includes(`/${kind}.d/`))?.source ?? '';

describe("greenboot's checks", () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'greenboot-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** As greenboot runs it: `bash FILE`, with an agent that does what is said. */
  function run(kind: 'required' | 'wanted', agent: string | undefined, timeout?: string): Attempt & { calls: string } {
    const programs = mkdtempSync(join(folder, 'bin-'));
    const stub = (name: string, shell: string) => {
      writeFileSync(join(programs, name), `#!/bin/sh\necho "$*" >>"${programs}/calls"\n${shell}\n`);
      chmodSync(join(programs, name), 0o755);
    };
    writeFileSync(join(programs, 'calls'), '');
    if (agent !== undefined) stub('diyc-agent', agent);
    if (timeout !== undefined) stub('timeout', timeout);
    const result = attempt(['bash', sourceOf(kind)], { env: { PATH: `${programs}:/usr/bin:/bin` } });
    return { ...result, calls: readFileSync(join(programs, 'calls'), 'utf8') };
  }

  test('are where greenboot looks, under names that it runs', () => {
    expect(checks.map(({ path, mode }) => [path, mode])).toEqual([
      ['/usr/lib/greenboot/check/required.d/80-diyc-agent.sh', 0o755],
      ['/usr/lib/greenboot/check/wanted.d/80-diyc-agent.sh', 0o755],
    ]);
  });

  test('are read by bash and by sh', () => {
    for (const shell of ['bash', 'sh']) {
      for (const { source = '' } of checks)
        expect([shell, attempt([shell, '-n', source])]).toMatchObject([shell, { status: 0, output: '' }]);
    }
  });

  test('required: asks for local facts only, and is green when there is nothing wrong with them', () => {
    const { status, calls } = run('required', 'exit 0');
    expect([status, calls]).toEqual([0, 'status --local\n']);
  });

  test('required: red with the reason that the agent gave', () => {
    const { status, output } = run('required', 'echo "FAILED: /etc/group is not writable"; exit 1');
    expect(status).toBe(1);
    expect(output).toContain('/etc/group is not writable');
    expect(output).toContain("look with 'diyc-agent status'");
  });

  test('required: red when the agent cannot answer, and says how it ended', () => {
    for (const code of [70, 126, 139]) {
      const { status, output } = run('required', `exit ${code}`);
      expect([status, output]).toEqual([1, expect.stringContaining(`ended with ${code} instead of an answer`)]);
    }
    expect(run('required', undefined)).toMatchObject({ status: 1, output: expect.stringContaining('ended with 127') });
  });

  test('required: has a time limit of its own, as greenboot has none', () => {
    // what timeout(1) ends with, without waiting for it: the limit itself is read off its arguments
    for (const code of [124, 137]) {
      const { status, output, calls } = run('required', 'exit 0', `exit ${code}`);
      expect(status).toBe(1);
      expect(output).toContain('no answer within 60 seconds');
      expect(calls).toBe('--kill-after=5 60 diyc-agent status --local\n');
    }
  });

  test('required: a host that nobody configured is green, by the agent itself', () => {
    const agent = join(import.meta.dirname, '../../dist/diyc-agent');
    const root = mkdtempSync(join(folder, 'root-'));
    const { status, output } = run('required', `exec ${agent} "$@" --root ${root}`);
    expect([status, output]).toEqual([0, expect.stringContaining('no cluster file')]);
  });

  test('wanted: the whole status, whose end greenboot only writes down', () => {
    for (const code of [0, 2, 3]) {
      const { status, output, calls } = run('wanted', `echo "READY a1"; exit ${code}`);
      expect([status, output, calls]).toEqual([code, 'READY a1\n', 'status\n']);
    }
    expect(run('wanted', undefined, 'exit 124').calls).toBe('--kill-after=5 60 diyc-agent status\n');
  });
});

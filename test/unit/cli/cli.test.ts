// The command line: options, global options before and after the verb, and how an end becomes an exit code.

import { describe, expect, test } from 'bun:test';
import { absolute, configFile, parseCount, parseDuration } from '../../../agent/cli/options.ts';
import { requireRoot } from '../../../agent/cli/permission.ts';
import { failedReport, readReport } from '../../../agent/cli/status-report.ts';
import { AgentError } from '../../../agent/model/errors.ts';
import { statusFile } from '../../../agent/model/paths.ts';
import { fakeHost } from '../../support/fake-host.ts';
import { packagedHost, runVerb } from '../../support/packaged-host.ts';

function usage(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof AgentError && error.kind === 'usage' && error.hint !== '') return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('durations', () => {
  test.each([
    ['500ms', 500],
    ['0s', 0],
    ['30s', 30_000],
    ['1.5m', 90_000],
    ['1h', 3_600_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text, '--timeout')).toBe(ms);
  });
  test.each(['', '5', 's', '-5s', '5 s', '5S', '1d', '1m30s', '.5s', '1e3s', 'Infinity', '5s '])(
    '%p is none',
    (text) => {
      expect(usage(() => parseDuration(text, '--timeout'))).toContain('--timeout');
    },
  );
});

test('a count is a whole number from 1', () => {
  expect([parseCount('1', '--nodes'), parseCount('999999', '--nodes')]).toEqual([1, 999_999]);
  for (const text of ['0', '-1', '1.5', '01', '', 'three', '1000000']) usage(() => parseCount(text, '--nodes'));
});

test('a path is absolute', () => {
  expect([absolute('/a', '--x'), configFile(undefined), configFile('/c')]).toEqual(['/a', null, '/c']);
  for (const text of ['a', './a', '']) usage(() => configFile(text));
});

test("on the running host only root changes anything; a tree may be anybody's", () => {
  const nobody = fakeHost({ machine: { isRoot: false } });
  expect(() => requireRoot(nobody, '/', 'boot')).toThrow('cannot run boot');
  expect(requireRoot(nobody, '/srv/image', 'boot')).toBeUndefined();
  expect(requireRoot(fakeHost(), '/', 'boot')).toBeUndefined();
});

describe('the program', () => {
  test.each([
    [['--version'], 0],
    [['--help'], 0],
    [['boot', '--help'], 0],
    [[], 64],
    [['bott'], 64],
    [['boot', '--nope'], 64],
    [['boot', '--deadline', 'soon'], 64],
    [['wait', '--for', 'rain'], 64],
    [['completion', 'tcsh'], 64],
    [['plan', '--config', 'relative.yaml'], 64],
    [['plan', '--config', '/nowhere.yaml'], 64],
  ] as const)('%j exits with %d and touches nothing', async (argv, code) => {
    const host = packagedHost();
    expect((await runVerb(host, argv)).code).toBe(code);
    expect(host.effects).toEqual([]);
  });
  test('takes global options before and after the verb', async () => {
    const host = packagedHost();
    const outs = [await runVerb(host, ['--json', 'version']), await runVerb(host, ['version', '--json'])];
    for (const run of outs) expect(JSON.parse(run.stdout)).toEqual({ schema: 1, version: '0.1.0' });
  });
  test('names every verb in its help and in the completion of each shell', async () => {
    const host = packagedHost();
    const verbs = [
      'status',
      'nodes',
      'wait',
      'plan',
      'apply',
      'boot',
      'join',
      'report',
      'config',
      'completion',
      'version',
    ];
    const texts = [(await runVerb(host, ['--help'])).stdout];
    for (const shell of ['bash', 'zsh', 'fish']) texts.push((await runVerb(host, ['completion', shell])).stdout);
    for (const text of texts) for (const verb of verbs) expect(text).toContain(verb);
  });
  test('colours a terminal only, and not where NO_COLOR or --no-color forbids it', async () => {
    const colored = async (argv: readonly string[], isTerminal: boolean, noColor: boolean): Promise<boolean> =>
      (await runVerb(packagedHost(), argv, { isTerminal, noColor })).stdout.includes('\u001b[3');
    expect(await colored(['status'], true, false)).toBe(true);
    expect(await colored(['status'], false, false)).toBe(false);
    expect(await colored(['status'], true, true)).toBe(false);
    expect(await colored(['status', '--no-color'], true, false)).toBe(false);
  });
});

describe('status', () => {
  test('needs neither etcd nor root, and says what to do', async () => {
    const host = packagedHost({ machine: { isRoot: false } });
    const run = await runVerb(host, ['status']);
    expect(run.error).toBeNull();
    expect(run.code).toBe(1);
    expect(run.stdout).toStartWith('FAILED  a1 (192.168.99.51), etcd member of cluster diy-cluster, diyc-agent ');
    expect(host.effects).toEqual([]);
  });
  test('where the user may not look shows what the timer last saw, and how old that is', async () => {
    const host = packagedHost({ engine: 'down' });
    await runVerb(host, ['boot']);
    await runVerb(host, ['report']);
    const text = host.files.snapshot()['/etc/diyc-agent/cluster.yaml'] ?? '';
    host.files.put({ '/etc/diyc-agent/cluster.yaml': { text, denied: true } });
    await host.clock.advance(12_000);
    const run = await runVerb(host, ['status']);
    expect(run.stdout).toContain('as of 12s ago; as root this is asked anew');
  });
  test('ends its watch when it is told to', async () => {
    const host = packagedHost();
    const stop = new AbortController();
    host.clock.after(9_000, () => stop.abort());
    const run = await runVerb(host, ['status', '--watch'], { signal: stop.signal });
    expect(run.code).toBe(1);
    expect(run.stdout.split('FAILED  a1').length - 1).toBe(5);
  });
});

describe('the status file', () => {
  test.each([
    '',
    '{',
    'null',
    '[]',
    '{"schema":2,"conditions":[]}',
    '{"schema":1}',
    '{"schema":1,"conditions":[null]}',
  ])('%j counts as none', async (text) => {
    expect(await readReport(fakeHost({ files: { [statusFile]: text } }).files)).toBeNull();
  });
  test('of a newer agent is read without the conditions this one does not know', async () => {
    const text = '{"schema":1,"conditions":[{"type":"Upgraded"},{"type":"Identified"}],"extra":1}';
    const report = await readReport(fakeHost({ files: { [statusFile]: text } }).files);
    expect(report?.conditions.map((c) => c.type)).toEqual(['Identified']);
  });
  test('of a host that is not identified keeps since when that is so', async () => {
    const host = fakeHost();
    const error = new AgentError('data', 'no name', { hint: 'give one' });
    const first = await failedReport(host, error, '0.1.0', null);
    await host.clock.advance(60_000);
    const second = await failedReport(host, error, '0.1.0', first);
    expect(second.summarySince).toBe(first.summarySince);
    expect(second).toMatchObject({
      summary: 'failed',
      node: null,
      conditions: [{ type: 'Identified', hint: 'give one' }],
    });
    const config = await failedReport(host, new AgentError('config', 'bad', { hint: 'h' }), '0.1.0', first);
    expect(config.conditions[0]?.type).toBe('Configured');
  });
});

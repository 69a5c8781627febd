// The journal: what it remembers after crashes, damage and shortening.

import { describe, expect, test } from 'bun:test';
import {
  journalMaxBytes,
  type Memory,
  type RunKey,
  rebootId,
  recall,
  recordCommit,
  recordIntent,
  recordReboot,
  remember,
} from '../../../agent/converge/journal.ts';
import { AgentError } from '../../../agent/model/errors.ts';
import { type AbsolutePath, journalFile } from '../../../agent/model/paths.ts';
import type { Step } from '../../../agent/model/step.ts';
import { effectLog } from '../../support/effect-log.ts';
import { fakeFiles } from '../../support/fake-files.ts';

const key: RunKey = { instanceId: 'iid-1', hardwareId: 'hw-1', inputs: 'i', agent: '0.1.0' };
const digest = (text: string): string => `d(${text})`;
const at = '2026-01-01T00:00:00.000Z';

function write(path: AbsolutePath, content: string): Step {
  return {
    kind: 'writeFile',
    component: 'etcd',
    why: 'w',
    path,
    content,
    mode: 0o644,
    owner: null,
    sensitive: false,
    before: null,
    keepAs: null,
    drifted: false,
  };
}

function journal(text?: string) {
  const log = effectLog();
  const files = fakeFiles({ tree: text === undefined ? {} : { [journalFile]: text }, clock: { now: () => 0 }, log });
  const run = (name: string) => ({ run: name, verb: 'boot', key });
  return {
    files,
    text: (): string => files.snapshot()[journalFile] ?? '',
    memory: (): Promise<Memory> => recall(files),
    async intent(name: string, ...steps: readonly Step[]): Promise<void> {
      await recordIntent(files, await recall(files), run(name), steps, digest, at);
    },
    commit: (name: string, outcome: 'done' | 'failed', done: number): Promise<void> =>
      recordCommit(files, run(name), outcome, done, at),
    reboot: (): Promise<void> => recordReboot(files, key, at),
  };
}

describe('memory', () => {
  test('of nothing is empty', () => {
    expect(remember('')).toEqual({
      written: new Map(),
      certain: new Set(),
      progress: new Map(),
      reboots: new Set(),
      lastRun: null,
      sizeBytes: 0,
    });
  });
  test('knows what a run was going to write before it wrote it', async () => {
    const j = journal();
    await j.intent('r1', write('/a', '1'), write('/b', '2'));
    const memory = await j.memory();
    expect([...(memory.written.get('/a') ?? [])]).toEqual(['d(1)']);
    expect([...memory.certain]).toEqual([]);
    expect(memory.lastRun).toMatchObject({ verb: 'boot', finished: false });
    expect(memory.progress.get(rebootId(key))).toBe('begun');
  });
  test('is certain of what a run that ended wrote, and of the steps before a failure', async () => {
    const j = journal();
    await j.intent('r1', write('/a', '1'), write('/b', '2'));
    await j.commit('r1', 'failed', 1);
    expect([...(await j.memory()).certain]).toEqual(['/a']);
    await j.intent('r2', write('/b', '2'));
    await j.commit('r2', 'done', 1);
    const memory = await j.memory();
    expect([...memory.certain].sort()).toEqual(['/a', '/b']);
    expect(memory.lastRun?.finished).toBe(true);
    expect(memory.progress.get(rebootId(key))).toBe('configured');
  });
  test('has the newest digest of a path last, also when an old text came back', async () => {
    const j = journal();
    for (const text of ['A', 'B', 'A']) await j.intent(`r${text}`, write('/f', text));
    expect([...((await j.memory()).written.get('/f') ?? [])]).toEqual(['d(B)', 'd(A)']);
  });
  test('keeps reboots by instance and hardware id', async () => {
    const j = journal();
    await j.reboot();
    const { reboots } = await j.memory();
    expect(reboots.has(rebootId(key))).toBe(true);
    expect(reboots.has(rebootId({ ...key, instanceId: 'iid-2' }))).toBe(false);
  });
  test('of runs that were interleaved tells each for itself', async () => {
    const j = journal();
    await j.intent('r1', write('/a', '1'));
    await j.intent('r2', write('/b', '2'));
    await j.commit('r1', 'failed', 0);
    await j.commit('r2', 'done', 1);
    const memory = await j.memory();
    expect([...memory.certain]).toEqual(['/b']);
    expect(memory.lastRun?.finished).toBe(true);
  });
});

describe('damage', () => {
  async function twoRuns(): Promise<string> {
    const j = journal();
    await j.intent('r1', write('/a', '1'));
    await j.commit('r1', 'done', 1);
    return j.text();
  }

  test('a last line torn anywhere is passed over, and the next run begins a new line after it', async () => {
    const text = await twoRuns();
    const lastLine = text.trimEnd().split('\n').at(-1) ?? '';
    const head = text.slice(0, text.length - lastLine.length - 1);
    for (let length = 0; length <= lastLine.length; length++) {
      const j = journal(head + lastLine.slice(0, length));
      await j.intent('r2', write('/b', '2'));
      await j.commit('r2', 'done', 1);
      const memory = await j.memory();
      expect([length, memory.written.has('/a'), memory.certain.has('/b')]).toEqual([length, true, true]);
    }
  });
  test('zeroes that a file system left at the end harm nothing, then and later', async () => {
    for (const tail of ['\0'.repeat(300), `{"v":1,"rec${'\0'.repeat(40)}`, `{"v${'\0'.repeat(40)}`]) {
      const j = journal((await twoRuns()) + tail);
      await j.intent('r2', write('/b', '2'));
      await j.commit('r2', 'done', 1);
      expect([...(await j.memory()).certain].sort()).toEqual(['/a', '/b']);
    }
  });
  test.each(['hello\n', '{"v":2,"record":"intent"}\n', 'null\n', '[]\n', '{"other":1}\n'])(
    'a foreign line, %j, stops the agent wherever it stands',
    async (line) => {
      const text = await twoRuns();
      for (const damaged of [line + text, text + line, text + line + text]) {
        expect(() => remember(damaged)).toThrow(AgentError);
      }
    },
  );
  test('a record that a newer agent wrote under the same version is passed over', async () => {
    const text = await twoRuns();
    expect(remember(`{"v":1,"record":"later","x":1}\n${text}`).written.has('/a')).toBe(true);
  });
  test('empty lines say nothing', async () => {
    expect(remember(`\n\n${await twoRuns()}\n`).written.has('/a')).toBe(true);
  });
});

describe('shortening', () => {
  async function long() {
    const j = journal();
    for (let i = 0; (await j.memory()).sizeBytes <= journalMaxBytes; i++) {
      const steps = Array.from({ length: 40 }, (_, n) => write(`/file-${n}`, `${n} ${i} ${'x'.repeat(40)}`));
      await j.intent(`run-${i}`, ...steps);
      if (i % 2 === 0) await j.commit(`run-${i}`, 'done', steps.length);
    }
    await j.intent('torn', write('/uncertain', '1'));
    await j.reboot();
    return j;
  }

  test('makes the file small and forgets nothing that counts', async () => {
    const j = await long();
    const before = await j.memory();
    await j.intent('next', write('/new', '1'));
    await j.commit('next', 'done', 1);
    const after = await j.memory();
    expect(after.sizeBytes).toBeLessThan(journalMaxBytes / 4);
    expect([...after.reboots]).toEqual([...before.reboots]);
    expect([...after.certain].sort()).toEqual([...before.certain, '/new' as const].sort());
    expect(after.progress.get(rebootId(key))).toBe('configured');
    for (const [path, digests] of before.written) {
      const kept = [...(after.written.get(path) ?? [])];
      expect(kept.at(-1)).toBe([...digests].at(-1) ?? '');
      // The text before the newest may be what stands there: its run may have been cut off.
      if (digests.size > 1) expect(kept).toContain([...digests].at(-2) ?? '');
    }
    expect(after.lastRun).toMatchObject({ verb: 'boot', finished: true });
  });
  test('a run that was never finished stays unfinished', async () => {
    const j = journal();
    const big = write('/big', 'x');
    await j.intent('only', big, ...Array.from({ length: 2500 }, (_, n) => write(`/f-${n}`, `${'y'.repeat(80)}${n}`)));
    expect((await j.memory()).sizeBytes).toBeGreaterThan(journalMaxBytes);
    await j.intent('next', big);
    const memory = await j.memory();
    expect(memory.progress.get(rebootId(key))).toBe('begun');
    expect(memory.certain.size).toBe(0);
  });
});

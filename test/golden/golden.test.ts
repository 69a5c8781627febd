// Every golden tree: what the agent makes of a host's files, planned, written, and left alone the second time.

import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compareResult, expectSettled, type GoldenCase, readResult, runCase } from '../support/golden.ts';
import { inProcess } from '../support/in-process.ts';
import { withTempDir } from '../support/temp-dir.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const names = readdirSync(here, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? e.name : []));
const isRecording = process.env['GOLDEN_RECORD'] === '1';
/** Files are given to the account of etcd, which only root can do. */
const isRoot = process.getuid?.() === 0;

function caseOf(name: string): GoldenCase {
  return JSON.parse(readFileSync(`${here}${name}/case.json`, 'utf8')) as GoldenCase;
}

describe('a directory tree in, a directory tree out', () => {
  for (const name of names) {
    const golden = caseOf(name);
    test.skipIf(!isRoot)(`${name}: ${golden.what}`, async () => {
      await withTempDir(async (root) => {
        const result = await runCase(inProcess, root, `${here}${name}`, golden);
        await expectSettled(inProcess, root);
        await compareResult(`${here}${name}`, result, isRecording);
      });
    });
  }
});

describe('recording', () => {
  test('it never passes, and it writes down what it saw', async () => {
    await withTempDir(async (directory) => {
      await cp(`${here}empty`, directory, { recursive: true });
      const seen = { plan: 'a plan\n', boot: '', listing: 'new  /etc/x\n', files: { '/etc/x': 'text\n' } };
      const failure = await compareResult(directory, seen, true).then(
        () => 'passed',
        (error: unknown) => String(error),
      );
      expect(failure).toContain('run again without GOLDEN_RECORD');
      expect(await readResult(directory)).toEqual(seen);
    });
  });

  test('a result that differs in one byte fails without it', async () => {
    const recorded = await readResult(`${here}empty`);
    const other = { ...recorded, plan: recorded.plan.replace('a', 'b') };
    const failure = await compareResult(`${here}empty`, other, false).then(
      () => 'passed',
      () => 'failed',
    );
    expect(failure).toBe('failed');
  });
});

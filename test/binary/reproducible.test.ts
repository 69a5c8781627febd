// Two builds in two places give one digest, and no path of the machine gets into the binary.

import { afterAll, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const repository = join(import.meta.dirname, '../..');
mkdirSync(join(repository, 'build'), { recursive: true });
// on the same file system, so that node_modules can be copied by hard links
const elsewhere = mkdtempSync(join(repository, 'build/elsewhere-'));

afterAll(() => rmSync(elsewhere, { recursive: true, force: true }));

function build(root: string, outfile: string): Buffer {
  const argv = ['packaging/build.ts', '--outfile', outfile];
  const env = { ...process.env, DIYC_COMMIT: '0123456789ab' };
  const { status, stderr } = spawnSync(process.execPath, argv, { cwd: root, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the build in ${root} ended with ${status}: ${stderr}`);
  return readFileSync(outfile);
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('the build', () => {
  test('gives the same bytes in another place', () => {
    for (const name of ['agent', 'units', 'packaging', 'package.json', 'tsconfig.json']) {
      cpSync(join(repository, name), join(elsewhere, name), { recursive: true });
    }
    const copied = spawnSync('cp', ['-al', join(repository, 'node_modules'), join(elsewhere, 'node_modules')]);
    expect(copied.status).toBe(0);
    const here = build(repository, join(elsewhere, 'here/agent-one'));
    const there = build(elsewhere, join(elsewhere, 'there/agent-two'));
    expect(digest(there)).toBe(digest(here));
    expect(here.includes(repository)).toBe(false);
    expect(here.includes(`${homedir()}/.`)).toBe(false);
  });
});

// Two RPMs of one binary, built in two folders at two times by two accounts' habits, are the same file.

import { afterAll, describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { lacking, must } from '../support/package-needs.ts';
import { repository, sourcesElsewhere } from '../support/package-root.ts';

const leftOut = lacking(['rpmbuild', 'createrepo_c']);
const bun = join(repository, 'node_modules/.bin/bun');
mkdirSync(join(repository, 'build'), { recursive: true });
const work = mkdtempSync(join(repository, 'build/twice-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** The digest of each file below a folder. */
function digests(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.(rpm|gz|xml)$/.test(file),
  );
  expect(files.length).toBeGreaterThan(0);
  return Object.fromEntries(
    files.sort().map((file) => [
      file,
      createHash('sha256')
        .update(readFileSync(join(folder, file)))
        .digest('hex'),
    ]),
  );
}

describe.skipIf(leftOut !== '')(`packages${leftOut}`, () => {
  test('are the same bytes wherever and whenever they are built, and so is their repository', () => {
    const epoch = { SOURCE_DATE_EPOCH: '1790000000' };
    const elsewhere = join(work, 'elsewhere');
    sourcesElsewhere(elsewhere);
    // the binary is given: that it is reproducible is the matter of reproducible.test.ts
    for (const file of ['diyc-agent', 'THIRD-PARTY-NOTICES', 'diyc-agent.spdx.json']) {
      cpSync(join(repository, 'dist', file), join(elsewhere, 'dist', file));
    }
    const here = join(work, 'here');
    const build = (root: string, outdir: string, env: Readonly<Record<string, string>>, umask: string) => {
      const script = `umask ${umask}; "$0" packaging/rpm.ts --outdir "$1" && "$0" packaging/repo.ts --from "$1"`;
      must(['sh', '-c', script, bun, outdir], { cwd: root, env: { ...epoch, ...env } });
    };
    build(repository, here, {}, '022');
    const there = join(elsewhere, 'out');
    build(elsewhere, there, { TZ: 'Pacific/Kiritimati', HOME: work, HOSTNAME: 'elsewhere' }, '077');
    expect(digests(there)).toEqual(digests(here));
  });

  test('of different commits are not published together', () => {
    const mixed = join(work, 'here');
    const publish = () =>
      must([bun, 'packaging/repo.ts', '--from', mixed], { cwd: repository, env: { SOURCE_DATE_EPOCH: '1790000001' } });
    expect(publish).toThrow('was built from another commit than this one');
  });
});

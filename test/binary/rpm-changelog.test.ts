// CHANGELOG.md as rpm reads it: one entry per version, the right day of the week, nothing that rpm takes for a macro.

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Build, rpmChangelog } from '../../packaging/changelog.ts';
import { packageVersion } from '../../packaging/source.ts';

const build: Build = { version: '0.2.0', release: '3', epoch: Date.parse('2026-11-21T17:00:00Z') / 1000 };
const text = `# Changelog

For operators.

## 0.2.0, unreleased

The second slice.

- One thing, told on
  two lines.
- Another at 100%, called %post.

More about it.

## 0.1.0, 2024-02-29

- The first.
`;

describe('the changelog of the RPM', () => {
  test('has the newest version with the day of the commit, earlier ones with their own', () => {
    expect(rpmChangelog(text, build)).toBe(`* Sat Nov 21 2026 diyc-agent - 0.2.0-3
- The second slice.
- One thing, told on two lines.
- Another at 100%%, called %%post.
- More about it.

* Thu Feb 29 2024 diyc-agent - 0.1.0-1
- The first.
`);
  });

  test('breaks long lines between words, and no line begins with what rpm would take for an entry', () => {
    const long = `## 0.2.0, unreleased\n\n- ${'* word '.repeat(40)}\n`;
    const lines = rpmChangelog(long, build).trimEnd().split('\n').slice(1);
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(line).toMatch(/^[- ] .{1,76}$/);
  });

  test('names a day that no calendar has, an order that rpm refuses, and a heading without a day', () => {
    const refused: readonly (readonly [string, string | RegExp, string])[] = [
      ['no calendar has', '2024-02-29', '2023-02-29'],
      ['newest first', '2024-02-29', '2027-01-01'],
      ["should be '## VERSION, YYYY-MM-DD'", '0.1.0, 2024-02-29', '0.1.0'],
      ['unreleased below', '2024-02-29', 'unreleased'],
    ];
    for (const [what, from, to] of refused) expect(() => rpmChangelog(text.replace(from, to), build)).toThrow(what);
  });

  test('refuses to tell of another version than the one that is built', () => {
    expect(() => rpmChangelog(text, { ...build, version: '0.3.0' })).toThrow(
      'begins with 0.2.0 and package.json says 0.3.0',
    );
  });

  test('is made of the CHANGELOG.md that there is', () => {
    const markdown = readFileSync(join(import.meta.dirname, '../../CHANGELOG.md'), 'utf8');
    const entry = rpmChangelog(markdown, { ...build, version: packageVersion() });
    expect(entry).toStartWith(`* Sat Nov 21 2026 diyc-agent - ${packageVersion()}-3\n- `);
  });
});

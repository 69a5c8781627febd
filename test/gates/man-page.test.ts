// The man page names every verb, option and exit code of the program, and a page that lacks one is found out.

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import type { Verb } from '../../agent/cli/command.ts';
import { verbs } from '../../agent/cli/verbs.ts';
import { exitCodes } from '../../agent/model/errors.ts';

const page = readFileSync(new URL('../../packaging/diyc-agent.8', import.meta.url), 'utf8');

/** What of the program the page does not mention. */
function missingFrom(text: string): string[] {
  const words = new Set(text.split(/[\s|,.]+/));
  const flat = (verb: Verb): Verb[] => [verb, ...(verb.verbs ?? []).flatMap(flat)];
  const all = verbs.flatMap(flat);
  const options = all.flatMap((v) => (v.options ?? []).map((o) => /--([a-z-]+)/.exec(o.flags)?.[1] ?? o.flags));
  return [
    ...all.map((v) => v.name).filter((name) => !words.has(name)),
    // mdoc writes `--flag` as `Fl -flag`
    ...[...new Set(options)].filter((name) => !words.has(`-${name}`)),
    ...Object.values(exitCodes)
      .map(String)
      .filter((code) => !words.has(code)),
  ];
}

describe('the man page', () => {
  test('names every verb, option and exit code', () => {
    expect(missingFrom(page)).toEqual([]);
  });
  test('that lacks one is found out', () => {
    expect(missingFrom(page.replaceAll('validate', ''))).toContain('validate');
    expect(missingFrom(page.replaceAll('-origin', ''))).toContain('origin');
    expect(missingFrom(page.replaceAll('78', ''))).toContain('78');
  });
});

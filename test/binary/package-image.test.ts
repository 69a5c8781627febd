// packaging/Containerfile.example, step by step on a tree: an image with the agent in it that has what a host boots from.
//
// There is no container engine in this test and no bootc image: each instruction is carried out on a small root by dnf and
// a sandbox. What it shows is that the steps work and what they leave behind; not that a host boots the result.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { lacking, must } from '../support/package-needs.ts';
import {
  builtRpm,
  distribution,
  dnf,
  dnfArgv,
  everythingBelow,
  inside,
  repository,
  rpmIn,
} from '../support/package-root.ts';

const leftOut = lacking(['dnf', 'rpmbuild', 'createrepo_c', 'bwrap', 'unshare'], { root: true });

interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** Continued lines joined, comments and empty lines left out. */
function instructions(file: string): readonly Instruction[] {
  return readFileSync(file, 'utf8')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .flatMap((line) => {
      const [, name, text] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
      return name === undefined || text === undefined ? [] : [{ name, text }];
    });
}

describe.skipIf(leftOut !== '')(`Containerfile.example${leftOut}`, () => {
  let work = '';
  let tree = '';
  let base = '';
  const steps = instructions(join(repository, 'packaging/Containerfile.example'));
  /** What could not be carried out, because it is the base's own program. */
  const ofTheBase: string[] = [];

  /** A RUN: on the tree, with the build context where it is asked for, without a network. */
  function run(text: string): void {
    const [, target, script = text] = /^--mount=type=bind,source=\.,target=(\S+) (.*)$/.exec(text) ?? [];
    const programs = mkdtempSync(join(work, 'programs-'));
    const program = (name: string, argv: readonly string[]) => {
      writeFileSync(join(programs, name), `#!/bin/sh\nexec ${argv.join(' ')} "$@"\n`);
      chmodSync(join(programs, name), 0o755);
    };
    program('dnf', dnfArgv(tree, [base]));
    // the base's own; of this machine's nobody asked
    program('bootc', ['true']);
    program('diyc-agent', ['bwrap', '--bind', tree, '/', '--proc', '/proc', '--dev', '/dev', '/usr/bin/diyc-agent']);
    must([
      ...['bwrap', '--dev-bind', '/', '/', '--tmpfs', '/run', '--unshare-net'],
      ...(target === undefined ? [] : ['--ro-bind', join(work, 'context'), target]),
      ...['--setenv', 'PATH', `${programs}:/usr/bin:/bin:/usr/sbin:/sbin`, 'sh', '-ec', script],
    ]);
    if (script.includes('bootc')) ofTheBase.push(script);
  }

  beforeAll(() => {
    mkdirSync(join(repository, 'build'), { recursive: true });
    work = mkdtempSync(join(repository, 'build/image-'));
    tree = join(work, 'tree');
    base = distribution(join(work, 'distribution'));
    dnf(tree, [base], ['install', 'distribution']);
    mkdirSync(join(work, 'context'));
    copyFileSync(builtRpm, join(work, 'context', basename(builtRpm)));
    cpSync(join(repository, 'packaging/cluster.yaml.example'), join(work, 'context/cluster.yaml'));
  }, 60_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test('names no image of anybody: the base is given', () => {
    expect(steps.slice(0, 2)).toEqual([
      { name: 'ARG', text: 'BASE' },
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of the file
      { name: 'FROM', text: '${BASE}' },
    ]);
    expect(new Set(steps.slice(2).map(({ name }) => name))).toEqual(new Set(['RUN', 'COPY']));
  });

  test('its steps can be carried out', () => {
    const before = everythingBelow(tree, ['var']).filter((line) => / f \d+ /.test(line));
    for (const { name, text } of steps.slice(2)) {
      if (name === 'RUN') run(text);
      if (name === 'COPY') {
        const [from = '', to = ''] = text.split(' ');
        mkdirSync(dirname(join(tree, to)), { recursive: true });
        copyFileSync(join(work, 'context', from), join(tree, to));
      }
    }
    expect(ofTheBase).toHaveLength(1);
    expect(rpmIn(tree, ['--verify', 'diyc-agent'])).toBe('');
    // What stays below /var is dnf's and rpm's own: an image's /var is only what a host starts with.
    const left = everythingBelow(tree, ['var']).filter((line) => / f \d+ /.test(line) && !before.includes(line));
    expect(left.filter((line) => !/^var\/(lib\/(rpm|dnf)|log|cache)\//.test(line))).toEqual([]);
  });

  test('a host of it starts the agent at boot, with the cluster file of the image', () => {
    const wants = join(tree, 'etc/systemd/system');
    expect(readdirSync(join(wants, 'multi-user.target.wants'))).toEqual(['diyc-agent.service']);
    expect(readdirSync(join(wants, 'timers.target.wants'))).toEqual(['diyc-agent-report.timer']);
    const shown = inside(tree, ['/usr/bin/diyc-agent', 'config', 'show', '--origin']);
    expect(shown).toContain('/usr/lib/diyc-agent/cluster.yaml');
  });

  test('a cluster file with a finding ends the build', () => {
    writeFileSync(join(tree, 'usr/lib/diyc-agent/cluster.yaml'), 'version: 1\nclutser: mine\n');
    const validate = steps.find(({ text }) => text.includes('config validate'));
    expect(() => run(validate?.text ?? '')).toThrow(/clutser/);
  });
});

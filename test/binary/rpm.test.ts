// The RPM holds the payload and nothing else, the binary untouched, and nothing where rpm-ostree would drop it.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lay, type PayloadFile, payload, rpmFileList } from '../../packaging/payload.ts';
import { builtRpm } from '../support/package-root.ts';

const dist = join(import.meta.dirname, '../../dist');

const hasRpm = spawnSync('rpm', ['--version']).status === 0;

interface Packed {
  readonly path: string;
  readonly digest: string;
  readonly mode: number;
  readonly owner: string;
}

function query(format: string): string {
  if (!existsSync(builtRpm)) throw new Error(`there is no ${builtRpm}: run \`make rpm\` first`);
  if (statSync(builtRpm).mtimeMs < statSync(join(dist, 'diyc-agent')).mtimeMs) {
    throw new Error('the RPM is older than dist/diyc-agent: run `make rpm` first');
  }
  const { status, stdout, stderr } = spawnSync('rpm', ['-qp', '--qf', format, builtRpm], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

function packed(): readonly Packed[] {
  return query('[%{FILENAMES} %{FILEDIGESTS} %{FILEMODES:octal} %{FILEUSERNAME}:%{FILEGROUPNAME}\\n]')
    .trimEnd()
    .split('\n')
    .map((line) => {
      // a directory has no digest, which leaves two spaces
      const [path = '', digest = '', mode = '', owner = ''] = line.split(' ');
      return { path, digest, mode: Number.parseInt(mode, 8) & 0o7777, owner };
    });
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const contentOf = ({ source, content }: PayloadFile): Uint8Array | undefined =>
  source === undefined ? content : readFileSync(source);

describe.skipIf(!hasRpm)('the RPM', () => {
  test('holds exactly the payload, byte by byte, with its modes and owned by root', () => {
    const expected = payload()
      .map((file) => {
        const bytes = contentOf(file);
        return {
          path: file.path,
          digest: bytes === undefined ? '' : sha256(bytes),
          mode: file.mode,
          owner: 'root:root',
        };
      })
      .sort((one, other) => (one.path < other.path ? -1 : 1));
    expect([...packed()].sort((one, other) => (one.path < other.path ? -1 : 1))).toEqual(expected);
  });

  test('has the binary as it was built: a stripped one would be plain bun', () => {
    const binary = packed().find(({ path }) => path === '/usr/bin/diyc-agent');
    expect(binary).toMatchObject({ digest: sha256(readFileSync(join(dist, 'diyc-agent'))), mode: 0o755 });
  });

  test('has nothing outside /usr and /etc', () => {
    expect(packed().filter(({ path }) => !/^\/(usr|etc)\//.test(path) || path.startsWith('/usr/local/'))).toEqual([]);
  });

  test('requires by itself the glibc that the binary needs, and no newer one than EL 8 has', () => {
    const requires = query('[%{REQUIRES}\\n]').split('\n');
    const minors = requires.flatMap(
      (line) => (/^libc\.so\.6\(GLIBC_2\.(\d+)/.exec(line)?.[1] ?? []) as string[] | string,
    );
    expect(Math.max(...minors.map(Number))).toBeGreaterThan(0);
    expect(Math.max(...minors.map(Number))).toBeLessThanOrEqual(28);
    expect(requires).toContain('systemd');
    // systemctl has to be installed before the scriptlets run, in one transaction too
    expect(query('[%{REQUIRENAME} %{REQUIREFLAGS:deptype}\\n]').split('\n')).toEqual(
      expect.arrayContaining(['systemd post', 'systemd preun']),
    );
  });

  test('has scriptlets that rpm-ostree can run: shell, and no running host needed', () => {
    expect(query('%{POSTINPROG}')).toBe('/bin/sh');
    expect(query('%{POSTIN}')).not.toMatch(/daemon-reload|\bstart\b|restart|enable --now/);
    expect(query('%{PREUNPROG}')).toBe('/bin/sh');
    // Not of these kinds: rpm-ostree refuses triggers and Lua, and never runs the rest.
    const others = ['PREIN', 'POSTUN', 'PRETRANS', 'POSTTRANS', 'VERIFYSCRIPT', 'TRIGGERSCRIPTS', 'FILETRIGGERSCRIPTS'];
    expect(query(others.map((tag) => `%{${tag}}`).join(' '))).toBe(others.map(() => '(none)').join(' '));
  });

  test('has scriptlets that know every unit: what the presets enable, and all that is to end with the package', () => {
    const units = join(dist, '../units');
    const preset = readFileSync(join(units, '80-diyc-agent.preset'), 'utf8');
    const enabled = [...preset.matchAll(/^enable (\S+)$/gm)].map(([, unit]) => unit);
    expect(
      query('%{POSTIN}')
        .match(/preset (.*) \|\|/)?.[1]
        ?.split(' '),
    ).toEqual(enabled as string[]);
    const installable = readdirSync(units).filter(
      (file) => file.startsWith('diyc-agent') && readFileSync(join(units, file), 'utf8').includes('\n[Install]\n'),
    );
    const atEnd = query('%{PREUN}');
    for (const unit of installable) expect(atEnd).toContain(unit);
    // a timer that goes on would start a program that is gone
    const stopped = /for unit in (.*); do\n.*disable \$now "\$unit"/.exec(atEnd)?.[1] ?? '';
    for (const timer of installable.filter((file) => file.endsWith('.timer'))) expect(stopped).toContain(timer);
    // and stopping storage would ask docker to give its disk back
    expect(stopped).not.toContain('storage');
  });
});

describe('the payload', () => {
  let tree = '';
  beforeAll(() => {
    tree = mkdtempSync(join(tmpdir(), 'payload-'));
  });
  afterAll(() => rmSync(tree, { recursive: true, force: true }));

  test('is laid into a folder with its modes, whatever the umask', () => {
    const files = payload();
    const before = process.umask(0o077);
    try {
      lay(files, tree);
    } finally {
      process.umask(before);
    }
    for (const { path, mode } of files) expect([path, statSync(join(tree, path)).mode & 0o777]).toEqual([path, mode]);
  });

  test('is listed for rpmbuild line by line', () => {
    const list = rpmFileList(payload()).trimEnd().split('\n');
    expect(list).toContain('%attr(0755,root,root) /usr/bin/diyc-agent');
    expect(list).toContain('%attr(0755,root,root) %dir /etc/diyc-agent');
    expect(list.length).toBe(payload().length);
  });
});

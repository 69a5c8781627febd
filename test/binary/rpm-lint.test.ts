// rpmlint has nothing to say of the RPM but what packaging/rpmlint.toml explains, and would say it of another.

import { describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, lacking, must } from '../support/package-needs.ts';
import { builtRpm, repository } from '../support/package-root.ts';
import { withTempDir } from '../support/temp-dir.ts';

const leftOut = lacking(['rpmlint', 'rpmbuild']);
const lint = (file: string) => attempt(['rpmlint', '--config', join(repository, 'packaging/rpmlint.toml'), file]);

describe.skipIf(leftOut !== '')(`rpmlint${leftOut}`, () => {
  test('finds nothing in the RPM that is not explained', () => {
    const { status, output } = lint(builtRpm);
    expect(output.split('\n').filter((line) => /: [EW]: /.test(line))).toEqual([]);
    expect(output).toContain('0 errors, 0 warnings');
    expect(status).toBe(0);
  });

  test('refuses a package with faults, under the same configuration', async () => {
    await withTempDir(async (folder) => {
      const spec = join(folder, 'faulty.spec');
      writeFileSync(
        spec,
        `Name: faulty
Version: 1
Release: 1
Summary: A package with faults
License: Secret
BuildArch: noarch
%description
Its files are where no package may put them, and writable by all.
%install
mkdir -p %{buildroot}/usr/local/bin
echo true >%{buildroot}/usr/local/bin/faulty
%files
%attr(0666,root,root) /usr/local/bin/faulty
`,
      );
      must(['rpmbuild', '-bb', '--define', `_topdir ${folder}/top`, '--define', `_rpmdir ${folder}`, spec]);
      const { status, output } = lint(join(folder, 'noarch/faulty-1-1.noarch.rpm'));
      expect(status).not.toBe(0);
      for (const finding of ['world-writable', 'dir-or-file-in-usr-local', 'invalid-license']) {
        expect(output).toContain(finding);
      }
    });
  });
});

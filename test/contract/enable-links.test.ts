// The links we make for a unit, compared with those that systemctl makes on a tree.

import { afterEach, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findUnit } from '../../agent/layout/installed-unit.ts';
import { fixtureTree, memoryFiles } from '../support/memory-files.ts';

const version = spawnSync('systemctl', ['--version'], { encoding: 'utf8' });
const absent = version.status === 0 ? '' : ' (skipped: systemctl is not on this machine)';
const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

/** A fixture's tree on disk, its units below /usr/lib as on a merged /usr, with whatever else is given. */
function treeOf(fixture: string, more: Readonly<Record<string, string>> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'enable-links-'));
  roots.push(root);
  const units = join(root, 'usr/lib/systemd/system');
  mkdirSync(units, { recursive: true });
  mkdirSync(join(root, 'etc/systemd/system'), { recursive: true });
  const source = fileURLToPath(new URL(`../fixtures/layout/${fixture}`, import.meta.url));
  for (const place of ['usr/lib/systemd/system', 'lib/systemd/system']) {
    const from = join(source, place);
    if (existsSync(from)) cpSync(from, units, { recursive: true });
  }
  for (const [path, text] of Object.entries(more)) writeFileSync(join(root, path), text);
  return root;
}

function linksBelow(root: string): Record<string, string> {
  const links: Record<string, string> = {};
  for (const entry of readdirSync(join(root, 'etc'), { withFileTypes: true, recursive: true })) {
    if (!entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    links[path.slice(root.length)] = sameDirectory(readlinkSync(path));
  }
  return links;
}

/** Debian's systemd names the directory of units by its old place, which is a link to the new one. */
function sameDirectory(target: string): string {
  return target.replace(/^\/lib\//, '/usr/lib/');
}

const synthetic = `[Service]
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target \\
# why
  graphical.target
WantedBy=%p.target x-%N.target
RequiredBy=docker.service
Alias=other.service
`;
const cases: readonly (readonly [fixture: string, unit: string, more?: Record<string, string>])[] = [
  ['debian-12', 'etcd.service'],
  ['debian-12', 'docker.service'],
  ['fedora-22-atomic', 'etcd.service'],
  ['fedora-22-atomic', 'flanneld.service'],
  ['fedora-22-atomic', 'docker.service'],
  ['centos-7', 'flanneld.service'],
  ['docker-ce', 'docker.service'],
  [
    'docker-ce',
    'reset.service',
    { 'usr/lib/systemd/system/reset.service': `${synthetic}WantedBy=\nWantedBy=late.target\n` },
  ],
  [
    'docker-ce',
    'made.service',
    {
      'usr/lib/systemd/system/made.service': `${synthetic}Also=extra.socket\n`,
      'usr/lib/systemd/system/extra.socket': '[Socket]\nListenStream=/run/x\n[Install]\nWantedBy=sockets.target\n',
    },
  ],
  ['docker-ce', 'linked.service', { 'etc/systemd/system/linked.service': synthetic }],
];

for (const [fixture, unit, more] of cases) {
  test.skipIf(absent !== '')(`${fixture}: the links of ${unit} are those of systemctl enable${absent}`, async () => {
    const root = treeOf(fixture, more);
    const ours = await findUnit(memoryFiles(fixtureTree(root)), unit);
    const expected = Object.fromEntries((ours?.installLinks ?? []).map((l) => [l.path, l.target]));
    const enabled = spawnSync('systemctl', [`--root=${root}`, 'enable', unit], { encoding: 'utf8' });
    expect(`${enabled.status} ${enabled.status === 0 ? '' : enabled.stderr}`).toBe('0 ');
    expect(linksBelow(root)).toEqual(expected);
    expect(Object.keys(expected).length).toBeGreaterThan(0);
  });
}

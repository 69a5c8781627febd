// The cluster file as the key `diyc` of cloud-config user-data.

import { describe, expect, test } from 'bun:test';
import type { Resolution } from '../../../agent/config/resolve.ts';
import { clusterText, documentOf, resolveAll, summaries } from './resolved-text.ts';

const file = '/var/lib/cloud/instance/user-data.txt';

function resolveUserData(text: string): Resolution {
  return resolveAll([documentOf(text, 'user-data', file)]);
}

const indented = clusterText().replace(/^/gm, '  ').trimEnd();
const userData = `#cloud-config
password: letmein
users:
  - name: fedora
diyc:
${indented}
bootcmd:
  - diyc-agent boot
`;

describe('user-data', () => {
  test('gives the cluster below the key diyc', () => {
    const resolution = resolveUserData(userData);
    expect(resolution.diagnostics).toEqual([]);
    expect(resolution.config?.nodes.map((n) => n.name)).toEqual(['a1', 'a2', 'a3']);
    expect(resolution.origins.find((o) => o.path === 'cluster')?.at).toEqual({
      file,
      line: 7,
      column: 12,
      below: 'diyc',
    });
  });

  test('a finding names line and column of the user-data, and the key in its path', () => {
    const resolution = resolveUserData(userData.replace('network:', 'netwrk:'));
    expect(summaries(resolution)).toEqual(['error 9:14 unknown-key diyc.flannel.netwrk']);
  });

  test('may be JSON on one line', () => {
    const cluster = {
      version: 1,
      cluster: 'c',
      nodes: { a1: { address: '10.0.0.1' } },
      flannel: { network: '10.9.0.0/16' },
    };
    const resolution = resolveUserData(`#cloud-config\n${JSON.stringify({ users: [], diyc: cluster })}\n`);
    expect(resolution.diagnostics).toEqual([]);
  });

  test('a jinja header and upper case in front change nothing', () => {
    expect(resolveUserData(`## template: jinja\n${userData}`).diagnostics).toEqual([]);
    expect(resolveUserData(`\n\n#Cloud-Config\n${userData}`).diagnostics).toEqual([]);
  });

  test("cloud-init's merged cloud-config.txt is read the same way", () => {
    const merged = `#cloud-config\n\n# from 1 files\n# part-001\n\n---\ndiyc:\n${indented}\nfinal_message: done\n...\n`;
    expect(resolveUserData(merged).diagnostics).toEqual([]);
  });

  const others: readonly (readonly [what: string, text: string])[] = [
    ['a script', '#!/bin/sh\ndiyc: [\n'],
    ['a MIME archive', 'Content-Type: multipart/mixed; boundary="x"\n\n--x\n#cloud-config\ndiyc: {}\n'],
    ['compressed data', '\u001f\u008b\u0008diyc: \ufffd'],
    ['an archive of parts', '#cloud-config-archive\n- content: |\n    diyc: {}\n'],
    ['cloud-config without the key', '#cloud-config\nusers: []\n'],
    ['broken cloud-config without the key', '#cloud-config\nusers: [\n\t- x'],
    [
      'a template that mentions the key in a comment',
      '## template: jinja\n#cloud-config\n{% if x %}\n# no diyc: here\n{% endif %}\n',
    ],
    ['the key of another mapping', '#cloud-config\nother: { diyc: { version: 1 } }\n'],
    ['nothing', ''],
  ];
  for (const [what, text] of others) {
    test(`${what} is no document and no fault`, () => {
      expect(resolveUserData(text).diagnostics.map((d) => d.rule)).toEqual(['no-cluster-file']);
      expect(resolveAll([documentOf(text, 'user-data', file), documentOf(clusterText())]).diagnostics).toEqual([]);
    });
  }

  test("faults and tags of other keys are cloud-init's own business", () => {
    const resolution = resolveUserData(`${userData}users: !mine twice\nbootcmd: [again]\n`);
    expect(resolution.diagnostics).toEqual([]);
  });

  test('the key twice is an error', () => {
    const resolution = resolveUserData(`${userData}diyc: {}\n`);
    expect(resolution.diagnostics.map((d) => d.rule)).toContain('duplicate-key');
  });

  test('broken YAML around the key is reported', () => {
    expect(resolveUserData(`#cloud-config\nusers: [\ndiyc:\n${indented}\n`).diagnostics.map((d) => d.severity)).toEqual(
      ['error'],
    );
    expect(resolveUserData(userData.replace('cluster: diy', 'cluster: "diy')).config).toBeNull();
  });

  test('a template expression below the key is refused: the agent renders none', () => {
    const templated = `## template: jinja\n${userData.replace('diy-cluster', '"{{ v1.region }}"')}`;
    expect(resolveUserData(templated).diagnostics[0]?.rule).toBe('template');
    expect(
      resolveUserData(`## template: jinja\n#cloud-config\n{% if x %}\ndiyc: {}\n{% endif %}\n`).diagnostics[0]?.remedy,
    ).toContain('/etc/diyc-agent/cluster.yaml');
  });

  test('every plain word that cloud-init reads otherwise is a warning', () => {
    const resolution = resolveUserData(userData.replace('diy-cluster', 'on'));
    expect(summaries(resolution)).toEqual(['warning 7:12 ambiguous-text diyc.cluster']);
  });

  test('anchors of other keys can be used below it', () => {
    const text = userData.replace('password: letmein', 'net: &net 172.19.0.0/16').replace('172.18.0.0/16', '*net');
    expect(resolveUserData(text).config?.flannel.network).toBe('172.19.0.0/16');
  });
});

// Hostile and unlucky YAML: refused with a place and a remedy, never read as something else.

import { describe, expect, test } from 'bun:test';
import { clusterText, resolveText, summaries } from './resolved-text.ts';

const refused: readonly (readonly [claim: string, text: string, summary: string | RegExp])[] = [
  ['a duplicate key', `${clusterText()}cluster: other\n`, 'error 5:1 duplicate-key cluster'],
  [
    'one key in two spellings',
    clusterText({ etcd: 'etcd: { peerPort: 1, "peerPort": 2 }' }),
    'error 5:22 duplicate-key etcd.peerPort',
  ],
  ['a tab as indentation', 'version: 1\nnodes:\n\ta1: {}\n', 'error 3:1 tab'],
  ['a second document', `${clusterText()}---\n${clusterText()}`, 'error 5:1 multiple-documents'],
  ['a list as the whole file', '- a\n- b\n', 'error 1:1 not-a-mapping'],
  ['a text as the whole file', 'hello\n', 'error 1:1 not-a-mapping'],
  ['a NUL', 'version: 1\ncluster: "a\0b"\n', 'error 2:12 not-text'],
  ['a byte that was no UTF-8', 'version: 1\ncluster: \ufffd\n', 'error 2:10 not-text'],
  ['an unknown tag', clusterText({ cluster: 'cluster: !name diy' }), 'error 2:10 unknown-tag'],
  ['a YAML 1.1 tag', clusterText({ cluster: 'cluster: !!binary ZGl5' }), 'error 2:10 unknown-tag'],
  ['YAML 1.1', `%YAML 1.1\n---\n${clusterText()}`, 'error 1:1 yaml-version'],
  ['an unclosed bracket', 'version: 1\nnodes: { a1: { address: 192.168.99.51 }\n', 'error 3:1 yaml-syntax'],
  ['a key that is a list', `${clusterText()}? [a]\n: b\n`, 'error 5:3 key-not-text'],
  ['an alias of nothing', clusterText({ cluster: 'cluster: *name' }), 'error 2:10 alias cluster'],
  ['an alias of itself', `${clusterText()}storage: &s { iscsi: *s }\n`, 'error 5:13 alias storage.iscsi.iscsi.iscsi'],
  // How far an engine gets before it gives up is its own affair.
  ['a thousand brackets', `a: ${'['.repeat(1000)}${']'.repeat(1000)}\n`, /error 1:\d+ too-deep/],
  ['brackets without end', '['.repeat(100_000), 'too-deep'],
  ['more than 256 KiB', `# ${'x'.repeat(300_000)}\n`, 'error 1:1 too-large'],
];

describe('the parser refuses', () => {
  for (const [claim, text, summary] of refused) {
    test(claim, () => {
      const resolution = resolveText(text);
      expect(resolution.config).toBeNull();
      expect(summaries(resolution).join('\n')).toMatch(summary);
    });
  }

  test('aliases of aliases before they multiply', () => {
    const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(10)}]`);
    const resolution = resolveText(`l0: &l0 x\n${levels.join('\n')}\n${clusterText()}`);
    expect(resolution.diagnostics.filter((d) => d.rule === 'alias')).toHaveLength(1);
  });

  test('a secret in malformed YAML without printing it', () => {
    for (const text of [
      'psk: *hunter2',
      'psk: !hunter2 x',
      'psk: "hunter2',
      'psk: [hunter2',
      '- hunter2: [',
      'psk:\n\thunter2: 1\n',
    ]) {
      expect(JSON.stringify(resolveText(text).diagnostics)).not.toContain('hunter2');
    }
  });

  test('ten thousand keys in one mapping within a blink, by not comparing each with each', () => {
    const keys = Array.from({ length: 10_000 }, (_, i) => `k${i}: 1`).join('\n');
    expect(resolveText(keys).config).toBeNull();
  });
});

describe('names that YAML does not read as text', () => {
  const names: readonly (readonly [written: string, remedy: string])[] = [
    ['0123', 'quote it: "0123":'],
    ['12', 'quote it: "12":'],
    ['1e3', 'quote it: "1e3":'],
    ['null', 'quote it: "null":'],
    ['~', 'quote it: "~":'],
    ['true', 'quote it: "true":'],
    ['0x10', 'quote it: "0x10":'],
  ];
  for (const [written, remedy] of names) {
    test(`${written} as a node's name is an error that shows it as written`, () => {
      const resolution = resolveText(clusterText({ nodes: `nodes: { ${written}: { address: 10.0.0.1 } }` }));
      const found = resolution.diagnostics.find((d) => d.rule === 'key-not-text');
      expect([found?.severity, found?.value, found?.column, found?.remedy]).toEqual(['error', written, 10, remedy]);
    });
  }

  for (const written of ['on', 'yes', 'no', 'off', '2024-01-01']) {
    test(`${written} as a node's name is text here and a warning, because YAML 1.1 reads it otherwise`, () => {
      const resolution = resolveText(clusterText({ nodes: `nodes: { ${written}: { address: 10.0.0.1 } }` }));
      expect(resolution.config?.nodes.map((n) => n.name)).toEqual([written]);
      expect(resolution.diagnostics.map((d) => [d.severity, d.rule, d.remedy])).toEqual([
        ['warning', 'ambiguous-text', `quote it: "${written}"`],
      ]);
    });
  }

  test('quoted, they are names like all others, in the order of the file', () => {
    const resolution = resolveText(
      clusterText({
        nodes: 'nodes: { b: { address: 10.0.0.1 }, "12": { address: 10.0.0.2 }, "on": { address: 10.0.0.3 } }',
      }),
    );
    expect(resolution.diagnostics).toEqual([]);
    expect(resolution.config?.nodes.map((n) => n.name)).toEqual(['b', '12', 'on']);
    expect(resolution.config?.etcd.members).toEqual(['b', '12', 'on']);
  });

  test('a number in etcd.members is told to be quoted as it was written', () => {
    const resolution = resolveText(clusterText({ etcd: 'etcd: { members: [0123] }' }));
    expect(resolution.diagnostics.map((d) => [d.rule, d.path, d.value, d.remedy])).toEqual([
      ['wrong-type', 'etcd.members[0]', '0123', 'quote it: "0123"'],
    ]);
  });

  test('on in etcd.members is a warning too', () => {
    const sections = { nodes: 'nodes: { "on": { address: 10.0.0.1 } }', etcd: 'etcd: { members: [on] }' };
    expect(summaries(resolveText(clusterText(sections)))).toEqual(['warning 5:19 ambiguous-text etcd.members[0]']);
  });
});

describe('the parser accepts', () => {
  test('anchors and aliases within bounds, a byte order mark, CRLF, and JSON', () => {
    const metadata = 'metadata: &m { az: a }';
    const nodes = `nodes: { a1: { address: 10.0.0.1, ${metadata} }, a2: { address: 10.0.0.2, metadata: *m }, a3: { address: 10.0.0.3 } }`;
    expect(resolveText(clusterText({ nodes })).config?.nodes[1]?.metadata).toEqual({ az: 'a' });
    expect(resolveText(`\ufeff${clusterText()}`).diagnostics).toEqual([]);
    expect(resolveText(clusterText().replaceAll('\n', '\r\n')).diagnostics).toEqual([]);
    const json = {
      version: 1,
      cluster: 'c',
      nodes: { a1: { address: '10.0.0.1' } },
      flannel: { network: '10.9.0.0/16' },
    };
    expect(resolveText(JSON.stringify(json)).diagnostics).toEqual([]);
  });
});

// Several documents become one: key by key, with the place of each value and of those it replaced.

import { describe, expect, test } from 'bun:test';
import { clusterText, documentOf, resolveAll, summaries } from './resolved-text.ts';

const image = '/usr/lib/diyc-agent/cluster.yaml';
const dropIn = '/etc/diyc-agent/cluster.d/50-site.yaml';

function resolvePair(lower: string, higher: string): ReturnType<typeof resolveAll> {
  return resolveAll([documentOf(higher, 'etc', dropIn), documentOf(lower, 'usr-lib', image)]);
}

describe('merging', () => {
  test('mappings merge key by key', () => {
    const { config } = resolvePair(
      clusterText(),
      'nodes: { a2: { address: 10.1.1.2 }, a4: { address: 10.1.1.4 }, a5: { address: 10.1.1.5 } }\n',
    );
    expect(config?.nodes.map((n) => `${n.name} ${n.address}`)).toEqual([
      'a1 192.168.99.51',
      'a2 10.1.1.2',
      'a3 192.168.99.53',
      'a4 10.1.1.4',
      'a5 10.1.1.5',
    ]);
  });

  test('lists and scalars replace', () => {
    const lower = clusterText({ etcd: 'etcd: { members: [a1, a2, a3] }' });
    const { config } = resolvePair(lower, 'etcd: { members: [a2] }\ncluster: other\n');
    expect(config?.etcd.members).toEqual(['a2']);
    expect(config?.cluster).toBe('other');
  });

  test('a backend of another type replaces the weaker one whole, one of the same type is completed', () => {
    const lower = clusterText({ flannel: 'flannel: { network: 172.18.0.0/16, backend: { type: vxlan, vni: 7 } }' });
    expect(resolvePair(lower, 'flannel: { backend: { type: host-gw } }\n').config?.flannel.backend).toEqual({
      type: 'host-gw',
    });
    expect(resolvePair(lower, 'flannel: { backend: { port: 4789 } }\n').config?.flannel.backend).toEqual({
      type: 'vxlan',
      vni: 7,
      port: 4789,
    });
  });

  test('the origin of a value is its winner, with those it replaced', () => {
    const { origins } = resolvePair(clusterText(), '\ncluster: other\n');
    const cluster = origins.find((o) => o.path === 'cluster');
    expect(cluster?.at).toEqual({ file: dropIn, line: 2, column: 10, below: '' });
    expect(cluster?.overridden).toEqual([{ file: image, line: 2, column: 10, below: '' }]);
    expect(origins.find((o) => o.path === 'nodes.a1.address')?.at.file).toBe(image);
  });

  test('a finding names the file its value stands in, and the other file when two are at odds', () => {
    const resolution = resolvePair(clusterText(), 'nodes: { a2: { address: 192.168.99.51 } }\n');
    expect(resolution.diagnostics.map((d) => [d.file, d.message])).toEqual([
      [dropIn, `node a2 has the address of node a1 (${image}, line 3)`],
    ]);
  });

  test('an empty file changes nothing, and an unreadable one stops all checks that it could have answered', () => {
    expect(resolvePair(clusterText(), '# nothing yet\n').diagnostics).toEqual([]);
    expect(summaries(resolvePair('version: 1\n', 'nodes: [\n'))).toEqual(['error 2:1 yaml-syntax']);
  });

  test('an empty value replaces a mapping, and is then refused with both remedies', () => {
    const resolution = resolvePair(clusterText(), 'flannel:\n');
    expect(resolution.diagnostics.map((d) => [d.file, d.rule, d.remedy])).toEqual([
      [dropIn, 'wrong-type', 'write it like this: flannel: { network: 172.18.0.0/16 }, or remove the key'],
    ]);
  });
});

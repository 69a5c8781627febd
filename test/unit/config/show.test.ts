// What `config show` prints is itself a cluster file, and says the same.

import { describe, expect, test } from 'bun:test';
import type { Resolution } from '../../../agent/config/resolve.ts';
import { showCluster } from '../../../agent/config/show.ts';
import { clusterText, documentOf, fixture, resolveAll, resolveText, type Sections } from './resolved-text.ts';

function shown(resolution: Resolution, origin: boolean): string {
  const { config, raw, origins } = resolution;
  if (config === null || raw === null) throw new Error(`no configuration: ${JSON.stringify(resolution.diagnostics)}`);
  return showCluster({ config, raw, origins }, { origin });
}

const variants: readonly (readonly [what: string, sections: Sections])[] = [
  ['only what is required', {}],
  [
    'names that need quotes',
    { nodes: 'nodes: { "12": { address: 10.0.0.1 }, "on": { address: 10.0.0.2 }, "1e3": { address: 10.0.0.3 } }' },
  ],
  [
    'metadata of all kinds',
    {
      nodes:
        'nodes: { a1: { address: 10.0.0.1, metadata: { "1": "yes", a.b/c: "x: #y", e: "", t: "2024-01-01", n: "a\\nb", c: "10:30" } } }',
    },
  ],
  [
    'all of flannel',
    {
      flannel:
        'flannel: { network: 10.9.0.0/16, subnetLen: 26, subnetMin: 10.9.9.0, subnetMax: 10.9.99.0, etcdApi: v2, prefix: /a, backend: { type: wireguard, pskFile: /p, mtu: 1400 } }',
    },
  ],
  [
    'all of etcd',
    {
      etcd: 'etcd: { members: [a1], peerPort: 1, clientPort: 2, heartbeatIntervalMs: 50, electionTimeoutMs: 500, bootstrap: static }',
    },
  ],
  [
    'pools',
    {
      docker:
        'docker: { group: { name: dock, members: [a, b] }, addressPools: [{ base: 10.2.0.0/16, size: 24 }, { base: 10.3.0.0/16, size: 20 }] }',
    },
  ],
  [
    'storage',
    {
      storage:
        'storage: { docker: { volumeGroup: v, devices: [/dev/disk/by-path/pci-0000:00:04.0, "/dev/disk/by-id/x"] } }',
    },
  ],
];

describe('what is shown', () => {
  for (const [what, sections] of variants) {
    test(`resolves to the same configuration, with ${what}`, () => {
      const resolution = resolveText(clusterText(sections));
      const again = resolveText(shown(resolution, false));
      expect(again.config).toEqual(resolution.config);
      expect(shown(again, false)).toBe(shown(resolution, false));
      expect(resolveText(shown(resolution, true)).config).toEqual(resolution.config);
      expect(again.diagnostics.map((d) => d.rule)).toEqual(resolution.diagnostics.map((d) => d.rule));
    });
  }

  test('is the example of the design with all defaults', () => {
    expect(shown(resolveText(fixture('design.yaml')), false)).toBe(fixture('design-shown.yaml'));
  });

  test('names the line of each value, those it replaced, and what is a default', () => {
    const resolution = resolveAll([
      documentOf(
        clusterText({ nodes: 'nodes: { a1: { address: 10.0.0.1 } }' }),
        'usr-lib',
        '/usr/lib/diyc-agent/cluster.yaml',
      ),
      documentOf('\nnodes:\n  a1:\n    address: 10.0.0.9\n', 'etc', '/etc/diyc-agent/cluster.yaml'),
    ]);
    expect(shown(resolution, true)).toBe(fixture('origins-shown.yaml'));
  });

  test('is nothing when there is no valid configuration', () => {
    expect(showCluster(resolveText('psk: hunter2'), { origin: false })).toBe('');
  });
});

// From text to ClusterConfig: the published examples, the defaults, and no cluster file at all.

import { describe, expect, test } from 'bun:test';
import { resolveCluster } from '../../../agent/config/resolve.ts';
import { defaultUpgradeGroup } from '../../../agent/model/cluster-config.ts';
import type { StorageConfig } from '../../../agent/model/storage.ts';
import { clusterConfig } from '../../support/builders.ts';
import { clusterText, fixture, resolveText, summaries } from './resolved-text.ts';

/** What the example declares for one of its nodes. */
function storageOnIscsi(node: string): StorageConfig {
  return {
    iscsi: {
      portals: ['10.34.102.54:3260'],
      target: 'iqn.2009-02.com.example:part',
      initiatorName: `iqn.2009-02.com.example:diy-cluster:${node}`,
      discovery: 'sendtargets',
      chap: { username: 'node', passwordFile: '/etc/diyc-agent/chap' },
      mutualChap: null,
      replacementTimeoutSecs: 86400,
    },
    docker: {
      volumeGroup: 'docker-images',
      devices: [{ kind: 'iscsi', lun: 0 }],
      driver: 'overlay2',
      filesystem: 'xfs',
      wipe: [],
    },
  };
}

describe('the published examples', () => {
  test('the example of the design resolves, warning of the LUN that its nodes share', () => {
    const resolution = resolveText(fixture('design.yaml'));
    expect(summaries(resolution)).toEqual(['warning 22:52 lun-shared storage.docker.devices[0]']);
    const nodes = clusterConfig().nodes.map((node) => ({ ...node, storage: storageOnIscsi(node.name) }));
    const saturday = { days: [6], startMinute: 120, endMinute: 240, text: 'Sat 02:00-04:00' };
    const group = { ...defaultUpgradeGroup, windows: [saturday], nodes: ['a1', 'a2', 'a3'] };
    const upgrade = { groups: [group], fleetLockListen: null };
    expect(resolution.config).toEqual(clusterConfig({ nodes, upgrade }));
  });

  test('the three machines of the 2015 post resolve without a word', () => {
    const resolution = resolveText(fixture('three-nodes.yaml'));
    expect(resolution.diagnostics).toEqual([]);
    expect(resolution.config?.firstBoot.reboot).toBe('always');
    expect(resolution.config?.etcd.members).toEqual(['a1', 'a2', 'a3']);
  });
});

describe('defaults', () => {
  test('everything that may be left out is filled in, the backend always explicit', () => {
    const { config } = resolveText(clusterText());
    expect(config).toEqual(
      clusterConfig({
        nodes: ['a1', 'a2', 'a3'].map((name, i) => ({
          name,
          address: `192.168.99.5${i + 1}`,
          metadata: {},
          storage: null,
        })),
        docker: { group: { name: 'docker', members: [] } },
      }),
    );
  });

  const lengths: readonly (readonly [network: string, subnetLen: number])[] = [
    ['10.0.0.0/8', 24],
    ['172.18.0.0/16', 24],
    ['10.9.0.0/22', 24],
    ['10.9.0.0/23', 25],
    ['10.9.0.0/26', 28],
  ];
  for (const [network, subnetLen] of lengths) {
    test(`${network} is cut into /${subnetLen}, as flannel does`, () => {
      const { config } = resolveText(clusterText({ flannel: `flannel: { network: ${network} }` }));
      expect(config?.flannel.subnetLen).toBe(subnetLen);
    });
  }

  test('members stand in the order of the nodes', () => {
    const { config } = resolveText(clusterText({ etcd: 'etcd: { members: [a3, a1, a2] }' }));
    expect(config?.etcd.members).toEqual(['a1', 'a2', 'a3']);
  });

  test('wireguard needs no pre-shared key', () => {
    const sections = { flannel: 'flannel: { network: 172.18.0.0/16, backend: { type: wireguard } }' };
    expect(resolveText(clusterText(sections)).config?.flannel.backend).toEqual({ type: 'wireguard' });
  });

  test('optional values are absent, not undefined', () => {
    const { config } = resolveText(clusterText());
    expect(Object.keys(config?.etcd ?? {})).toEqual(['members', 'peerPort', 'clientPort']);
    expect(Object.keys(config?.flannel ?? {})).not.toContain('subnetMin');
  });
});

test('without any document, one finding lists the places that were searched', () => {
  const { config, diagnostics } = resolveCluster([], ['/etc/diyc-agent/cluster.yaml', 'the key diyc of user-data']);
  expect(config).toBeNull();
  expect(diagnostics.map((d) => [d.rule, d.file, d.message])).toEqual([
    [
      'no-cluster-file',
      '/etc/diyc-agent/cluster.yaml',
      'there is no cluster file on this host; looked for /etc/diyc-agent/cluster.yaml, the key diyc of user-data',
    ],
  ]);
  expect(diagnostics[0]?.remedy).toContain('/etc/diyc-agent/cluster.yaml');
});

test('an empty file misses every required key', () => {
  expect(summaries(resolveText(''))).toEqual(
    ['version', 'cluster', 'nodes', 'flannel'].map((key) => `error 1:1 missing-key ${key}`),
  );
});

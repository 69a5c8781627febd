// Healthy values to start a test from: three nodes, all members; a test overrides only what differs.

import type { ClusterConfig } from '../../agent/model/cluster-config.ts';
import type { InstalledUnit, Layout } from '../../agent/model/layout.ts';
import type { NodeIdentity } from '../../agent/model/node-identity.ts';
import { type AbsolutePath, agentBinary } from '../../agent/model/paths.ts';
import type { LiveContext, NodeContext } from '../../agent/ports/component.ts';
import type { UnitState } from '../../agent/ports/units.ts';

/** What may be left out keeps the healthy value; objects are merged one level deep, lists are replaced. */
export interface ClusterOverrides extends Partial<Omit<ClusterConfig, 'etcd' | 'flannel' | 'docker'>> {
  readonly etcd?: Partial<ClusterConfig['etcd']>;
  readonly flannel?: Partial<ClusterConfig['flannel']>;
  readonly docker?: Partial<ClusterConfig['docker']>;
}

/** a1, a2, a3 on 192.168.99.51–53, all etcd members; flannel 172.18.0.0/16 by vxlan. */
export function clusterConfig(overrides: ClusterOverrides = {}): ClusterConfig {
  const healthy: ClusterConfig = {
    cluster: 'diy-cluster',
    nodes: [
      { name: 'a1', address: '192.168.99.51', metadata: { region: 'eu-central-1', az: 'a' }, storage: null },
      { name: 'a2', address: '192.168.99.52', metadata: {}, storage: null },
      { name: 'a3', address: '192.168.99.53', metadata: {}, storage: null },
    ],
    etcd: { members: ['a1', 'a2', 'a3'], peerPort: 2380, clientPort: 2379 },
    flannel: {
      prefix: '/admin/flannel',
      network: '172.18.0.0/16',
      subnetLen: 24,
      backend: { type: 'vxlan' },
      etcdApi: 'auto',
    },
    docker: { group: { name: 'docker', members: ['fedora'] }, addressPools: null },
    firstBoot: { reboot: 'never' },
    upgrade: null,
  };
  return {
    ...healthy,
    ...overrides,
    etcd: { ...healthy.etcd, ...overrides.etcd },
    flannel: { ...healthy.flannel, ...overrides.flannel },
    docker: { ...healthy.docker, ...overrides.docker },
  };
}

/** Node a1, a member, known by its cloud-init instance data. */
export function nodeIdentity(overrides: Partial<NodeIdentity> = {}): NodeIdentity {
  return {
    name: 'a1',
    address: '192.168.99.51',
    etcdRole: 'member',
    metadata: { region: 'eu-central-1', az: 'a' },
    instanceId: 'iid-a1',
    hardwareId: 'hardware-1',
    source: 'cloud-init instance data (seed-dir /var/cloud-init/)',
    ...overrides,
  };
}

export interface LayoutOverrides extends Partial<Omit<Layout, 'etcd' | 'flannel' | 'docker'>> {
  readonly etcd?: Partial<Layout['etcd']>;
  readonly flannel?: Partial<Layout['flannel']>;
  readonly docker?: Partial<Layout['docker']>;
}

/** A Fedora host with the distribution's packages of etcd, flannel and docker. */
export function layout(overrides: LayoutOverrides = {}): Layout {
  const healthy: Layout = {
    osId: 'fedora',
    osFamily: 'rpm',
    isOstree: false,
    usesNetworkManager: true,
    usesNetworkd: false,
    etcd: {
      installation: 'packaged',
      unit: {
        name: 'etcd.service',
        path: '/usr/lib/systemd/system/etcd.service',
        installLinks: [multiUser('etcd.service')],
        text:
          '[Unit]\nDescription=Etcd Server\nAfter=network-online.target\nWants=network-online.target\n\n' +
          '[Service]\nType=notify\nWorkingDirectory=/var/lib/etcd/\nEnvironmentFile=-/etc/etcd/etcd.conf\nUser=etcd\n' +
          'ExecStart=/usr/bin/etcd\nRestart=on-failure\nLimitNOFILE=65536\n\n[Install]\nWantedBy=multi-user.target\n',
      },
      program: '/usr/bin/etcd',
      environmentFile: '/etc/etcd/etcd.conf',
      account: { name: 'etcd', uid: 996, gid: 994 },
      foreignDataDirectory: null,
    },
    flannel: {
      installation: 'packaged',
      unit: {
        name: 'flanneld.service',
        path: '/usr/lib/systemd/system/flanneld.service',
        installLinks: [
          multiUser('flanneld.service'),
          {
            path: '/etc/systemd/system/docker.service.requires/flanneld.service',
            target: '/usr/lib/systemd/system/flanneld.service',
          },
        ],
        text:
          '[Unit]\nDescription=Flanneld overlay address etcd agent\nAfter=network-online.target etcd.service\n' +
          'Before=docker.service\n\n[Service]\nType=notify\nEnvironmentFile=/etc/sysconfig/flanneld\n' +
          'ExecStart=/usr/bin/flanneld-start $FLANNEL_OPTIONS\nRestart=on-failure\n\n' +
          '[Install]\nWantedBy=multi-user.target\nRequiredBy=docker.service\n',
      },
      program: '/usr/bin/flanneld',
      environmentFile: '/etc/sysconfig/flanneld',
      version: '0.28.9',
      etcdApi: 'v3',
      etcdApiReason: 'flanneld 0.28.9 reads v3 (from 0.18)',
    },
    docker: {
      installation: 'packaged',
      unit: {
        name: 'docker.service',
        path: '/usr/lib/systemd/system/docker.service',
        installLinks: [multiUser('docker.service')],
        text:
          '[Unit]\nDescription=Docker Application Container Engine\nAfter=network.target\n\n[Service]\nType=notify\n' +
          'EnvironmentFile=-/run/flannel/docker\nExecStart=/usr/bin/dockerd $OPTIONS $DOCKER_NETWORK_OPTIONS\n\n' +
          '[Install]\nWantedBy=multi-user.target\n',
      },
      takesNetworkOptions: true,
      execStart: '/usr/bin/dockerd $OPTIONS',
      takesStorageOptions: false,
    },
    iscsi: {
      installation: 'packaged',
      database: '/var/lib/iscsi',
      initiatorNameFile: '/etc/iscsi/initiatorname.iscsi',
      units: ['iscsid.socket', 'iscsid.service', 'iscsi.service'],
    },
    storage: {
      storageSetup: null,
      storageSetupSettings: '/etc/sysconfig/docker-storage-setup',
      storageSetupResult: '/etc/sysconfig/docker-storage',
      programs: {
        lvm: '/usr/sbin/lvm',
        'mkfs.xfs': '/usr/sbin/mkfs.xfs',
        'mkfs.ext4': '/usr/sbin/mkfs.ext4',
        thin_check: '/usr/sbin/thin_check',
      },
    },
  };
  return {
    ...healthy,
    ...overrides,
    etcd: { ...healthy.etcd, ...overrides.etcd },
    flannel: { ...healthy.flannel, ...overrides.flannel },
    docker: { ...healthy.docker, ...overrides.docker },
  };
}

function multiUser(unit: string): InstalledUnit['installLinks'][number] {
  return { path: `/etc/systemd/system/multi-user.target.wants/${unit}`, target: `/usr/lib/systemd/system/${unit}` };
}

export interface ContextOverrides {
  readonly config?: ClusterOverrides;
  readonly node?: Partial<NodeIdentity>;
  readonly layout?: LayoutOverrides;
  readonly agentProgram?: AbsolutePath;
  readonly live?: Partial<LiveContext>;
}

/** A host that was installed, with everything on its disk. */
const installed: LiveContext = {
  root: { isLive: false, evidence: [], overlay: null, rootDevice: '8:1' },
  etcdData: { verdict: 'persistent', reason: 'it is on a disk', mountPoint: '/', source: '/dev/sda1' },
  etcdMountIsDeclared: false,
};

/** Everything a component decides from, for node a1. */
export function nodeContext(overrides: ContextOverrides = {}): NodeContext {
  return {
    config: clusterConfig(overrides.config),
    node: nodeIdentity(overrides.node),
    layout: layout(overrides.layout),
    agentProgram: overrides.agentProgram ?? agentBinary,
    live: { ...installed, ...overrides.live },
  };
}

/** A unit that has been running for a while. */
export function unitState(name: string, overrides: Partial<UnitState> = {}): UnitState {
  return {
    name,
    load: 'loaded',
    active: 'active',
    sub: 'running',
    result: 'success',
    restarts: 0,
    statusText: '',
    activeEnterMs: 10_000,
    inactiveEnterMs: 0,
    mainStartMs: 10_000,
    needsReload: false,
    jobQueued: false,
    ...overrides,
  };
}

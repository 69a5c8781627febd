// Everything that is rendered from values alone: what is written parses back to what was meant.

import { describe, expect, test } from 'bun:test';
import { parseUnitFile, settingValues } from '../../../agent/layout/unit-file.ts';
import type { FlannelBackend } from '../../../agent/model/cluster-config.ts';
import { AgentError } from '../../../agent/model/errors.ts';
import { marker } from '../../../agent/model/marker.ts';
import { renderDockerDropIn, renderDockerOptions } from '../../../agent/render/docker.ts';
import { renderSections } from '../../../agent/render/drop-in.ts';
import { parseEnvFile, renderEnvFile } from '../../../agent/render/env-file.ts';
import { etcdDataDirectory, renderEtcdDropIn, renderEtcdEnvironment } from '../../../agent/render/etcd.ts';
import {
  parseLease,
  renderFlannelDropIn,
  renderFlannelEnvironment,
  renderFlannelNetwork,
  renderMacPolicy,
  renderModules,
  renderNetworkdUnmanaged,
  renderNetworkManagerUnmanaged,
} from '../../../agent/render/flannel.ts';
import { bindBackend } from '../../../agent/render/flannel-backends/registry.ts';
import { header } from '../../../agent/render/marker.ts';
import { renderEtcdUnit, renderFlannelUnit } from '../../../agent/render/own-units.ts';
import { renderDockerMount, renderIscsiDropIn } from '../../../agent/render/storage-mount.ts';
import { renderTable } from '../../../agent/render/table.ts';
import { clusterConfig, layout, nodeIdentity } from '../../support/builders.ts';
import { declared } from '../../support/storage-builders.ts';

const agent = '/usr/bin/diyc-agent';
const service = (text: string, key: string): string[] => settingValues(parseUnitFile(text), 'Service', key);
const unit = (text: string, key: string): string[] => settingValues(parseUnitFile(text), 'Unit', key);

describe('environment files', () => {
  test('read back to what was meant', () => {
    const entries = [
      ['A', 'plain'],
      ['B_2', "with spaces and = and # and '"],
      ['EMPTY', ''],
      ['URL', 'http://localhost:2379,http://192.168.99.51:2379'],
    ] as const;
    expect(parseEnvFile(renderEnvFile('# head\n', entries))).toEqual(Object.fromEntries(entries));
  });
  test.each(['"', '$', '`', '\\', '\n', '\r', '\0'])(
    'a value with %j is refused, since readers disagree on it',
    (char) => {
      expect(() => renderEnvFile('', [['KEY', `a${char}b`]])).toThrow(AgentError);
    },
  );
  test.each(['lower', '1A', 'A-B', '', 'A B', 'A=B', 'Ä'])('%p is no key', (key) => {
    expect(() => renderEnvFile('', [[key, 'v']])).toThrow(AgentError);
  });
  test('of others are read where they are simple, and passed over where not', () => {
    const text = '# c\n\nA=1\nB="two words"\nC=\'three\'\n D = no\nexport E=5\nF=a"b\nF=last\nG=\n';
    expect(parseEnvFile(text)).toEqual({ A: '1', B: 'two words', C: 'three', F: 'last', G: '' });
  });
});

describe('drop-ins', () => {
  test('leave out sections without lines, and reset a list with an empty assignment', () => {
    expect(
      renderSections('# h\n', [
        ['Unit', []],
        [
          'Service',
          [
            ['ExecStart', null],
            ['ExecStart', '/x'],
          ],
        ],
      ]),
    ).toBe('# h\n[Service]\nExecStart=\nExecStart=/x\n');
  });
  test('every file begins with the marker by which the agent knows its own', () => {
    const texts = [
      header('w'),
      renderEtcdDropIn(),
      renderFlannelDropIn(agent),
      renderDockerDropIn(layout().docker, agent, false),
      renderMacPolicy(),
      renderNetworkdUnmanaged(),
      renderNetworkManagerUnmanaged(),
      renderModules(['vxlan']),
      renderEtcdUnit('/usr/local/bin/etcd', '/etc/default/etcd', 'etcd'),
      renderFlannelUnit('/opt/bin/flanneld', '/etc/default/flanneld'),
      renderEtcdEnvironment(clusterConfig(), nodeIdentity(), false),
      renderFlannelEnvironment(clusterConfig(), nodeIdentity(), layout().flannel),
      renderDockerOptions({ network: null, subnet: '172.18.34.1/24', mtu: 1450 }, [], null),
      renderDockerMount(declared()),
      renderIscsiDropIn('iscsid.socket'),
    ];
    for (const text of texts) {
      expect(text).toStartWith(marker);
      expect(text).toEndWith('\n');
      expect(text).not.toContain('undefined');
    }
  });
});

describe('etcd', () => {
  test('the environment of a1 has the values of seed A', () => {
    const values = parseEnvFile(renderEtcdEnvironment(clusterConfig(), nodeIdentity(), false));
    expect(values).toEqual({
      ETCD_NAME: 'a1',
      ETCD_DATA_DIR: '/var/lib/etcd/a1.etcd',
      ETCD_LISTEN_PEER_URLS: 'http://192.168.99.51:2380',
      ETCD_LISTEN_CLIENT_URLS: 'http://localhost:2379,http://192.168.99.51:2379',
      ETCD_INITIAL_ADVERTISE_PEER_URLS: 'http://192.168.99.51:2380',
      ETCD_INITIAL_CLUSTER: 'a1=http://192.168.99.51:2380,a2=http://192.168.99.52:2380,a3=http://192.168.99.53:2380',
      ETCD_INITIAL_CLUSTER_STATE: 'new',
      ETCD_INITIAL_CLUSTER_TOKEN: 'diy-cluster',
      ETCD_ADVERTISE_CLIENT_URLS: 'http://192.168.99.51:2379',
      ETCD_AUTO_COMPACTION_RETENTION: '1',
    });
    expect(etcdDataDirectory('a1')).toBe('/var/lib/etcd/a1.etcd');
  });
  test('the initial cluster is the same text on every member, and names members only', () => {
    const config = clusterConfig({ etcd: { members: ['a3', 'a1'] } });
    const of = (name: string): string | undefined =>
      parseEnvFile(renderEtcdEnvironment(config, nodeIdentity({ name }), false))['ETCD_INITIAL_CLUSTER'];
    expect(of('a1')).toBe('a1=http://192.168.99.51:2380,a3=http://192.168.99.53:2380');
    expect(of('a3')).toBe(of('a1'));
  });
  test('ports, timings and the v2 API are written where they are asked for', () => {
    const config = clusterConfig({
      etcd: { peerPort: 12380, clientPort: 12379, heartbeatIntervalMs: 250, electionTimeoutMs: 2500 },
    });
    expect(parseEnvFile(renderEtcdEnvironment(config, nodeIdentity(), true))).toMatchObject({
      ETCD_LISTEN_PEER_URLS: 'http://192.168.99.51:12380',
      ETCD_LISTEN_CLIENT_URLS: 'http://localhost:12379,http://192.168.99.51:12379',
      ETCD_ENABLE_V2: 'true',
      ETCD_HEARTBEAT_INTERVAL: '250',
      ETCD_ELECTION_TIMEOUT: '2500',
    });
  });
  test('the drop-in waits for the quorum without an end, restarts on failures only, and is never limited', () => {
    const text = renderEtcdDropIn();
    expect(service(text, 'TimeoutStartSec')).toEqual(['0']);
    expect(service(text, 'Restart')).toEqual(['on-failure']);
    expect([unit(text, 'StartLimitIntervalSec'), service(text, 'StartLimitInterval')]).toEqual([['0'], ['0']]);
    expect([unit(text, 'Wants'), unit(text, 'After')]).toEqual([['network-online.target'], ['network-online.target']]);
    expect(service(text, 'EnvironmentFile')).toEqual([]);
    expect(service(renderEtcdDropIn('/etc/etcd/etcd.conf'), 'EnvironmentFile')).toEqual(['/etc/etcd/etcd.conf']);
  });
  test('the unit of our own has no place left unfilled', () => {
    const text = renderEtcdUnit('/usr/local/bin/etcd', '/etc/default/etcd', 'etcd');
    expect(text).not.toMatch(/@[A-Z]+@/);
    expect([service(text, 'ExecStart'), service(text, 'EnvironmentFile'), service(text, 'User')]).toEqual([
      ['/usr/local/bin/etcd'],
      ['/etc/default/etcd'],
      ['etcd'],
    ]);
  });
});

describe('flannel', () => {
  const documentOf = (backend: FlannelBackend, secret: string | null = null): unknown =>
    JSON.parse(renderFlannelNetwork(clusterConfig({ flannel: { backend } }), secret));
  const base = { Network: '172.18.0.0/16', SubnetLen: 24 };
  test.each([
    [{ type: 'vxlan' }, { Type: 'vxlan' }, 'flannel.1', ['vxlan']],
    [
      { type: 'vxlan', vni: 7, port: 4789, mtu: 1400, gbp: true, directRouting: false },
      { Type: 'vxlan', VNI: 7, Port: 4789, MTU: 1400, GBP: true, DirectRouting: false },
      'flannel.7',
      ['vxlan'],
    ],
    [{ type: 'host-gw' }, { Type: 'host-gw' }, null, []],
    [{ type: 'udp' }, { Type: 'udp' }, 'flannel0', ['tun']],
    [{ type: 'udp', port: 8286 }, { Type: 'udp', Port: 8286 }, 'flannel0', ['tun']],
    [
      { type: 'wireguard', listenPort: 51821, mtu: 1380, persistentKeepaliveSecs: 25 },
      { Type: 'wireguard', ListenPort: 51821, MTU: 1380, PersistentKeepaliveInterval: 25 },
      'flannel-wg',
      ['wireguard'],
    ],
  ] as const)('the document, the device and the modules of %j', (backend, document, device, modules) => {
    expect(documentOf(backend)).toEqual({ ...base, Backend: document });
    const bound = bindBackend(backend, null);
    expect({ device: bound.device, modules: bound.modules }).toEqual({ device, modules: [...modules] });
  });
  test('the backend always says its type: without it flannel takes udp', () => {
    expect(documentOf({ type: 'host-gw' })).toHaveProperty('Backend.Type', 'host-gw');
  });
  test('the key of wireguard is in the document and only there', () => {
    expect(documentOf({ type: 'wireguard', pskFile: '/k' }, 'KEY')).toEqual({
      ...base,
      Backend: { Type: 'wireguard', PSK: 'KEY' },
    });
  });
  test('bounds of the subnets are written where they are given, on one line', () => {
    const text = renderFlannelNetwork(
      clusterConfig({ flannel: { subnetMin: '172.18.16.0', subnetMax: '172.18.31.0' } }),
      null,
    );
    expect(text).not.toContain('\n');
    expect(JSON.parse(text)).toMatchObject({ SubnetMin: '172.18.16.0', SubnetMax: '172.18.31.0' });
  });

  test('the environment has the keys of both ages of the wrapper, and the address of the node', () => {
    const values = parseEnvFile(renderFlannelEnvironment(clusterConfig(), nodeIdentity(), layout().flannel));
    const endpoints = 'http://127.0.0.1:2379,http://192.168.99.52:2379,http://192.168.99.53:2379';
    expect(values).toEqual({
      FLANNEL_ETCD: endpoints,
      FLANNEL_ETCD_KEY: '/admin/flannel',
      FLANNEL_ETCD_ENDPOINTS: endpoints,
      FLANNEL_ETCD_PREFIX: '/admin/flannel',
      FLANNEL_OPTIONS: '-iface=192.168.99.51 -ip-masq=true',
    });
  });
  test('where there is no wrapper the daemon gets its own variables too', () => {
    const own = { FLANNELD_IFACE: '192.168.99.51', FLANNELD_ETCD_PREFIX: '/admin/flannel', FLANNELD_IP_MASQ: 'true' };
    for (const at of [
      { installation: 'program only' },
      { installation: 'packaged', unitReadsNoEnvironmentFile: true },
    ] as const) {
      expect(parseEnvFile(renderFlannelEnvironment(clusterConfig(), nodeIdentity(), at))).toMatchObject(own);
    }
  });
  test('the drop-in seeds before, tells docker after, and never gives up', () => {
    const text = renderFlannelDropIn(agent);
    expect(service(text, 'ExecStartPre')).toEqual([`${agent} join seed`]);
    expect(service(text, 'ExecStartPost')).toEqual([`-${agent} join lease`]);
    // flanneld that lost its lease ends with 0.
    expect(service(text, 'Restart')).toEqual(['always']);
    expect(service(text, 'TimeoutStartSec')).toEqual(['0']);
    expect(unit(text, 'After')).toEqual(['network-online.target etcd.service']);
    expect(service(renderFlannelDropIn(agent, '/etc/default/flanneld'), 'EnvironmentFile')).toEqual([
      '/etc/default/flanneld',
    ]);
  });
  test('a lease is a subnet with its length and an MTU', () => {
    const text =
      'FLANNEL_NETWORK=172.18.0.0/16\nFLANNEL_SUBNET=172.18.34.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n';
    expect(parseLease(parseEnvFile(text))).toEqual({ network: '172.18.0.0/16', subnet: '172.18.34.1/24', mtu: 1450 });
    expect(parseLease({ FLANNEL_SUBNET: '10.0.0.1/24', FLANNEL_MTU: '1472' })?.network).toBeNull();
  });
  test.each([
    {},
    { FLANNEL_SUBNET: '172.18.34.1/24' },
    { FLANNEL_MTU: '1450' },
    { FLANNEL_SUBNET: '172.18.34.1', FLANNEL_MTU: '1450' },
    { FLANNEL_SUBNET: '172.18.34.1/24 --insecure', FLANNEL_MTU: '1450' },
    { FLANNEL_SUBNET: '172.18.34.1/24', FLANNEL_MTU: '1450 ' },
    { FLANNEL_SUBNET: '', FLANNEL_MTU: '' },
  ])('%j is no lease', (values) => {
    expect(parseLease(values as Record<string, string>)).toBeNull();
  });
});

describe('docker', () => {
  const debian = { takesNetworkOptions: false, execStart: '/usr/sbin/dockerd -H fd:// $DOCKER_OPTS' } as const;
  const ce = {
    takesNetworkOptions: false,
    execStart: '/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock',
  } as const;
  const dropIn = (overrides: object): string =>
    renderDockerDropIn(layout({ docker: { ...overrides } }).docker, agent, false);

  test.each([
    ['Debian', debian],
    ['docker-ce', ce],
  ] as const)('%s: the one ExecStart is given again with the variable', (_name, at) => {
    const text = dropIn(at);
    expect(text).toContain('\nExecStart=\nExecStart=');
    expect(service(text, 'ExecStart')).toEqual([`${at.execStart} $DIYC_DOCKER_NETWORK_OPTIONS`]);
  });
  test('a unit that takes the options keeps its command', () => {
    expect(service(dropIn({ takesNetworkOptions: true }), 'ExecStart')).toEqual([]);
  });
  test('it follows flannel without being stopped by it', () => {
    const text = dropIn(ce);
    expect([unit(text, 'Wants'), unit(text, 'Requires'), unit(text, 'After')]).toEqual([
      ['flanneld.service'],
      [],
      ['flanneld.service'],
    ]);
    expect(service(text, 'ExecStartPre')).toEqual([`${agent} join bridge`]);
    expect(service(text, 'ExecStartPost')).toEqual([`-${agent} join forward`]);
    expect(service(text, 'EnvironmentFile')).toEqual(['-/run/diyc-agent/docker.env']);
    expect(service(text, 'Environment')).toEqual(['DOCKER_INSECURE_NO_IPTABLES_RAW=1']);
  });
  test('on declared storage it does not start without its mount, and is told its driver', () => {
    const held = renderDockerDropIn(layout().docker, agent, true);
    expect(unit(held, 'RequiresMountsFor')).toEqual(['/var/lib/docker']);
    expect(service(held, 'ExecStart')).toEqual(['/usr/bin/dockerd $OPTIONS $DIYC_DOCKER_STORAGE_OPTIONS']);
    expect(unit(dropIn(ce), 'RequiresMountsFor')).toEqual([]);
  });
  test('of an Atomic host has the variables already, and keeps its own command', () => {
    const atomic = { ...layout().docker, takesStorageOptions: true };
    expect(service(renderDockerDropIn(atomic, agent, true), 'ExecStart')).toEqual([]);
  });
  test('the options are those of the lease, for either variable, and nothing masquerades twice', () => {
    const pools = [
      { base: '172.17.0.0/16', size: 16 },
      { base: '192.168.0.0/20', size: 20 },
    ];
    const lease = { network: null, subnet: '172.18.34.1/24', mtu: 1450 };
    const values = parseEnvFile(renderDockerOptions(lease, pools, null));
    const expected =
      '--bip=172.18.34.1/24 --mtu=1450 --ip-masq=false' +
      ' --default-address-pool=base=172.17.0.0/16,size=16 --default-address-pool=base=192.168.0.0/20,size=20';
    expect(values).toEqual({ DOCKER_NETWORK_OPTIONS: expected, DIYC_DOCKER_NETWORK_OPTIONS: expected });
    expect(parseEnvFile(renderDockerOptions(lease, pools, ['--storage-driver=overlay2']))).toMatchObject({
      DOCKER_STORAGE_OPTIONS: '--storage-driver=overlay2',
      DIYC_DOCKER_STORAGE_OPTIONS: '--storage-driver=overlay2',
    });
  });
});

test('a table pads every column but the last, to its widest cell', () => {
  expect(
    renderTable([
      ['A', 'BB', 'C'],
      ['long', '', 'x'],
      ['', 'b', ''],
    ]),
  ).toBe('A     BB  C\nlong      x\n      b\n');
  expect(renderTable([])).toBe('');
});

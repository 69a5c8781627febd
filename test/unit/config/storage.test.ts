// Storage of the cluster file: what each node ends up with, and every way to get it wrong, in its words.

import { describe, expect, test } from 'bun:test';
import { parsePortal } from '../../../agent/config/portal.ts';
import type { Resolution } from '../../../agent/config/resolve.ts';
import { showCluster } from '../../../agent/config/show.ts';
import { clusterSchema } from '../../../agent/model/cluster-schema.ts';
import type { DeviceRef, IscsiConfig, StorageConfig } from '../../../agent/model/storage.ts';
import { initiatorNameFault } from '../../../agent/render/initiator-name.ts';
import { clusterText, documentOf, fixture, resolveAll, resolveText, type Sections } from './resolved-text.ts';

const target = 'target: iqn.2009-02.com.example:part';
const byId = '/dev/disk/by-id/wwn-0x5000c500a1b2c3d4';

/** One node, so that nothing is shared by accident; its own storage, and that of all. */
function one(storage: string | null, own: string | null = null): Sections {
  return {
    nodes: `nodes: { a1: { address: 192.168.99.51${own === null ? '' : `, storage: ${own}`} } }`,
    ...(storage === null ? {} : { storage: `storage: ${storage}` }),
  };
}

/** Nodes a1, a2 and a3, some with storage of their own. */
function three(storage: string | null, own: Readonly<Record<string, string>> = {}): Sections {
  const nodes = ['a1', 'a2', 'a3'].map((name, i) => {
    const storageOfNode = own[name];
    return `  ${name}: { address: 192.168.99.5${i + 1}${storageOfNode === undefined ? '' : `, storage: ${storageOfNode}`} }`;
  });
  return { nodes: ['nodes:', ...nodes].join('\n'), ...(storage === null ? {} : { storage: `storage: ${storage}` }) };
}

const iscsi = (more: string): Sections => one(`{ iscsi: { portal: 10.34.102.54, ${target}, ${more} } }`);
const portal = (text: string): Sections => one(`{ iscsi: { portal: ${text}, ${target} } }`);
const portals = (text: string): Sections => one(`{ iscsi: { portals: [${text}], ${target} } }`);
const named = (text: string): Sections => one(`{ iscsi: { portal: 10.34.102.54, ${text} } }`);
const docker = (more: string): Sections =>
  one(`{ docker: { volumeGroup: docker-images, devices: [${byId}], ${more} } }`);
const devices = (text: string): Sections => one(`{ docker: { volumeGroup: docker-images, devices: [${text}] } }`);

function storagesOf(resolution: Resolution): (StorageConfig | null | undefined)[] {
  expect(resolution.diagnostics.filter((d) => d.severity === 'error')).toEqual([]);
  return (resolution.config?.nodes ?? []).map((node) => node.storage);
}

const iscsiDefaults: IscsiConfig = {
  portals: ['10.34.102.54:3260'],
  target: 'iqn.2009-02.com.example:part',
  initiatorName: 'iqn.2009-02.com.example:diy-cluster:a1',
  discovery: 'sendtargets',
  chap: null,
  mutualChap: null,
  replacementTimeoutSecs: 86400,
};

describe('the storage of a node', () => {
  test('is null where none is declared, or nothing about it', () => {
    expect(storagesOf(resolveText(clusterText()))).toEqual([null, null, null]);
    expect(storagesOf(resolveText(clusterText(one('{}', '{}'))))).toEqual([null]);
  });

  test('has every default, and a name of its own', () => {
    expect(storagesOf(resolveText(clusterText(portal('10.34.102.54'))))).toEqual([
      { iscsi: iscsiDefaults, docker: null },
    ]);
    expect(storagesOf(resolveText(clusterText(devices('/dev/disk/by-path/pci-0000:00:04.0'))))).toEqual([
      {
        iscsi: null,
        docker: {
          volumeGroup: 'docker-images',
          devices: [{ kind: 'path', path: '/dev/disk/by-path/pci-0000:00:04.0' }],
          driver: 'overlay2',
          filesystem: 'xfs',
          wipe: [],
        },
      },
    ]);
  });

  test('has what is given', () => {
    const given =
      'discovery: static, replacementTimeoutSecs: -1, initiatorName: eui.02004567a425678d, ' +
      'chap: { username: node, passwordFile: /etc/diyc-agent/chap, mutual: { username: target, passwordFile: /etc/diyc-agent/chap-mutual } }';
    expect(storagesOf(resolveText(clusterText(iscsi(given))))[0]?.iscsi).toEqual({
      ...iscsiDefaults,
      initiatorName: 'eui.02004567a425678d',
      discovery: 'static',
      chap: { username: 'node', passwordFile: '/etc/diyc-agent/chap' },
      mutualChap: { username: 'target', passwordFile: '/etc/diyc-agent/chap-mutual' },
      replacementTimeoutSecs: -1,
    });
    const wipe = 'driver: devicemapper, filesystem: ext4, wipe: ["QM00001", "a b"]';
    expect(storagesOf(resolveText(clusterText(docker(wipe))))[0]?.docker).toMatchObject({
      driver: 'devicemapper',
      filesystem: 'ext4',
      wipe: ['QM00001', 'a b'],
    });
  });

  test("is that of all nodes with the node's own laid over it, key by key", () => {
    const [a1, a2, a3] = storagesOf(
      resolveText(
        clusterText(
          three(
            `{ iscsi: { portal: 10.34.102.54, ${target}, chap: { username: node, passwordFile: /a } }, docker: { volumeGroup: v, devices: ["iscsi:0", "iscsi:1"] } }`,
            {
              a1: '{ iscsi: { target: iqn.2009-02.com.example:a1, initiatorName: iqn.2009-02.com.example:own }, docker: { devices: ["iscsi:7"] } }',
              a2: '{ iscsi: { target: iqn.2010-03.org.other:a2, portals: [10.0.0.1, 10.0.0.2], chap: { username: two } } }',
            },
          ),
        ),
      ),
    );
    expect(a1?.iscsi?.target).toBe('iqn.2009-02.com.example:a1');
    expect(a1?.iscsi?.initiatorName).toBe('iqn.2009-02.com.example:own');
    expect(a1?.docker?.devices).toEqual([{ kind: 'iscsi', lun: 7 }]);
    expect(a1?.docker?.volumeGroup).toBe('v');
    // Portals in place of the portal, and a name from this node's own target.
    expect(a2?.iscsi?.portals).toEqual(['10.0.0.1:3260', '10.0.0.2:3260']);
    expect(a2?.iscsi?.initiatorName).toBe('iqn.2010-03.org.other:diy-cluster:a2');
    expect(a2?.iscsi?.chap).toEqual({ username: 'two', passwordFile: '/a' });
    expect(a3?.iscsi?.portals).toEqual(['10.34.102.54:3260']);
    expect(a3?.docker?.devices.map((device) => device.kind)).toEqual(['iscsi', 'iscsi']);
  });

  test('may be declared for one node alone', () => {
    const own = { a2: `{ docker: { volumeGroup: v, devices: [${byId}] } }` };
    expect(storagesOf(resolveText(clusterText(three(null, own)))).map((storage) => storage !== null)).toEqual([
      false,
      true,
      false,
    ]);
  });

  test('takes the portals of the stronger document, however both are spelt', () => {
    const site = (text: string): Resolution =>
      resolveAll([
        documentOf(clusterText(portal('10.34.102.54')), 'usr-lib', '/usr/lib/diyc-agent/cluster.yaml'),
        documentOf(`storage: { iscsi: { ${text} } }\n`),
      ]);
    expect(storagesOf(site('portals: [10.0.0.1]'))[0]?.iscsi?.portals).toEqual(['10.0.0.1:3260']);
    expect(storagesOf(site('portal: 10.0.0.2'))[0]?.iscsi?.portals).toEqual(['10.0.0.2:3260']);
    expect(site('portals: [10.0.0.1]').origins.find((o) => o.path === 'storage.iscsi.portals')?.overridden).toEqual([
      { file: '/usr/lib/diyc-agent/cluster.yaml', line: 5, column: 29, below: '' },
    ]);
  });
});

const spellings: readonly (readonly [written: string, portal: string])[] = [
  ['10.34.102.54', '10.34.102.54:3260'],
  ['10.34.102.54:860', '10.34.102.54:860'],
  ['127.0.0.1', '127.0.0.1:3260'],
  ['169.254.7.1', '169.254.7.1:3260'],
  ['"[2001:db8::54]"', '[2001:db8::54]:3260'],
  ['"[2001:DB8:0:0::54]:860"', '[2001:db8::54]:860'],
  ['"[2001:0db8:0000:0001:0000:0000:0000:0054]"', '[2001:db8:0:1::54]:3260'],
  ['"[1:0:0:2:0:0:0:3]"', '[1:0:0:2::3]:3260'],
  ['"[1:0:2:3:4:5:6:7]"', '[1:0:2:3:4:5:6:7]:3260'],
  ['"[1::2:0:0:3:4]"', '[1::2:0:0:3:4]:3260'],
  ['"[::1]"', '[::1]:3260'],
  ['"[fd00::]"', '[fd00::]:3260'],
];

describe('a portal', () => {
  for (const [written, expected] of spellings) {
    test(`${written} is ${expected}`, () => {
      expect(storagesOf(resolveText(clusterText(portal(written))))[0]?.iscsi?.portals).toEqual([expected]);
      expect(parsePortal(expected)).toMatchObject({ kind: 'portal', text: expected });
    });
  }

  test('keeps its place among others', () => {
    const given = storagesOf(resolveText(clusterText(portals('10.0.0.9:860, 10.0.0.1'))));
    expect(given[0]?.iscsi?.portals).toEqual(['10.0.0.9:860', '10.0.0.1:3260']);
  });
});

const disks: readonly (readonly [written: string, device: DeviceRef])[] = [
  ['iscsi:0', { kind: 'iscsi', lun: 0 }],
  ['iscsi:16383', { kind: 'iscsi', lun: 16383 }],
  ['/dev/disk/by-id/ata-QEMU_HARDDISK_QM00001', { kind: 'path', path: '/dev/disk/by-id/ata-QEMU_HARDDISK_QM00001' }],
  [
    '/dev/disk/by-path/ip-10.0.0.9:3260-iscsi-iqn.2009-02.com.example:part-lun-0',
    { kind: 'path', path: '/dev/disk/by-path/ip-10.0.0.9:3260-iscsi-iqn.2009-02.com.example:part-lun-0' },
  ],
  ['/dev/mapper/mpatha', { kind: 'path', path: '/dev/mapper/mpatha' }],
];

describe('a disk', () => {
  for (const [written, device] of disks) {
    test(`may be ${written}`, () => {
      const sections = one(
        `{ iscsi: { portal: 10.0.0.9, ${target} }, docker: { volumeGroup: v, devices: ["${written}"] } }`,
      );
      expect(storagesOf(resolveText(clusterText(sections)))[0]?.docker?.devices).toEqual([device]);
    });
  }
});

const names: readonly (readonly [what: string, sections: Sections, name: string])[] = [
  ["of the target's authority", named(target), 'iqn.2009-02.com.example:diy-cluster:a1'],
  [
    'of a target without a part of its own',
    named('target: iqn.2009-02.com.example'),
    'iqn.2009-02.com.example:diy-cluster:a1',
  ],
  [
    'in lower case',
    { ...named('target: iqn.2009-02.Com.Example:P'), cluster: 'cluster: DIY' },
    'iqn.2009-02.com.example:diy:a1',
  ],
  [
    'without the _ that iSCSI does not take',
    { ...named(target), cluster: 'cluster: a_b' },
    'iqn.2009-02.com.example:a-b:a1',
  ],
  [
    'of the prefix',
    iscsi('initiatorNamePrefix: iqn.2010-03.org.example.sub'),
    'iqn.2010-03.org.example.sub:diy-cluster:a1',
  ],
  [
    'of the prefix where the target has no authority',
    named('target: eui.02004567A425678D, initiatorNamePrefix: iqn.2010-03.org.example'),
    'iqn.2010-03.org.example:diy-cluster:a1',
  ],
  [
    'as given for a target of another kind',
    named('target: naa.52004567BA64678D, initiatorName: naa.52004567ba64678e'),
    'naa.52004567ba64678e',
  ],
];

describe("a node's initiator name", () => {
  for (const [what, sections, name] of names) {
    test(`is made ${what}`, () => {
      const { config } = resolveText(clusterText(sections));
      expect(config?.nodes[0]?.storage?.iscsi?.initiatorName).toBe(name);
    });
  }

  test('is taken by the schema where it could be written to the host', () => {
    const pattern = new RegExp(clusterSchema.properties.storage.properties.iscsi.properties.initiatorName.pattern);
    const texts = [
      'iqn.2009-02.com.example:a1',
      'iqn.2009-02.com.example',
      'iqn.2009-02.com.example:',
      'iqn.2009-02.com..example:a1',
      'iqn.2009-13.com.example:a1',
      'iqn.2009-2.com.example:a1',
      'iqn.2009-02.com.example:A1',
      'iqn.2009-02.com.example:a_1',
      'iqn.2009-02:a1',
      'iqn.2009-02.:a1',
      'eui.02004567a425678d',
      'eui.02004567A425678D',
      'eui.02004567a425678',
      'naa.52004567ba64678d',
      'naa.52004567ba64678d52004567ba64678d',
      'naa.52004567ba64678d5',
      'a1',
    ];
    for (const text of texts) expect([text, pattern.test(text)]).toEqual([text, initiatorNameFault(text) === null]);
  });
});

interface Refusal {
  readonly claim: string;
  readonly sections: Sections;
  /** Place, rule, path, message and remedy of every finding. */
  readonly found: readonly (readonly [summary: string, message: string, remedy: string])[];
}

const unstable =
  'this name is given in the order in which disks are found: with one LUN or controller more it is another disk after the next boot';
const stableName =
  'write iscsi:LUN for a disk of the target, or the name that ls -l /dev/disk/by-id/ shows for the disk on each node';
const noDisk =
  'a disk is given as iscsi:LUN, with a LUN from 0 to 16383, or by a name below /dev/disk/by-id, /dev/disk/by-path or /dev/mapper';
const someDisk = 'write iscsi:1, or the name that ls -l /dev/disk/by-id/ shows for the disk';
const partial = 'this names a partition or a file system, and only whole disks are taken';
const wholeDisk = 'name the disk itself, by the name below /dev/disk/by-id/ that has no -part and number at its end';

const refusedDisks: readonly (readonly [name: string, rule: string, message: string, remedy: string])[] = [
  ...[
    ...['sdb', '/dev/sdb', '/dev/sdb1', '/dev/vdb', '/dev/xvda', '/dev/nvme0n1', '/dev/nvme0n1p2', 'mmcblk0'],
    ...['/dev/dm-3', '/dev/md0', '/dev/loop0', '/dev/disk/by-diskseq/9'],
  ].map((name) => [name, 'unstable-device', unstable, stableName] as const),
  ...[
    ...['/dev/disk/by-id/wwn-0x5-part1', '/dev/disk/by-path/pci-0000:00:04.0-part12', '/dev/disk/by-uuid/12-34'],
    ...['/dev/disk/by-label/data', '/dev/disk/by-partuuid/1', '/dev/disk/by-partlabel/x'],
  ].map((name) => [name, 'not-a-disk', partial, wholeDisk] as const),
  ...[
    ...['iscsi:16384', 'iscsi:01', 'iscsi:-1', 'iscsi:', 'iscsi', 'lun:1', 'disk', '/', '/dev/', '/etc/passwd'],
    ...['/dev/disk/by-id/', '/dev/disk/by-id/../sda', '/dev/disk/by-id/..', '/dev/mapper/a/b', '/dev/vg/lv'],
    ...['by-id/wwn-0x5', ' /dev/disk/by-id/x', '/dev/disk/by-id/a b'],
  ].map((name) => [name, 'malformed-value', noDisk, someDisk] as const),
];

const noPortal = 'a portal must be an address, and its port behind a ":" unless it is 3260';
const somePortal = 'write it like this: 10.34.102.54:3260, or "[2001:db8::54]:3260" in quotes';
const noPort = 'the port of a portal must be a number from 1 to 65535';
const somePort = 'correct the number, or leave it out: 3260';
const hostName =
  'a portal must be an address: the names of its disks below /dev/disk/by-path have the address in them, and a name can come to mean another target';
const lookUp = 'give the address that the name stands for (getent ahosts NAME)';
const someAddress = 'give the address at which the target answers';

const refusedPortals: readonly (readonly [text: string, rule: string, message: string, remedy: string])[] = [
  ...[
    '10.1.2',
    '10.1.2.3.4',
    '10.01.2.3',
    '10.1.2.256',
    '',
    ':3260',
    '[10.1.2.3]',
    '[::1',
    '[1:2:3]:1',
    '10.1.2.3:a',
  ].map((text) => [text, 'malformed-value', noPortal, somePortal] as const),
  ...['[2001:db8::1%eth0]', '[::ffff:10.1.2.3]', '[1::2::3]', '[1:2:3:4:5:6:7:8:9]', '[12345::]', '10.1.2.3,1'].map(
    (text) => [text, 'malformed-value', noPortal, somePortal] as const,
  ),
  ...['10.1.2.3:0', '10.1.2.3:65536', '10.1.2.3:03260', '[2001:db8::1]:99999'].map(
    (text) => [text, 'malformed-value', noPort, somePort] as const,
  ),
  ...['san', 'san.example.com', 'san.example.com:3260', 'san_1'].map(
    (text) => [text, 'portal-name', hostName, lookUp] as const,
  ),
  [
    '2001:db8::1',
    'malformed-value',
    'the address of a portal must stand in brackets when it is IPv6, or its end could be taken for the port',
    'write it in brackets and in quotes: "[2001:db8::1]:3260"',
  ],
  [
    '[fe80::1]',
    'unusable-address',
    'a link-local address says nothing without the interface it belongs to',
    'give a global or unique local address of the target, or its IPv4 address',
  ],
  ['[ff02::1]', 'unusable-address', 'no target can have this address', someAddress],
  ['[::]:3260', 'unusable-address', 'no target can have this address', someAddress],
  ['0.0.0.0', 'unusable-address', 'no target can have this address: 0.0.0.0/8 stands for "this network"', someAddress],
  ['224.0.0.1:860', 'unusable-address', 'no target can have this address: 224.0.0.0/4 is multicast', someAddress],
  [
    '172.18.4.4',
    'address-in-overlay',
    "this portal lies inside flannel's network 172.18.0.0/16 (line 4); the overlay would hide the target",
    'choose a flannel.network that none of the hosts, targets, routers and VPNs use',
  ],
];

const notNamed = (node: string): string =>
  `give each node a name of its own: nodes.${node}.storage.iscsi.initiatorName`;
const targetExample = 'add it, for example target: iqn.2009-02.com.example:part';
const shareRemedy =
  'unless the target shows every initiator another LUN, give each node its own target under nodes.<name>.storage.iscsi, or its own LUN under nodes.<name>.storage.docker';
const shareName = 'remove it: each node then gets a name of its own; or name each under nodes.<name>.storage.iscsi';

const refusals: readonly Refusal[] = [
  ...refusedDisks.map(([name, rule, message, remedy]) => ({
    claim: `the disk "${name}"`,
    sections: devices(`"${name}"`),
    found: [[`error 5:60 ${rule} storage.docker.devices[0]`, message, remedy]] as const,
  })),
  ...refusedPortals.map(([text, rule, message, remedy]) => ({
    claim: `the portal "${text}"`,
    sections: portal(`"${text}"`),
    found: [[`error 5:29 ${rule} storage.iscsi.portal`, message, remedy]] as const,
  })),
  {
    claim: 'a second portal of a list as it refuses one alone',
    sections: portals('10.0.0.1, san'),
    found: [['error 5:41 portal-name storage.iscsi.portals[1]', hostName, lookUp]],
  },
  {
    claim: 'one portal in two spellings',
    sections: portals('10.0.0.1, "10.0.0.1:3260"'),
    found: [
      [
        'error 5:41 repeated-item storage.iscsi.portals[1]',
        'storage.iscsi.portals names this twice, first in line 5',
        'remove one of the two',
      ],
    ],
  },
  {
    claim: 'portal and portals together',
    sections: iscsi('portals: [10.0.0.1]'),
    found: [
      [
        'error 5:81 portal-twice storage.iscsi.portals',
        'storage.iscsi has both portal (line 5) and portals, which are two ways to say the same',
        'keep portals, with all addresses in the order in which they are to be tried',
      ],
    ],
  },
  {
    claim: 'neither of both',
    sections: one(`{ iscsi: { ${target} } }`),
    found: [
      [
        'error 5:12 missing-key storage.iscsi.portal',
        'storage.iscsi has no "portal", which is required',
        'add it, for example portal: 10.34.102.54:3260',
      ],
    ],
  },
  {
    claim: 'a target that only some nodes have',
    sections: three('{ iscsi: { portal: 10.0.0.9 } }', { a1: `{ iscsi: { ${target} } }` }),
    found: [
      [
        'error 8:12 missing-key storage.iscsi.target',
        'storage.iscsi of nodes a2 and a3 has no "target", which is required',
        targetExample,
      ],
    ],
  },
  {
    claim: "a node's own part that nothing completes",
    sections: three(null, { a2: '{ iscsi: { portal: 10.0.0.9 } }' }),
    found: [
      [
        'error 5:44 missing-key nodes.a2.storage.iscsi.target',
        'storage.iscsi of node a2 has no "target", which is required',
        targetExample,
      ],
    ],
  },
  {
    claim: 'docker without group and disks',
    sections: one('{ docker: { driver: overlay2 } }'),
    found: [
      [
        'error 5:12 missing-key storage.docker.volumeGroup',
        'storage.docker has no "volumeGroup", which is required',
        'add it, for example volumeGroup: docker-images',
      ],
      [
        'error 5:12 missing-key storage.docker.devices',
        'storage.docker has no "devices", which is required',
        `add it, for example devices: [${byId}]`,
      ],
    ],
  },
  {
    claim: 'a misspelt key once, not also as a missing one',
    sections: one('{ iscsi: { portal: 10.0.0.9, tagret: x } }'),
    found: [
      ['error 5:39 unknown-key storage.iscsi.tagret', 'storage.iscsi has no key "tagret"', 'did you mean "target"?'],
    ],
  },
  {
    claim: 'mutual without chap of its own',
    sections: iscsi('chap: { mutual: { username: t, passwordFile: /b } }'),
    found: [
      [
        'error 5:81 missing-key storage.iscsi.chap.username',
        'storage.iscsi.chap has no "username", which is required',
        'add it, for example username: node',
      ],
      [
        'error 5:81 missing-key storage.iscsi.chap.passwordFile',
        'storage.iscsi.chap has no "passwordFile", which is required',
        'add it, for example passwordFile: /etc/diyc-agent/chap',
      ],
    ],
  },
  {
    claim: 'one secret for both ways',
    sections: iscsi('chap: { username: n, passwordFile: /a, mutual: { username: t, passwordFile: /a } }'),
    found: [
      [
        'error 5:157 secrets-equal storage.iscsi.chap.mutual.passwordFile',
        'storage.iscsi.chap and its mutual have one passwordFile: a target refuses equal secrets, since whoever can ask for one could answer with it',
        'put the secret of the target in a file of its own, for example /etc/diyc-agent/chap-mutual',
      ],
    ],
  },
  {
    claim: 'one secret for both ways, where the node brings it about',
    sections: three(
      `{ iscsi: { portal: 10.0.0.9, ${target}, chap: { username: n, passwordFile: /a, mutual: { username: t, passwordFile: /b } } } }`,
      { a3: '{ iscsi: { chap: { passwordFile: /b } } }' },
    ),
    found: [
      [
        'error 6:75 secrets-equal nodes.a3.storage.iscsi.chap.passwordFile',
        'storage.iscsi.chap of node a3 and its mutual have one passwordFile: a target refuses equal secrets, since whoever can ask for one could answer with it',
        'put the secret of the target in a file of its own, for example /etc/diyc-agent/chap-mutual',
      ],
    ],
  },
  {
    claim: 'a secret that everybody may replace, as a warning',
    sections: iscsi('chap: { username: n, passwordFile: /var/tmp/chap }'),
    found: [
      [
        'warning 5:116 secret-in-tmp storage.iscsi.chap.passwordFile',
        'the secret is kept where every user may write and where files are removed by age or at a reboot',
        'keep it in a file that only root can read, for example /etc/diyc-agent/chap',
      ],
    ],
  },
  {
    claim: 'a user name with a blank',
    sections: iscsi('chap: { username: a b, passwordFile: /a }'),
    found: [
      [
        'error 5:99 malformed-value storage.iscsi.chap.username',
        'storage.iscsi.chap.username must be ASCII characters without blanks, 1 to 255 of them',
        'write it like this: username: node',
      ],
    ],
  },
  {
    claim: 'a secret by a relative path',
    sections: iscsi('chap: { username: n, passwordFile: chap }'),
    found: [
      [
        'error 5:116 malformed-value storage.iscsi.chap.passwordFile',
        'storage.iscsi.chap.passwordFile must be an absolute path of a file',
        'write it like this: passwordFile: /etc/diyc-agent/chap',
      ],
    ],
  },
  {
    claim: 'a target that is no iSCSI name',
    sections: named('target: part'),
    found: [
      [
        'error 5:51 malformed-value storage.iscsi.target',
        'storage.iscsi.target must be an iSCSI name that begins with "iqn.", "eui." or "naa.", followed by letters, digits, ".", ":", "_" and "-"',
        'write it like this: target: iqn.2009-02.com.example:part',
      ],
    ],
  },
  {
    claim: 'a target that would climb out of a directory',
    sections: named('target: iqn.2009-02.com.example:../../x'),
    found: [
      [
        'error 5:51 malformed-value storage.iscsi.target',
        'storage.iscsi.target must be an iSCSI name that begins with "iqn.", "eui." or "naa.", followed by letters, digits, ".", ":", "_" and "-"',
        'write it like this: target: iqn.2009-02.com.example:part',
      ],
    ],
  },
  {
    claim: 'an unknown kind of discovery',
    sections: iscsi('discovery: isns'),
    found: [
      [
        'error 5:92 not-in-list storage.iscsi.discovery',
        'storage.iscsi.discovery must be one of sendtargets, static',
        'write one of sendtargets, static',
      ],
    ],
  },
  {
    claim: 'an initiator name with capitals',
    sections: iscsi('initiatorName: iqn.2009-02.com.example:A1'),
    found: [
      [
        'error 5:96 malformed-value storage.iscsi.initiatorName',
        'storage.iscsi.initiatorName must be an iSCSI name: "iqn.", year and month, ".", a reversed domain and more, of lower-case letters, digits, ".", ":" and "-"; or "eui." and 16, or "naa." and 16 or 32 hexadecimal digits, in lower case too',
        'write it like this: initiatorName: iqn.2009-02.com.example:diy-cluster:a1',
      ],
    ],
  },
  {
    claim: 'a prefix that ends in a colon',
    sections: iscsi('initiatorNamePrefix: "iqn.2009-02.com.example:"'),
    found: [
      [
        'error 5:102 malformed-value storage.iscsi.initiatorNamePrefix',
        'storage.iscsi.initiatorNamePrefix must be the beginning of an iSCSI name: "iqn.", year and month, ".", and a reversed domain in lower case, no ":" at its end',
        'write it like this: initiatorNamePrefix: iqn.2009-02.com.example',
      ],
    ],
  },
  {
    claim: 'a target from which no name can be made',
    sections: named('target: eui.02004567A425678D'),
    found: [
      [
        'error 5:51 initiator-name storage.iscsi.target',
        'the name of this target has no naming authority from which the initiator name of each node could be made',
        `add initiatorNamePrefix: iqn.2009-02.com.example, with year and domain of your own; or ${notNamed('a1')}`,
      ],
    ],
  },
  {
    claim: 'a target from which no name can be made, of one node',
    sections: three(`{ iscsi: { portal: 10.0.0.9, ${target} } }`, { a2: '{ iscsi: { target: iqn.disks:a2 } }' }),
    found: [
      [
        'error 5:61 initiator-name nodes.a2.storage.iscsi.target',
        'the name of this target has no naming authority from which the initiator name of node a2 could be made',
        `add initiatorNamePrefix: iqn.2009-02.com.example, with year and domain of your own; or ${notNamed('a2')}`,
      ],
    ],
  },
  {
    claim: 'a prefix from which a name would be too long, once for all nodes',
    sections: three(
      `{ iscsi: { portal: 10.0.0.9, ${target}, initiatorNamePrefix: iqn.2009-02.com.${'x'.repeat(200)} } }`,
    ),
    found: [
      [
        'error 8:98 initiator-name storage.iscsi.initiatorNamePrefix',
        'no initiator name can be made for node a1: the name has 231 bytes, and 223 are allowed',
        `add a shorter initiatorNamePrefix, or ${notNamed('a1')}`,
      ],
    ],
  },
  {
    claim: 'one initiator name for all nodes',
    sections: three(`{ iscsi: { portal: 10.0.0.9, ${target}, initiatorName: iqn.2009-02.com.example:x } }`),
    found: [
      [
        'error 8:92 initiator-name-shared storage.iscsi.initiatorName',
        'nodes a1, a2 and a3 have one initiator name: the target takes the login of one for the return of another and ends its session',
        shareName,
      ],
    ],
  },
  {
    claim: 'the initiator name of another node, given or made',
    sections: three(`{ iscsi: { portal: 10.0.0.9, ${target} } }`, {
      a3: '{ iscsi: { initiatorName: iqn.2009-02.com.example:diy-cluster:a1 } }',
    }),
    found: [
      [
        'error 6:68 initiator-name-shared nodes.a3.storage.iscsi.initiatorName',
        'nodes a1 and a3 have one initiator name: the target takes the login of one for the return of another and ends its session',
        shareName,
      ],
    ],
  },
  {
    claim: 'not to wait for a target, as a warning',
    sections: iscsi('replacementTimeoutSecs: 0'),
    found: [
      [
        'warning 5:105 no-waiting storage.iscsi.replacementTimeoutSecs',
        "with 0 all I/O fails the moment the target is away, and docker's file system shuts down: that is for multipath alone",
        'leave it out (86400, a day), or write -1 to wait for ever',
      ],
    ],
  },
  ...[
    ['-2', 'at least -1'],
    ['604801', 'at most 604800'],
  ].map(([secs, bound]) => ({
    claim: `to wait ${secs} s`,
    sections: iscsi(`replacementTimeoutSecs: ${secs}`),
    found: [
      [
        'error 5:105 out-of-bounds storage.iscsi.replacementTimeoutSecs',
        `storage.iscsi.replacementTimeoutSecs must be ${bound}`,
        'give a number from -1 to 604800, for example replacementTimeoutSecs: 86400',
      ],
    ] as const,
  })),
  {
    claim: 'a LUN without a target',
    sections: devices('iscsi:1'),
    found: [
      [
        'error 5:60 lun-without-target storage.docker.devices[0]',
        'this is a LUN of an iSCSI target, and storage has no iscsi',
        'add the target, for example iscsi: { portal: 10.34.102.54:3260, target: iqn.2009-02.com.example:part }',
      ],
    ],
  },
  {
    claim: 'a LUN on nodes without a target',
    sections: three('{ docker: { volumeGroup: v, devices: ["iscsi:1"] } }', {
      a2: `{ iscsi: { portal: 10.0.0.9, ${target} } }`,
    }),
    found: [
      [
        'error 8:48 lun-without-target storage.docker.devices[0]',
        'this is a LUN of an iSCSI target, and storage of nodes a1 and a3 has no iscsi',
        'add the target, for example iscsi: { portal: 10.34.102.54:3260, target: iqn.2009-02.com.example:part }',
      ],
    ],
  },
  {
    claim: 'a disk twice',
    sections: devices(`${byId}, ${byId}`),
    found: [
      [
        'error 5:100 repeated-item storage.docker.devices[1]',
        'storage.docker.devices names this twice, first in line 5',
        'remove one of the two',
      ],
    ],
  },
  {
    claim: 'no disks',
    sections: devices(''),
    found: [
      [
        'error 5:59 out-of-bounds storage.docker.devices',
        'storage.docker.devices must have at least this many items: 1',
        `change it so that it keeps this bound, for example devices: [${byId}]`,
      ],
    ],
  },
  {
    claim: 'one LUN for several nodes, as a warning',
    sections: three(
      `{ iscsi: { portals: [10.0.0.8, 10.0.0.9], ${target} }, docker: { volumeGroup: v, devices: ["iscsi:1"] } }`,
    ),
    found: [
      [
        'warning 8:128 lun-shared storage.docker.devices[0]',
        'nodes a1, a2 and a3 are to make a volume group on LUN 1 of one target, and each node needs a LUN of its own',
        shareRemedy,
      ],
    ],
  },
  {
    claim: "another node's LUN, as a warning",
    sections: three(`{ iscsi: { portal: 10.0.0.9, ${target} }, docker: { volumeGroup: v, devices: ["iscsi:1"] } }`, {
      a1: '{ docker: { devices: ["iscsi:2", "iscsi:3"] } }',
      a2: '{ docker: { devices: ["iscsi:3"] } }',
      a3: '{ iscsi: { target: iqn.2009-02.com.example:a3 } }',
    }),
    found: [
      [
        'warning 5:64 lun-shared nodes.a2.storage.docker.devices[0]',
        'nodes a1 and a2 are to make a volume group on LUN 3 of one target, and each node needs a LUN of its own',
        shareRemedy,
      ],
    ],
  },
  ...['"-x"', '"."', '".."', '"a b"', '"a/b"', '""', 'x'.repeat(128)].map((group) => ({
    claim: `the volume group ${group.slice(0, 10)}`,
    sections: one(`{ docker: { volumeGroup: ${group}, devices: [${byId}] } }`),
    found: [
      [
        'error 5:35 malformed-value storage.docker.volumeGroup',
        'storage.docker.volumeGroup must be an LVM name: letters, digits, "+", "_", "." and "-", 1 to 127 of them, no "-" first, neither "." nor ".."',
        'write it like this: volumeGroup: docker-images',
      ],
    ] as const,
  })),
  {
    claim: 'a volume group whose volumes device-mapper could not name',
    sections: one(`{ docker: { volumeGroup: a-${'b'.repeat(106)}, devices: [${byId}] } }`),
    found: [
      [
        'error 5:35 volume-group-too-long storage.docker.volumeGroup',
        'device-mapper takes names of at most 127 characters, and a volume of this group would have one of 128',
        'shorten it by 1 characters; each "-" in it counts twice',
      ],
    ],
  },
  {
    claim: 'a driver that docker no longer has, as a warning',
    sections: docker('driver: devicemapper'),
    found: [
      [
        'warning 5:109 driver-removed storage.docker.driver',
        'docker 25 and newer has no devicemapper and does not start with it',
        'write driver: overlay2, unless all nodes have an older docker',
      ],
    ],
  },
  {
    claim: 'another driver',
    sections: docker('driver: overlay'),
    found: [
      [
        'error 5:109 not-in-list storage.docker.driver',
        'storage.docker.driver must be one of overlay2, devicemapper',
        'did you mean "overlay2"?',
      ],
    ],
  },
  {
    claim: 'another file system',
    sections: docker('filesystem: btrfs'),
    found: [
      [
        'error 5:113 not-in-list storage.docker.filesystem',
        'storage.docker.filesystem must be one of xfs, ext4',
        'write one of xfs, ext4',
      ],
    ],
  },
  ...['"*"', '" x"', '"QM*"', '""'].map((serial) => ({
    claim: `to wipe ${serial}`,
    sections: docker(`wipe: [${serial}]`),
    found: [
      [
        'error 5:108 malformed-value storage.docker.wipe[0]',
        'storage.docker.wipe must be the serial number of one disk as lsblk -o NAME,SERIAL prints it, without wildcards and blanks around it',
        'write it like this: wipe: ["WD-WCC4N1234567"]',
      ],
    ] as const,
  })),
  {
    claim: 'to wipe a number, which YAML could have changed',
    sections: docker('wipe: [0123]'),
    found: [
      [
        'error 5:108 wrong-type storage.docker.wipe[0]',
        'storage.docker.wipe must be text, and the number 0123 stands here',
        'quote it: "0123"',
      ],
    ],
  },
  {
    claim: 'to wipe one disk twice',
    sections: docker('wipe: [x, x]'),
    found: [
      [
        'error 5:111 repeated-item storage.docker.wipe[1]',
        'storage.docker.wipe names this twice, first in line 5',
        'remove one of the two',
      ],
    ],
  },
  {
    claim: 'storage that says nothing, as a warning',
    sections: one('{}'),
    found: [
      [
        'warning 5:1 empty-storage storage',
        'storage is declared without a word about it: docker keeps its images where they are',
        'add storage.docker, or remove the key',
      ],
    ],
  },
  {
    claim: 'storage of a node that says nothing, as a warning',
    sections: one(null, '{}'),
    found: [
      [
        'warning 3:40 empty-storage nodes.a1.storage',
        'storage of node a1 is empty, so that nothing is different for this node',
        'remove the key',
      ],
    ],
  },
  {
    claim: 'in the storage of one node what it refuses for all',
    sections: three(null, {
      a2: '{ docker: { volumeGroup: v, devices: [/dev/sdb], driver: devicemapper, filesystm: xfs } }',
    }),
    found: [
      ['error 5:80 unstable-device nodes.a2.storage.docker.devices[0]', unstable, stableName],
      [
        'warning 5:99 driver-removed nodes.a2.storage.docker.driver',
        'docker 25 and newer has no devicemapper and does not start with it',
        'write driver: overlay2, unless all nodes have an older docker',
      ],
      [
        'error 5:113 unknown-key nodes.a2.storage.docker.filesystm',
        'nodes.a2.storage.docker has no key "filesystm"',
        'did you mean "filesystem"?',
      ],
    ],
  },
];

describe('the file is refused, or warned of,', () => {
  for (const { claim, sections, found } of refusals) {
    test(`with ${claim}`, () => {
      const { diagnostics } = resolveText(clusterText(sections));
      const summary = diagnostics.map((d) => [
        `${d.severity} ${d.line}:${d.column} ${d.rule} ${d.path}`,
        d.message,
        d.remedy,
      ]);
      expect(summary).toEqual(found.map((finding) => [...finding]));
    });
  }
});

describe('what is shown of storage', () => {
  test('is what applies to each node, with the line that says so', () => {
    const resolution = resolveText(fixture('storage.yaml'));
    expect(resolution.diagnostics).toEqual([]);
    expect(showCluster(resolution, { origin: true })).toBe(fixture('storage-shown.yaml'));
  });

  const variants: readonly (readonly [what: string, sections: Sections])[] = [
    ['an empty one', one('{}')],
    ['a target alone', portals('10.0.0.1, "[2001:db8::1]"')],
    ['a name for the only node', iscsi('initiatorName: iqn.2009-02.com.example:x')],
    ['a prefix', three(`{ iscsi: { portal: 10.0.0.9, ${target}, initiatorNamePrefix: iqn.2010-01.org.x } }`)],
    [
      'sections of one node only',
      three(`{ docker: { volumeGroup: v, devices: [${byId}] } }`, {
        a2: `{ iscsi: { portal: 10.0.0.9, ${target} }, docker: { wipe: ["007", "on"] } }`,
      }),
    ],
    [
      'parts that complete each other',
      three(
        '{ iscsi: { portal: 10.0.0.9, chap: { username: n, mutual: { username: t } } }, docker: { volumeGroup: v } }',
        {
          ...Object.fromEntries(
            ['a1', 'a2', 'a3'].map((name) => [
              name,
              `{ iscsi: { target: iqn.2009-02.com.example:${name}, portals: [10.0.0.8], chap: { passwordFile: /${name}, mutual: { passwordFile: /t } } }, docker: { devices: ["iscsi:0"], filesystem: ext4 } }`,
            ]),
          ),
        },
      ),
    ],
  ];
  for (const [what, sections] of variants) {
    test(`resolves to the same storage, with ${what}`, () => {
      const resolution = resolveText(clusterText(sections));
      const shown = showCluster(resolution, { origin: false });
      const again = resolveText(shown);
      expect(shown).not.toBe('');
      expect(storagesOf(again)).toEqual(storagesOf(resolution));
      expect(showCluster(again, { origin: false })).toBe(shown);
    });
  }
});

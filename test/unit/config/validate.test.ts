// Each rule of the schema in people's words: what is wrong, where, and how to write it.

import { describe, expect, test } from 'bun:test';
import { clusterText, resolveText, type Sections } from './resolved-text.ts';

interface Case {
  readonly claim: string;
  readonly sections: Sections;
  readonly found: readonly [rule: string, path: string, value: string | null, message: string, remedy: string];
}

const node = (text: string): Sections => ({ nodes: `nodes: { a1: ${text} }` });
const flannel = (text: string): Sections => ({ flannel: `flannel: { network: 172.18.0.0/16, ${text} }` });

const cases: readonly Case[] = [
  {
    claim: 'an unknown key, suggesting the nearest',
    sections: flannel('subnetlen: 24'),
    found: ['unknown-key', 'flannel.subnetlen', null, 'flannel has no key "subnetlen"', 'did you mean "subnetLen"?'],
  },
  {
    claim: 'an unknown key that belongs elsewhere',
    sections: { members: 'members: [a1]' },
    found: [
      'unknown-key',
      'members',
      null,
      'the cluster file has no key "members"',
      '"members" belongs at etcd.members or docker.group.members',
    ],
  },
  {
    claim: 'an unknown key like no other, listing the keys there are',
    sections: { firstBoot: 'firstBoot: { shutdown: x }' },
    found: [
      'unknown-key',
      'firstBoot.shutdown',
      null,
      'firstBoot has no key "shutdown"',
      'remove it; the only key here is reboot',
    ],
  },
  {
    claim: 'a merge key',
    sections: node('{ address: 10.0.0.1, <<: { metadata: {} } }'),
    found: [
      'unknown-key',
      'nodes.a1["<<"]',
      null,
      'node a1 has no key "<<"',
      'write the keys out: merge keys are no part of YAML 1.2',
    ],
  },
  {
    claim: 'a misspelt key once, not also as a missing one',
    sections: node('{ adress: 10.0.0.1 }'),
    found: ['unknown-key', 'nodes.a1.adress', null, 'node a1 has no key "adress"', 'did you mean "address"?'],
  },
  {
    claim: 'a missing key, with an example',
    sections: { flannel: '' },
    found: [
      'missing-key',
      'flannel',
      null,
      'the cluster file has no "flannel", which is required',
      'add it, for example flannel: { network: 172.18.0.0/16 }',
    ],
  },
  {
    claim: 'a node without an address',
    sections: node('{}'),
    found: [
      'missing-key',
      'nodes.a1.address',
      null,
      'node a1 has no "address", which is required',
      'add it, for example address: 192.168.99.51',
    ],
  },
  {
    claim: 'another version',
    sections: { version: 'version: 2' },
    found: [
      'version',
      'version',
      '2',
      'this agent reads version 1 of the cluster file, and the number 2 stands here',
      'write 1',
    ],
  },
  {
    claim: 'a bare address as a node',
    sections: node('192.168.99.51'),
    found: [
      'wrong-type',
      'nodes.a1',
      '192.168.99.51',
      'node a1 must be a mapping of keys, and the text "192.168.99.51" stands here',
      'write it like this: a1: { address: 192.168.99.51 }',
    ],
  },
  {
    claim: 'nodes as a list',
    sections: { nodes: 'nodes: [a1, a2, a3]' },
    found: [
      'wrong-type',
      'nodes',
      null,
      'nodes must be a mapping of keys, and a list stands here',
      'write it like this: nodes: { a1: { address: 192.168.99.51 } }',
    ],
  },
  {
    claim: 'no nodes',
    sections: { nodes: 'nodes: {}' },
    found: [
      'out-of-bounds',
      'nodes',
      null,
      'nodes must have at least this many keys: 1',
      'change it so that it keeps this bound, for example nodes: { a1: { address: 192.168.99.51 } }',
    ],
  },
  {
    claim: 'a quoted number',
    sections: { etcd: 'etcd: { clientPort: "4001" }' },
    found: [
      'wrong-type',
      'etcd.clientPort',
      '4001',
      'etcd.clientPort must be a whole number, and the text "4001" stands here',
      'remove the quotes: 4001',
    ],
  },
  {
    claim: 'a number where text is wanted, as it was written',
    sections: node('{ address: 10.0.0.1, metadata: { rack: 012 } }'),
    found: [
      'wrong-type',
      'nodes.a1.metadata.rack',
      '012',
      'metadata.rack of node a1 must be text, and the number 012 stands here',
      'quote it: "012"',
    ],
  },
  {
    claim: 'yes where true is wanted',
    sections: flannel('backend: { type: vxlan, gbp: yes }'),
    found: [
      'wrong-type',
      'flannel.backend.gbp',
      'yes',
      'flannel.backend.gbp must be true or false, and the text "yes" stands here',
      'write true',
    ],
  },
  {
    claim: 'a backend given as a word',
    sections: flannel('backend: vxlan'),
    found: [
      'wrong-type',
      'flannel.backend',
      'vxlan',
      'flannel.backend must be a mapping of keys, and the text "vxlan" stands here',
      'write it like this: backend: { type: vxlan }',
    ],
  },
  {
    claim: 'a backend that does not exist, as one finding',
    sections: flannel('backend: { type: vxlann, vni: 1 }'),
    found: [
      'not-in-list',
      'flannel.backend.type',
      'vxlann',
      'flannel.backend.type must be one of vxlan, host-gw, udp, wireguard',
      'did you mean "vxlan"?',
    ],
  },
  {
    claim: 'a field of another backend, as that field',
    sections: flannel('backend: { type: host-gw, vni: 1 }'),
    found: [
      'unknown-key',
      'flannel.backend.vni',
      null,
      'flannel\'s backend host-gw has no key "vni"',
      'remove it, or choose the type vxlan, which has it',
    ],
  },
  {
    claim: 'a backend without a type',
    sections: flannel('backend: { vni: 1 }'),
    found: [
      'missing-key',
      'flannel.backend.type',
      null,
      'flannel.backend has no "type", which is required',
      'add it, for example type: vxlan',
    ],
  },
  {
    claim: 'a number out of its range',
    sections: flannel('backend: { type: vxlan, vni: 0 }'),
    found: [
      'out-of-bounds',
      'flannel.backend.vni',
      '0',
      'flannel.backend.vni must be at least 1',
      'give a number from 1 to 16777215, for example vni: 1',
    ],
  },
  {
    claim: 'a node name with a domain, suggesting the short name',
    sections: { nodes: 'nodes: { A1.example.com: { address: 10.0.0.1 } }' },
    found: [
      'node-name',
      'nodes["A1.example.com"]',
      'A1.example.com',
      "a node's name must be a short host name: lower-case letters, digits and inner hyphens, 1 to 63 of them, without a domain",
      'name the node "a1", here and as local-hostname in its meta-data',
    ],
  },
  {
    claim: 'an address with leading zeros',
    sections: node('{ address: 192.168.099.051 }'),
    found: [
      'malformed-value',
      'nodes.a1.address',
      '192.168.099.051',
      'address of node a1 must be an IPv4 address: four decimal numbers up to 255, without leading zeros',
      'write it like this: address: 192.168.99.51',
    ],
  },
  {
    claim: 'a network without a prefix length',
    sections: { flannel: 'flannel: { network: 172.18.0.0 }' },
    found: [
      'malformed-value',
      'flannel.network',
      '172.18.0.0',
      'flannel.network must be an IPv4 network with its prefix length',
      'write it like this: network: 172.18.0.0/16',
    ],
  },
  {
    claim: 'a word that is not in the list',
    sections: { firstBoot: 'firstBoot: { reboot: allways }' },
    found: [
      'not-in-list',
      'firstBoot.reboot',
      'allways',
      'firstBoot.reboot must be one of never, always',
      'did you mean "always"?',
    ],
  },
  {
    claim: 'a member named twice, at the second place',
    sections: { etcd: 'etcd: { members: [a1, a2, a1] }' },
    found: [
      'repeated-item',
      'etcd.members[2]',
      'a1',
      'etcd.members names this twice, first in line 5',
      'remove one of the two',
    ],
  },
  {
    claim: 'an account in the docker group twice',
    sections: { docker: 'docker: { group: { members: [fedora, fedora] } }' },
    found: [
      'repeated-item',
      'docker.group.members[1]',
      'fedora',
      'docker.group.members names this twice, first in line 5',
      'remove one of the two',
    ],
  },
  {
    claim: 'an unknown way to bootstrap',
    sections: { etcd: 'etcd: { bootstrap: dynamic }' },
    found: [
      'malformed-value',
      'etcd.bootstrap',
      'dynamic',
      'etcd.bootstrap has no such form',
      'write it like this: bootstrap: static',
    ],
  },
];

describe('the schema refuses', () => {
  for (const { claim, sections, found } of cases) {
    test(claim, () => {
      const errors = resolveText(clusterText(sections)).diagnostics.filter((d) => d.severity === 'error');
      expect(errors.map((d) => [d.rule, d.path, d.value, d.message, d.remedy])).toEqual([[...found]]);
    });
  }
});

describe('secrets', () => {
  const texts: readonly (readonly [claim: string, sections: Sections])[] = [
    [
      'a chap password',
      {
        storage:
          'storage: { iscsi: { portal: 10.0.0.9, target: iqn.2009-02.com.example:part, chap: { username: u, password: hunter2 } } }',
      },
    ],
    [
      'the password of a target, for one node',
      {
        ...node('{ address: 10.0.0.1, storage: { iscsi: { chap: { mutual: { username: t, secret: hunter2 } } } } }'),
        storage:
          'storage: { iscsi: { portal: 10.0.0.9, target: iqn.2009-02.com.example:part, chap: { username: u, passwordFile: /a, mutual: { passwordFile: /b } } } }',
      },
    ],
    ["wireguard's psk", flannel('backend: { type: wireguard, psk: hunter2 }')],
    ["wireguard's psk as flannel spells it", flannel('backend: { type: wireguard, PSK: hunter2 }')],
    ['a token as metadata', { token: 'token: hunter2' }],
  ];
  for (const [claim, sections] of texts) {
    test(`${claim} inline is refused and never printed`, () => {
      const { diagnostics } = resolveText(clusterText(sections));
      expect(diagnostics.filter((d) => d.severity === 'error').map((d) => d.rule)).toEqual(['secret-inline']);
      expect(JSON.stringify(diagnostics)).not.toContain('hunter2');
    });
  }

  test('the remedy names the key that takes a file', () => {
    const { diagnostics } = resolveText(clusterText(flannel('backend: { type: wireguard, psk: hunter2 }')));
    expect(diagnostics[0]?.remedy).toContain('pskFile: /etc/diyc-agent/psk');
  });

  const mistaken: readonly (readonly [claim: string, sections: Sections])[] = [
    ['pasted where a path is wanted', flannel('backend: { type: wireguard, pskFile: hunter2 }')],
    [
      'given in place of the chap mapping',
      { storage: 'storage: { iscsi: { portal: 10.0.0.9, target: iqn.2009-02.com.example:part, chap: hunter2 } }' },
    ],
    ['within a proxy address', { etcd: 'etcd: { bootstrap: "http://u:hunter2@proxy" }' }],
  ];
  for (const [claim, sections] of mistaken) {
    test(`a secret ${claim} is not printed either`, () => {
      const { diagnostics, config } = resolveText(clusterText(sections));
      expect(config).toBeNull();
      expect(JSON.stringify(diagnostics)).not.toContain('hunter2');
    });
  }
});

// The schema's rules in people's words: what a pattern means, what an example looks like, which keys exist where.

import { clusterSchema } from '../model/cluster-schema.ts';

/** A part of the schema, seen as data. */
export interface SchemaPart {
  readonly [keyword: string]: unknown;
}

/** Each pattern of the schema in words, to complete "… must be". */
const patternWords: ReadonlyMap<string, string> = new Map([
  [
    '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
    'a short host name: lower-case letters, digits and inner hyphens, 1 to 63 of them, without a domain',
  ],
  [
    '^[A-Za-z0-9]([A-Za-z0-9._-]{0,62})$',
    'letters, digits, ".", "_" and "-", 1 to 63 of them, a letter or digit first',
  ],
  [
    '^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$',
    'letters, digits, ".", "_", "/" and "-", 1 to 63 of them, a letter or digit first',
  ],
  ['^(/[A-Za-z0-9._-]+)+$', 'a path of etcd keys: "/" before each part, none at the end'],
  ['^[0-9.]+/[0-9]+$', 'an IPv4 network with its prefix length'],
  [
    '^[a-z_][a-z0-9_-]{0,31}$',
    'an account name: lower-case letters, digits, "_" and "-", at most 32, a letter or "_" first',
  ],
  [
    '^(iqn|eui|naa)\\.[A-Za-z0-9][A-Za-z0-9._:-]*$',
    'an iSCSI name that begins with "iqn.", "eui." or "naa.", followed by letters, digits, ".", ":", "_" and "-"',
  ],
  [
    '^(iqn\\.[0-9]{4}-(0[1-9]|1[0-2])\\.[a-z0-9-]+(\\.[a-z0-9-]+)*(:[a-z0-9.:-]*)?|eui\\.[0-9a-f]{16}|naa\\.([0-9a-f]{16}|[0-9a-f]{32}))$',
    'an iSCSI name: "iqn.", year and month, ".", a reversed domain and more, of lower-case letters, digits, ".", ":" and "-"; or "eui." and 16, or "naa." and 16 or 32 hexadecimal digits, in lower case too',
  ],
  [
    '^iqn\\.[0-9]{4}-(0[1-9]|1[0-2])\\.[a-z0-9-]+(\\.[a-z0-9-]+)*(:[a-z0-9.:-]*[a-z0-9.-])?$',
    'the beginning of an iSCSI name: "iqn.", year and month, ".", and a reversed domain in lower case, no ":" at its end',
  ],
  ['^/', 'an absolute path of a file'],
  ['^[!-~]{1,255}$', 'ASCII characters without blanks, 1 to 255 of them'],
  [
    '^(?!\\.{1,2}$)[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}$',
    'an LVM name: letters, digits, "+", "_", "." and "-", 1 to 127 of them, no "-" first, neither "." nor ".."',
  ],
  [
    '^[^\\s*?]+( +[^\\s*?]+)*$',
    'the serial number of one disk as lsblk -o NAME,SERIAL prints it, without wildcards and blanks around it',
  ],
  ['^(0|[1-9][0-9]{0,5})[smhd]$', 'a whole number and its unit: s, m, h or d'],
  ['^(off|(0|[1-9][0-9]{0,5})[smhd])$', 'off, or a whole number and its unit: s, m, h or d'],
  ['^[a-zA-Z0-9.-]+$', 'letters, digits, "." and "-"'],
]);

/** What a text of this pattern must be; the pattern itself when nobody has put it into words. */
export function wordsOfPattern(pattern: string): string {
  return patternWords.get(pattern) ?? `text that matches ${pattern}`;
}

export function hasPatternWords(pattern: string): boolean {
  return patternWords.has(pattern);
}

/** Examples by place in the schema, `*` for a name and `[]` for an item. */
const examples: Readonly<Record<string, string>> = {
  '': 'version: 1',
  version: 'version: 1',
  cluster: 'cluster: diy-cluster',
  nodes: 'nodes: { a1: { address: 192.168.99.51 } }',
  'nodes.*': 'a1: { address: 192.168.99.51 }',
  'nodes.*.address': 'address: 192.168.99.51',
  'nodes.*.metadata': 'metadata: { region: eu-central-1 }',
  'nodes.*.metadata.*': 'region: eu-central-1',
  etcd: 'etcd: { members: [a1, a2, a3] }',
  'etcd.members': 'members: [a1, a2, a3]',
  'etcd.members[]': 'members: [a1, a2, a3]',
  'etcd.bootstrap': 'bootstrap: static',
  'etcd.peerPort': 'peerPort: 2380',
  'etcd.clientPort': 'clientPort: 2379',
  'etcd.heartbeatIntervalMs': 'heartbeatIntervalMs: 100',
  'etcd.electionTimeoutMs': 'electionTimeoutMs: 1000',
  flannel: 'flannel: { network: 172.18.0.0/16 }',
  'flannel.prefix': 'prefix: /admin/flannel',
  'flannel.network': 'network: 172.18.0.0/16',
  'flannel.subnetLen': 'subnetLen: 24',
  'flannel.subnetMin': 'subnetMin: 172.18.1.0',
  'flannel.subnetMax': 'subnetMax: 172.18.255.0',
  'flannel.backend': 'backend: { type: vxlan }',
  'flannel.backend.type': 'type: vxlan',
  'flannel.backend.vni': 'vni: 1',
  'flannel.backend.port': 'port: 8472',
  'flannel.backend.mtu': 'mtu: 1450',
  'flannel.backend.gbp': 'gbp: false',
  'flannel.backend.directRouting': 'directRouting: true',
  'flannel.backend.pskFile': 'pskFile: /etc/diyc-agent/flannel.psk',
  'flannel.backend.listenPort': 'listenPort: 51820',
  'flannel.backend.persistentKeepaliveSecs': 'persistentKeepaliveSecs: 25',
  'flannel.etcdApi': 'etcdApi: auto',
  docker: 'docker: { group: { members: [fedora] } }',
  'docker.group': 'group: { name: docker, members: [fedora] }',
  'docker.group.name': 'name: docker',
  'docker.group.members': 'members: [fedora]',
  'docker.group.members[]': 'members: [fedora]',
  'docker.addressPools': 'addressPools: [{ base: 10.200.0.0/16, size: 24 }]',
  'docker.addressPools[]': '{ base: 10.200.0.0/16, size: 24 }',
  'docker.addressPools[].base': 'base: 10.200.0.0/16',
  'docker.addressPools[].size': 'size: 24',
  storage: 'storage: { docker: { volumeGroup: docker-images, devices: [/dev/disk/by-id/wwn-0x5000c500a1b2c3d4] } }',
  'storage.iscsi': 'iscsi: { portal: 10.34.102.54:3260, target: iqn.2009-02.com.example:part }',
  'storage.iscsi.portal': 'portal: 10.34.102.54:3260',
  'storage.iscsi.portals': 'portals: [10.34.102.54:3260, 10.34.103.54:3260]',
  'storage.iscsi.portals[]': 'portals: [10.34.102.54:3260, 10.34.103.54:3260]',
  'storage.iscsi.target': 'target: iqn.2009-02.com.example:part',
  'storage.iscsi.discovery': 'discovery: sendtargets',
  'storage.iscsi.initiatorName': 'initiatorName: iqn.2009-02.com.example:diy-cluster:a1',
  'storage.iscsi.initiatorNamePrefix': 'initiatorNamePrefix: iqn.2009-02.com.example',
  'storage.iscsi.chap': 'chap: { username: node, passwordFile: /etc/diyc-agent/chap }',
  'storage.iscsi.chap.username': 'username: node',
  'storage.iscsi.chap.passwordFile': 'passwordFile: /etc/diyc-agent/chap',
  'storage.iscsi.chap.mutual': 'mutual: { username: target, passwordFile: /etc/diyc-agent/chap-mutual }',
  'storage.iscsi.chap.mutual.username': 'username: target',
  'storage.iscsi.chap.mutual.passwordFile': 'passwordFile: /etc/diyc-agent/chap-mutual',
  'storage.iscsi.replacementTimeoutSecs': 'replacementTimeoutSecs: 86400',
  'storage.docker': 'docker: { volumeGroup: docker-images, devices: [/dev/disk/by-id/wwn-0x5000c500a1b2c3d4] }',
  'storage.docker.volumeGroup': 'volumeGroup: docker-images',
  'storage.docker.devices': 'devices: [/dev/disk/by-id/wwn-0x5000c500a1b2c3d4]',
  'storage.docker.devices[]': 'devices: [/dev/disk/by-id/wwn-0x5000c500a1b2c3d4]',
  'storage.docker.driver': 'driver: overlay2',
  'storage.docker.filesystem': 'filesystem: xfs',
  'storage.docker.wipe': 'wipe: ["WD-WCC4N1234567"]',
  'storage.docker.wipe[]': 'wipe: ["WD-WCC4N1234567"]',
  firstBoot: 'firstBoot: { reboot: never }',
  'firstBoot.reboot': 'reboot: never',
  upgrade: 'upgrade: { strategy: semaphore, slots: 1 }',
  'upgrade.strategy': 'strategy: semaphore',
  'upgrade.slots': 'slots: 1',
  'upgrade.window': 'window: [Sat 02:00-04:00]',
  'upgrade.window[]': 'window: [Sat 02:00-04:00]',
  'upgrade.timeZone': 'timeZone: Europe/Berlin',
  'upgrade.automatic': 'automatic: stage',
  'upgrade.canary': 'canary: [a1]',
  'upgrade.canary[]': 'canary: [a1]',
  'upgrade.checkEvery': 'checkEvery: 6h',
  'upgrade.soak': 'soak: 5m',
  'upgrade.readyWithin': 'readyWithin: 20m',
  'upgrade.loggedInUsers': 'loggedInUsers: wait',
  'upgrade.snapshotMaxAge': 'snapshotMaxAge: 1h',
  'upgrade.probes': 'probes: [http://192.168.99.10/ready]',
  'upgrade.probes[]': 'probes: [http://192.168.99.10/ready]',
  'upgrade.fleetLock': 'fleetLock: { url: http://192.168.99.10:8080 }',
  'upgrade.fleetLock.url': 'url: http://192.168.99.10:8080',
  'upgrade.fleetLock.listen': 'listen: 192.168.99.51:3333',
  'upgrade.groups': 'groups: { workers: { nodes: [w1, w2], slots: 2 } }',
  'upgrade.groups.*': 'workers: { nodes: [w1, w2], slots: 2 }',
  'upgrade.groups.*.nodes': 'nodes: [w1, w2]',
  'upgrade.groups.*.nodes[]': 'nodes: [w1, w2]',
};

/** A line that would be right at this place of the schema; null where none is known. */
export function exampleAt(schemaPlace: string): string | null {
  // One node's storage has the keys of the storage of all, and one group's upgrades those of all groups.
  const shared = schemaPlace.replace(/^nodes\.\*\.(?=storage\b)/, '').replace(/^upgrade\.groups\.\*\./, 'upgrade.');
  return examples[schemaPlace] ?? examples[shared] ?? null;
}

/** What to say where a required key is missing. `owner` is for people, `node a1`. */
export function missingWords(
  owner: string,
  key: string,
  schemaPlace: string,
): { readonly rule: string; readonly message: string; readonly remedy: string } {
  return {
    rule: 'missing-key',
    message: `${owner} has no "${key}", which is required`,
    remedy: `add it, for example ${exampleAt(schemaPlace) ?? `${key}: ...`}`,
  };
}

/** `#/properties/nodes/additionalProperties/properties/address/format` to `nodes.*.address`: where a rule applies. */
export function schemaPlaceOf(schemaPath: string): string {
  let text = '';
  const parts = schemaPath.replace(/^#\/?/, '').split('/');
  for (let i = 0; i < parts.length - 1; i++) {
    if (parts[i] === 'properties') {
      i++;
      text += text === '' ? (parts[i] ?? '') : `.${parts[i]}`;
    } else if (parts[i] === 'additionalProperties') text += '.*';
    else if (parts[i] === 'items') text += '[]';
    else if (parts[i] === 'oneOf') i++;
  }
  return text;
}

/** The part of the schema that holds the keyword of this schema path. */
export function schemaPartOf(schemaPath: string): SchemaPart {
  let part: SchemaPart = clusterSchema;
  for (const key of schemaPath.replace(/^#\/?/, '').split('/').slice(0, -1)) {
    const inner: unknown = part[key];
    if (typeof inner !== 'object' || inner === null) return {};
    part = inner as SchemaPart;
  }
  return part;
}

/** The keys that a mapping of this part of the schema may have. */
export function keysOf(part: SchemaPart): readonly string[] {
  return Object.keys(asPart(part['properties']));
}

/** Where in the schema a key of this name exists, `flannel.subnetLen`; empty when nowhere. */
export function placesOfKey(key: string): readonly string[] {
  const places = Object.keys(examples).filter((place) => place.split('.').at(-1) === key);
  return places.filter((place) => !place.includes('*') && !place.includes('[]'));
}

export function asPart(value: unknown): SchemaPart {
  return typeof value === 'object' && value !== null ? (value as SchemaPart) : {};
}

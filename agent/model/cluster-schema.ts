// The JSON Schema of the cluster file: the one source of types, validation, editor completion and reference.

const nodeName = { type: 'string', pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' } as const;
const ipv4 = { type: 'string', format: 'ipv4' } as const;
const port = { type: 'integer', minimum: 1, maximum: 65535 } as const;
const mtu = {
  type: 'integer',
  minimum: 576,
  maximum: 65535,
  description: "MTU of the overlay device in bytes; default: the interface's own less the overhead",
} as const;

/** One alternative per flannel backend; what each field means is flannel's Documentation/backends.md. */
const backends = [
  {
    type: 'object',
    required: ['type'],
    additionalProperties: false,
    description: 'VXLAN in the kernel: the default choice, crosses routers',
    properties: {
      type: { const: 'vxlan' },
      vni: {
        type: 'integer',
        minimum: 1,
        maximum: 16777215,
        description: 'VXLAN network identifier; default 1, the device is flannel.<vni>',
      },
      port: { ...port, description: "UDP port; default: the kernel's own, 8472" },
      mtu,
      gbp: { type: 'boolean', description: 'VXLAN group policy' },
      directRouting: { type: 'boolean', description: 'plain routes between hosts on one subnet' },
    },
  },
  {
    type: 'object',
    required: ['type'],
    additionalProperties: false,
    description: 'plain routes via the hosts themselves: no overhead, all hosts on one layer-2 network',
    properties: { type: { const: 'host-gw' } },
  },
  {
    type: 'object',
    required: ['type'],
    additionalProperties: false,
    description: 'packets copied through user space: for debugging and for kernels without vxlan',
    properties: { type: { const: 'udp' }, port: { ...port, description: 'UDP port; default 8285' } },
  },
  {
    type: 'object',
    required: ['type'],
    additionalProperties: false,
    description: 'encrypted between hosts; flannel 0.16 or newer',
    properties: {
      type: { const: 'wireguard' },
      pskFile: {
        type: 'string',
        pattern: '^/',
        description: 'file with the pre-shared key of wg genpsk; the key itself never stands here',
      },
      listenPort: { ...port, description: 'UDP port; default 51820' },
      mtu,
      persistentKeepaliveSecs: {
        type: 'integer',
        minimum: 0,
        maximum: 65535,
        description: 'seconds between keepalives; 0 is off',
      },
    },
  },
] as const;

const passwordFile = {
  type: 'string',
  pattern: '^/',
  description: 'file with the secret, 12 to 16 characters; the secret itself never stands here',
} as const;
const chapUsername = { type: 'string', pattern: '^[!-~]{1,255}$' } as const;

/**
 * Storage for all nodes or for one of them. No key is required here, because each part may complete the other; what is
 * missing from both together is found by config/storage-checks.ts, and so are names of portals and disks.
 */
const storage = {
  type: 'object',
  additionalProperties: false,
  properties: {
    iscsi: {
      type: 'object',
      additionalProperties: false,
      description: 'the iSCSI target that nodes log in to',
      properties: {
        portal: {
          type: 'string',
          description: 'address of the target, with its port unless that is 3260; IPv6 in brackets, no host name',
        },
        portals: {
          type: 'array',
          minItems: 1,
          items: { type: 'string' },
          description: 'instead of portal: several addresses of the target, tried in this order; one is logged in to',
        },
        target: {
          type: 'string',
          pattern: '^(iqn|eui|naa)\\.[A-Za-z0-9][A-Za-z0-9._:-]*$',
          maxLength: 223,
          description: 'iSCSI name of the target',
        },
        discovery: {
          enum: ['sendtargets', 'static'],
          default: 'sendtargets',
          description: 'sendtargets: ask the portal for its targets first; static: take portal and target as they are',
        },
        initiatorName: {
          type: 'string',
          pattern:
            '^(iqn\\.[0-9]{4}-(0[1-9]|1[0-2])\\.[a-z0-9-]+(\\.[a-z0-9-]+)*(:[a-z0-9.:-]*)?|eui\\.[0-9a-f]{16}|naa\\.([0-9a-f]{16}|[0-9a-f]{32}))$',
          maxLength: 223,
          description: "the node's own iSCSI name, another one for each node; default: <prefix>:<cluster>:<node>",
        },
        initiatorNamePrefix: {
          type: 'string',
          pattern: '^iqn\\.[0-9]{4}-(0[1-9]|1[0-2])\\.[a-z0-9-]+(\\.[a-z0-9-]+)*(:[a-z0-9.:-]*[a-z0-9.-])?$',
          maxLength: 223,
          description:
            "what the names of the nodes begin with; default: the target's naming authority, up to its colon",
        },
        chap: {
          type: 'object',
          additionalProperties: false,
          description: 'the node proves to the target who it is',
          properties: {
            username: { ...chapUsername, description: 'name that the target knows the node by' },
            passwordFile,
            mutual: {
              type: 'object',
              additionalProperties: false,
              description: 'and the target to the node, with another secret',
              properties: {
                username: { ...chapUsername, description: 'name that the node knows the target by' },
                passwordFile,
              },
            },
          },
        },
        replacementTimeoutSecs: {
          type: 'integer',
          minimum: -1,
          maximum: 604800,
          default: 86400,
          description: 'how long I/O waits for a target that is gone before it fails; -1: for ever, 0: not at all',
        },
      },
    },
    docker: {
      type: 'object',
      additionalProperties: false,
      description: 'where docker keeps images and containers',
      properties: {
        volumeGroup: {
          type: 'string',
          pattern: '^(?!\\.{1,2}$)[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}$',
          description: 'LVM volume group, made if it is not there',
        },
        devices: {
          type: 'array',
          minItems: 1,
          items: { type: 'string' },
          description:
            'whole disks of the volume group: iscsi:<LUN> of the target, or a name below /dev/disk/by-id, /dev/disk/by-path or /dev/mapper',
        },
        driver: {
          enum: ['overlay2', 'devicemapper'],
          default: 'overlay2',
          description: "docker's storage driver; docker 25 and newer has no devicemapper",
        },
        filesystem: { enum: ['xfs', 'ext4'], default: 'xfs', description: "file system of docker's directory" },
        wipe: {
          type: 'array',
          uniqueItems: true,
          items: { type: 'string', pattern: '^[^\\s*?]+( +[^\\s*?]+)*$', maxLength: 255 },
          description:
            'serial numbers of disks whose content is given up; without this a disk that carries anything is left alone',
        },
      },
    },
  },
} as const;

/** One or more digits and a unit; config/duration.ts makes seconds of it. */
const duration = { type: 'string', pattern: '^(0|[1-9][0-9]{0,5})[smhd]$' } as const;
const fleetLockUrl = {
  type: 'string',
  description: "base URL of a FleetLock server that is asked for a slot instead of etcd's semaphore",
} as const;

/**
 * How hosts are upgraded, for all of them or for one group. The defaults are told here for people; the code has them from
 * `defaultUpgradeGroup`. What windows, zones and URLs are is checked by config/upgrade-part-checks.ts.
 */
const upgradeGroup = {
  strategy: {
    enum: ['immediate', 'semaphore', 'window'],
    default: 'semaphore',
    description:
      'immediate: each host when it is ready, without slot and window; semaphore: so many at once, within the windows if there are any; window: the same, and never outside a window',
  },
  slots: {
    type: 'integer',
    minimum: 1,
    default: 1,
    description: "how many hosts of the group may be on their way at once; etcd's quorum is kept in any case",
  },
  window: {
    type: 'array',
    maxItems: 50,
    items: { type: 'string' },
    description:
      'when hosts may reboot: days and a span of the wall clock, Sat 02:00-04:00, "Mon-Fri 23:30-01:00", daily 03:00-03:30; default: always',
  },
  timeZone: {
    type: 'string',
    default: 'UTC',
    description: 'zone of the windows by its IANA name, Europe/Berlin; its changes of the clocks are followed',
  },
  automatic: {
    enum: ['off', 'check', 'stage', 'apply'],
    default: 'stage',
    description:
      'how far hosts go by themselves: off: not at all, check: look for a release, stage: and have it ready for the next boot, apply: and reboot into it',
  },
  canary: {
    type: 'array',
    uniqueItems: true,
    items: { type: 'string' },
    description: 'nodes that go first; the others of their group follow once these have proven themselves',
  },
  checkEvery: { ...duration, default: '6h', description: 'how often to look for a release; at least 5m' },
  soak: {
    ...duration,
    default: '5m',
    description: 'how long a node has to stay ready after its reboot before the next one goes',
  },
  readyWithin: {
    ...duration,
    default: '20m',
    description:
      'how long a node may take to become ready after its reboot before the release counts as bad; at least 1m',
  },
  loggedInUsers: {
    enum: ['wait', 'ignore'],
    default: 'wait',
    description: 'wait: no reboot while somebody is logged in',
  },
  snapshotMaxAge: {
    type: 'string',
    pattern: '^(off|(0|[1-9][0-9]{0,5})[smhd])$',
    default: '1h',
    description: 'how old a snapshot of etcd may be when a member goes; at least 1m; off: none is asked for',
  },
  probes: {
    type: 'array',
    maxItems: 20,
    uniqueItems: true,
    items: { type: 'string' },
    description:
      'http and https URLs that must answer before a node reboots, because it will need them to come back; those it booted from are known',
  },
} as const;

export const clusterSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  $id: 'urn:diyc-agent:cluster:1',
  title: 'diyc-agent cluster file',
  type: 'object',
  required: ['version', 'cluster', 'nodes', 'flannel'],
  additionalProperties: false,
  properties: {
    version: { const: 1, description: 'version of this format' },
    cluster: {
      type: 'string',
      pattern: '^[A-Za-z0-9]([A-Za-z0-9._-]{0,62})$',
      description: 'name of the cluster; it becomes the etcd cluster token',
    },
    nodes: {
      type: 'object',
      minProperties: 1,
      description: 'every host of the cluster by its short name, as local-hostname in its meta-data has it',
      propertyNames: nodeName,
      additionalProperties: {
        type: 'object',
        required: ['address'],
        additionalProperties: false,
        properties: {
          address: { ...ipv4, description: 'the address of the host on the network that the hosts share' },
          metadata: {
            type: 'object',
            description: "labels shown by `nodes -l`, as fleet's machine metadata",
            propertyNames: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$' },
            additionalProperties: { type: 'string', maxLength: 253 },
          },
          storage: {
            ...storage,
            description: 'what is different for this node: laid over the storage of all nodes, key by key',
          },
        },
      },
    },
    etcd: {
      type: 'object',
      additionalProperties: false,
      properties: {
        members: {
          type: 'array',
          items: { type: 'string' },
          minItems: 1,
          maxItems: 9,
          uniqueItems: true,
          description:
            'nodes that run an etcd member, the others are clients of these; default: all, when there are 1, 3 or 5',
        },
        bootstrap: {
          description: 'how the members find each other the first time',
          oneOf: [
            { const: 'static' },
            {
              type: 'object',
              required: ['discovery'],
              additionalProperties: false,
              properties: {
                discovery: {
                  type: 'object',
                  required: ['url'],
                  additionalProperties: false,
                  properties: { url: { type: 'string' }, proxy: { type: 'string' } },
                },
              },
            },
            { type: 'object', required: ['srv'], additionalProperties: false, properties: { srv: { type: 'string' } } },
          ],
        },
        peerPort: { ...port, default: 2380 },
        clientPort: { ...port, default: 2379 },
        heartbeatIntervalMs: { type: 'integer', minimum: 10, maximum: 5000, description: "etcd's own default is 100" },
        electionTimeoutMs: {
          type: 'integer',
          minimum: 50,
          maximum: 50000,
          description: "at least five times the heartbeat; etcd's own default is 1000",
        },
      },
    },
    flannel: {
      type: 'object',
      required: ['network'],
      additionalProperties: false,
      properties: {
        prefix: {
          type: 'string',
          pattern: '^(/[A-Za-z0-9._-]+)+$',
          default: '/admin/flannel',
          description: "where flannel's keys live in etcd",
        },
        network: {
          type: 'string',
          pattern: '^[0-9.]+/[0-9]+$',
          description: "the overlay network; must not overlap the hosts' own networks",
        },
        subnetLen: {
          type: 'integer',
          minimum: 2,
          maximum: 30,
          description: "prefix length of each host's subnet; default 24, or network + 2 for small networks",
        },
        subnetMin: { ...ipv4, description: 'first subnet to give out' },
        subnetMax: { ...ipv4, description: 'last subnet to give out' },
        backend: { type: 'object', required: ['type'], oneOf: backends, description: 'default: vxlan' },
        etcdApi: {
          enum: ['auto', 'v2', 'v3'],
          default: 'auto',
          description:
            'which etcd API the installed flanneld reads; auto asks flanneld for its version (v2 below 0.18)',
        },
      },
    },
    docker: {
      type: 'object',
      additionalProperties: false,
      properties: {
        group: {
          type: 'object',
          additionalProperties: false,
          properties: {
            name: { type: 'string', pattern: '^[a-z_][a-z0-9_-]{0,31}$', default: 'docker' },
            members: {
              type: 'array',
              uniqueItems: true,
              items: { type: 'string', pattern: '^[a-z_][a-z0-9_-]{0,31}$' },
            },
          },
        },
        addressPools: {
          type: 'array',
          minItems: 1,
          description:
            "networks docker may use for user-defined networks; default: docker's own less what overlaps flannel and the nodes",
          items: {
            type: 'object',
            required: ['base', 'size'],
            additionalProperties: false,
            properties: {
              base: { type: 'string', pattern: '^[0-9.]+/[0-9]+$' },
              size: { type: 'integer', minimum: 8, maximum: 30 },
            },
          },
        },
      },
    },
    storage: {
      ...storage,
      description:
        'the storage of all nodes; what stands under nodes.<name>.storage is laid over it; docker waits until it is there',
    },
    firstBoot: {
      type: 'object',
      additionalProperties: false,
      properties: {
        reboot: {
          enum: ['never', 'always'],
          default: 'never',
          description: 'always: reboot once after the first configuration, as the 2015 script did',
        },
      },
    },
    upgrade: {
      type: 'object',
      additionalProperties: false,
      description:
        'how hosts are upgraded and rebooted; without this key nothing happens by itself, with it the defaults',
      properties: {
        ...upgradeGroup,
        fleetLock: {
          type: 'object',
          additionalProperties: false,
          description: 'the reboot semaphore over the FleetLock protocol, asked elsewhere or served here',
          properties: {
            url: fleetLockUrl,
            listen: {
              type: 'string',
              description:
                "where this cluster's own semaphore is served to other hosts: address:port, or the absolute path of a socket",
            },
          },
        },
        groups: {
          type: 'object',
          propertyNames: { type: 'string', pattern: '^[a-zA-Z0-9.-]+$' },
          description:
            'nodes that are upgraded apart from the others, each group with slots of its own; what stands here is laid over the keys above; nodes of no group are in "default"',
          additionalProperties: {
            type: 'object',
            additionalProperties: false,
            properties: {
              nodes: {
                type: 'array',
                uniqueItems: true,
                items: { type: 'string' },
                description: 'the nodes of this group; none for "default", which has all that are in no other',
              },
              ...upgradeGroup,
              fleetLock: {
                type: 'object',
                additionalProperties: false,
                description: 'a FleetLock server for this group alone',
                properties: { url: fleetLockUrl },
              },
            },
          },
        },
      },
    },
  },
} as const;

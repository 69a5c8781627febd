// Upgrades of the cluster file: what each group ends up with, every way to get it wrong, and how drop-ins merge.

import { describe, expect, test } from 'bun:test';
import { durationText, parseDuration } from '../../../agent/config/duration.ts';
import { schemaText } from '../../../agent/config/schema-text.ts';
import { showCluster } from '../../../agent/config/show.ts';
import { defaultUpgradeGroup, upgradeOf } from '../../../agent/model/cluster-config.ts';
import { clusterSchema } from '../../../agent/model/cluster-schema.ts';
import type { UpgradeGroup, UpgradePolicy } from '../../../agent/model/upgrade.ts';
import {
  clusterText,
  documentOf,
  fixture,
  resolveAll,
  resolveText,
  type Sections,
  summaries,
} from './resolved-text.ts';

/** Nodes a1, a2 and a3, which are etcd's members, and w1 and w2. */
function five(upgrade: string): Sections {
  const nodes = ['a1', 'a2', 'a3', 'w1', 'w2'].map((name, i) => `${name}: { address: 192.168.99.${i + 51} }`);
  return {
    nodes: `nodes: { ${nodes.join(', ')} }`,
    etcd: 'etcd: { members: [a1, a2, a3] }',
    upgrade: `upgrade: ${upgrade}`,
  };
}

function policyOf(upgrade: string): UpgradePolicy {
  const { config, diagnostics } = resolveText(clusterText(five(upgrade)));
  if (config?.upgrade == null) throw new Error(JSON.stringify(diagnostics));
  return config.upgrade;
}

function groupOf(policy: UpgradePolicy, name: string): Partial<UpgradeGroup & { readonly nodes: readonly string[] }> {
  return policy.groups.find((group) => group.name === name) ?? {};
}

describe('the policy', () => {
  test('is null where nothing is declared: then nothing happens by itself', () => {
    const { config } = resolveText(clusterText());
    if (config === null) throw new Error('no configuration');
    expect(config.upgrade).toBeNull();
    expect(upgradeOf(config, 'a1').automatic).toBe('off');
  });

  test('has every default where it is declared without a word', () => {
    expect(policyOf('{}')).toEqual({
      groups: [{ ...defaultUpgradeGroup, nodes: ['a1', 'a2', 'a3', 'w1', 'w2'] }],
      fleetLockListen: null,
    });
  });

  test('has what is given, times in seconds', () => {
    const given =
      'strategy: window, slots: 2, window: [Sat 02:00-04:00, "Mon-Fri 23:30-01:00"], timeZone: Europe/Berlin, automatic: apply, ' +
      'canary: [a2], checkEvery: 1d, soak: 30s, readyWithin: 2h, loggedInUsers: ignore, snapshotMaxAge: 15m, ' +
      'probes: ["http://boot.example/"], fleetLock: { listen: "[2001:db8::1]:3333" }';
    expect(policyOf(`{ ${given} }`)).toEqual({
      groups: [
        {
          name: 'default',
          strategy: 'window',
          slots: 2,
          windows: [
            { days: [6], startMinute: 120, endMinute: 240, text: 'Sat 02:00-04:00' },
            { days: [1, 2, 3, 4, 5], startMinute: 1410, endMinute: 1500, text: 'Mon-Fri 23:30-01:00' },
          ],
          timeZone: 'Europe/Berlin',
          automatic: 'apply',
          canary: ['a2'],
          checkEverySecs: 86_400,
          soakSecs: 30,
          readyWithinSecs: 7200,
          loggedInUsers: 'ignore',
          snapshotMaxAgeSecs: 900,
          probes: ['http://boot.example/'],
          fleetLockUrl: null,
          nodes: ['a1', 'a2', 'a3', 'w1', 'w2'],
        },
      ],
      fleetLockListen: '[2001:db8::1]:3333',
    });
  });

  test('lays a group over what stands for all; the nodes of no group are in default', () => {
    const policy = policyOf(
      '{ soak: 10m, checkEvery: 12h, canary: [a1, w2], groups: { workers: { nodes: [w2, w1], soak: 1m, window: [daily 01:00-02:00] }, default: { checkEvery: 1h } } }',
    );
    expect(policy.groups.map(({ name, nodes }) => [name, ...nodes])).toEqual([
      ['default', 'a1', 'a2', 'a3'],
      ['workers', 'w2', 'w1'],
    ]);
    // Of canaries for all each group has its own.
    expect(groupOf(policy, 'default')).toMatchObject({
      soakSecs: 600,
      checkEverySecs: 3600,
      windows: [],
      canary: ['a1'],
    });
    expect(groupOf(policy, 'workers')).toMatchObject({ soakSecs: 60, checkEverySecs: 43_200, canary: ['w2'] });
    expect(groupOf(policy, 'workers').windows?.map(({ text }) => text)).toEqual(['daily 01:00-02:00']);
  });

  test('has no default group when every node is in another', () => {
    const policy = policyOf('{ groups: { all.of-them: { nodes: [a1, a2, a3, w1, w2] } } }');
    expect(policy.groups.map(({ name }) => name)).toEqual(['all.of-them']);
  });

  test('has no windows and slots of all where a group is immediate', () => {
    const policy = policyOf(
      '{ slots: 2, window: [Sat 02:00-04:00], groups: { lab: { nodes: [w1], strategy: immediate } } }',
    );
    expect(groupOf(policy, 'lab')).toMatchObject({ strategy: 'immediate', slots: 1, windows: [] });
    expect(groupOf(policy, 'default')).toMatchObject({ strategy: 'semaphore', slots: 2 });
  });

  test('asks for no snapshot where that is off', () => {
    expect(groupOf(policyOf('{ snapshotMaxAge: off }'), 'default').snapshotMaxAgeSecs).toBe(0);
  });
});

type Row = readonly [
  claim: string,
  upgrade: string,
  summary: readonly string[],
  message?: string | undefined,
  remedy?: string,
];

const rows: Readonly<Record<string, readonly Row[]>> = {
  windows: [
    [
      'refuses one that is none, each by itself and with what is right',
      '{ window: [Sat 24:30-25:00, daily 02:00-04:00, Sbt 02:00-04:00] }',
      ['error 6:21 impossible-window upgrade.window[0]', 'error 6:57 impossible-window upgrade.window[2]'],
      'this is no maintenance window: 24:30 is no time of day: they go from 00:00 to 23:59, and 24:00 as an end; a window over midnight ends at the smaller time, 23:30-01:00, and lasts at most 24 hours',
      'write it like one of these: Sat 02:00-04:00, "Mon-Fri 23:30-01:00", daily 03:00-03:30',
    ],
    [
      'refuses one of a group, at its place',
      '{ groups: { w: { nodes: [w1], window: [Sat] } } }',
      ['error 6:49 impossible-window upgrade.groups.w.window[0]'],
    ],
    ['lets them overlap and touch', '{ window: [Sat 02:00-04:00, Sat 03:00-05:00, Sat 05:00-06:00] }', []],
    ['refuses text in place of a list', '{ window: Sat 02:00-04:00 }', ['error 6:20 wrong-type upgrade.window']],
    [
      'refuses an unknown zone, with the nearest',
      '{ timeZone: Europe/Berlni }',
      ['error 6:22 unknown-time-zone upgrade.timeZone'],
      'upgrade.timeZone must be the IANA name of a zone, and there is none of this name',
      'did you mean "Europe/Berlin"? write UTC, or continent and city as timedatectl list-timezones has them',
    ],
    [
      'finds the zone of a city alone',
      '{ timeZone: new york }',
      ['error 6:22 unknown-time-zone upgrade.timeZone'],
      undefined,
      'did you mean "America/New_York"? write UTC, or continent and city as timedatectl list-timezones has them',
    ],
    [
      'refuses an offset',
      '{ timeZone: "+02:00" }',
      ['error 6:22 unknown-time-zone upgrade.timeZone'],
      undefined,
      'write UTC, or continent and city as timedatectl list-timezones has them',
    ],
  ],
  strategies: [
    [
      'refuses window without any',
      '{ strategy: window }',
      ['error 6:22 window-missing upgrade.strategy'],
      'the strategy is window, and group default has none: its nodes would never go',
      'add one, window: [Sat 02:00-04:00], or write strategy: semaphore',
    ],
    [
      'refuses window where a group takes them away',
      '{ strategy: window, window: [Sat 02:00-04:00], groups: { w: { nodes: [w1], window: [] } } }',
      ['error 6:22 window-missing upgrade.strategy'],
      'the strategy is window, and group w has none: its nodes would never go',
    ],
    [
      'accepts window where each group has its own',
      '{ strategy: window, groups: { w: { nodes: [w1, w2, a1, a2, a3], window: [Sat 02:00-04:00] } } }',
      [],
    ],
    [
      'refuses immediate with windows and slots',
      '{ strategy: immediate, slots: 1, window: [Sat 02:00-04:00] }',
      ['error 6:33 immediate-waits upgrade.slots', 'error 6:43 immediate-waits upgrade.window'],
      'the strategy is immediate (line 6): its nodes wait for no slot',
      'remove slots, or write strategy: semaphore',
    ],
    [
      'refuses slots of a group where all are immediate',
      '{ strategy: immediate, groups: { w: { nodes: [w1, w2], slots: 1 } } }',
      ['error 6:65 immediate-waits upgrade.groups.w.slots'],
    ],
    [
      'warns of immediate that applies by itself',
      '{ strategy: immediate, automatic: apply }',
      ['warning 6:44 apply-at-once upgrade.automatic'],
      'the nodes of group default reboot by themselves and wait for nobody: a release that does not boot takes all of them, only etcd members go one after the other',
    ],
    [
      'suggests the nearest',
      '{ strategy: semafore }',
      ['error 6:22 not-in-list upgrade.strategy'],
      undefined,
      'did you mean "semaphore"?',
    ],
    [
      'suggests the nearest degree of automatic',
      '{ automatic: staged }',
      ['error 6:23 not-in-list upgrade.automatic'],
      undefined,
      'did you mean "stage"?',
    ],
  ],
  slots: [
    [
      'refuses none',
      '{ slots: 0 }',
      ['error 6:19 out-of-bounds upgrade.slots'],
      'upgrade.slots must be at least 1',
      'give a number from 1 on, for example slots: 1',
    ],
    ['refuses fewer', '{ slots: -1 }', ['error 6:19 out-of-bounds upgrade.slots']],
    ['refuses parts of one', '{ slots: 1.5 }', ['error 6:19 wrong-type upgrade.slots']],
    [
      'warns when all of a group may be away',
      '{ groups: { w: { nodes: [w1, w2], slots: 2 } } }',
      ['warning 6:51 slots-of-all upgrade.groups.w.slots'],
      'group w has 2 nodes, so that with 2 slots all of them may be away at once',
      'write slots: 1',
    ],
    [
      "warns when etcd's quorum does not allow as many",
      '{ slots: 3 }',
      ['warning 6:19 slots-over-quorum upgrade.slots'],
      '3 slots are more than etcd can do without: of its 3 members 1 may be away, and 3 are in group default; no more than the quorum allows ever go at once, whatever stands here',
      'write slots: 1, or put the nodes that are no members into a group of their own',
    ],
    [
      'counts the members of the group alone',
      '{ slots: 2, groups: { w: { nodes: [w1, w2, a1], slots: 2 } } }',
      ['warning 6:19 slots-of-all upgrade.slots', 'warning 6:19 slots-over-quorum upgrade.slots'],
    ],
    ['accepts more for a node by itself', '{ groups: { w: { nodes: [w1], slots: 3 } } }', []],
  ],
  groups: [
    [
      'refuses a node in two',
      '{ groups: { v: { nodes: [w1] }, w: { nodes: [w2, w1] } } }',
      ['error 6:59 two-groups upgrade.groups.w.nodes[1]'],
      'node w1 is in group v already (line 6), and each node takes its slot of one group',
    ],
    [
      'refuses a node twice in one',
      '{ groups: { v: { nodes: [w1, w1] } } }',
      ['error 6:39 repeated-item upgrade.groups.v.nodes[1]'],
    ],
    [
      'refuses what is no node, with the nearest',
      '{ groups: { v: { nodes: [w1, w22] } } }',
      ['error 6:39 unknown-node upgrade.groups.v.nodes[1]'],
      'nodes of group v names "w22", and there is no node of that name',
      'did you mean "w2"?',
    ],
    [
      'refuses one without nodes',
      '{ groups: { v: { nodes: [] }, w: { slots: 1 } } }',
      ['error 6:27 empty-group upgrade.groups.v', 'error 6:40 empty-group upgrade.groups.w'],
      'group v has no nodes',
      'name them, nodes: [w1, w2], or remove the group',
    ],
    [
      'misses no nodes that are misspelt',
      '{ groups: { v: { node: [w1] } } }',
      ['error 6:27 unknown-key upgrade.groups.v.node'],
      undefined,
      'did you mean "nodes"?',
    ],
    [
      'refuses nodes of default',
      '{ groups: { default: { nodes: [a1] } } }',
      ['error 6:33 nodes-of-default upgrade.groups.default.nodes'],
      'group default has every node that is in no other group, and none by name',
    ],
    [
      'warns of default when no node is left',
      '{ groups: { default: { slots: 1 }, w: { nodes: [w1, w2, a1, a2, a3] } } }',
      ['warning 6:22 empty-group upgrade.groups.default'],
    ],
    [
      "refuses a name that is none of FleetLock's",
      '{ groups: { a b: { nodes: [w1] } } }',
      ['error 6:22 group-name upgrade.groups["a b"]'],
      'the name of a group must be letters, digits, "." and "-"',
    ],
    [
      'refuses listen in a group, saying where it belongs',
      '{ groups: { w: { nodes: [w1], fleetLock: { listen: /run/x } } } }',
      ['error 6:53 unknown-key upgrade.groups.w.fleetLock.listen'],
      undefined,
      '"listen" belongs at upgrade.fleetLock.listen',
    ],
    [
      'refuses an unknown key, with the nearest',
      '{ groups: { w: { nodes: [w1], timezone: UTC } } }',
      ['error 6:40 unknown-key upgrade.groups.w.timezone'],
      undefined,
      'did you mean "timeZone"?',
    ],
  ],
  canaries: [
    [
      'refuses what is no node',
      '{ canary: [a9] }',
      ['error 6:21 unknown-node upgrade.canary[0]'],
      'upgrade.canary names "a9", and there is no node of that name',
      'did you mean "a1"?',
    ],
    [
      'refuses one of another group',
      '{ groups: { w: { nodes: [w1, w2], canary: [a1] } } }',
      ['error 6:53 canary-of-other-group upgrade.groups.w.canary[0]'],
      'node a1 is not of group w but of default, and would go first for nobody',
    ],
    [
      'refuses one for all whose group has others',
      '{ canary: [w1], groups: { w: { nodes: [w1, w2], canary: [w2] } } }',
      ['error 6:21 canary-of-other-group upgrade.canary[0]'],
      'node w1 is of group w, which has a canary of its own without it',
    ],
    ['accepts one that both name', '{ canary: [w1], groups: { w: { nodes: [w1, w2], canary: [w1] } } }', []],
  ],
  times: [
    [
      'refuses a number without unit, and does not ask for quotes',
      '{ soak: 300 }',
      ['error 6:18 wrong-type upgrade.soak'],
      undefined,
      'write it like this: soak: 5m',
    ],
    [
      'refuses other units',
      '{ soak: 5min }',
      ['error 6:18 malformed-value upgrade.soak'],
      'upgrade.soak must be a whole number and its unit: s, m, h or d',
      'write it like this: soak: 5m',
    ],
    ['accepts no soak', '{ soak: 0s }', []],
    [
      'refuses to look every minute',
      '{ checkEvery: 299s }',
      ['error 6:24 too-short upgrade.checkEvery'],
      "upgrade.checkEvery must be at least 5m: each look asks the release's server for its metadata, and every node of the cluster does",
      'write checkEvery: 5m or more',
    ],
    [
      'refuses to be ready before a host has booted',
      '{ readyWithin: 59s }',
      ['error 6:25 too-short upgrade.readyWithin'],
    ],
    ['accepts the shortest times', '{ checkEvery: 5m, readyWithin: 1m, snapshotMaxAge: 1m }', []],
    [
      'refuses a snapshot of this instant',
      '{ snapshotMaxAge: 0s }',
      ['error 6:28 too-short upgrade.snapshotMaxAge'],
      undefined,
      'write snapshotMaxAge: 1m or more, or off for no snapshot',
    ],
    [
      'warns of no snapshot',
      '{ snapshotMaxAge: off }',
      ['warning 6:28 no-snapshot upgrade.snapshotMaxAge'],
      'etcd members go without a snapshot of etcd: if an upgrade spoils its data, there is nothing to go back to',
    ],
  ],
  addresses: [
    [
      'refuses a probe of another scheme',
      '{ probes: ["ftp://x/"] }',
      ['error 6:21 malformed-value upgrade.probes[0]'],
      'a probe must be an http or https URL: it does not begin with http:// or https://',
      'write it like this: http://192.168.99.10/ready',
    ],
    ['refuses a probe without a host', '{ probes: ["http:///x"] }', ['error 6:21 malformed-value upgrade.probes[0]']],
    ['refuses a probe with a blank', '{ probes: ["http://x/a b"] }', ['error 6:21 malformed-value upgrade.probes[0]']],
    [
      'refuses a port that is none',
      '{ probes: ["http://x:65536/"] }',
      ['error 6:21 malformed-value upgrade.probes[0]'],
    ],
    ['refuses a password', '{ probes: ["http://u:hunter2@x/"] }', ['error 6:21 secret-inline upgrade.probes[0]']],
    [
      'refuses a FleetLock server with a query',
      '{ fleetLock: { url: "http://x/?a" } }',
      ['error 6:30 malformed-value upgrade.fleetLock.url'],
    ],
    [
      'accepts URLs of all kinds',
      '{ probes: ["https://x.example:8443/a?b=c", "http://[2001:db8::1]/", http://10.0.0.1], fleetLock: { url: "http://x/base/" } }',
      [],
    ],
    [
      'refuses url and listen at once',
      '{ fleetLock: { url: http://x, listen: 10.0.0.1:1 } }',
      ['error 6:48 fleet-lock-twice upgrade.fleetLock.listen'],
    ],
    ...[
      'a1:3333',
      ':3333',
      '10.0.0.1',
      '10.0.0.1:0',
      '10.0.0.256:1',
      '"[::1]"',
      '2001:db8::1',
      'run/x',
      '/run/',
      `/${'x'.repeat(107)}`,
    ].map(
      (text): Row => [
        `refuses to listen at ${text.slice(0, 20)}`,
        `{ fleetLock: { listen: ${text} } }`,
        ['error 6:33 malformed-value upgrade.fleetLock.listen'],
      ],
    ),
    ...['10.0.0.1:3333', '"[::1]:1"', '0.0.0.0:80', '/run/diyc-agent/lock.sock'].map(
      (text): Row => [`accepts to listen at ${text}`, `{ fleetLock: { listen: ${text} } }`, []],
    ),
  ],
};

for (const [subject, table] of Object.entries(rows)) {
  describe(`of ${subject} the file`, () => {
    for (const [claim, upgrade, expected, message, remedy] of table) {
      test(claim, () => {
        const resolution = resolveText(clusterText(five(upgrade)));
        expect(summaries(resolution)).toEqual([...expected]);
        if (message !== undefined) expect(resolution.diagnostics[0]?.message).toBe(message);
        if (remedy !== undefined) expect(resolution.diagnostics[0]?.remedy).toBe(remedy);
        expect(JSON.stringify(resolution.diagnostics)).not.toContain('hunter2');
      });
    }
  });
}

test('a word that YAML 1.1 takes for something else is warned of where it names a node', () => {
  const sections = {
    nodes: 'nodes: { "no": { address: 10.0.0.1 } }',
    upgrade: 'upgrade: { canary: [no], groups: { w: { nodes: [no] } } }',
  };
  expect(summaries(resolveText(clusterText(sections)))).toEqual([
    'warning 5:21 ambiguous-text upgrade.canary[0]',
    'warning 5:49 ambiguous-text upgrade.groups.w.nodes[0]',
  ]);
});

describe('what is shown of upgrades', () => {
  test('is what applies to each group, with the line that says so', () => {
    const resolution = resolveText(fixture('upgrade.yaml'));
    expect(resolution.diagnostics).toEqual([]);
    expect(showCluster(resolution, { origin: true })).toBe(fixture('upgrade-shown.yaml'));
  });

  const variants: readonly (readonly [what: string, upgrade: string])[] = [
    ['nothing given', '{}'],
    ['times in several units', '{ soak: 0s, checkEvery: 90m, readyWithin: 3600s, snapshotMaxAge: off }'],
    ['immediate for all', '{ strategy: immediate, groups: { w: { nodes: [w1, w2], strategy: semaphore, slots: 1 } } }'],
    [
      'immediate for one group',
      '{ slots: 2, window: [Sat 02:00-04:00], groups: { w: { nodes: [w1, w2], strategy: immediate } } }',
    ],
    ['canaries for all', '{ canary: [a1, w1], groups: { w: { nodes: [w1, w2] } } }'],
    ['a group called default', '{ groups: { "1.5": { nodes: [w1] }, default: { automatic: off } } }'],
    [
      'a FleetLock server',
      '{ fleetLock: { url: http://x }, groups: { w: { nodes: [w1, w2], fleetLock: { url: "http://y:1/b" } } } }',
    ],
    [
      'a server for one group, listening for others',
      '{ fleetLock: { listen: /run/x }, groups: { w: { nodes: [w1, w2], fleetLock: { url: http://y } } } }',
    ],
  ];
  for (const [what, upgrade] of variants) {
    test(`resolves to the same policy, with ${what}`, () => {
      const resolution = resolveText(clusterText(five(upgrade)));
      const shown = showCluster(resolution, { origin: false });
      const again = resolveText(shown);
      expect(again.config).toEqual(resolution.config);
      expect(showCluster(again, { origin: false })).toBe(shown);
      expect(resolveText(showCluster(resolution, { origin: true })).config).toEqual(resolution.config);
    });
  }
});

describe('drop-ins', () => {
  const base = '/etc/diyc-agent/cluster.yaml';
  const dropIn = '/etc/diyc-agent/cluster.d/50-upgrade.yaml';
  const merged = (upgrade: string, over: string): ReturnType<typeof resolveAll> =>
    resolveAll([documentOf(clusterText(five(upgrade)), 'etc', base), documentOf(over, 'etc', dropIn)]);

  test('replace lists whole, and complete groups key by key', () => {
    const { config, diagnostics } = merged(
      '{ window: [Sat 02:00-04:00, Sun 02:00-04:00], groups: { w: { nodes: [w1, w2], soak: 1m } } }',
      'upgrade: { window: [daily 03:00-04:00], groups: { w: { checkEvery: 1d }, x: { nodes: [a3] } } }\n',
    );
    expect(diagnostics).toEqual([]);
    const policy = config?.upgrade ?? { groups: [], fleetLockListen: null };
    expect(policy.groups.map(({ name, nodes }) => [name, ...nodes])).toEqual([
      ['default', 'a1', 'a2'],
      ['w', 'w1', 'w2'],
      ['x', 'a3'],
    ]);
    expect(groupOf(policy, 'w')).toMatchObject({ soakSecs: 60, checkEverySecs: 86_400 });
    expect(policy.groups.map(({ windows }) => windows.map(({ text }) => text))).toEqual(
      Array(3).fill(['daily 03:00-04:00']),
    );
  });

  test('that move a node have to say so of both groups, and are told where the other stands', () => {
    const groups = '{ groups: { v: { nodes: [w1] }, w: { nodes: [w2] } } }';
    const both = 'upgrade: { groups: { v: { nodes: [a3] }, w: { nodes: [w1, w2] } } }\n';
    expect(merged(groups, both).diagnostics).toEqual([]);
    expect(
      merged(groups, 'upgrade: { groups: { w: { nodes: [w1, w2] } } }\n').diagnostics.map((d) => [d.file, d.message]),
    ).toEqual([[dropIn, `node w1 is in group v already (${base}, line 6), and each node takes its slot of one group`]]);
  });

  test('contradict what they are laid over, naming its line', () => {
    const { diagnostics } = merged('{ slots: 2 }', '\nupgrade: { strategy: immediate }\n');
    expect(diagnostics.map((d) => [d.file, d.rule, d.message])).toEqual([
      [base, 'immediate-waits', `the strategy is immediate (${dropIn}, line 2): its nodes wait for no slot`],
    ]);
  });
});

describe('the schema of upgrades', () => {
  const { properties } = clusterSchema.properties.upgrade;
  test('tells the defaults that are taken', () => {
    const given = Object.entries(properties).flatMap(([key, part]) =>
      'default' in part ? [`${key}: ${part.default}`] : [],
    );
    const whole = given.join(', ');
    expect(given.length).toBe(9);
    expect(policyOf(`{ ${whole} }`)).toEqual(policyOf('{}'));
  });

  test('describes each key', () => {
    const described = JSON.parse(schemaText()).properties.upgrade;
    const group = described.properties.groups.additionalProperties.properties;
    const parts = [
      described,
      ...Object.values(described.properties),
      ...Object.values(group),
      ...Object.values(described.properties.fleetLock.properties),
    ];
    expect(parts.filter((part) => typeof (part as { description?: unknown }).description !== 'string')).toEqual([]);
    expect(Object.keys(group).toSorted()).toEqual(
      [...Object.keys(described.properties).filter((key) => key !== 'groups'), 'nodes'].toSorted(),
    );
  });
});

test('a duration is read as it is written, and written in its largest whole unit', () => {
  expect(['0s', '30s', '5m', '6h', '1d', '999999d'].map(parseDuration)).toEqual([
    0, 30, 300, 21_600, 86_400, 86_399_913_600,
  ]);
  expect(['', '5', 'm', '05m', '1.5h', '-1s', '1h30m', '1000000s', '5M'].map(parseDuration)).toEqual(
    Array(9).fill(null),
  );
  for (const text of ['0s', '59s', '1m', '61s', '90m', '23h', '1d', '25h']) {
    expect(durationText(parseDuration(text) ?? -1)).toBe(text);
  }
  expect(durationText(3600)).toBe('1h');
});

// Small values: secrets that do not print, keys, paths, step texts, seed results, endpoints.

import { describe, expect, test } from 'bun:test';
import { inspect } from 'node:util';
import { etcdEndpoints, memberClientUrls, memberNodes } from '../../../agent/model/cluster-config.ts';
import { flannelConfigKey, flannelSubnetsPrefix, nodeKey, nodesPrefix } from '../../../agent/model/keys.ts';
import { under } from '../../../agent/model/paths.ts';
import { isEmpty, splitForRoot } from '../../../agent/model/plan.ts';
import { Secret } from '../../../agent/model/secret.ts';
import { parseSeedResult } from '../../../agent/model/seed-result.ts';
import { describeStep, fileSteps, type Step } from '../../../agent/model/step.ts';
import { clusterConfig } from '../../support/builders.ts';

describe('a secret', () => {
  const secret = new Secret('s3cr3t');
  test('does not come out by any way of printing', () => {
    const printed = [
      `${secret}`,
      String(secret),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ deep: [secret] }, { showHidden: true }),
      Object.keys(secret).join(),
      JSON.stringify(Object.entries(secret)),
    ];
    expect(printed.join(' ')).not.toContain('s3cr3t');
    expect(printed[0]).toBe('[secret]');
  });
  test('comes out when it is asked for by name', () => {
    expect(secret.reveal()).toBe('s3cr3t');
  });
});

describe('endpoints', () => {
  test('a member asks its own loopback first, then the others', () => {
    expect(etcdEndpoints(clusterConfig(), 'a2')).toEqual([
      'http://127.0.0.1:2379',
      'http://192.168.99.51:2379',
      'http://192.168.99.53:2379',
    ]);
  });
  test('everybody else asks the members', () => {
    const config = clusterConfig({ etcd: { members: ['a1', 'a3'], clientPort: 12379 } });
    expect(etcdEndpoints(config, 'a2')).toEqual(['http://192.168.99.51:12379', 'http://192.168.99.53:12379']);
    expect(memberClientUrls(config)).toEqual(etcdEndpoints(config, 'a2'));
  });
  test('members are in the order of the nodes, whatever the order in the list', () => {
    const config = clusterConfig({ etcd: { members: ['a3', 'a1'] } });
    expect(memberNodes(config).map((n) => n.name)).toEqual(['a1', 'a3']);
  });
});

test('the key space is the one of the protocol', () => {
  expect([
    nodesPrefix('c'),
    nodeKey('c', 'a1'),
    flannelConfigKey('/admin/flannel'),
    flannelSubnetsPrefix('/admin/flannel'),
  ]).toEqual(['/diyc/c/nodes/', '/diyc/c/nodes/a1', '/admin/flannel/config', '/admin/flannel/subnets/']);
});

test('paths join without a double slash', () => {
  expect([under('/', 'etc'), under('/etc', 'a', 'b'), under('/')]).toEqual(['/etc', '/etc/a/b', '/']);
});

describe('steps', () => {
  const base = { component: 'etcd', why: 'w' } as const;
  const write = {
    ...base,
    kind: 'writeFile',
    path: '/f',
    content: '',
    mode: 0o644,
    owner: null,
    sensitive: false,
    before: null,
    keepAs: null,
    drifted: false,
  } as const;
  const etcd = { name: 'etcd', uid: 1, gid: 1 };
  const each: readonly (readonly [Step, string])[] = [
    [write, 'create /f'],
    [{ ...write, before: '' }, 'replace /f'],
    [{ ...base, kind: 'setAttributes', path: '/f', mode: 0o600, owner: etcd }, 'set mode 0600 owner etcd on /f'],
    [{ ...base, kind: 'makeDirectory', path: '/d', mode: 0o700, owner: null }, 'make directory /d (0700)'],
    [{ ...base, kind: 'makeLink', path: '/l', target: '/t' }, 'link /l -> /t'],
    [{ ...base, kind: 'loadModule', module: 'vxlan' }, 'load kernel module vxlan'],
    [{ ...base, kind: 'reloadUnits' }, 'systemctl daemon-reload'],
    [{ ...base, kind: 'startUnits', units: ['a', 'b'] }, 'start a b (without waiting)'],
    [{ ...base, kind: 'restartUnits', units: ['a'] }, 'restart a (without waiting)'],
    [{ ...base, kind: 'removeNetworkDevice', device: 'docker0' }, 'remove network device docker0'],
    [
      { ...base, kind: 'insertFirewallRule', table: 'filter', chain: 'FORWARD', rule: ['-j', 'ACCEPT'] },
      'iptables -t filter -I FORWARD -j ACCEPT',
    ],
    [{ ...base, kind: 'reboot' }, 'reboot'],
  ];
  test.each(each.map(([step, text]) => [text, step] as const))('say what they change: %s', (text, step) => {
    expect(describeStep(step)).toBe(text);
  });
  test('below --root only those that touch files are done', () => {
    const plan = { steps: each.map(([step]) => step), waitingFor: [], restartPending: [] };
    const { applicable, deferred } = splitForRoot(plan);
    expect([...new Set(applicable.map((s) => s.kind))]).toEqual([...fileSteps]);
    expect(applicable.length + deferred.length).toBe(plan.steps.length);
  });
  test('a plan without steps is empty, whatever is missing', () => {
    expect(isEmpty({ steps: [], waitingFor: [], restartPending: ['etcd.service'] })).toBe(true);
  });
});

describe('the result of a seeding', () => {
  const result = { outcome: 'drift', key: '/k', api: 'v3', found: 'f', wanted: 'w' } as const;
  test('reads back as it was written', () => {
    expect(parseSeedResult(JSON.stringify(result))).toEqual(result);
  });
  test.each([null, '', 'null', '[]', '{', '{"outcome":"other","key":"/k"}', '{"outcome":"drift"}', '"drift"'])(
    '%p is none',
    (text) => {
      expect(parseSeedResult(text)).toBeNull();
    },
  );
});

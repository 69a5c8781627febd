// What stands in etcd for flannel, backend by backend, written out by hand from flannel's own documentation.

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { fakeEtcd } from '../support/fake-etcd.ts';
import { packagedHost, runVerb } from '../support/packaged-host.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const psk = 'Tm90IGEga2V5IG9mIGFueWJvZHksIDMyIGJ5dGVzLi4=';

const documents: Readonly<Record<string, { readonly key: string; readonly value: object }>> = {
  'flannel-vxlan': {
    key: '/admin/flannel/config',
    value: {
      Network: '10.50.0.0/16',
      SubnetLen: 25,
      SubnetMin: '10.50.10.0',
      SubnetMax: '10.50.20.0',
      Backend: { Type: 'vxlan', VNI: 42, Port: 4789, MTU: 1400, GBP: true, DirectRouting: true },
    },
  },
  'flannel-host-gw': {
    key: '/coreos.com/network/config',
    value: { Network: '10.50.0.0/16', SubnetLen: 24, Backend: { Type: 'host-gw' } },
  },
  'flannel-udp': {
    key: '/admin/flannel/config',
    value: { Network: '10.50.0.0/16', SubnetLen: 24, Backend: { Type: 'udp', Port: 7890 } },
  },
  'flannel-wireguard': {
    key: '/admin/flannel/config',
    value: {
      Network: '10.50.0.0/16',
      SubnetLen: 24,
      Backend: { Type: 'wireguard', PSK: psk, ListenPort: 51821, MTU: 1380, PersistentKeepaliveInterval: 25 },
    },
  },
};

describe("flannel's network configuration in etcd", () => {
  for (const [name, { key, value }] of Object.entries(documents)) {
    for (const version of ['v0.28.9', '0.13.0'] as const) {
      const api = version === '0.13.0' ? 'v2' : 'v3';
      test(`${name}: flanneld ${version} finds it by API ${api}, and by that one only`, async () => {
        const clock = virtualClock();
        const etcd = fakeEtcd({ members: ['192.168.99.51', '192.168.99.52', '192.168.99.53'], clock });
        const host = packagedHost({
          etcd,
          clock,
          cluster: readFileSync(new URL(`${name}/before/etc/diyc-agent/cluster.yaml`, import.meta.url), 'utf8'),
          files: { '/etc/diyc-agent/psk': { text: `${psk}\n`, mode: 0o600 } },
          versions: { '/usr/bin/flanneld': `${version}\n` },
        });
        const run = await runVerb(host, ['join', 'seed']);
        expect([run.code, run.error]).toEqual([0, null]);
        expect([...etcd.keys(api).keys()]).toEqual([key]);
        expect(JSON.parse(etcd.keys(api).get(key)?.value ?? '')).toEqual(value);
        expect(etcd.keys(api === 'v2' ? 'v3' : 'v2').size).toBe(0);
        // The key is written and never told.
        expect(run.lines.join('\n') + run.stdout + run.stderr).not.toContain(psk);
        expect(host.files.snapshot()['/run/diyc-agent/seed.json']).not.toContain(psk);
      });
    }
  }
});

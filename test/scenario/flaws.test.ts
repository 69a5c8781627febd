// The flaws of the 2015 bootcmd script, one by one: each would be back if its test failed.

import { describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { lastOf, loadUnit, readEnvironmentFile } from '../golden/systemd-readers.ts';
import { fakeEtcd } from '../support/fake-etcd.ts';
import { layOutTrees } from '../support/golden.ts';
import { inProcess } from '../support/in-process.ts';
import { clusterFile, originals, packagedHost, runVerb } from '../support/packaged-host.ts';
import { refusal } from '../support/refusal.ts';
import { withTempDir } from '../support/temp-dir.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const fixture = fileURLToPath(new URL('../fixtures/trees/', import.meta.url));
const script = readFileSync(`${fixture}seed-a/var/cloud-init/bootcmd`, 'utf8');
const metaData = '/var/lib/cloud/seed/nocloud/meta-data';
const addresses = ['192.168.99.51', '192.168.99.52', '192.168.99.53'];
const isRoot = process.getuid?.() === 0;

/** The host of the post as a real tree, booted unless it is refused. */
async function onFedora22(
  work: (root: string) => Promise<void>,
  change: (root: string) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  await withTempDir(async (root) => {
    await layOutTrees(root, ['fedora-22-atomic', 'seed-a']);
    await change(root);
    expect((await inProcess(['boot', '--root', root, '--quiet'])).code).toBe(0);
    await work(root);
  });
}

/** What the script makes of a host name, in bash: its own lines, nothing else. */
function scriptsAddress(host: string, cluster = /^cluster=[\s\S]*?2380$/m.exec(script)?.[0] ?? ''): string {
  const cutting = script.split('\n').filter((line) => /^ip=/.test(line));
  return spawnSync('bash', ['-c', [cluster, `host=${host}`, ...cutting, 'echo "$ip"'].join('\n')], {
    encoding: 'utf8',
  }).stdout.trim();
}

/** The node that a fake host takes itself for, and its own etcd address. */
async function identity(metaDataText: string, cluster = clusterFile): Promise<{ code: number; text: string }> {
  const host = packagedHost({ cluster, files: { [metaData]: metaDataText } });
  const run = await runVerb(host, ['boot']);
  const environment = readEnvironmentFile(host.files.snapshot()['/etc/etcd/etcd.conf'] ?? '');
  const said = run.error instanceof Error ? run.error.message : '';
  return { code: run.code, text: `${environment['ETCD_NAME']} ${environment['ETCD_LISTEN_PEER_URLS']} ${said}` };
}

describe('the script itself has the flaws that these tests are about', () => {
  test('flaw 2 and 3 in bash: the printed list and a substring give the address of the first node', () => {
    expect(scriptsAddress('a3')).toBe('192.168.99.51');
    expect(scriptsAddress('nobody', 'cluster=a1=http://192.168.99.51:2380,a2=http://192.168.99.52:2380')).toBe(
      '192.168.99.51',
    );
  });
});

describe('the fifteen flaws of the script', () => {
  test('flaw 1: a run cut off right after the guard file is resumed, and one cut off before it does not die', async () => {
    const whole = packagedHost();
    await runVerb(whole, ['boot']);
    const guard = whole.effects.findIndex((line) => line.includes('etcd.service.d/restart.conf'));
    expect(guard).toBeGreaterThan(0);
    for (const effect of [guard - 1, guard]) {
      const host = packagedHost();
      host.log.killAt(effect, 'after');
      expect((await runVerb(host, ['boot'])).code).toBe(70);
      host.boot();
      expect((await runVerb(host, ['boot'])).code).toBe(0);
      const [files, wanted] = [host.files.snapshot(), whole.files.snapshot()];
      for (const path of ['/etc/sysconfig/flanneld', '/etc/systemd/system/flanneld.service.d/init.conf', '/etc/group'])
        expect([path, files[path]]).toEqual([path, wanted[path] ?? 'missing']);
    }
  });

  test('flaw 2: a list of nodes over several lines is one list, and every node has its own address', async () => {
    for (const [index, address] of addresses.entries()) {
      const host = packagedHost({ name: `a${index + 1}` });
      expect((await runVerb(host, ['boot'])).code).toBe(0);
      const environment = readEnvironmentFile(host.files.snapshot()['/etc/etcd/etcd.conf'] ?? '');
      expect(environment['ETCD_LISTEN_PEER_URLS']).toBe(`http://${address}:2380`);
      expect(environment['ETCD_INITIAL_CLUSTER']).toBe(addresses.map((a, i) => `a${i + 1}=http://${a}:2380`).join(','));
    }
  });

  for (const name of ['a', '"1"', 'a11', 'xa1', 'http']) {
    test(`flaw 3: a node is looked up by exact name, not by substring: ${name} is nobody`, async () => {
      const host = packagedHost({ files: { [metaData]: `local-hostname: ${name}\n` } });
      const before = host.files.snapshot();
      const run = await runVerb(host, ['boot']);
      expect(run.code).toBe(65);
      expect(String(run.error)).toContain('its nodes are a1, a2, a3');
      expect(host.files.snapshot()).toEqual(before);
    });
  }

  const sameHost: readonly (readonly [string, string])[] = [
    ['double quotes', 'local-hostname: "a2"\n'],
    ['single quotes', "local-hostname: 'a2'\n"],
    ['a comment behind it', 'local-hostname: a2 # the second one\n'],
    ['a comment that names the key', '# local-hostname: a1\nlocal-hostname: a2\n'],
    ['another key with that name in it', 'x-local-hostname: a1\nlocal-hostname: a2\nlocal-hostname-old: a3\n'],
    ['a key with a colon in its value', 'seedfrom: http://boothost:8080/\nlocal-hostname: a2\n'],
    ['JSON', '{"instance-id": "iid", "local-hostname": "a2"}'],
    ['an FQDN, cut at the first dot', 'local-hostname: a2.example.com\n'],
    ['line ends of Windows', 'instance-id: iid\r\nlocal-hostname: a2\r\n'],
  ];
  for (const [what, text] of sameHost) {
    test(`flaw 4: meta-data is read as YAML, not by grep and cut: ${what}`, async () => {
      expect(await identity(text)).toEqual({ code: 0, text: 'a2 http://192.168.99.52:2380 ' });
    });
  }

  test.skipIf(!isRoot)(
    'flaw 5: a group of /usr/lib/group gets its line in /etc/group, with the gid it has there',
    async () => {
      await onFedora22(async (root) => {
        expect(await readFile(`${root}/usr/lib/group`, 'utf8')).toContain('docker:x:994:\n');
        expect(await readFile(`${root}/etc/group`, 'utf8')).toContain('\ndocker:x:994:fedora\n');
      });
    },
  );

  test('flaw 5: a group that is there already is no failure, and keeps its gid and its members', async () => {
    const host = packagedHost({ files: { '/etc/group': 'root:x:0:\ndocker:x:123:somebody\n' } });
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(host.files.snapshot()['/etc/group']).toBe('root:x:0:\ndocker:x:123:somebody,fedora\n');
  });

  test.skipIf(!isRoot)('flaw 6: user fedora is in group docker, although no such user exists yet', async () => {
    await onFedora22(async (root) => {
      expect(await readFile(`${root}/etc/passwd`, 'utf8')).not.toContain('fedora');
      expect(await readFile(`${root}/etc/group`, 'utf8')).toMatch(/^docker:x:\d+:fedora$/m);
    });
  });

  test.skipIf(!isRoot)(
    'flaw 7: quick failures do not use up the starts of a unit, by the rule of old and new systemd',
    async () => {
      await onFedora22(async (root) => {
        for (const unit of ['etcd.service', 'flanneld.service']) {
          const settings = await loadUnit(root, unit);
          // In [Unit] since 230, under another name in [Service] before.
          expect([unit, lastOf(settings, 'Unit.StartLimitIntervalSec')]).toEqual([unit, '0']);
          expect([unit, lastOf(settings, 'Service.StartLimitInterval')]).toEqual([unit, '0']);
          expect([unit, lastOf(settings, 'Service.TimeoutStartSec')]).toEqual([unit, '0']);
        }
        // A flanneld that lost its lease ends with 0, which on-failure would leave at that.
        expect(lastOf(await loadUnit(root, 'flanneld.service'), 'Service.Restart')).toBe('always');
      });
    },
  );

  test("flaw 8: the overlay's configuration is created once and never overwritten, by whichever node starts", async () => {
    const key = '/admin/flannel/config';
    const changed = '{"Network":"10.1.0.0/16","Backend":{"Type":"vxlan"}}';
    const clock = virtualClock();
    const etcd = fakeEtcd({ members: addresses, clock });
    const first = packagedHost({ etcd, clock });
    await runVerb(first, ['join', 'seed']);
    expect(etcd.keys('v3').get(key)?.value).toContain('172.18.0.0/16');
    etcd.put('v3', key, changed);
    for (const name of ['a1', 'a2', 'a3']) {
      const host = packagedHost({ name, etcd, clock });
      const run = await runVerb(host, ['join', 'seed']);
      expect(run.code).toBe(0);
      expect(run.events.map((e) => e.event)).toContain('flannel.drift');
      expect(etcd.keys('v3').get(key)?.value).toBe(changed);
    }
  });

  test('flaw 8: nodes that start at the same time create one configuration', async () => {
    const clock = virtualClock();
    const etcd = fakeEtcd({ members: addresses, clock });
    const hosts = ['a1', 'a2', 'a3'].map((name) => packagedHost({ name, etcd, clock }));
    const runs = await Promise.all(hosts.map((host) => runVerb(host, ['join', 'seed'])));
    const told = runs.flatMap((run) => run.events.map((e) => e.event)).filter((e) => e.startsWith('flannel.'));
    expect(told.sort()).toEqual(['flannel.present', 'flannel.present', 'flannel.seeded']);
  });

  test('flaw 9: the backend is always said, so that flannel does not fall back to udp', async () => {
    const clock = virtualClock();
    const etcd = fakeEtcd({ members: addresses, clock });
    const cluster = clusterFile.replace(', backend: { type: vxlan }', '');
    expect(cluster).not.toContain('backend');
    await runVerb(packagedHost({ etcd, clock, cluster }), ['join', 'seed']);
    const value = etcd.keys('v3').get('/admin/flannel/config')?.value ?? '';
    expect(JSON.parse(value)).toMatchObject({ Network: '172.18.0.0/16', Backend: { Type: 'vxlan' } });
  });

  test('flaw 10: flannel masquerades and docker does not, so containers see each other’s own addresses', async () => {
    const host = packagedHost({
      files: {
        '/run/flannel/subnet.env':
          'FLANNEL_NETWORK=172.18.0.0/16\nFLANNEL_SUBNET=172.18.34.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
      },
    });
    await runVerb(host, ['boot']);
    expect((await runVerb(host, ['join', 'bridge'])).code).toBe(0);
    const files = host.files.snapshot();
    const flanneld = readEnvironmentFile(files['/etc/sysconfig/flanneld'] ?? '');
    expect(flanneld['FLANNEL_OPTIONS']).toContain('-ip-masq=true');
    const docker = readEnvironmentFile(files['/run/diyc-agent/docker.env'] ?? '');
    expect(docker['DOCKER_NETWORK_OPTIONS']).toContain('--ip-masq=false');
  });

  test.skipIf(!isRoot)(
    'flaw 10: what docker reads last are these options, not those of the package’s helper',
    async () => {
      await onFedora22(async (root) => {
        const files = (await loadUnit(root, 'docker.service')).get('Service.EnvironmentFile') ?? [];
        expect(files).toContain('-/run/flannel/docker');
        expect(files.at(-1)).toBe('-/run/diyc-agent/docker.env');
      });
    },
  );

  test('flaw 11: the data directory belongs to etcd, with the mode that etcd wants', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    expect(await host.files.stat('/var/lib/etcd/a1.etcd')).toMatchObject({
      kind: 'directory',
      mode: 0o700,
      uid: 996,
      gid: 994,
    });
  });

  test('flaw 11: a host without the address that the cluster file gives it says so', async () => {
    const host = packagedHost({ address: '192.168.99.151/24' });
    await runVerb(host, ['boot']);
    const { stdout } = await runVerb(host, ['status']);
    expect(stdout).toMatch(/!! {2}AddressPresent .*gives a1 the address 192\.168\.99\.51.*192\.168\.99\.151 on eth0/);
  });

  test('flaw 12: by default nothing is rebooted; always reboots once, after everything is on the disk', async () => {
    const never = packagedHost();
    await runVerb(never, ['boot']);
    expect(never.effects).not.toContain('reboot');

    const host = packagedHost({ cluster: clusterFile.replace('reboot: never', 'reboot: always') });
    await runVerb(host, ['boot']);
    const reboot = host.effects.indexOf('reboot');
    expect(reboot).toBeGreaterThan(0);
    // Behind it only the journal's own line: a shutdown that comes at once cuts off nothing.
    expect(host.effects.slice(reboot + 1).filter((line) => !line.includes('journal'))).toEqual([]);
    host.boot();
    await runVerb(host, ['boot']);
    expect(host.effects.filter((line) => line === 'reboot')).toEqual(['reboot']);
  });

  test.skipIf(!isRoot)('flaw 13: no JSON and no quoting in any command line of a unit', async () => {
    await onFedora22(async (root) => {
      const drop = await readFile(`${root}/etc/systemd/system/flanneld.service.d/init.conf`, 'utf8');
      expect(drop).not.toMatch(/[{}"'\\$]/);
      const commands = (await loadUnit(root, 'flanneld.service')).get('Service.ExecStartPre');
      expect(commands).toEqual(['/usr/bin/diyc-agent join seed']);
    });
  });

  test('flaw 14: the fixture of such a host is of its time', () => {
    const unit = (name: string): string =>
      readFileSync(`${fixture}fedora-22-atomic/usr/lib/systemd/system/${name}.service`, 'utf8');
    expect(unit('docker')).toMatch(/^ExecStart=\/usr\/bin\/docker -d /m);
    expect(unit('etcd')).toContain('Type=simple');
    expect(unit('flanneld')).toMatch(/-etcd-endpoints=\$\{FLANNEL_ETCD\} -etcd-prefix=\$\{FLANNEL_ETCD_KEY\}/);
    expect(readFileSync(`${fixture}seed-a/proc/cmdline`, 'utf8')).toContain('ds=nocloud;seedfrom=/var/cloud-init/');
  });

  test.skipIf(!isRoot)('flaw 14: a flanneld of 2015 reads the v2 API, so etcd is told to serve it', async () => {
    await onFedora22(async (root) => {
      const etcd = readEnvironmentFile(await readFile(`${root}/etc/etcd/etcd.conf`, 'utf8'));
      expect(etcd['ETCD_ENABLE_V2']).toBe('true');
    });
  });

  test('flaw 15: the saved original is never overwritten, however often and with whatever the agent runs', async () => {
    const host = packagedHost();
    for (const prefix of ['/admin/flannel', '/second', '/third']) {
      host.files.put({ '/etc/diyc-agent/cluster.yaml': clusterFile.replace('/admin/flannel', prefix) });
      expect((await runVerb(host, ['boot'])).code).toBe(0);
      const files = host.files.snapshot();
      expect(files['/etc/sysconfig/flanneld']).toContain(`FLANNEL_ETCD_KEY="${prefix}"`);
      for (const [path, text] of Object.entries(originals)) expect(files[`${path}.save`]).toBe(text);
    }
  });

  test('flaw 15: a drop-in directory that is there already is no failure, and what is in it stays', async () => {
    const other = '/etc/systemd/system/etcd.service.d/limits.conf';
    const host = packagedHost({ files: { [other]: '[Service]\nLimitNOFILE=4096\n' } });
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(host.files.snapshot()[other]).toBe('[Service]\nLimitNOFILE=4096\n');
  });
});

describe('what the field notes add to them', () => {
  test('field note 1: a fourth machine does not come up as a second a1', async () => {
    const host = packagedHost({ files: { [metaData]: 'local-hostname: a4\n' } });
    const error = await refusal(async () => {
      const run = await runVerb(host, ['boot']);
      throw run.error;
    });
    expect([error.kind, error.message]).toEqual(['data', expect.stringContaining('"a4"')]);
    expect(Object.keys(host.files.snapshot())).not.toContain('/etc/systemd/system/etcd.service.d/restart.conf');
  });

  test('field note 2: a1 does not take the address of web-a1, which is listed before it', async () => {
    const cluster = clusterFile
      .replace('nodes:\n', 'nodes:\n  web-a1: { address: 192.168.99.50 }\n')
      .replace('flannel:', 'etcd: { members: [a1, a2, a3] }\nflannel:');
    expect(scriptsAddress('a1', 'cluster=web-a1=http://192.168.99.50:2380,a1=http://192.168.99.51:2380')).toBe(
      '192.168.99.50',
    );
    expect(await identity('local-hostname: a1\n', cluster)).toEqual({ code: 0, text: 'a1 http://192.168.99.51:2380 ' });
  });

  test.skipIf(!isRoot)(
    'field note 6: a second attempt is not aborted by what the first one left, nor by a file that is missing',
    async () => {
      await withTempDir(async (root) => {
        await layOutTrees(root, ['fedora-22-atomic', 'seed-a']);
        // As the script leaves a host when it is cut off between the two services.
        await writeFile(`${root}/etc/group`, 'root:x:0:\ndocker:x:994:\n');
        await mkdir(`${root}/etc/systemd/system/etcd.service.d`, { recursive: true });
        await writeFile(`${root}/etc/systemd/system/etcd.service.d/restart.conf`, '[Service]\nRestart=on-failure\n');
        await writeFile(`${root}/etc/etcd/etcd.conf.save`, '# the original\n');
        await rm(`${root}/etc/sysconfig/flanneld`);
        await chmod(`${root}/etc/gshadow`, 0o600);
        expect((await inProcess(['boot', '--root', root, '--quiet'])).code).toBe(0);
        expect(await readFile(`${root}/etc/sysconfig/flanneld`, 'utf8')).toContain('FLANNEL_ETCD_KEY="/admin/flannel"');
        expect(await readFile(`${root}/etc/etcd/etcd.conf.save`, 'utf8')).toBe('# the original\n');
      });
    },
  );

  test('field note 10: two machines with one instance id are two machines', async () => {
    const cluster = clusterFile.replace('reboot: never', 'reboot: always');
    const same = { [metaData]: 'instance-id: iid-local01\nlocal-hostname: a1\n' };
    const first = packagedHost({ cluster, files: same });
    await runVerb(first, ['boot']);
    expect(first.effects).toContain('reboot');
    // The disk of the first in another machine, as a cloned image is: its journal says that it was rebooted.
    const journal = first.files.snapshot()['/var/lib/diyc-agent/journal.jsonl'] ?? '';
    const clone = packagedHost({
      cluster,
      files: { ...same, '/var/lib/diyc-agent/journal.jsonl': journal },
      machine: { hardwareId: 'hardware-2' },
    });
    await runVerb(clone, ['boot']);
    expect(clone.effects).toContain('reboot');
  });
});

// Facts of the machine, its networks and its engine: from captured text, from the real kernel, from a stand-in engine.

import { afterEach, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { networkInterfaces, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { childExec } from '../../agent/host/child-exec.ts';
import { dockerEngine } from '../../agent/host/docker-engine.ts';
import { linuxMachine } from '../../agent/host/machine.ts';
import { linuxNetwork } from '../../agent/host/network.ts';
import { realHost } from '../../agent/host/real-host.ts';
import { parseIpAddr, parseRoutes } from '../../agent/host/routes.ts';
import type { Machine } from '../../agent/ports/host.ts';
import { effectLog } from '../support/effect-log.ts';
import { type FakeTree, fakeFiles } from '../support/fake-files.ts';
import { refusal } from '../support/refusal.ts';
import { silentServer } from '../support/silent-server.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

function machineOf(tree: FakeTree, root = '/'): Machine {
  const files = fakeFiles({ tree, clock: virtualClock(), log: effectLog() });
  return linuxMachine({ root, files, system: files });
}

const machineId = '0123456789abcdef0123456789abcdef';
const uuid = '4c4c4544-0042-3510-8054-b7c04f4e3732';
const dmi = '/sys/class/dmi/id/product_uuid';

describe('how long the host has been up', () => {
  test('is what the kernel says, also of the host around a tree', async () => {
    const system = '/proc/uptime';
    expect(await machineOf({ [system]: '350735.47 234388.90\n' }).uptimeMs()).toBe(350_735_470);
    expect(await machineOf({ [system]: '0.04 0.00\n' }).uptimeMs()).toBe(40);
    const real = await realHost({ root: '/' }).machine.uptimeMs();
    const below = await realHost({ root: '/nonexistent' }).machine.uptimeMs();
    expect(real).toBeGreaterThan(0);
    expect(below).toBeGreaterThanOrEqual(real);
    expect(below - real).toBeLessThan(60_000);
  });

  for (const [what, tree] of [
    ['nothing', {}],
    ['an empty file', { '/proc/uptime': '' }],
    ['half a line', { '/proc/uptime': '350735.47' }],
    ['a text', { '/proc/uptime': 'up 3 days\n' }],
    ['a negative figure', { '/proc/uptime': '-1.00 0.00\n' }],
  ] as const) {
    test(`is unknown, and not 0, from ${what}`, async () => {
      expect((await refusal(() => machineOf(tree).uptimeMs())).kind).toBe('oserr');
    });
  }
});

describe('the hardware id', () => {
  for (const [what, tree, expected] of [
    ['is the UUID of the board', { [dmi]: `${uuid.toUpperCase()}\n`, '/etc/machine-id': machineId }, uuid],
    ['is the machine id where there is no board', { '/etc/machine-id': `${machineId}\n` }, machineId],
    [
      'is the machine id where only root may read',
      { [dmi]: { denied: true }, '/etc/machine-id': machineId },
      machineId,
    ],
    [
      'is not what a maker forgot to set',
      { [dmi]: '03000200-0400-0500-0006-000700080009', '/etc/machine-id': machineId },
      machineId,
    ],
    [
      'is not that of the machine around a container',
      { [dmi]: uuid, '/etc/machine-id': machineId, '/run/systemd/container': 'x' },
      machineId,
    ],
    ['is nothing on an image that never booted', { '/etc/machine-id': 'uninitialized\n' }, null],
  ] as const) {
    test(what, async () => {
      expect(await machineOf(tree).hardwareId()).toBe(expected);
    });
  }

  test('of a tree is not that of the machine it is prepared on', async () => {
    expect(await machineOf({ [dmi]: uuid, '/etc/machine-id': machineId }, '/mnt').hardwareId()).toBe(machineId);
  });
});

describe('the machine', () => {
  test('a digest is SHA-256 in hexadecimal', () => {
    expect(machineOf({}).digest('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  test('the inventory has the distribution by its own name', async () => {
    const inventory = await machineOf({
      '/usr/lib/os-release': 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    }).inventory();
    expect(inventory).toMatchObject({ distribution: 'Debian GNU/Linux 12 (bookworm)' });
    expect(Number(inventory['memoryMiB'])).toBeGreaterThan(0);
    expect(Number(inventory['cpus'])).toBeGreaterThan(0);
  });

  test('the real one has a boot id', async () => {
    expect(await realHost({ root: '/' }).machine.bootId()).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('run from source, the program is where packages install it', () => {
    expect(realHost({ root: '/' }).machine.program).toBe('/usr/bin/diyc-agent');
  });
});

describe('below a root', () => {
  test('everything that needs the running host is refused, and versions are unknown', async () => {
    const host = realHost({ root: tmpdir() });
    expect(host.machine.isLive).toBe(false);
    expect(await host.programs.versionText('etcd', '/usr/bin/etcd')).toBeNull();
    for (const attempt of [
      () => host.units.states(['a.service']),
      () => host.units.queueStart(['a.service']),
      () => host.units.reload(),
      () => host.units.reboot(),
      () => host.network.addresses(),
      () => host.engine.facts(),
      () => host.etcd.keys('v3', []),
      () => host.kernel.loadModule('vxlan'),
      () => host.kernel.ensureFirewallRule('filter', 'INPUT', []),
    ]) {
      const error = await refusal(attempt);
      expect([error.kind, error.hint.includes('--root')]).toEqual(['usage', true]);
    }
  });
});

describe('routes', () => {
  test('destinations without the default route and without what is down', () => {
    const captured = [
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
      'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
      'br0\t002212AC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
      'tun0\t0000000A\t00000000\t0000\t0\t0\t0\t000000FF\t0\t0\t0',
      'eth0\t3A01A8C0\t010200C0\t0007\t0\t0\t0\tFFFFFFFF\t0\t0\t0',
      '',
    ].join('\n');
    expect(parseRoutes(captured)).toEqual([
      { destination: '192.0.2.0/24', device: 'eth0' },
      { destination: '172.18.34.0/24', device: 'br0' },
      { destination: '192.168.1.58/32', device: 'eth0' },
    ]);
    expect(parseRoutes('')).toEqual([]);
  });
});

describe('addresses', () => {
  test('from what ip prints', () => {
    const captured = [
      '1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever',
      '2: br0    inet 172.18.34.1/24 brd 172.18.34.255 scope global br0\\       valid_lft forever preferred_lft forever',
      '7: tun0    inet 10.0.0.1 peer 10.0.0.2/32 scope global tun0\\       valid_lft forever preferred_lft forever',
      '5: eth0@if6    inet 10.5.0.1/24 scope global eth0\\       valid_lft forever preferred_lft forever',
      '',
    ].join('\n');
    expect(parseIpAddr(captured)).toEqual([
      { device: 'lo', address: '127.0.0.1', prefixLength: 8 },
      { device: 'br0', address: '172.18.34.1', prefixLength: 24 },
      { device: 'tun0', address: '10.0.0.1', prefixLength: 32 },
      { device: 'eth0', address: '10.5.0.1', prefixLength: 24 },
    ]);
  });

  test('of this machine have what the C library knows', async () => {
    const found = (await linuxNetwork(childExec()).addresses()).map((a) => a.address);
    for (const { family, address } of Object.values(networkInterfaces()).flatMap((list) => list ?? [])) {
      if (family === 'IPv4') expect(found).toContain(address);
    }
  });

  test('a device that is not there, or whose name is none, is null', async () => {
    const network = linuxNetwork(childExec());
    for (const name of ['nope0', '', '..', '.', 'a/b']) expect(await network.device(name)).toBeNull();
    expect((await network.device('lo'))?.addresses.map((a) => a.address)).toContain('127.0.0.1');
  });

  const canUnshare =
    process.getuid?.() === 0 && spawnSync('unshare', ['-n', 'ip', 'link', 'add', 'br0', 'type', 'bridge']).status === 0;
  test.skipIf(!canUnshare)(
    `an idle bridge has its address although nothing runs on it${canUnshare ? '' : ' (skipped: no network namespaces)'}`,
    () => {
      const adapter = fileURLToPath(new URL('../../agent/host/', import.meta.url));
      const script = `
        import { childExec } from '${adapter}child-exec.ts';
        import { linuxNetwork } from '${adapter}network.ts';
        const network = linuxNetwork(childExec());
        console.log(JSON.stringify([await network.device('docker0'), await network.routes()]));
      `;
      const setUp = `
        mount -t sysfs sysfs /sys && ip link add docker0 type bridge && ip addr add 172.18.34.1/24 dev docker0 &&
        ip link set docker0 up && ip link add v0 type veth peer name v1 && ip link set v0 master docker0 up &&
        ip link set v1 up && ip link set v1 down && sleep 0.1 && exec "$1" -e "$2"`;
      const { stdout, stderr } = spawnSync('unshare', ['-n', '-m', 'sh', '-c', setUp, 'sh', process.execPath, script], {
        encoding: 'utf8',
      });
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toEqual([
        {
          name: 'docker0',
          addresses: [{ device: 'docker0', address: '172.18.34.1', prefixLength: 24 }],
          mtu: 1500,
          ports: ['v0'],
        },
        [{ destination: '172.18.34.0/24', device: 'docker0' }],
      ]);
    },
  );
});

describe('the engine', () => {
  async function socketPath(): Promise<string> {
    const directory = await mkdtemp(`${tmpdir()}/diyc-agent-engine-`);
    cleanUps.push(() => rm(directory, { recursive: true, force: true }));
    return `${directory}/docker.sock`;
  }

  async function answering(status: number, body: string): Promise<string> {
    const path = await socketPath();
    const server = createServer((request, response) => {
      const isInfo = request.method === 'GET' && /^(\/v[0-9.]+)?\/info$/.test(request.url ?? '');
      response.writeHead(isInfo ? status : 404, { 'content-type': 'application/json' }).end(isInfo ? body : '{}');
    });
    cleanUps.push(() => server.closeAllConnections());
    cleanUps.push(() => void server.close());
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return path;
  }

  test('three facts of the many that it tells', async () => {
    const path = await answering(
      200,
      '{"ServerVersion":"28.2.2","Driver":"overlay2","ContainersRunning":3,"Images":7}',
    );
    expect(await dockerEngine({ socketPath: path }).facts()).toEqual({
      version: '28.2.2',
      storageDriver: 'overlay2',
      runningContainers: 3,
    });
  });

  test('one that does not answer costs no more than the deadline', async () => {
    const path = await socketPath();
    const server = await silentServer(path);
    cleanUps.push(server.close);
    const started = performance.now();
    const error = await refusal(() => dockerEngine({ socketPath: path, deadlineMs: 300 }).facts());
    expect([error.kind, error.message.includes('within 300 ms')]).toEqual(['unavailable', true]);
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  test('no socket, a refusal by the engine: unavailable, with the reason', async () => {
    const missing = await refusal(async () => dockerEngine({ socketPath: await socketPath() }).facts());
    expect([missing.kind, missing.message.includes('there is no')]).toEqual(['unavailable', true]);
    const path = await answering(500, '{"message":"broken storage"}');
    const broken = await refusal(() => dockerEngine({ socketPath: path }).facts());
    expect([broken.kind, broken.message.includes('broken storage')]).toEqual(['unavailable', true]);
  });
});

/** Every container reaches every other at full packet size, and is seen there under its own address: the NAT-less overlay. */

import type { Lab } from './cluster.ts';
import type { Host } from './host.ts';
import { IMAGE, IMAGE_TAR, WHO_IS_ASKING } from './images.ts';

export interface Cell {
  readonly from: string;
  readonly to: string;
  /** Whether a packet of the bridge's full MTU gets through unfragmented. */
  readonly fullSize: boolean;
  /** MTU in the container, and of flannel's lease; a larger one breaks large packets, a smaller one wastes them. */
  readonly mtu: number;
  readonly overlayMtu: number;
  /** The source address that the receiving container saw. */
  readonly seenAs: string;
  readonly ownAddress: string;
}

interface Peer {
  readonly host: Host;
  readonly address: string;
  readonly pid: string;
  readonly mtu: number;
  readonly overlayMtu: number;
}

const CONTAINER = 'lab-peer';
const PORT = 9000;
/** IPv4 and ICMP headers. */
const HEADERS = 28;

function cellHolds(cell: Cell): boolean {
  return cell.fullSize && cell.mtu === cell.overlayMtu && cell.seenAs === cell.ownAddress;
}

async function docker(host: Host, ...args: string[]): Promise<string> {
  const outcome = await host.exec(['docker', ...args], 60_000);
  if (outcome.code !== 0) throw new Error(`docker ${args.join(' ')} on ${host.name}: ${outcome.stderr.trim()}`);
  return outcome.stdout.trim();
}

/** Starts (anew) the container that the matrix talks to. @param options further ones for docker run */
export async function startPeer(host: Host, options: readonly string[] = []): Promise<Peer> {
  const there = await host.exec(['docker', 'image', 'inspect', IMAGE]);
  if (there.code !== 0) await docker(host, 'import', IMAGE_TAR, IMAGE);
  await stopPeer(host);
  await docker(
    host,
    'run',
    '--detach',
    '--name',
    CONTAINER,
    ...options,
    IMAGE,
    'httpd',
    '-f',
    '-p',
    String(PORT),
    '-h',
    '/www',
  );
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}} {{.State.Pid}}';
  const [address = '', pid = ''] = (await docker(host, 'inspect', '--format', format, CONTAINER)).split(' ');
  const mtu = Number(await docker(host, 'exec', CONTAINER, 'cat', '/sys/class/net/eth0/mtu'));
  const overlayMtu = Number(/^FLANNEL_MTU=(\d+)$/m.exec(await host.readText('/run/flannel/subnet.env'))?.[1]);
  return { host, address, pid, mtu, overlayMtu };
}

export async function stopPeer(host: Host): Promise<void> {
  await host.exec(['docker', 'rm', '--force', CONTAINER]);
}

async function cell(from: Peer, to: Peer): Promise<Cell> {
  // the host's own ping in the container's network: busybox cannot forbid fragmentation
  const ping = await from.host.exec([
    'nsenter',
    `--target=${from.pid}`,
    '--net',
    'ping',
    '-n',
    '-q',
    '-M',
    'do',
    '-s',
    String(from.mtu - HEADERS),
    '-c',
    '2',
    '-i',
    '0.2',
    '-W',
    '2',
    to.address,
  ]);
  // no -T: the static busybox of bookworm crashes on it; the deadline of exec is the limit
  const asked = await from.host.exec(
    ['docker', 'exec', CONTAINER, 'wget', '-q', '-O', '-', `http://${to.address}:${PORT}${WHO_IS_ASKING}`],
    8_000,
  );
  return {
    from: from.host.name,
    to: to.host.name,
    fullSize: ping.code === 0,
    mtu: from.mtu,
    overlayMtu: from.overlayMtu,
    seenAs:
      asked.code === 0
        ? asked.stdout.trim().replace(/^\[?::ffff:([\d.]+)\]?$/, '$1')
        : `no answer (${asked.stderr.trim()})`,
    ownAddress: from.address,
  };
}

/** One cell per ordered pair of hosts. */
async function pingMatrix(lab: Lab, hosts: readonly Host[] = lab.nodes): Promise<Cell[]> {
  const peers = await Promise.all(hosts.map((host) => startPeer(host)));
  try {
    const cells: Cell[] = [];
    for (const from of peers) {
      for (const to of peers) if (from !== to) cells.push(await cell(from, to));
    }
    return cells;
  } finally {
    // left running they would cost the next reboot ten seconds: process 1 of a container ignores SIGTERM
    await Promise.all(hosts.map((host) => stopPeer(host)));
  }
}

export function cellText(one: Cell): string {
  return `${one.from} → ${one.to}: packets of ${one.mtu} bytes ${one.fullSize ? 'pass' : 'are LOST'} (overlay: ${one.overlayMtu}), container ${one.ownAddress} seen as ${one.seenAs}`;
}

/** Throws with every cell that does not hold. */
export async function assertPingMatrix(lab: Lab, hosts: readonly Host[] = lab.nodes): Promise<Cell[]> {
  const cells = await pingMatrix(lab, hosts);
  const broken = cells.filter((one) => !cellHolds(one));
  if (broken.length > 0) throw new Error(`overlay broken:\n${broken.map((one) => `  ${cellText(one)}`).join('\n')}`);
  return cells;
}

// Addresses, devices and routes of this host, from the kernel's own files wherever they tell.

import { readdir, readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import type { DeviceState, HostAddress, Network } from '../ports/host.ts';
import type { Exec } from './child-exec.ts';
import { parseIpAddr, parseRoutes } from './routes.ts';
import { isAbsent, systemError } from './system-errors.ts';

const devicesDirectory = '/sys/class/net';
const ipDeadlineMs = 3_000;

/** The Network port on Linux. */
export function linuxNetwork(exec: Exec): Network {
  async function addresses(): Promise<HostAddress[]> {
    const running = addressesOfRunningDevices();
    // The C library's list has no device without a carrier: an idle docker0 is one, with its address all the same.
    if (!(await hasDeviceWithoutCarrier())) return running;
    const told = await addressesByIp(exec);
    return told ?? running;
  }

  return {
    addresses,
    async device(name): Promise<DeviceState | null> {
      if (name === '' || name.includes('/') || name.startsWith('.')) return null;
      const directory = `${devicesDirectory}/${name}`;
      const mtu = await readOrNull(`${directory}/mtu`);
      if (mtu === null) return null;
      const all = await addresses();
      return {
        name,
        addresses: all.filter((a) => a.device === name),
        mtu: Number(mtu.trim()),
        ports: await listOrEmpty(`${directory}/brif`),
      };
    },
    async routes() {
      return parseRoutes((await readOrNull('/proc/net/route')) ?? '');
    },
  };
}

function addressesOfRunningDevices(): HostAddress[] {
  const found: HostAddress[] = [];
  for (const [device, addresses] of Object.entries(networkInterfaces())) {
    for (const { family, address, cidr } of addresses ?? []) {
      if (family === 'IPv4') found.push({ device, address, prefixLength: Number(cidr?.split('/')[1] ?? 32) });
    }
  }
  return found;
}

async function hasDeviceWithoutCarrier(): Promise<boolean> {
  for (const name of await listOrEmpty(devicesDirectory)) {
    // Reading `carrier` of a device that is down is an error (EINVAL): it has none either.
    const carrier = await readFile(`${devicesDirectory}/${name}/carrier`, 'utf8').catch(() => '0');
    if (carrier.trim() !== '1') return true;
  }
  return false;
}

async function addressesByIp(exec: Exec): Promise<HostAddress[] | null> {
  try {
    const result = await exec.run(['ip', '-o', '-4', 'addr', 'show'], { deadlineMs: ipDeadlineMs });
    return result.exitCode === 0 ? parseIpAddr(result.stdout) : null;
  } catch {
    // No `ip` on this host: what the C library tells has to do.
    return null;
  }
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return null;
    throw systemError(error, `read ${path}`, path);
  }
}

async function listOrEmpty(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (isAbsent(error)) return [];
    throw systemError(error, `list ${path}`, path);
  }
}

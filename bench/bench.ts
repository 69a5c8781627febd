// The budgets of design section 9, measured in one run and printed as ratios: absolute times say more about the machine.

import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { spawnSync } from 'bun';
import { measureLive } from './live.ts';

const agent = resolve('dist/diyc-agent');
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 20);

interface Sample {
  readonly ms: number;
  readonly peakMiB: number;
}

function measure(argv: readonly string[], accepted: readonly number[] = [0]): Sample {
  const began = performance.now();
  const result = spawnSync([...argv], { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore', cwd: '/' });
  const ms = performance.now() - began;
  if (!accepted.includes(result.exitCode)) throw new Error(`${argv.join(' ')} ended with ${result.exitCode}`);
  return { ms, peakMiB: result.resourceUsage.maxRSS / 1024 / 1024 };
}

/** A host as seed A leaves it before its first boot: meta-data and cluster file, nothing else. */
function freshTree(parent: string, name: string): string {
  const root = join(parent, name);
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, 'var/cloud-init'), { recursive: true });
  writeFileSync(join(root, 'var/cloud-init/meta-data'), 'instance-id: iid-local01\nlocal-hostname: a2\n');
  writeFileSync(
    join(root, 'var/cloud-init/cluster.yaml'),
    [
      'version: 1',
      'cluster: diy-cluster',
      'nodes:',
      '  a1: { address: 192.168.99.51 }',
      '  a2: { address: 192.168.99.52 }',
      '  a3: { address: 192.168.99.53 }',
      'flannel: { network: 172.18.0.0/16 }',
      '',
    ].join('\n'),
  );
  return root;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Pairs are taken in turn, A B A B, so that a noisy neighbour hits both; the ratio is taken pair by pair. */
function ratio(a: readonly Sample[], b: readonly Sample[]): number {
  return median(a.map((sample, i) => sample.ms / (b[i]?.ms ?? Number.NaN)));
}

const parent = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'diyc-bench-'));
try {
  const samples: Record<string, Sample[]> = {
    script: [],
    boot: [],
    again: [],
    version: [],
    plan: [],
    node: [],
    bash: [],
  };
  const take = (name: string, sample: Sample): void => void samples[name]?.push(sample);
  for (let i = 0; i < rounds + 2; i++) {
    const keep = i >= 2; // two rounds to warm the page cache
    const scriptRoot = freshTree(parent, 'script');
    const bootRoot = freshTree(parent, 'boot');
    const round: [string, Sample][] = [
      ['script', measure(['bash', resolve('bench/seed-a.sh'), scriptRoot])],
      ['boot', measure([agent, 'boot', '--root', bootRoot])],
      ['again', measure([agent, 'boot', '--root', bootRoot])],
      ['plan', measure([agent, 'plan', '--root', bootRoot])],
      ['version', measure([agent, '--version'])],
      ['node', measure(['node', '-e', '0'])],
      ['bash', measure(['bash', '-c', ':'])],
    ];
    if (keep) for (const [name, sample] of round) take(name, sample);
  }
  const of = (name: string): readonly Sample[] => samples[name] ?? [];
  const line = (what: string, value: string, goal: string): void =>
    console.log(`${what.padEnd(54)} ${value.padStart(9)}   ${goal}`);
  const ms = (name: string): string => `${median(of(name).map((s) => s.ms)).toFixed(0)} ms`;
  const peak = (name: string): string => `${Math.max(...of(name).map((s) => s.peakMiB)).toFixed(0)} MiB`;
  console.log(
    `${rounds} rounds, A B A B; ratios are medians of pairs, times are medians, memory is the highest peak\n`,
  );
  line('first boot : the 2015 script with the same syncs', ratio(of('boot'), of('script')).toFixed(2), 'goal 0.50');
  line('no-op boot : the 2015 script', ratio(of('again'), of('script')).toFixed(2), '');
  line('no-op boot : a bare node -e 0', ratio(of('again'), of('node')).toFixed(2), '');
  line('--version : a bare node -e 0', ratio(of('version'), of('node')).toFixed(2), 'goal 0.67');
  line('--version : bash -c :', ratio(of('version'), of('bash')).toFixed(1), '');
  console.log('');
  line('the 2015 script, time', ms('script'), '');
  line('first boot, time', ms('boot'), '');
  line('no-op boot, time', ms('again'), 'goal below 30 ms');
  line('--version, time', ms('version'), 'goal 20 ms where node takes 30');
  line('node -e 0, time', ms('node'), '');
  console.log('');
  line('first boot, peak memory', peak('boot'), 'goal 48 MiB');
  line('no-op boot, peak memory', peak('again'), '');
  line('plan, peak memory', peak('plan'), '');
  line('--version, peak memory', peak('version'), '');
  line('size of the binary', `${(statSync(agent).size / 1024 / 1024).toFixed(1)} MiB`, '');

  const argvs = [
    ['diyc-agent', 'status'],
    ['diyc-agent', 'boot'],
    ['diyc-agent', 'report'],
    ['diyc-agent', 'nodes'],
    ['diyc-agent', '--version'],
    ['systemctl', 'show', 'etcd'],
  ];
  const live = await measureLive(agent, argvs, rounds);
  console.log('');
  if (live === null) console.log('status and report were not measured: this machine cannot run the lab');
  else {
    const [statusRuns = [], bootRuns = [], reportRuns = [], nodesRuns = [], versionRuns = [], systemctlRuns = []] =
      live;
    const middle = (runs: readonly Sample[]): string => `${median(runs.map((s) => s.ms)).toFixed(0)} ms`;
    const most = (runs: readonly Sample[]): string => `${Math.max(...runs.map((s) => s.peakMiB)).toFixed(0)} MiB`;
    line('on a ready host, status : --version', ratio(statusRuns, versionRuns).toFixed(2), '');
    line('on a ready host, status : systemctl show', ratio(statusRuns, systemctlRuns).toFixed(1), '');
    line('on a ready host, boot : --version', ratio(bootRuns, versionRuns).toFixed(2), '');
    console.log('');
    line('status with etcd and docker, time', middle(statusRuns), 'goal below 60 ms');
    line('boot with nothing to do, time', middle(bootRuns), 'goal below 30 ms');
    line('report, time', middle(reportRuns), '');
    line('nodes, time', middle(nodesRuns), '');
    line('status, peak memory', most(statusRuns), 'goal 64 MiB');
    line('boot with nothing to do, peak memory', most(bootRuns), 'goal 48 MiB');
    line('report, peak memory', most(reportRuns), '');
  }
} finally {
  rmSync(parent, { recursive: true, force: true });
}

/** What a user of the cluster notices while hosts go and come: writes to etcd, reads from it, packets between containers. */

import { type ChildProcess, spawn } from 'node:child_process';
import type { Lab } from './cluster.ts';
import type { Host } from './host.ts';
import { fromSwitch } from './network.ts';
import { startPeer } from './ping-matrix.ts';
import { run } from './run.ts';
import { pause } from './wait.ts';

const PINGS_PER_SECOND = 5;
/** etcd elects within a second or so; a read that takes longer is a quorum that was lost. */
const READ_WITHIN_MS = 5_000;
const WRITTEN = '/lab/written/';

export interface Span {
  readonly from: number;
  readonly to: number;
}

interface LostPing {
  readonly pair: readonly [string, string];
  readonly at: number;
}

/** Reads etcd through every member, twice a second: what counts is how many answer at once. */
interface ReadRound {
  readonly at: number;
  readonly answering: readonly string[];
}

/** Everything that is watched, from `start` to `stop`. */
export class Watch {
  readonly #lab: Lab;
  #isOver = false;
  readonly #work: Promise<void>[] = [];
  readonly #pings: ChildProcess[] = [];
  readonly acknowledged: number[] = [];
  /** How long each acknowledged write took, milliseconds. */
  readonly writeMs: number[] = [];
  readonly reads: ReadRound[] = [];
  readonly lost: LostPing[] = [];
  sent = 0;

  private constructor(lab: Lab) {
    this.#lab = lab;
  }

  static async start(lab: Lab): Promise<Watch> {
    const watch = new Watch(lab);
    await Promise.all(lab.nodes.map((node) => startPeer(node, ['--restart=always', '--stop-timeout=1'])));
    watch.#work.push(watch.#write(), watch.#read());
    lab.nodes.forEach((from, i) => {
      for (const to of lab.nodes.slice(i + 1)) watch.#work.push(watch.#pingWhileUp(from, to));
    });
    return watch;
  }

  /** Ends it. @returns which acknowledged writes are gone */
  async stop(): Promise<number[]> {
    this.#isOver = true;
    for (const ping of this.#pings) ping.kill('SIGINT');
    await Promise.all(this.#work);
    const kept = new Set((await this.#lab.store.list(WRITTEN)).map(({ value }) => Number(value)));
    return this.acknowledged.filter((n) => !kept.has(n));
  }

  async #write(): Promise<void> {
    for (let n = 1; !this.#isOver; n++) {
      const began = Date.now();
      if (await this.#lab.store.put(`${WRITTEN}${n}`, String(n))) {
        this.acknowledged.push(n);
        this.writeMs.push(Date.now() - began);
      }
      await pause(100);
    }
  }

  async #read(): Promise<void> {
    while (!this.#isOver) {
      const at = Date.now();
      const answers = await Promise.all(
        this.#lab.nodes.map(async ({ name, address }) =>
          (await this.#lab.store.readsThrough(address, READ_WITHIN_MS)) ? [name] : [],
        ),
      );
      this.reads.push({ at, answering: answers.flat() });
      await pause(500);
    }
  }

  /** One ping for each life of the containers at both ends. */
  async #pingWhileUp(from: Host, to: Host): Promise<void> {
    while (!this.#isOver) {
      const here = await containerOf(from).catch(() => undefined);
      const there = await containerOf(to).catch(() => undefined);
      if (here === undefined || there === undefined) {
        await pause(500);
        continue;
      }
      await this.#ping([from.name, to.name], here.netns, there.address, async () => {
        const now = await containerOf(from).catch(() => undefined);
        return now?.netns === here.netns;
      });
    }
  }

  /** Pings until the container that it pings from is gone. */
  async #ping(
    pair: readonly [string, string],
    netns: string,
    address: string,
    isThere: () => Promise<boolean>,
  ): Promise<void> {
    const [program = '', ...args] = this.#lab.ownProgram([
      'ping',
      '-n',
      '-O',
      '-i',
      `${1 / PINGS_PER_SECOND}`,
      address,
    ]);
    // the network of the container alone: a process in the host's mounts would hold up its reboot
    const ping = spawn('nsenter', [`--net=${netns}`, program, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#pings.push(ping);
    const began = Date.now();
    const answered = new Set<number>();
    let last = 0;
    let text = '';
    ping.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const reply = /bytes from .* icmp_seq=(\d+) /.exec(line)?.[1];
        if (reply !== undefined) answered.add(Number(reply));
        last = Math.max(last, Number(/icmp_seq=(\d+)/.exec(line)?.[1] ?? 0));
      }
    });
    const ended = new Promise<void>((resolve) => {
      ping.on('close', () => resolve());
      ping.on('error', () => resolve());
    });
    let isGone = false;
    while (!this.#isOver && !isGone) {
      await Promise.race([ended, pause(1_000)]);
      isGone = ping.exitCode !== null || !(await isThere());
    }
    ping.kill('SIGINT');
    await ended;
    // the last ones may have been on their way when it ended
    const counted = Math.max(0, last - 2);
    this.sent += counted;
    for (let seq = 1; seq <= counted; seq++) {
      if (!answered.has(seq)) this.lost.push({ pair, at: began + ((seq - 1) * 1_000) / PINGS_PER_SECOND });
    }
  }

  /** Pings that were lost between hosts of which neither was away then. */
  lostBetween(away: ReadonlyMap<string, readonly Span[]>): LostPing[] {
    return this.lost.filter(
      ({ pair, at }) => !pair.some((name) => away.get(name)?.some((span) => at >= span.from && at <= span.to)),
    );
  }
}

/** The container of `startPeer` as it runs now. */
async function containerOf(host: Host): Promise<{ netns: string; address: string }> {
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}} {{.State.Pid}}';
  const [address = '', pid = '0'] = (await host.answer(['docker', 'inspect', '--format', format, 'lab-peer']))
    .trim()
    .split(' ');
  if (pid === '0' || address === '') throw new Error(`the container on ${host.name} does not run`);
  // its process as the host's own /proc has it, seen from outside
  return { address, netns: `/proc/${(await host.init()).pid}/root/proc/${pid}/ns/net` };
}

/** Runs a program on the switch, as anybody on the hosts' network could. */
export async function curl(lab: Lab, args: readonly string[]): Promise<{ status: number; body: string }> {
  const outcome = await run(
    fromSwitch(lab.names, ['curl', '--silent', '--max-time', '15', '--write-out', '\n%{http_code}', ...args]),
    { tolerant: true },
  );
  const lines = outcome.stdout.split('\n');
  return { status: Number(lines.pop() ?? 0), body: lines.join('\n') };
}

/** A roll-out as it stands in etcd, read from the switch: who holds the slot, what happened to it, what each node says. */

import type { Lab } from './cluster.ts';
import type { Host } from './host.ts';
import { expect } from './scenario.ts';
import { CLUSTER, NODE_KEYS } from './seed.ts';
import { notYet, pause, until, yes } from './wait.ts';
import type { Span } from './watch.ts';

const PREFIX = `/diyc/${CLUSTER}/upgrade/`;
/** Started by the timer every 10 minutes, which is longer than a scenario waits. */
const UNIT = 'diyc-agent-upgrade.service';

interface SlotEvent {
  readonly at: string;
  readonly what: string;
  readonly holder: string;
  readonly why: string;
}

export interface Slots {
  readonly holders: readonly { readonly id: string; readonly stage: string; readonly reason: string }[];
  readonly log: readonly SlotEvent[];
}

interface NamedRelease {
  readonly id: string;
  readonly text: string;
}

export interface NodeUpgrade {
  readonly phase: string;
  readonly booted: NamedRelease | null;
  readonly staged: NamedRelease | null;
  readonly verified: string | null;
  readonly waiting: string | null;
}

interface Denied {
  readonly release: NamedRelease;
  readonly reason: string;
  readonly by: string;
}

async function stored<T>(lab: Lab, key: string): Promise<T | undefined> {
  const found = await lab.store.get(key);
  return found === undefined ? undefined : (JSON.parse(found.value) as T);
}

export async function slots(lab: Lab, group = 'default'): Promise<Slots> {
  return (await stored<Slots>(lab, `${PREFIX}${group}/semaphore`)) ?? { holders: [], log: [] };
}

export async function denied(lab: Lab): Promise<readonly Denied[]> {
  return (await stored<{ denied: Denied[] }>(lab, `${PREFIX}default/denied`))?.denied ?? [];
}

/** What a node last published of its upgrade. */
export async function upgradeOf(lab: Lab, host: Host): Promise<NodeUpgrade | undefined> {
  return (await stored<{ upgrade?: NodeUpgrade }>(lab, `${NODE_KEYS}${host.name}`))?.upgrade;
}

/**
 * Starts the upgrade unit on all hosts that are up, every three seconds: what the report does every twenty while something
 * is under way, and the timer every ten minutes. It changes how long a scenario takes and nothing else.
 */
export class Ticks {
  #isOver = false;
  readonly #done: Promise<void>;

  constructor(lab: Lab) {
    this.#done = this.#keepTicking(lab);
  }

  async #keepTicking(lab: Lab): Promise<void> {
    while (!this.#isOver) {
      await Promise.all(
        lab.nodes.map((node) => node.ask(['systemctl', '--no-block', 'start', UNIT]).catch(() => undefined)),
      );
      await pause(3_000);
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }
}

/** While `work` is done, the unit is started often. */
export async function ticking<T>(lab: Lab, work: () => Promise<T>): Promise<T> {
  const ticks = new Ticks(lab);
  try {
    return await work();
  } finally {
    await ticks.stop();
  }
}

/** One run of the coordinator, to its end. */
export async function runOnce(host: Host): Promise<void> {
  await host.exec(['systemctl', 'start', UNIT], 60_000);
}

/** What a verb prints; throws when it ends otherwise than expected. */
export async function mustRun(host: Host, argv: readonly string[], code = 0, timeoutMs = 60_000): Promise<string> {
  const outcome = await host.exec(argv, timeoutMs);
  const said = `${outcome.stdout}${outcome.stderr}`;
  expect(
    outcome.code === code,
    `${argv.join(' ')} on ${host.name}: expected exit ${code}, is ${outcome.code}:\n${said}`,
  );
  return said;
}

/** The agent's own account as JSON. */
export async function jsonOf<T>(host: Host, argv: readonly string[], code = 0): Promise<T> {
  const outcome = await host.exec(argv, 60_000);
  expect(outcome.code === code, `${argv.join(' ')} on ${host.name}: exit ${outcome.code}: ${outcome.stderr.trim()}`);
  return JSON.parse(outcome.stdout) as T;
}

/** Every node has proven itself in that release, and no slot is held. */
export async function untilAllIn(lab: Lab, commit: string, timeoutMs: number): Promise<void> {
  await until(`all nodes to have proven themselves in ${commit.slice(0, 8)}`, timeoutMs, async () => {
    const held = (await slots(lab)).holders;
    if (held.length > 0) return notYet(held.map((h) => `${h.id} is ${h.stage}: ${h.reason}`).join(', '));
    for (const node of lab.nodes) {
      const upgrade = await upgradeOf(lab, node);
      if (upgrade?.verified !== commit) {
        return notYet(
          `${node.name}: ${upgrade?.phase ?? 'no record'}, in ${upgrade?.booted?.text}: ${upgrade?.waiting}`,
        );
      }
    }
    return yes(true);
  });
}

/** When each node held a slot, by the log of the semaphore. */
export function spansOf(log: readonly SlotEvent[]): Map<string, Span[]> {
  const spans = new Map<string, Span[]>();
  const open = new Map<string, number>();
  for (const event of log) {
    if (event.what === 'taken') open.set(event.holder, Date.parse(event.at));
    const from = open.get(event.holder);
    if (from === undefined || !event.what.startsWith('released')) continue;
    spans.set(event.holder, [...(spans.get(event.holder) ?? []), { from, to: Date.parse(event.at) }]);
    open.delete(event.holder);
  }
  return spans;
}

/** Slots of one group that were held at the same time. */
export function overlapping(spans: ReadonlyMap<string, readonly Span[]>): string[] {
  const all = [...spans].flatMap(([name, own]) => own.map((span) => ({ name, ...span })));
  return all.flatMap((one, i) =>
    all
      .slice(i + 1)
      .filter((other) => other.name !== one.name && other.from < one.to && one.from < other.to)
      .map((other) => `${one.name} and ${other.name}`),
  );
}

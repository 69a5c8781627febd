// What was done to the fake host, one line per effect, and the place where a test kills the agent between two of them.

/** Thrown into the agent where the test kills it; from then on the host answers nothing until it is revived. */
export class Killed extends Error {
  constructor(where: string) {
    super(`killed ${where}`);
    this.name = 'Killed';
  }
}

export type KillPhase = 'before' | 'during' | 'after';

export interface EffectLog {
  /** Every effect so far: `write /etc/etcd/etcd.conf 0644`, `start etcd.service`. */
  readonly lines: readonly string[];
  /** Do it, unless a kill or a fault was planned for it. `during` leaves what a kill in the middle leaves. */
  run<T>(line: string, act: () => T, during?: () => void): T;
  /** Throws when the agent was killed; every question starts with it, for the dead ask none. */
  assertAlive(): void;
  /** Kill the agent at the n-th effect from now, counted from 0. */
  killAt(effect: number, phase: KillPhase): void;
  /** The next effect whose line has this text fails with this error, and does nothing. */
  failOn(text: string, error: Error): void;
  /** Start the next life: no kill is planned, and the log goes on. */
  revive(): void;
  clear(): void;
}

/** An empty log. */
export function effectLog(): EffectLog {
  let lines: string[] = [];
  let isDead = false;
  let plan: { left: number; readonly phase: KillPhase } | null = null;
  let faults: { readonly text: string; readonly error: Error }[] = [];

  function die(line: string, phase: KillPhase): never {
    isDead = true;
    plan = null;
    throw new Killed(`${phase} "${line}"`);
  }

  function assertAlive(): void {
    if (isDead) throw new Killed('earlier: a dead process does nothing');
  }

  return {
    get lines() {
      return lines;
    },
    assertAlive,
    run(line, act, during) {
      assertAlive();
      const fault = faults.find((f) => line.includes(f.text));
      if (fault !== undefined) {
        faults = faults.filter((f) => f !== fault);
        throw fault.error;
      }
      const phase = plan !== null && plan.left === 0 ? plan.phase : null;
      if (plan !== null) plan.left--;
      if (phase === 'before') die(line, phase);
      if (phase === 'during') {
        during?.();
        die(line, phase);
      }
      const outcome = act();
      lines.push(line);
      if (phase === 'after') die(line, phase);
      return outcome;
    },
    killAt(effect, phase) {
      plan = { left: effect, phase };
    },
    failOn(text, error) {
      faults.push({ text, error });
    },
    revive() {
      isDead = false;
      plan = null;
    },
    clear() {
      lines = [];
    },
  };
}

/** The lab is the one tier with real time, so every wait has a deadline and ends with what was last seen. */

export type Seen<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly seen: string };

export function yes<T>(value: T): Seen<T> {
  return { ok: true, value };
}

export function notYet<T = never>(seen: string): Seen<T> {
  return { ok: false, seen };
}

export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks `probe` until it says yes; a probe that throws counts as "not yet", with its message as the reason. */
export async function until<T>(what: string, timeoutMs: number, probe: () => Promise<Seen<T>>): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let seen = 'nothing yet';
  for (;;) {
    try {
      const answer = await probe();
      if (answer.ok) return answer.value;
      seen = answer.seen;
    } catch (error) {
      seen = error instanceof Error ? error.message : String(error);
    }
    if (Date.now() >= deadline) {
      throw new Error(`waited ${timeoutMs / 1000}s for ${what}; last seen: ${seen}`);
    }
    await pause(250);
  }
}

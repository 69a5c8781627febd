/** Anything that takes longer than a second says on stderr what it is doing and since when. */

const startedAt = Date.now();

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)}s`;
}

/** One line on stderr, stamped with the time since the program began. */
export function say(text: string): void {
  process.stderr.write(`[${seconds(Date.now() - startedAt).padStart(7)}] ${text}\n`);
}

/**
 * Runs `work` and reports it: silent when it is over within a second, otherwise a line when it
 * becomes noticeable, one every ten seconds while it lasts, and one with its duration at the end.
 */
export async function during<T>(label: string, work: () => Promise<T>): Promise<T> {
  const began = Date.now();
  let noticed = false;
  const notice = setTimeout(() => {
    noticed = true;
    say(`${label} …`);
  }, 1_000);
  const reminder = setInterval(() => say(`${label} … still at it after ${seconds(Date.now() - began)}`), 10_000);
  try {
    const result = await work();
    if (noticed) say(`${label}: done in ${seconds(Date.now() - began)}`);
    return result;
  } catch (error) {
    say(`${label}: FAILED after ${seconds(Date.now() - began)}`);
    throw error;
  } finally {
    clearTimeout(notice);
    clearInterval(reminder);
  }
}

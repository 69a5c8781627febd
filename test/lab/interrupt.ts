/** Ctrl-C is noticed everywhere something new would be started, so that taking down has the last word. */

let happened = false;

export class Interrupted extends Error {
  constructor() {
    super('interrupted');
  }
}

export function interrupt(): void {
  happened = true;
}

export function isInterrupted(): boolean {
  return happened;
}

/** Before anything is started that would have to be ended again. */
export function refuseWhenInterrupted(): void {
  if (happened) throw new Interrupted();
}

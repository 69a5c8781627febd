// The first line of every file the agent writes, so that people and programs can tell whose it is.

/** Recognised by layout/installed-unit.ts: a unit that starts with it is ours, not the distribution's. */
export const marker = '# Written by diyc-agent';

/** Two comment lines for a configuration file: whose it is, and what happens to edits. */
export function header(why: string): string {
  return `${marker}: ${why}.\n# Change the cluster file instead; edits made here are kept aside and replaced by the next run.\n`;
}

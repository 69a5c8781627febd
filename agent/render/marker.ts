// The head of every file the agent writes.

import { marker } from '../model/marker.ts';

/** Two comment lines for a configuration file: whose it is, and what happens to edits. */
export function header(why: string): string {
  return `${marker}: ${why}.\n# Change the cluster file instead; edits made here are kept aside and replaced by the next run.\n`;
}

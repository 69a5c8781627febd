// The first line of every file the agent writes, so that people and programs can tell whose it is.

/** Written by render/marker.ts, recognised by layout/installed-unit.ts: a unit that starts with it is not the distribution's. */
export const marker = '# Written by diyc-agent';

// `version`: which agent this is; `--version` says the number alone.

import type { Action } from './command.ts';

/** Print the version. */
export const runVersion: Action = async ({ options, out, version: number }) => {
  out(options.json ? `${JSON.stringify({ schema: 1, version: number })}\n` : `diyc-agent ${number}\n`);
  return 0;
};

// `version`: which agent this is; `--version` says the number alone.

import type { Verb } from './command.ts';

export const version: Verb = {
  declare(program, run) {
    program
      .command('version')
      .summary('which agent this is')
      .action(
        run(async ({ options, out, version: number }) => {
          out(options.json ? `${JSON.stringify({ schema: 1, version: number })}\n` : `diyc-agent ${number}\n`);
          return 0;
        }),
      );
  },
};

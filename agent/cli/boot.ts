// `boot`: what cloud-init's bootcmd and diyc-agent.service run; waits for nothing and ends within its deadline.

import type { Verb } from './command.ts';
import { runConverge } from './converge-verb.ts';
import { parseDuration } from './options.ts';

export const boot: Verb = {
  declare(program, run) {
    program
      .command('boot')
      .summary('configure this host; for bootcmd and for the unit at each boot')
      .description(
        'Find out which node this host is, write what it needs, enable its units and queue their start. Waits for no unit and no network, and does nothing on a host that is as the cluster file says.',
      )
      .option('--deadline <duration>', 'the run stops between two steps after this long', '60s')
      .action(
        run(async (context, options) =>
          runConverge(context, {
            verb: 'boot',
            restart: false,
            mayReboot: true,
            deadlineMs: parseDuration(String(options['deadline']), '--deadline'),
          }),
        ),
      );
  },
};

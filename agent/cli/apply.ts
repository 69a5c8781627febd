// `apply`: bring a running host to what the cluster file says, without surprising what runs on it.

import type { Verb } from './command.ts';
import { runConverge } from './converge-verb.ts';
import { parseDuration } from './options.ts';

export const apply: Verb = {
  declare(program, run) {
    program
      .command('apply')
      .summary('make this host as the cluster file says')
      .description(
        'Carry out what `diyc-agent plan` shows. Units that run keep running with their old files unless --restart is given.',
      )
      .option('--restart', 'restart running units whose files changed', false)
      .option('--deadline <duration>', 'the run stops between two steps after this long', '5m')
      .action(
        run(async (context, options) =>
          runConverge(context, {
            verb: 'apply',
            restart: options['restart'] === true,
            mayReboot: false,
            deadlineMs: parseDuration(String(options['deadline']), '--deadline'),
          }),
        ),
      );
  },
};

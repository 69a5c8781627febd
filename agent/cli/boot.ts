// `boot`: what cloud-init's bootcmd and diyc-agent.service run; waits for nothing and ends within its deadline.

import type { Action } from './command.ts';
import { runConverge } from './converge-verb.ts';
import { parseDuration } from './options.ts';

/** Converge with a deadline, and reboot once where the cluster file asks for it. */
export const runBoot: Action = async (context, options) =>
  runConverge(context, {
    verb: 'boot',
    restart: false,
    mayReboot: true,
    deadlineMs: parseDuration(String(options['deadline']), '--deadline'),
  });

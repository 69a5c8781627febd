// `apply`: bring a running host to what the cluster file says, without surprising what runs on it.

import type { Action } from './command.ts';
import { runConverge } from './converge-verb.ts';
import { parseDuration } from './options.ts';

/** Converge; running units keep running unless --restart is given. */
export const runApply: Action = async (context, options) =>
  runConverge(context, {
    verb: 'apply',
    restart: options['restart'] === true,
    mayReboot: false,
    deadlineMs: parseDuration(String(options['deadline']), '--deadline'),
  });

// `upgrade run`: what the upgrade unit calls; does what is to be done now, and ends.

import { isAgentError } from '../model/errors.ts';
import { coordinate } from '../upgrade/coordinator.ts';
import { leaveObstacle } from '../upgrade/view.ts';
import type { Action } from './command.ts';
import { openCoordination } from './coordination.ts';
import { requireRoot } from './permission.ts';

/** One run of the coordinator; exits 0 also when it waits for something, which the status says. */
export const upgradeRun: Action = async (context) => {
  requireRoot(context.host, context.options.root, 'upgrade run');
  const { coordination, close } = await openCoordination(context, 'upgrade run');
  try {
    const { memory } = await coordinate(coordination);
    if (context.options.json) context.out(`${JSON.stringify({ schema: 1, memory })}\n`);
    return 0;
  } catch (error) {
    if (isAgentError(error) && error.kind !== 'tempfail') {
      await leaveObstacle(context.host, coordination.group.name, error);
    }
    throw error;
  } finally {
    close();
  }
};

// After flanneld has started: docker, if its own start failed because flannel came late, is queued again.

import type { UnitState } from '../ports/units.ts';

/**
 * What to do with docker now that flannel holds a lease. systemd never retries a start that failed by dependency, so
 * somebody must; but a docker that an operator stopped in this boot stays stopped.
 */
export function dockerAfterLease(docker: UnitState): 'start' | 'reset and start' | 'leave' {
  if (docker.load !== 'loaded' || docker.jobQueued) return 'leave';
  const ranInThisBoot = docker.activeEnterMs > 0;
  if (docker.active === 'failed') return 'reset and start';
  if (docker.active === 'inactive' && !ranInThisBoot) return 'start';
  return 'leave';
}

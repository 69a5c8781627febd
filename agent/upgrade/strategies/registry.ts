// Every upgrade strategy. To add one: write its file beside this one (a Strategy), add its name to StrategyName and to
// the enum in model/cluster-schema.ts, and put it in the list below.

import type { StrategyName } from '../../model/upgrade.ts';
import { immediate } from './immediate.ts';
import { semaphore } from './semaphore.ts';
import type { Strategy } from './strategy.ts';
import { window } from './window.ts';

const strategies: { readonly [N in StrategyName]: Strategy } = { immediate, semaphore, window };

/** The strategy that a group declares. */
export function strategyOf(name: StrategyName): Strategy {
  return strategies[name];
}

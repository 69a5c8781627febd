// The strategy immediate: every host goes as soon as it is ready, whatever the others do; for clusters to play with.

import type { Strategy } from './strategy.ts';

export const immediate: Strategy = {
  name: 'immediate',
  takesSlot: false,
  permits: () => ({ go: true, message: 'the strategy is immediate, any time is right' }),
};

// The strategy window: only within the windows of the group, and there too as many hosts at once as it has slots.

import { permitInWindows, type Strategy } from './strategy.ts';

export const window: Strategy = {
  name: 'window',
  takesSlot: true,
  permits: (group, nowMs) =>
    // Without this, "no windows" would be "always": the opposite of what was asked for.
    group.windows.length === 0
      ? { go: false, message: `the strategy of group ${group.name} is window, and it has none`, opensMs: null }
      : permitInWindows(group, nowMs),
};

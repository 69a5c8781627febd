// The strategy semaphore: as many hosts of the group at once as it has slots, within its windows where it has any.

import { permitInWindows, type Strategy } from './strategy.ts';

export const semaphore: Strategy = { name: 'semaphore', takesSlot: true, permits: permitInWindows };

// Plain routes via the other hosts: no overhead and no device, all hosts on one layer-2 network.

import type { FlannelBackendRule } from './rule.ts';

export const hostGw: FlannelBackendRule<'host-gw'> = {
  type: 'host-gw',
  document: () => ({ Type: 'host-gw' }),
  modules: [],
  device: () => null,
};

// Packets copied through user space by a tun device: slow, for debugging and old kernels.

import { type FlannelBackendRule, present } from './rule.ts';

export const udp: FlannelBackendRule<'udp'> = {
  type: 'udp',
  document: (options) => present({ Type: 'udp', Port: options.port }),
  modules: ['tun'],
  device: () => 'flannel0',
};

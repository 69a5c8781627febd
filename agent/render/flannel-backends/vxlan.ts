// VXLAN in the kernel: 50 bytes of overhead, crosses routers.

import { type FlannelBackendRule, present } from './rule.ts';

export const vxlan: FlannelBackendRule<'vxlan'> = {
  type: 'vxlan',
  document: (options) =>
    present({
      Type: 'vxlan',
      VNI: options.vni,
      Port: options.port,
      MTU: options.mtu,
      GBP: options.gbp,
      DirectRouting: options.directRouting,
    }),
  modules: ['vxlan'],
  device: (options) => `flannel.${options.vni ?? 1}`,
};

// WireGuard: encrypted between hosts, 80 bytes of overhead; built into flannel from 0.16.

import { type FlannelBackendRule, present } from './rule.ts';

export const wireguard: FlannelBackendRule<'wireguard'> = {
  type: 'wireguard',
  document: (options, secret) =>
    present({
      Type: 'wireguard',
      PSK: secret,
      ListenPort: options.listenPort,
      MTU: options.mtu,
      PersistentKeepaliveInterval: options.persistentKeepaliveSecs,
    }),
  modules: ['wireguard'],
  device: () => 'flannel-wg',
};

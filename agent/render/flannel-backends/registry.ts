// Every flannel backend this agent can configure. To add one: write its file beside this one (a FlannelBackendRule),
// add its alternative to `backends` in model/cluster-schema.ts and FlannelBackend, and put it in the list below.

import type { FlannelBackend, FlannelBackendType } from '../../model/cluster-config.ts';
import { hostGw } from './host-gw.ts';
import type { FlannelBackendRule } from './rule.ts';
import { udp } from './udp.ts';
import { vxlan } from './vxlan.ts';
import { wireguard } from './wireguard.ts';

const rules: { readonly [T in FlannelBackendType]: FlannelBackendRule<T> } = {
  'host-gw': hostGw,
  udp,
  vxlan,
  wireguard,
};

/** The rule of a configured backend, bound to its options. */
export function backendRule<T extends FlannelBackendType>(type: T): FlannelBackendRule<T> {
  return rules[type];
}

export interface BoundBackend {
  readonly document: Readonly<Record<string, unknown>>;
  readonly modules: readonly string[];
  /** The overlay's device; null where packets leave by the host's own interface. */
  readonly device: string | null;
}

/** What a configured backend comes to. @param secret text of the file the options name, null when they name none */
export function bindBackend(backend: FlannelBackend, secret: string | null): BoundBackend {
  switch (backend.type) {
    case 'vxlan':
      return bound(vxlan, backend, secret);
    case 'host-gw':
      return bound(hostGw, backend, secret);
    case 'udp':
      return bound(udp, backend, secret);
    case 'wireguard':
      return bound(wireguard, backend, secret);
  }
}

function bound<T extends FlannelBackendType>(
  rule: FlannelBackendRule<T>,
  options: Extract<FlannelBackend, { type: T }>,
  secret: string | null,
): BoundBackend {
  return { document: rule.document(options, secret), modules: rule.modules, device: rule.device(options) };
}

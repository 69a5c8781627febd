// What each flannel backend has to say for itself.

import type { FlannelBackend, FlannelBackendType } from '../../model/cluster-config.ts';

export interface FlannelBackendRule<T extends FlannelBackendType> {
  readonly type: T;
  /**
   * The Backend object of flannel's network configuration, in flannel's own spelling. `Type` is always there: without
   * it flannel takes udp, whatever its documentation says.
   */
  document(options: Extract<FlannelBackend, { type: T }>, secret: string | null): Readonly<Record<string, unknown>>;
  /** Kernel modules it needs. */
  readonly modules: readonly string[];
  /** Name of the device flanneld makes; null when it makes none. */
  device(options: Extract<FlannelBackend, { type: T }>): string | null;
}

/** Leave out what the operator did not set, so that flannel's own defaults apply. */
export function present(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));
}

// The contract of a component: what it wants of this node, and how it is doing.

import type { ClusterConfig } from '../model/cluster-config.ts';
import type { Condition } from '../model/condition.ts';
import type { Layout } from '../model/layout.ts';
import type { DataVerdict, LiveRoot } from '../model/live.ts';
import type { NodeIdentity } from '../model/node-identity.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { ComponentName, ComponentSpec } from '../model/wish.ts';
import type { ReadOnlyHost } from './host.ts';
import type { UnitState } from './units.ts';

/** Everything a component may decide from: pure values, gathered before. */
export interface NodeContext {
  readonly config: ClusterConfig;
  readonly node: NodeIdentity;
  readonly layout: Layout;
  /** Where this very program lives on the host, for the units that call it. */
  readonly agentProgram: AbsolutePath;
  readonly live: LiveContext;
}

/** What a live root means for this node; on an installed host nothing follows from it. */
export interface LiveContext {
  readonly root: LiveRoot;
  /** Whether etcd's data would outlive a reboot. */
  readonly etcdData: DataVerdict;
  /** A mount for etcd's data is declared (fstab, a mount unit), though it may not be mounted yet. */
  readonly etcdMountIsDeclared: boolean;
}

/** The units every probe may ask about, fetched in one call. */
export type UnitTable = ReadonlyMap<string, UnitState>;

export interface Component {
  readonly name: ComponentName;
  /** Pure. Null when this node does not need the component. */
  desire(context: NodeContext): ComponentSpec | null;
  /**
   * How the component is doing on the running host. Reads only; what cannot be found out is Unknown, never True.
   * Every question it asks has its own deadline, so that `status` always ends.
   */
  probe(host: ReadOnlyHost, context: NodeContext, units: UnitTable): Promise<readonly Condition[]>;
}

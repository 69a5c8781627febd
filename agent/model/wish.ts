// A wish is one thing that must exist on this node, as data: a component's spec is a list of them.

import type { Condition } from './condition.ts';
import type { Account } from './layout.ts';
import type { AbsolutePath } from './paths.ts';

export type ComponentName = 'live' | 'iscsi' | 'storage' | 'etcd' | 'flannel' | 'docker' | 'agent';

interface WishBase {
  readonly component: ComponentName;
  /** Why this must exist, one clause for people; the rule's source where there is one. */
  readonly why: string;
}

/** A file with exactly this content. A different content found there is kept first, see converge/differences.ts. */
export interface FileWish extends WishBase {
  readonly kind: 'file';
  readonly path: AbsolutePath;
  readonly content: string;
  /** Permission bits, 0o644. */
  readonly mode: number;
  /** Null: root. */
  readonly owner: Account | null;
  /** Printed as a digest, never as text. */
  readonly sensitive?: boolean;
}

export interface DirectoryWish extends WishBase {
  readonly kind: 'directory';
  readonly path: AbsolutePath;
  readonly mode: number;
  readonly owner: Account | null;
}

/** A symbolic link, as `systemctl enable` makes. A file found at the path is not replaced. */
export interface LinkWish extends WishBase {
  readonly kind: 'link';
  readonly path: AbsolutePath;
  readonly target: string;
}

/** A group that exists in /etc/group (not only in /usr/lib/group) with at least these members. */
export interface GroupWish extends WishBase {
  readonly kind: 'group';
  readonly name: string;
  readonly members: readonly string[];
}

/** A unit that is to run on this node; it is started without waiting. */
export interface UnitWish extends WishBase {
  readonly kind: 'unit';
  readonly unit: string;
  /** Files whose change makes a running unit stale. */
  readonly readsFiles: readonly AbsolutePath[];
}

export interface ModuleWish extends WishBase {
  readonly kind: 'module';
  readonly module: string;
  /** Exists when the function is there, be it as a module or built in: /proc/sys/net/bridge. Null: ask /sys/module. */
  readonly provides: AbsolutePath | null;
}

export type Wish = FileWish | DirectoryWish | LinkWish | GroupWish | UnitWish | ModuleWish;

/** What one component wants of this node, and what it already knows to be missing. */
export interface ComponentSpec {
  readonly component: ComponentName;
  readonly wishes: readonly Wish[];
  /** Known before anything is observed: a program that is not installed, storage that cannot be provided. */
  readonly waitingFor: readonly Condition[];
}

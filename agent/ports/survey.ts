// Ports for what has to be known before a host may go away: etcd's members, snapshots, people, and the way back.

import type { AbsolutePath } from '../model/paths.ts';

export interface ListedMember {
  /** Decimal text: it does not fit a number. */
  readonly id: string;
  /** Empty for one that was added and has not started yet. */
  readonly name: string;
  readonly isLearner: boolean;
  readonly peerUrls: readonly string[];
}

/** One member's own view, asked at its own client port. */
export interface MemberView {
  readonly clusterId: string;
  readonly memberId: string;
  /** `0`: it knows of no leader. */
  readonly leaderId: string;
  readonly isLearner: boolean;
  readonly raftTerm: string;
  readonly raftIndex: string;
  /** `0` from etcd 3.3 and older, which do not say. */
  readonly raftAppliedIndex: string;
  readonly dbSizeBytes: number;
  /** `3.5.16` */
  readonly version: string;
  /** Alarms of the cluster as this member knows them, `NOSPACE`, and errors that it tells of itself. */
  readonly alarms: readonly string[];
  /** Empty when the member is a learner, which lists nobody. */
  readonly members: readonly ListedMember[];
  /**
   * A linearizable read through this member was answered in time: a majority follows the leader that it follows. It is
   * the one answer here that no member can give by itself; a learner gives none. A full store (see `alarms`) still
   * refuses writes.
   */
  readonly canCommit: boolean;
}

export interface Surveyed {
  readonly endpoint: string;
  /** Null when it did not answer in time; `detail` says how. */
  readonly view: MemberView | null;
  readonly detail: string;
}

export interface Snapshot {
  readonly path: AbsolutePath;
  readonly revision: string;
  readonly sizeBytes: number;
  /** Which program restored it aside, `etcdutl 3.5.16`. */
  readonly verifiedBy: string;
}

export interface EtcdSnapshots {
  /**
   * Save the store of a member into the directory and restore it aside: only what could be restored counts, and only
   * that takes the place of the one before. Older ones than the newest `keep` are removed.
   *
   * @throws AgentError `oserr` when etcdctl is not there or fails, when the disk has no room, or when what came back is
   *   not what was saved; `unavailable` when the member does not answer
   */
  take(
    request: { readonly endpoint: string; readonly directory: AbsolutePath; readonly keep: number },
    signal?: AbortSignal,
  ): Promise<Snapshot>;
}

export interface LoginSession {
  readonly id: string;
  readonly user: string;
  /** `tty1`, `pts/0`, `seat0`; empty when none is known. */
  readonly where: string;
  readonly isOwn: boolean;
}

export interface Sessions {
  /**
   * People at work on this host; services and closing sessions are left out.
   *
   * @throws AgentError `oserr` when logind cannot be asked: nobody knows then who is there
   */
  people(): Promise<readonly LoginSession[]>;
}

export interface Reach {
  /** Whether something accepts connections there. Never throws; `detail` says how it failed. */
  tcp(address: string, port: number, deadlineMs: number): Promise<Reached>;
  /** Whether a web server answers at all, whatever the status below 500. Never throws. */
  http(url: string, deadlineMs: number): Promise<Reached>;
}

export interface Reached {
  readonly ok: boolean;
  readonly detail: string;
}

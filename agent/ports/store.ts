// A key-value store with create-if-absent and leases; etcd is behind it, by whichever API the reader uses.

export interface StoredValue {
  readonly key: string;
  readonly value: string;
}

/** What seeding needs; both etcd APIs can do it. */
export interface KeyStore {
  /** Which etcd API this speaks; v2 and v3 keys are two separate worlds. */
  readonly api: 'v2' | 'v3';
  /**
   * A linearizable read: it answers only while there is a quorum.
   *
   * @returns null when there is no such key
   * @throws AgentError `unavailable` when no endpoint answers within the deadline
   */
  read(key: string): Promise<string | null>;
  list(prefix: string): Promise<readonly StoredValue[]>;
  /**
   * Create the key in one transaction, only if it is absent.
   *
   * @returns whether it was created, and the value that stands there now
   */
  createIfAbsent(key: string, value: string): Promise<{ readonly created: boolean; readonly current: string }>;
  close(): void;
}

/** What presence needs besides; etcd v3 only. */
export interface LeaseStore extends KeyStore {
  /** @returns the lease's id, decimal text: it does not fit a number */
  grantLease(ttlSecs: number): Promise<string>;
  /** @returns false when the lease is gone; then a new one has to be granted */
  keepLeaseAlive(leaseId: string): Promise<boolean>;
  putUnderLease(key: string, value: string, leaseId: string): Promise<void>;
}

/** A key with the revision of its last change, decimal text; `0` and null when there is no such key. */
export interface VersionedValue {
  readonly key: string;
  readonly value: string | null;
  readonly revision: string;
}

/** What coordination needs: values that are changed only as they were seen. etcd v3 only. */
export interface SwapStore extends LeaseStore {
  /** All of them (at most 128) as of one instant, by a linearizable read, in the order asked. @throws AgentError `unavailable` */
  readVersioned(keys: readonly string[]): Promise<readonly VersionedValue[]>;
  /**
   * Write (or, with null, remove) a key in one transaction, if every guarded key still has its revision.
   *
   * @returns false when one of them has changed; then nothing was written
   * @throws AgentError `unavailable`: it may have been written all the same, so the caller has to look
   */
  swap(
    write: { readonly key: string; readonly value: string | null },
    guards: readonly { readonly key: string; readonly revision: string }[],
  ): Promise<boolean>;
}

export interface EndpointHealth {
  readonly endpoint: string;
  readonly outcome: 'healthy' | 'unhealthy' | 'refused' | 'silent' | 'unreachable';
  /** For people: `accepts connections but does not answer (no quorum yet?)`. */
  readonly detail: string;
}

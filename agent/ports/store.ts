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

export interface EndpointHealth {
  readonly endpoint: string;
  readonly outcome: 'healthy' | 'unhealthy' | 'refused' | 'silent' | 'unreachable';
  /** For people: `accepts connections but does not answer (no quorum yet?)`. */
  readonly detail: string;
}

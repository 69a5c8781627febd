// systemd on the running host: questions about units, and the few things the agent asks it to do.

export interface UnitState {
  readonly name: string;
  /** `loaded`, `not-found`, `masked`, … */
  readonly load: string;
  /** `active`, `activating`, `inactive`, `failed`, … */
  readonly active: string;
  /** `running`, `start-pre`, `auto-restart`, … */
  readonly sub: string;
  /** `success`, `exit-code`, `dependency`, `start-limit-hit`, … */
  readonly result: string;
  readonly restarts: number;
  /** What the unit says of itself by sd_notify; empty when nothing. */
  readonly statusText: string;
  /** Since when it has been active, milliseconds of the monotonic clock; 0 when it never was in this boot. */
  readonly activeEnterMs: number;
  /** When it last left the active state in this boot; 0 when it never did. */
  readonly inactiveEnterMs: number;
  /** When its main process was last started, milliseconds of the monotonic clock; 0 when none was in this boot. */
  readonly mainStartMs: number;
  readonly needsReload: boolean;
  /** A start job is queued or running. */
  readonly jobQueued: boolean;
}

export interface ReadOnlyUnits {
  /**
   * States in the order asked for; a unit systemd does not know has load `not-found`.
   *
   * @throws AgentError `oserr` when systemctl fails or does not answer within its deadline
   */
  states(names: readonly string[]): Promise<readonly UnitState[]>;
}

export interface Units extends ReadOnlyUnits {
  reload(): Promise<void>;
  /** Queue start jobs, never wait for them. */
  queueStart(names: readonly string[]): Promise<void>;
  /** Queue stop jobs, never wait for them; what does not run is left so. */
  queueStop(names: readonly string[]): Promise<void>;
  /** Queue restarts of running units, never wait for them; what does not run is left so. */
  queueRestart(names: readonly string[]): Promise<void>;
  /** Have running units read their files again; one that does not run, or cannot reload, is left as it is. */
  reloadServices(names: readonly string[]): Promise<void>;
  /** Clear a failed state so that start limits no longer count. */
  resetFailed(names: readonly string[]): Promise<void>;
  /** Ask for a reboot; returns at once, the shutdown follows. */
  reboot(): Promise<void>;
}

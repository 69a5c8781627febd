// FleetLock over HTTP, both ways: asking a server for a slot, and serving this cluster's own.

export interface FleetLockAnswer {
  readonly granted: boolean;
  /** The server's own kind and words when it refused; empty when it granted. */
  readonly kind: string;
  readonly message: string;
}

export interface FleetLockClient {
  /**
   * One request of the protocol.
   *
   * @param operation `pre-reboot` takes a slot, `steady-state` gives it back; both may be repeated
   * @returns what the server answered, also when it refused
   * @throws AgentError `unavailable` when nobody answers in time, or what answers does not speak the protocol
   */
  ask(
    baseUrl: string,
    operation: 'pre-reboot' | 'steady-state',
    client: { readonly id: string; readonly group: string },
  ): Promise<FleetLockAnswer>;
}

export interface HttpRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Null when it was larger than the server takes. */
  readonly body: string | null;
}

export interface HttpResponse {
  readonly status: number;
  readonly json: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface HttpServer {
  /**
   * Serve until the signal fires; requests under way are answered first.
   *
   * @param listen `address:port`, `[v6]:port`, or the absolute path of a socket, which is made with mode 0660
   * @throws AgentError `oserr` when the address is taken or cannot be bound; `usage` when it is no address
   */
  serve(listen: string, answer: (request: HttpRequest) => Promise<HttpResponse>, signal: AbortSignal): Promise<void>;
}

// Begins a request to a web server, by http or https: to the server itself, never through a proxy of the environment.

import { type ClientRequest, type RequestOptions, request as requestHttp } from 'node:http';

export interface WebRequest {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string | number>>;
  /** The deadline. Not `timeout`: that one counts idle time only, and nothing while TLS is being set up (Bun). */
  readonly signal: AbortSignal;
}

/**
 * The request, of which nothing has been sent yet; redirects are never followed.
 *
 * TLS peers are held against the authorities built into the engine and those of this system, where an operator adds a
 * private one (update-ca-certificates, update-ca-trust).
 *
 * @throws what the engine throws for a URL that cannot be asked
 */
export async function beginRequest(url: URL, { method, headers, signal }: WebRequest): Promise<ClientRequest> {
  const options: RequestOptions = {
    method,
    headers: { 'user-agent': 'diyc-agent', ...headers },
    signal,
    agent: false,
  };
  if (url.protocol !== 'https:') return requestHttp(url, options);
  // Loaded by those who need it: most verbs and most clusters do not.
  const [{ request: requestHttps }, { getCACertificates }] = await Promise.all([
    import('node:https'),
    import('node:tls'),
  ]);
  return requestHttps(url, { ...options, ca: [...getCACertificates('bundled'), ...getCACertificates('system')] });
}

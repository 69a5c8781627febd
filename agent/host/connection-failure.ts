// Why a connection came to nothing, in words for people; for every peer that is asked over TCP or HTTP.

import { errorCode } from './system-errors.ts';

/**
 * To be put after the name of the peer: `refuses connections (nothing listens there)`.
 *
 * @param connected whether a connection had been made
 * @param passedMs the deadline, when that ended it; null otherwise
 */
export function connectionFailure(error: unknown, connected: boolean, passedMs: number | null): string {
  if (passedMs !== null) {
    return connected
      ? `accepts connections but did not answer within ${passedMs} ms`
      : `accepted no connection within ${passedMs} ms (host down, or packets dropped?)`;
  }
  const code = errorCode(error) ?? '';
  switch (code) {
    case 'ECONNREFUSED':
      return 'refuses connections (nothing listens there)';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'has a name that cannot be resolved';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `cannot be reached (no route to it, ${code})`;
    default: {
      const text = (error instanceof Error ? error.message : String(error)).slice(0, 200);
      if (/CERT|ISSUER|SIGNATURE/.test(code)) {
        return `has a certificate that this host does not trust (${text}): add its authority to the system's`;
      }
      return connected ? `broke the connection off: ${text}` : `cannot be reached: ${text}`;
    }
  }
}

// The one table from etcd3's error classes to the agent's kinds; classes, because minifying renames them.

import type * as Etcd from 'etcd3';
import { AgentError } from '../model/errors.ts';
import { EndpointFailure } from './endpoint-failover.ts';

/**
 * What an error of etcd3 means: an EndpointFailure where another member may answer, an AgentError where all would
 * answer the same.
 *
 * @param etcd the module, loaded by the caller
 */
export function etcdError(etcd: typeof Etcd, error: unknown, attempted: string, deadlineMs: number): Error {
  if (error instanceof AgentError || error instanceof EndpointFailure) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof etcd.GRPCDeadlineExceededError) {
    return new EndpointFailure(`did not answer within ${deadlineMs} ms (no quorum?)`, error);
  }
  if (error instanceof etcd.EtcdLeaseInvalidError) {
    return new AgentError('tempfail', `cannot ${attempted}: the lease is gone`, {
      hint: 'nothing is to be done: the next report takes a new lease',
      cause: error,
    });
  }
  const refusals = [
    etcd.EtcdPermissionDeniedError,
    etcd.EtcdAuthenticationFailedError,
    etcd.EtcdInvalidAuthTokenError,
    etcd.GRPCUnauthenticatedError,
  ];
  if (refusals.some((refusal) => error instanceof refusal)) {
    return new AgentError('noperm', `cannot ${attempted}: etcd refused it (${text})`, {
      hint: 'this version of diyc-agent uses etcd without user accounts: see etcdctl auth status',
      cause: error,
    });
  }
  if (error instanceof etcd.GRPCResourceExhastedError && text.includes('database space exceeded')) {
    return new AgentError('unavailable', `cannot ${attempted}: etcd's database is full (alarm NOSPACE)`, {
      hint: 'on one member: etcdctl compact, then etcdctl defrag on each member in turn, then etcdctl alarm disarm',
      retryable: false,
      cause: error,
    });
  }
  if (error instanceof etcd.GRPCInvalidArgumentError || error instanceof etcd.GRPCOutOfRangeError) {
    return new AgentError('bug', `cannot ${attempted}: etcd did not understand the request (${text})`, {
      hint: 'this is a fault of diyc-agent: report it with the version of etcd',
      cause: error,
    });
  }
  if (error instanceof etcd.GRPCNotImplementedError) {
    return new AgentError(
      'unavailable',
      `cannot ${attempted}: what answers there does not speak the etcd v3 API (${text})`,
      {
        hint: 'see which program listens on the client port, and that etcd is 3.0 or newer',
        retryable: false,
        cause: error,
      },
    );
  }
  // What is left is a connection that failed or a member in trouble: unavailable, internal, aborted, cancelled.
  return new EndpointFailure(reasonOf(text), error);
}

/** What gRPC says of a connection, in the words the other adapters use. */
function reasonOf(text: string): string {
  if (text.includes('ECONNREFUSED')) return 'refused the connection';
  if (/EHOSTUNREACH|ENETUNREACH/.test(text)) return 'cannot be reached (no route to it)';
  if (/ENOTFOUND|EAI_AGAIN|Name resolution failed/.test(text)) return 'has a name that cannot be resolved';
  return `failed: ${text.replace(/ *Resolution note: *$/, '').slice(0, 200)}`;
}

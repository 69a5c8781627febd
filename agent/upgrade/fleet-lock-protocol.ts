// The FleetLock protocol as a server speaks it: a request to an operation or a refusal, and an outcome to an answer.
//
// Source: coreos.github.io/zincati/development/fleetlock/protocol.

import type { HttpRequest, HttpResponse } from '../ports/fleet-lock.ts';

export type FleetLockOperation = 'pre-reboot' | 'steady-state';

/** The labels of an error: clients count them in their metrics, so the set is closed and names stay. */
export type FleetLockErrorKind =
  | 'unknown_endpoint'
  | 'unsupported_method'
  | 'missing_header'
  | 'bad_request_body'
  | 'bad_client_id'
  | 'bad_client_group'
  | 'unknown_group'
  | 'failed_lock_semaphore_full'
  | 'failed_lock'
  | 'failed_unlock'
  | 'store_unavailable';

export interface FleetLockRequest {
  readonly operation: FleetLockOperation;
  /** Up to 256 characters, none of which moves a cursor or hides. */
  readonly id: string;
  /** One of the groups that are served. */
  readonly group: string;
}

export type ParsedFleetLock = FleetLockRequest | { readonly refused: HttpResponse };

/** What became of an operation; `message` is for the people who run the client. */
export type FleetLockOutcome =
  | { readonly outcome: 'granted' | 'released' }
  | {
      /**
       * `full`: all slots are held. `held back`: a slot may be free, and nobody is to reboot now. `not released`: the
       * slot is still held. `store unavailable`: nobody knows.
       */
      readonly outcome: 'full' | 'held back' | 'not released' | 'store unavailable';
      readonly message: string;
    };

const operations: Readonly<Record<string, FleetLockOperation>> = {
  '/v1/pre-reboot': 'pre-reboot',
  '/v1/steady-state': 'steady-state',
};
const maxIdLength = 256;
const maxGroupLength = 64;
const maxMessageLength = 500;

/**
 * What is asked, or the answer to what cannot be understood: always a 4xx with `kind` and `value`. Never throws. Fields
 * that the protocol does not know are passed over.
 *
 * @param groups the groups that are served
 */
export function parseFleetLock(request: HttpRequest, groups: readonly string[]): ParsedFleetLock {
  const operation = Object.hasOwn(operations, request.path) ? operations[request.path] : undefined;
  if (operation === undefined) {
    return refused(404, 'unknown_endpoint', 'this server has /v1/pre-reboot and /v1/steady-state and nothing else');
  }
  if (request.method !== 'POST') {
    return refused(405, 'unsupported_method', 'only POST is understood', { allow: 'POST' });
  }
  // Exactly this value: it tells a request that was meant from one that a redirect brought here.
  if (request.headers['fleet-lock-protocol'] !== 'true') {
    return refused(400, 'missing_header', 'the header fleet-lock-protocol: true is missing');
  }
  if (request.body === null) return refused(413, 'bad_request_body', 'the body is too large');
  const parameters = fieldsOf(fieldsOf(parsed(request.body))?.['client_params']);
  if (parameters === null) {
    return refused(400, 'bad_request_body', 'the body is no JSON object with an object client_params');
  }
  const { id, group } = parameters;
  if (!isClientId(id)) {
    return refused(
      400,
      'bad_client_id',
      `client_params.id is no text of 1 to ${maxIdLength} characters without control characters`,
    );
  }
  if (typeof group !== 'string' || group.length > maxGroupLength || !/^[a-zA-Z0-9.-]+$/.test(group)) {
    return refused(
      400,
      'bad_client_group',
      `client_params.group is no text of 1 to ${maxGroupLength} letters, digits, dots and hyphens`,
    );
  }
  if (!groups.includes(group)) {
    return refused(400, 'unknown_group', `there is no group ${group} here; there are: ${groups.join(', ')}`);
  }
  return { operation, id, group };
}

/** The answer to an operation that was tried. */
export function fleetLockAnswer(result: FleetLockOutcome): HttpResponse {
  switch (result.outcome) {
    case 'granted':
    case 'released':
      return { status: 200, json: {} };
    case 'full':
      return refusal(409, 'failed_lock_semaphore_full', result.message);
    case 'held back':
      return refusal(409, 'failed_lock', result.message);
    case 'not released':
      return refusal(500, 'failed_unlock', result.message);
    case 'store unavailable':
      return refusal(503, 'store_unavailable', result.message);
  }
}

function refused(
  status: number,
  kind: FleetLockErrorKind,
  value: string,
  headers?: Readonly<Record<string, string>>,
): ParsedFleetLock {
  return { refused: { ...refusal(status, kind, value), ...(headers === undefined ? {} : { headers }) } };
}

/** Both have to be there and not empty. */
function refusal(status: number, kind: FleetLockErrorKind, value: string): HttpResponse {
  return { status, json: { kind, value: value.slice(0, maxMessageLength) || kind } };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
}

/** It is shown in lists and written to logs: nothing in it may hide, or end a line. */
function isClientId(id: unknown): id is string {
  return (
    typeof id === 'string' &&
    id.trim() !== '' &&
    id.length <= maxIdLength &&
    !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(id)
  );
}

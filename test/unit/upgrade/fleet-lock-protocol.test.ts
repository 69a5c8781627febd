// The FleetLock protocol: what is understood, what each fault is called, and that no body does any harm.

import { describe, expect, test } from 'bun:test';
import type { HttpRequest, HttpResponse } from '../../../agent/ports/fleet-lock.ts';
import { fleetLockAnswer, type ParsedFleetLock, parseFleetLock } from '../../../agent/upgrade/fleet-lock-protocol.ts';
import { randomTexts } from '../../support/random-text.ts';

const groups = ['default', 'canary'];
const good: HttpRequest = {
  method: 'POST',
  path: '/v1/pre-reboot',
  headers: { 'fleet-lock-protocol': 'true' },
  body: '{"client_params":{"id":"c988d2509fdf5cdcbed39037c56406fb","group":"default"}}',
};

function withClient(client: unknown): HttpRequest {
  return { ...good, body: JSON.stringify({ client_params: client }) };
}

interface Refusal {
  readonly status: number;
  readonly kind: unknown;
  readonly value: unknown;
}

function saidBy({ status, json }: HttpResponse): Refusal {
  const { kind, value } = json as { readonly kind: unknown; readonly value: unknown };
  return { status, kind, value };
}

function refusalOf(parsed: ParsedFleetLock): Refusal {
  if (!('refused' in parsed)) throw new Error(`it was understood: ${JSON.stringify(parsed)}`);
  return saidBy(parsed.refused);
}

describe('what is understood', () => {
  test('both operations, with the id as it is', () => {
    const client = { id: 'c988d2509fdf5cdcbed39037c56406fb', group: 'default' };
    expect(parseFleetLock(good, groups)).toEqual({ operation: 'pre-reboot', ...client });
    const back = { ...good, path: '/v1/steady-state' };
    expect(parseFleetLock(back, groups)).toEqual({ operation: 'steady-state', ...client });
  });

  test('fields of later versions of the protocol are passed over', () => {
    const body = '{"v":2,"client_params":{"id":"Ä 1","group":"canary","boot":[1]}}';
    expect(parseFleetLock({ ...good, body }, groups)).toEqual({ operation: 'pre-reboot', id: 'Ä 1', group: 'canary' });
  });

  test('the longest id', () => {
    expect(parseFleetLock(withClient({ id: 'i'.repeat(256), group: 'default' }), groups)).toHaveProperty(
      'id',
      'i'.repeat(256),
    );
  });
});

describe('what is refused', () => {
  for (const [what, request, status, kind] of [
    ['another path', { ...good, path: '/v1/pre-reboot/' }, 404, 'unknown_endpoint'],
    ['the name of a method of objects as a path', { ...good, path: 'constructor' }, 404, 'unknown_endpoint'],
    ['GET', { ...good, method: 'GET' }, 405, 'unsupported_method'],
    ['a request without the header', { ...good, headers: {} }, 400, 'missing_header'],
    ['the header with another value', { ...good, headers: { 'fleet-lock-protocol': 'TRUE' } }, 400, 'missing_header'],
    ['the header twice', { ...good, headers: { 'fleet-lock-protocol': 'true, true' } }, 400, 'missing_header'],
    ['a body that was too large', { ...good, body: null }, 413, 'bad_request_body'],
    ['an empty body', { ...good, body: '' }, 400, 'bad_request_body'],
    ['half a body', { ...good, body: '{"client_params":{"id":"a"' }, 400, 'bad_request_body'],
    ['a list', { ...good, body: '[]' }, 400, 'bad_request_body'],
    ['null', { ...good, body: 'null' }, 400, 'bad_request_body'],
    ['a body without a client', { ...good, body: '{}' }, 400, 'bad_request_body'],
    ['a client that is a list', withClient(['id', 'group']), 400, 'bad_request_body'],
    ['no id', withClient({ group: 'default' }), 400, 'bad_client_id'],
    ['an empty id', withClient({ id: '', group: 'default' }), 400, 'bad_client_id'],
    ['an id of spaces', withClient({ id: '  ', group: 'default' }), 400, 'bad_client_id'],
    ['a number as id', withClient({ id: 1, group: 'default' }), 400, 'bad_client_id'],
    ['an id that ends the line', withClient({ id: 'a\nb', group: 'default' }), 400, 'bad_client_id'],
    ['an id that recolours the screen', withClient({ id: '\u001b[31m', group: 'default' }), 400, 'bad_client_id'],
    ['an id that turns the text round', withClient({ id: 'a\u202eb', group: 'default' }), 400, 'bad_client_id'],
    ['half a character as id', withClient({ id: '\ud800', group: 'default' }), 400, 'bad_client_id'],
    ['an id too long', withClient({ id: 'i'.repeat(257), group: 'default' }), 400, 'bad_client_id'],
    ['no group', withClient({ id: 'a' }), 400, 'bad_client_group'],
    ['an empty group', withClient({ id: 'a', group: '' }), 400, 'bad_client_group'],
    ['a group that would be a path', withClient({ id: 'a', group: '../default' }), 400, 'bad_client_group'],
    ['a group with a line end', withClient({ id: 'a', group: 'default\n' }), 400, 'bad_client_group'],
    ['a group too long', withClient({ id: 'a', group: 'g'.repeat(65) }), 400, 'bad_client_group'],
    ['a group that is not served', withClient({ id: 'a', group: 'Default' }), 400, 'unknown_group'],
  ] as const) {
    test(what, () => {
      const said = refusalOf(parseFleetLock(request, groups));
      expect([said.status, said.kind]).toEqual([status, kind]);
      expect(typeof said.value).toBe('string');
    });
  }

  test('who may only POST is told so', () => {
    const parsed = parseFleetLock({ ...good, method: 'DELETE' }, groups);
    expect('refused' in parsed && parsed.refused.headers).toEqual({ allow: 'POST' });
  });

  test('a group that is not served is answered with those that are', () => {
    expect(refusalOf(parseFleetLock(withClient({ id: 'a', group: 'b' }), groups)).value).toBe(
      'there is no group b here; there are: default, canary',
    );
  });
});

/** How often each kind came; what was understood counts as `understood`. Anything but a whole 4xx fails. */
function kindsOf(bodies: readonly string[]): Readonly<Record<string, number>> {
  const kinds: Record<string, number> = {};
  for (const body of bodies) {
    const parsed = parseFleetLock({ ...good, body }, groups);
    let found = 'understood';
    if ('refused' in parsed) {
      const { status, kind, value } = refusalOf(parsed);
      expect(Math.floor(status / 100)).toBe(4);
      expect(typeof value === 'string' && value !== '').toBe(true);
      found = String(kind);
    } else {
      expect(parsed.id).toMatch(/^[^\p{Cc}\p{Cf}]{1,256}$/u);
      expect(groups).toContain(parsed.group);
    }
    kinds[found] = (kinds[found] ?? 0) + 1;
  }
  return kinds;
}

describe('whatever the body is, the answer is a 4xx with kind and value, from a closed set', () => {
  test('bytes', () => {
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      '"',
      ':',
      ',',
      '"client_params"',
      '"id"',
      '"group"',
      'default',
      'null',
      '1e999',
    ];
    const wholes = [
      '{"client_params":{"id":"',
      '","group":"default"}}',
      '{"client_params":',
      '\\u0000',
      '\\ud800',
      ' ',
    ];
    // By chance one of them is a request; the rest is no JSON of the protocol.
    expect(kindsOf(randomTexts(20_000, 7, [...pieces, ...wholes]))).toEqual({
      bad_request_body: 19_999,
      understood: 1,
    });
  });

  test('JSON with any text as id and as group', () => {
    const texts = randomTexts(5_000, 3, ['default', 'canary', 'a', '-', '.', ' ', 'x'.repeat(40)]);
    const short = texts.map((text) => text.slice(0, 3));
    const clients = [...texts, ...short].flatMap((text) => [
      { id: text, group: 'default' },
      { id: 'a', group: text },
    ]);
    const kinds = kindsOf(clients.map((client) => JSON.stringify({ client_params: client })));
    expect(Object.keys(kinds).sort()).toEqual(['bad_client_group', 'bad_client_id', 'understood', 'unknown_group']);
    for (const count of Object.values(kinds)) expect(count).toBeGreaterThan(50);
  });

  test('JSON of any shape', () => {
    const values = [null, true, 0, -1e308, '', 'default', [], {}, [[]], { id: {} }, ['default'], { length: 1 }];
    const bodies = values.flatMap((a) => [
      JSON.stringify(a),
      JSON.stringify({ client_params: a }),
      ...values.map((b) => JSON.stringify({ client_params: { id: a, group: b } })),
    ]);
    const nested = '['.repeat(8_000) + ']'.repeat(8_000);
    const strange = [
      nested,
      '{"__proto__":{"client_params":{"id":"a","group":"default"}}}',
      '{"client_params":1,"client_params":2}',
    ];
    const kinds = kindsOf([...bodies, ...strange]);
    expect(kinds['understood']).toBe(1);
    expect(Object.keys(kinds).sort()).toEqual(['bad_client_group', 'bad_client_id', 'bad_request_body', 'understood']);
  });
});

test('whatever the head is, the answer is a 4xx', () => {
  const pieces = ['/v1/', 'pre-reboot', 'GET', 'true', '__proto__', '%2f', '..', ' '];
  for (const text of randomTexts(5_000, 11, pieces).map((t) => `${t}!`)) {
    for (const request of [
      { ...good, path: text },
      { ...good, method: text },
      { ...good, headers: { 'fleet-lock-protocol': text } },
    ]) {
      expect(Math.floor(refusalOf(parseFleetLock(request, groups)).status / 100)).toBe(4);
    }
  }
});

describe('answers', () => {
  test('a slot that was taken or given back is 200', () => {
    expect(fleetLockAnswer({ outcome: 'granted' }).status).toBe(200);
    expect(fleetLockAnswer({ outcome: 'released' }).status).toBe(200);
  });

  for (const [outcome, status, kind] of [
    ['full', 409, 'failed_lock_semaphore_full'],
    ['held back', 409, 'failed_lock'],
    ['not released', 500, 'failed_unlock'],
    ['store unavailable', 503, 'store_unavailable'],
  ] as const) {
    test(`${outcome}: ${kind}`, () => {
      expect(saidBy(fleetLockAnswer({ outcome, message: 'a2 holds the slot' }))).toEqual({
        status,
        kind,
        value: 'a2 holds the slot',
      });
      // Both have to be there and not empty.
      expect(saidBy(fleetLockAnswer({ outcome, message: '' })).value).toBe(kind);
    });
  }
});

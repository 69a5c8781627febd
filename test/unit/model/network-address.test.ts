// IPv4 networks as values.

import { describe, expect, test } from 'bun:test';
import {
  alignDown,
  containsAddress,
  formatAddress,
  formatNetwork,
  hasHostBits,
  type Network,
  networkSize,
  overlap,
  parseAddress,
  parseNetwork,
} from '../../../agent/model/network-address.ts';

function network(cidr: string): Network {
  const parsed = parseNetwork(cidr);
  if (parsed === null) throw new Error(`${cidr} is no network`);
  return parsed;
}

describe('addresses', () => {
  test('are four decimal octets and print as they were read', () => {
    for (const text of ['0.0.0.0', '192.168.99.51', '255.255.255.255', '127.0.0.1']) {
      const value = parseAddress(text);
      expect(value === null ? null : formatAddress(value)).toBe(text);
    }
  });
  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.0.0.1',
    '01.2.3.4',
    '1.2.3.4 ',
    '1.2.3.-4',
    '1e1.2.3.4',
    '::1',
    '0x1.2.3.4',
  ])('%p is none', (text) => {
    expect(parseAddress(text)).toBeNull();
  });
  test('above 127 stay unsigned', () => {
    expect(parseAddress('255.255.255.255')).toBe(4_294_967_295);
  });
});

describe('networks', () => {
  test.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0/8', '/8', '10.0.0.0/-1'])(
    '%p is none',
    (text) => {
      expect(parseNetwork(text)).toBeNull();
    },
  );
  test('begin at their first address, and host bits are seen', () => {
    expect(formatNetwork(network('172.18.34.1/16'))).toBe('172.18.0.0/16');
    expect(hasHostBits('172.18.34.1/16')).toBe(true);
    expect(hasHostBits('172.18.0.0/16')).toBe(false);
    expect(formatNetwork(network('203.0.113.7/32'))).toBe('203.0.113.7/32');
    expect(formatNetwork(network('203.0.113.7/0'))).toBe('0.0.0.0/0');
  });
  test('contain what lies between their ends, the ends included', () => {
    const inside = (address: string): boolean => containsAddress(network('172.18.0.0/16'), parseAddress(address) ?? -1);
    expect(['172.17.255.255', '172.18.0.0', '172.18.255.255', '172.19.0.0'].map(inside)).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
  test('overlap when one lies in the other, both ways', () => {
    const pairs = [
      ['10.0.0.0/8', '10.200.0.0/16', true],
      ['10.200.0.0/16', '10.0.0.0/8', true],
      ['172.18.0.0/16', '172.19.0.0/16', false],
      ['0.0.0.0/0', '192.168.99.0/24', true],
      ['192.168.99.0/25', '192.168.99.128/25', false],
    ] as const;
    for (const [a, b, expected] of pairs) expect(overlap(network(a), network(b))).toBe(expected);
  });
  test('have sizes, and addresses align to them', () => {
    expect([networkSize(32), networkSize(24), networkSize(0)]).toEqual([1, 256, 2 ** 32]);
    expect(formatAddress(alignDown(parseAddress('255.255.255.255') ?? 0, 1))).toBe('128.0.0.0');
  });
});

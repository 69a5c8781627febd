// Portals are compared as texts, so each has one text.

import { describe, expect, test } from 'bun:test';
import { normalPortal, parsePortal, portalText } from '../../../agent/model/iscsi-portal.ts';
import { randomTexts } from '../../support/random-text.ts';

describe('a portal', () => {
  test.each([
    ['10.0.0.1:3260', '10.0.0.1:3260'],
    ['10.0.0.1', '10.0.0.1:3260'],
    ['10.0.0.1:3260,1', '10.0.0.1:3260'],
    ['10.0.0.1:3261,4294967295', '10.0.0.1:3261'],
    ['10.0.0.1:3260,-1', '10.0.0.1:3260'],
    ['Store.Lab:3260', 'store.lab:3260'],
    ['[fd00::1]:3260', '[fd00::1]:3260'],
    ['[FD00:0:0::0001]:3260,1', '[fd00::1]:3260'],
    ['fd00::1', '[fd00::1]:3260'],
    ['[fd00::1]', '[fd00::1]:3260'],
    ['[::]:3260', '[::]:3260'],
    ['[1:0:0:2:0:0:0:3]:3260', '[1:0:0:2::3]:3260'],
    ['[1:2:3:4:5:6:7:0]:3260', '[1:2:3:4:5:6:7:0]:3260'],
    ['[::ffff:10.0.0.1]:3260', '[::ffff:a00:1]:3260'],
    ['[fe80::1%eth0]:3260', '[fe80::1%eth0]:3260'],
  ])('%s is %s', (text, normal) => {
    expect(normalPortal(text)).toBe(normal);
    expect(normalPortal(normal)).toBe(normal);
  });

  test.each([
    '',
    '10.0.0.1:0',
    '10.0.0.1:65536',
    '10.0.0.1:x',
    '[fd00::1',
    '[fd00:::1]:1',
    '[1:2:3]:1',
    'a b:1',
    '[::256.0.0.1]:1',
    '[12345::]:1',
  ])('%j is none and stays as it is', (text) => {
    expect(parsePortal(text)).toBeNull();
    expect(normalPortal(text)).toBe(text);
  });

  test('written and read again it is the same', () => {
    for (const text of randomTexts(3000, 5, [
      '10.0.0.1',
      ':',
      '::',
      '3260',
      '[',
      ']',
      'fd00',
      '0',
      'a.b',
      ',1',
      '%eth0',
    ])) {
      const portal = parsePortal(text);
      if (portal !== null) expect(parsePortal(portalText(portal))).toEqual(portal);
    }
  });
});

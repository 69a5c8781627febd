// The initiator's name: in its file as iscsid reads it, derived per node, and valid before any target sees it.

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import {
  initiatorNameFault,
  initiatorNameFor,
  parseInitiatorName,
  renderInitiatorName,
  targetAuthority,
} from '../../../agent/render/initiator-name.ts';

describe('initiatorname.iscsi', () => {
  test('is read back as it was written, and says whose it is', () => {
    const text = renderInitiatorName('iqn.2009-02.com.example:cluster:a1');
    expect(parseInitiatorName(text)).toBe('iqn.2009-02.com.example:cluster:a1');
    expect(text).toStartWith('# Written by diyc-agent');
    expect(text).toMatch(/^InitiatorName=\S+\n/m);
    expect(text).not.toMatch(/^GenerateName/m);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(1023);
  });

  test('is read as iscsid does: comments, blanks, the last one counts', () => {
    const debian = readFileSync(new URL('../../fixtures/iscsi/initiatorname-debian.txt', import.meta.url), 'utf8');
    expect(parseInitiatorName(debian)).toBe('iqn.1993-08.org.debian:01:439f73cea34');
    expect(parseInitiatorName('#InitiatorName=iqn.no\n\t InitiatorName=iqn.a trailing\nInitiatorName=iqn.b')).toBe(
      'iqn.b',
    );
    for (const none of ['', 'GenerateName=yes\n', 'InitiatorName=\n', 'InitiatorName = iqn.a\n'])
      expect(parseInitiatorName(none)).toBeNull();
  });
});

describe('the name of a node', () => {
  test('begins with who assigns the names of the target', () => {
    expect(targetAuthority('iqn.2009-02.com.example:part')).toBe('iqn.2009-02.com.example');
    expect(targetAuthority('IQN.2009-02.com.Example:Part')).toBe('iqn.2009-02.com.example');
    expect(targetAuthority('iqn.2009-02.com.example')).toBe('iqn.2009-02.com.example');
    for (const other of [
      'eui.0123456789abcdef',
      'naa.5000c500a0b1c2d3',
      'iqn.2009-13.com.example:x',
      'iqn.2009-02.',
      '',
    ])
      expect(targetAuthority(other)).toBeNull();
  });

  test('ends with cluster and node, in characters that names may have', () => {
    const name = initiatorNameFor('iqn.2009-02.com.example', 'My_Cluster.1', 'a1');
    expect(name).toBe('iqn.2009-02.com.example:my-cluster.1:a1');
    expect(initiatorNameFault(name)).toBeNull();
  });

  test.each([
    ['iqn.2009-02.com.example:part', null],
    ['iqn.1993-08.org.debian:01:439f73cea34', null],
    ['eui.0123456789abcdef', null],
    ['naa.5000c500a0b1c2d3', null],
    ['naa.6001405a1b2c3d4e5f60718293a4b5c6', null],
    ['iqn.2009-02.com.example:Part', 'character'],
    ['iqn.2009-02.com.example:a_b', 'character'],
    ['iqn.2009-02.com.example:a b', 'character'],
    ['iqn.2009-02.com.example:a\n', 'character'],
    ['eui.123', '16 hexadecimal'],
    ['naa.123', '16 or 32'],
    ['example', 'iqn.YYYY-MM'],
    ['', 'iqn.YYYY-MM'],
    ['iqn.2009-02', 'iqn.YYYY-MM'],
    [`iqn.2009-02.com.example:${'x'.repeat(199)}`, null],
    [`iqn.2009-02.com.example:${'x'.repeat(200)}`, '223'],
  ])('%j', (name, fault) => {
    if (fault === null) expect(initiatorNameFault(name)).toBeNull();
    else expect(initiatorNameFault(name)).toContain(fault);
  });
});

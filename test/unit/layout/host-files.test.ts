// os-release, passwd and version texts.

import { expect, test } from 'bun:test';
import { accountNamed, parsePasswd } from '../../../agent/layout/accounts.ts';
import { parseOsRelease } from '../../../agent/layout/os-release.ts';
import {
  compareVersions,
  parseDockerVersion,
  parseEtcdVersion,
  parseFlanneldVersion,
} from '../../../agent/layout/versions.ts';
import { randomTexts } from '../../support/random-text.ts';

test('the family follows from ID and ID_LIKE', () => {
  expect(parseOsRelease('ID=debian\n')).toEqual({ id: 'debian', family: 'debian' });
  expect(parseOsRelease('ID=linuxmint\nID_LIKE="ubuntu debian"\n')).toEqual({ id: 'linuxmint', family: 'debian' });
  expect(parseOsRelease("NAME='a ID=debian'\nID=\"centos\"\nID_LIKE='rhel fedora'\n")).toEqual({
    id: 'centos',
    family: 'rpm',
  });
  expect(parseOsRelease('VERSION_ID=debian\n# ID=debian\n')).toEqual({ id: 'linux', family: 'rpm' });
  expect(parseOsRelease('')).toEqual({ id: 'linux', family: 'rpm' });
});

test('accounts are found by exact name or number, the first of several wins', () => {
  const accounts = parsePasswd(
    'root:x:0:0::/:/bin/sh\netcd2:x:5:6:::\netcd:x:104:110::/var/lib/etcd:/bin/false\n+nis::::\netcd:x:9:9:::\nbroken\n',
  );
  expect(accountNamed(accounts, 'etcd')).toEqual({ name: 'etcd', uid: 104, gid: 110 });
  expect(accountNamed(accounts, '5')).toEqual({ name: 'etcd2', uid: 5, gid: 6 });
  expect(accountNamed(accounts, 'etc')).toBeNull();
});

test('versions are read from what each program prints', () => {
  expect(parseEtcdVersion('etcd Version: 3.4.23\nGit SHA: Not provided\nGo Version: go1.19.8\n')).toBe('3.4.23');
  expect(parseDockerVersion('Docker version 20.10.24+dfsg1, build 5d6db84\n')).toBe('20.10.24');
  expect(parseDockerVersion('Docker version 1.6.0, build 350a636/1.6.0\n')).toBe('1.6.0');
  for (const [text, version] of [
    ['v0.28.9', '0.28.9'],
    ['0.5.5', '0.5.5'],
    ['0.5.0+git', '0.5.0'],
    ['v0.7.1-12-g1a2b3c4', '0.7.1'],
    ['v0.19.0-dirty', '0.19.0'],
    ['W0101 00:00:00.000000 1 main.go:1] a warning\nv0.22.3', '0.22.3'],
  ] as const) {
    expect(parseFlanneldVersion(`${text}\n`)).toBe(version);
  }
});

test('a build that was never told its version has none', () => {
  for (const text of ['', '\n', '0.5.3+was-not-built-properly', 'unknown', '1a2b3c4', 'v0.0.0-dev', '0.5.5.5.5']) {
    expect(parseFlanneldVersion(text)).toBeNull();
  }
});

test('versions are compared by number, not by letter', () => {
  expect(compareVersions('0.5.5', '0.18.0')).toBeLessThan(0);
  expect(compareVersions('0.18.0', '0.18.0')).toBe(0);
  expect(compareVersions('0.18', '0.18.0')).toBe(0);
  expect(compareVersions('1.0.0', '0.28.9')).toBeGreaterThan(0);
  expect(compareVersions('v0.17.0', '0.18.0')).toBeLessThan(0);
});

test('random texts never fail', () => {
  for (const text of randomTexts(3000, 5, [
    'ID=',
    'v',
    '0.',
    '1',
    ':',
    '\n',
    '"',
    "'",
    'etcd Version: ',
    '+',
    'root',
  ])) {
    parseOsRelease(text);
    parsePasswd(text);
    parseFlanneldVersion(text);
    parseEtcdVersion(text);
    parseDockerVersion(text);
  }
});

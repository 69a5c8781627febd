// A release has the same name on every host that got the same, and another one wherever anything that counts differs.

import { describe, expect, test } from 'bun:test';
import type { Deployment } from '../../../agent/model/deployment.ts';
import { agree, isCalled, meets, releaseOf } from '../../../agent/model/release.ts';
import { plainDeployment } from '../../support/upgrade-builders.ts';

const base = 'a'.repeat(64);
const digest = `sha256:${'d'.repeat(64)}`;

function deployment(given: Partial<Deployment> = {}): Deployment {
  return {
    ...plainDeployment,
    checksum: 'c'.repeat(64),
    base,
    version: '41.1',
    origin: null,
    booted: true,
    ...given,
  };
}

describe('a release', () => {
  test('is the base where nothing is layered, whatever the commit of this host', () => {
    expect(releaseOf(deployment(), new Map())).toEqual({ id: base, text: '41.1' });
    expect(releaseOf(deployment({ checksum: 'e'.repeat(64), pinned: true }), new Map()).id).toBe(base);
  });

  test('has the versions of layered packages in it, in one order', () => {
    const packages = new Map([
      ['etcd', 'etcd-3.5.16-1.x86_64'],
      ['cowsay', 'cowsay-3.04-1.noarch'],
      ['kernel', 'kernel-6-1.x86_64'],
    ]);
    const one = releaseOf(deployment({ requestedPackages: ['etcd', 'cowsay'] }), packages);
    const other = releaseOf(deployment({ requestedPackages: ['cowsay', 'etcd'], checksum: 'f'.repeat(64) }), packages);
    expect(one).toEqual(other);
    expect(one.id).toBe(`${base}+cowsay-3.04-1.noarch,etcd-3.5.16-1.x86_64`);
    expect(one.text).toBe('41.1 + cowsay-3.04-1.noarch, etcd-3.5.16-1.x86_64');
    const newer = new Map([...packages, ['etcd', 'etcd-3.6.0-1.x86_64'] as const]);
    expect(releaseOf(deployment({ requestedPackages: ['etcd', 'cowsay'] }), newer).id).not.toBe(one.id);
  });

  test('tells files and overrides apart from it', () => {
    const local = releaseOf(deployment({ localPackages: ['diyc-agent-0.4.0-1.x86_64'] }), new Map());
    expect(local.id).toBe(`${base}+diyc-agent-0.4.0-1.x86_64`);
    const removed = releaseOf(deployment({ overrides: ['zincati'] }), new Map());
    expect(removed.id).toBe(`${base}+override:zincati`);
  });

  test('without a version is shown by the beginning of its commit', () => {
    expect(releaseOf(deployment({ version: null }), new Map()).text).toBe('aaaaaaaaaaaa');
    expect(releaseOf(deployment({ version: null, base: digest }), new Map()).text).toBe('dddddddddddd');
  });

  test.each([
    ['41.1', true],
    [base, true],
    [base.slice(0, 7), true],
    [`sha256:${base.slice(0, 12)}`, true],
    [base.slice(0, 6), false],
    ['41.2', false],
    ['', false],
    ['b'.repeat(64), false],
    ['AAAAAAAA', false],
  ])('is called %s: %p', (word, expected) => {
    expect(isCalled({ id: `${base}+etcd-3.5.16-1.x86_64`, text: '' }, '41.1', word)).toBe(expected);
  });

  test('is called by its whole id, and an image by its digest', () => {
    const id = `${base}+etcd-3.5.16-1.x86_64`;
    expect(isCalled({ id, text: '' }, null, id)).toBe(true);
    expect(isCalled({ id, text: '' }, null, `${base}+etcd-3.6.0-1.x86_64`)).toBe(false);
    expect(isCalled({ id: digest, text: '' }, null, digest)).toBe(true);
    expect(isCalled({ id: digest, text: '' }, null, 'd'.repeat(12))).toBe(true);
  });
});

describe('what one release says of another', () => {
  const of = (...layers: readonly string[]) => ({
    id: ['x', ...(layers.length === 0 ? [] : [layers.join(',')])].join('+'),
    text: '',
  });
  const old = 'diyc-agent-0.5.0-1.x86_64';
  const mended = 'diyc-agent-0.5.1-1.x86_64';
  const strace = 'strace-6.1-1.x86_64';

  test('a bad base is bad with more on it, and a bad package with the same base only in that version', () => {
    expect([meets(of(), of()), meets(of(), of(strace)), meets(of(old), of(old, strace))]).toEqual([true, true, true]);
    expect([meets(of(old), of(mended)), meets(of(strace), of()), meets(of(), { id: 'y', text: '' })]).toEqual([
      false,
      false,
      false,
    ]);
  });

  test('canaries speak for all that have what both have in the same version', () => {
    expect([agree(of(), of(strace)), agree(of(old), of(old, strace)), agree(of(strace), of(old))]).toEqual([
      true,
      true,
      true,
    ]);
    expect([agree(of(old), of(mended)), agree(of(old), { id: 'y', text: '' })]).toEqual([false, false]);
    const removals = of('override:docker-ce-cli', 'override:docker-ce-rootless');
    const both = of('acme-1-1.i686', 'acme-1-1.x86_64');
    expect([agree(removals, removals), agree(both, both), agree(removals, of('override:docker-ce-cli'))]).toEqual([
      true,
      true,
      true,
    ]);
    expect(agree(both, of('acme-1-1.i686', 'acme-2-1.x86_64'))).toBe(false);
  });
});

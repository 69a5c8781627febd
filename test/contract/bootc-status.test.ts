// What `bootc status --format=json` prints, in both of its versions, and everything that it must not be taken for.

import { describe, expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { parseBootcStatus } from '../../agent/host/bootc-status.ts';
import { refusal } from '../support/refusal.ts';

const fixture = (name: string): Promise<string> =>
  readFile(new URL(`../fixtures/os-tree/${name}.json`, import.meta.url), 'utf8');
const of = (letter: string): string => letter.repeat(64);

function status(fields: object): string {
  return JSON.stringify({ apiVersion: 'org.containers.bootc/v1', kind: 'BootcHost', status: fields });
}
const booted = { incompatible: false, pinned: false, ostree: { checksum: of('a'), deploySerial: 0 } };

describe('bootc status', () => {
  test('of v1alpha1: two slots in the order of the boot menu', async () => {
    const found = parseBootcStatus(await fixture('bootc-v1alpha1'));
    expect(found?.deployments.map((d) => d.deployment.version)).toEqual(['stream9.20240408.0', 'stream9.20240401.0']);
    expect(found?.deployments[0]).toMatchObject({
      isIncompatible: false,
      directory: `default/deploy/${of('a')}.0`,
      deployment: {
        checksum: of('a'),
        base: `sha256:${of('a')}`,
        origin: 'registry:origin.invalid/os:1',
        booted: true,
      },
    });
    expect(found?.cachedUpdate).toBeNull();
  });

  test('of v1: staged first, pinned last, a slot that rpm-ostree changed has no image', async () => {
    const found = parseBootcStatus(await fixture('bootc-v1'));
    expect(found?.deployments.map((d) => [d.deployment.checksum[0], d.isIncompatible])).toEqual([
      ['c', false],
      ['a', false],
      ['b', true],
      ['d', false],
    ]);
    expect(found?.deployments[0]?.deployment).toMatchObject({ staged: true, locked: true });
    expect(found?.deployments[1]?.directory).toBe(`fedora/deploy/${of('a')}.2`);
    expect(found?.deployments[2]?.deployment).toMatchObject({ base: of('b'), version: null, origin: null });
    expect(found?.deployments[3]?.deployment).toMatchObject({ pinned: true, booted: false, staged: false });
    expect(found?.cachedUpdate).toEqual({ version: '42.3', base: `sha256:${of('c')}` });
  });

  test('a rollback that is queued comes first', () => {
    const rollback = { ...booted, ostree: { checksum: of('b'), deploySerial: 0 } };
    const found = parseBootcStatus(status({ booted, rollback, rollbackQueued: true, type: 'bootcHost' }));
    expect(found?.deployments.map((d) => d.deployment.checksum)).toEqual([of('b'), of('a')]);
    expect(found?.isRollbackQueued).toBe(true);
  });

  test('a host that bootc did not install is none of its', async () => {
    expect(parseBootcStatus(await fixture('bootc-none'))).toBeNull();
    expect(parseBootcStatus(status({ booted, isContainer: false }))).toBeNull();
    expect(parseBootcStatus(status({ booted: null, isContainer: true }))).toBeNull();
    expect(parseBootcStatus(status({ booted, isContainer: true }))?.deployments).toHaveLength(1);
  });

  test('without an ostree repository there is a digest, and no directory', () => {
    const found = parseBootcStatus(status({ booted: { composefs: { verity: of('e') } }, type: 'bootcHost' }));
    expect(found?.deployments[0]).toMatchObject({ directory: null, deployment: { checksum: of('e') } });
  });

  test.each([
    ['', 'the whole'],
    ['{"kind":"BootcHost","status":{"booted":', 'the whole'],
    ['[]', 'the whole'],
    ['{"kind":"Other","status":{}}', 'kind'],
    ['{"kind":"BootcHost"}', 'status'],
    [status({ booted: 'yes', type: 'bootcHost' }), 'status.booted'],
    [status({ booted: { ...booted, incompatible: 'no' }, type: 'bootcHost' }), 'status.booted.incompatible'],
    [status({ booted: { ...booted, ostree: {} }, type: 'bootcHost' }), 'status.booted.ostree.checksum'],
    [
      status({ booted: { ...booted, ostree: { checksum: of('a') } }, type: 'bootcHost' }),
      'status.booted.ostree.deploySerial',
    ],
    [status({ booted: { ...booted, image: { image: 1 } }, type: 'bootcHost' }), 'status.booted.image.image'],
    [status({ booted, rollbackQueued: 1, type: 'bootcHost' }), 'status.rollbackQueued'],
    [status({ booted, otherDeployments: {}, type: 'bootcHost' }), 'status.otherDeployments'],
    [
      status({ booted: { ...booted, cachedUpdate: { version: 1 } }, type: 'bootcHost' }),
      'status.booted.cachedUpdate.version',
    ],
  ])('%s is refused by the name of the field', async (text, field) => {
    const error = await refusal(() => parseBootcStatus(text));
    expect(error.kind).toBe('oserr');
    expect(error.message).toContain(`: ${field} is`);
  });
});

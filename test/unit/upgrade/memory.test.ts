// What a node remembers: as it was written, refused when it is not whole, and never written over somebody's word.

import { describe, expect, test } from 'bun:test';
import { upgradeFile } from '../../../agent/model/paths.ts';
import { readMemory, writeMemory } from '../../../agent/upgrade/memory.ts';
import { fakeHost } from '../../support/fake-host.ts';
import { randomTexts } from '../../support/random-text.ts';
import { refusal } from '../../support/refusal.ts';
import {
  asked,
  checksumOf,
  denialOfVersion,
  instant,
  memory,
  plainReboot,
  releaseNamed,
  rollbackTo,
  upgradeTo,
} from '../../support/upgrade-builders.ts';

const full = memory({
  phase: 'verifying',
  errand: upgradeTo('41.2'),
  ask: asked('upgrade'),
  cameFrom: { release: releaseNamed('41.1'), checksum: checksumOf('41.1') },
  baseline: { met: ['EtcdHealthy'], unmet: [] },
  goodSince: instant(7),
  lost: { release: 'x', times: 1 },
  untoldDenial: denialOfVersion('41.3'),
  waiting: { reason: 'r', hint: 'h' },
  missed: [{ holder: 'a2', bootId: null, since: instant(1) }],
  checkedAt: instant(1),
  stagedAt: { what: 'latest ', at: instant(2) },
  lookAgain: instant(3),
});

function files(text: string | null) {
  return fakeHost({ files: text === null ? {} : { [upgradeFile]: text } }).files;
}

describe('reading', () => {
  test('nothing where there is nothing yet', async () => {
    expect(await readMemory(files(null))).toEqual({ memory: null, text: null });
  });

  test.each([memory(), full, memory({ errand: plainReboot }), memory({ errand: rollbackTo('41.0') })])(
    'what was written',
    async (written) => {
      const text = JSON.stringify(written);
      expect(await readMemory(files(text))).toEqual({ memory: written, text });
    },
  );

  test('fields of a later version are passed over', async () => {
    expect((await readMemory(files(JSON.stringify({ ...full, later: 1 })))).memory).toMatchObject(full);
  });

  const without = (field: keyof typeof full): string => JSON.stringify({ ...full, [field]: undefined });

  test.each<[string, string]>([
    ['an empty file', ''],
    ['half a file', JSON.stringify(full).slice(0, 200)],
    ['null', 'null'],
    ['a list', `[${JSON.stringify(full)}]`],
    ['a future schema', JSON.stringify({ ...full, schema: 2 })],
    ['an unknown phase', JSON.stringify({ ...full, phase: 'dancing' })],
    ['an instant without its boot', JSON.stringify({ ...full, began: { uptimeMs: 1 } })],
    ['an instant in text', JSON.stringify({ ...full, goodSince: '2026' })],
    ['an unknown errand', JSON.stringify({ ...full, errand: { kind: 'dance' } })],
    ['an upgrade to nowhere', JSON.stringify({ ...full, errand: { kind: 'upgrade', checksum: 'x' } })],
    ['an unknown ask', JSON.stringify({ ...full, ask: { ...asked('reboot'), kind: 'dance' } })],
    ['a baseline that is a list', JSON.stringify({ ...full, baseline: [] })],
    ['missed holders that are null', JSON.stringify({ ...full, missed: [null] })],
    ['a denial of nothing', JSON.stringify({ ...full, untoldDenial: {} })],
    ...(
      [
        'began',
        'errand',
        'ask',
        'cameFrom',
        'baseline',
        'goodSince',
        'lost',
        'untoldDenial',
        'verified',
        'waiting',
        'missed',
        'checkedAt',
        'stagedAt',
        'lookAgain',
      ] as const
    ).map((field): [string, string] => [`no ${field}`, without(field)]),
  ])('a host that does not know where it is begins nothing: %s', async (_name, text) => {
    const error = await refusal(() => readMemory(files(text)));
    expect([error.kind, error.message]).toEqual([
      'data',
      `cannot read ${upgradeFile}: it is not what this version of the agent writes`,
    ]);
    expect(error.hint).toContain(`mv ${upgradeFile} ${upgradeFile}.bad`);
  });

  test('no text does any harm but that', async () => {
    const pieces = ['{', '}', '"schema":1', '"phase":"steady"', '"began":{}', ',', 'null', '"errand":', '"missed":[]'];
    for (const text of randomTexts(500, 3, pieces))
      expect((await refusal(() => readMemory(files(text)))).kind).toBe('data');
  });
});

describe('writing', () => {
  test('for root alone, and read back as it is', async () => {
    const tree = files(null);
    const text = await writeMemory(tree, full, null);
    expect(await readMemory(tree)).toEqual({ memory: full, text });
    expect((await tree.stat(upgradeFile))?.mode).toBe(0o600);
  });

  test("an operator's word that came meanwhile is not written over", async () => {
    const tree = files(null);
    const text = await writeMemory(tree, memory(), null);
    const word = await writeMemory(tree, memory({ ask: asked('reboot') }), text);
    expect((await refusal(() => writeMemory(tree, full, text))).kind).toBe('tempfail');
    expect((await refusal(() => writeMemory(tree, full, null))).kind).toBe('tempfail');
    expect((await readMemory(tree)).text).toBe(word);
  });

  test('the same again writes nothing', async () => {
    const { files: tree, log } = fakeHost();
    const text = await writeMemory(tree, full, null);
    const before = JSON.stringify(log);
    expect(await writeMemory(tree, full, text)).toBe(text);
    expect(JSON.stringify(log)).toBe(before);
  });
});

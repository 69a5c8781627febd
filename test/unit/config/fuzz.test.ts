// Damaged and random texts: no throw, no configuration without all checks, each finding with its place.

import { describe, expect, test } from 'bun:test';
import { toPlain } from '../../../agent/config/located.ts';
import { showCluster } from '../../../agent/config/show.ts';
import { validateClusterFile } from '../../../agent/config/validator.ts';
import { documentOf, fixture, resolveAll, resolveText } from './resolved-text.ts';

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const fragments = [
  ...[
    '{',
    '}',
    '[',
    ']',
    ':',
    ': ',
    '- ',
    '\n',
    '\n  ',
    '\t',
    '"',
    "'",
    '#',
    '&a ',
    '*a',
    '!t ',
    '!!str ',
    '? ',
    '| ',
    '>',
    '%',
    '@',
    '`',
  ],
  ...[
    '---\n',
    '...\n',
    '~',
    'null',
    'true',
    '0',
    '-1',
    '1e999',
    '.nan',
    '.inf',
    '99999999999999999999',
    '<<: ',
    ',',
    '\0',
    '\r',
    '\u2028',
    '\ufeff',
    '💥',
    '\ud800',
  ],
  ...[
    '__proto__: ',
    'constructor: ',
    'toString: ',
    'password: x',
    'nodes:',
    'etcd: ',
    'members: ',
    'backend: ',
    'type: udp',
    'storage: ',
    'iscsi:1',
    'portals: ',
    'initiatorName: ',
    'strategy: immediate',
    'window: ',
    'daily 00:00-24:00',
    'groups: ',
    'canary: ',
    '5m',
    '10.0.0.0/8',
    '/',
    '.',
  ],
];

function damaged(text: string, next: () => number): string {
  const pick = (n: number): number => Math.floor(next() * n);
  let result = text;
  for (let i = pick(4); i >= 0; i--) {
    const at = pick(result.length + 1);
    const end = Math.min(result.length, at + pick(12));
    const way = pick(4);
    if (way === 0) result = result.slice(0, at) + result.slice(end);
    else if (way === 1) result = result.slice(0, at) + (fragments[pick(fragments.length)] ?? '') + result.slice(at);
    else if (way === 2) result = result.slice(0, at) + (fragments[pick(fragments.length)] ?? '') + result.slice(end);
    else result = result.slice(0, at) + result.slice(at, at + pick(80)).repeat(2) + result.slice(end);
  }
  return result;
}

function expectSound(resolution: ReturnType<typeof resolveText>): void {
  if (resolution.raw !== null && validateClusterFile(toPlain(resolution.raw)) !== true)
    expect(resolution.config).toBeNull();
  for (const d of resolution.diagnostics) expect(d.line).not.toBeNull();
  if (resolution.config === null) return;
  const again = resolveText(showCluster(resolution, { origin: false }));
  expect(again.config).toEqual(resolution.config);
}

/** In milliseconds; these take seconds on a busy machine. */
const patience = 60_000;

describe('damaged texts', () => {
  for (const name of ['design.yaml', 'three-nodes.yaml', 'ten-faults.yaml', 'storage.yaml', 'upgrade.yaml']) {
    test(
      `of ${name} give located findings or a whole configuration`,
      () => {
        const next = randomNumbers(2015);
        const text = fixture(name);
        for (let i = 0; i < 700; i++) expectSound(resolveText(damaged(text, next)));
      },
      patience,
    );
  }

  test(
    'of user-data never throw',
    () => {
      const next = randomNumbers(630);
      const text = `#cloud-config\nusers: [fedora]\ndiyc:\n${fixture('three-nodes.yaml').replace(/^/gm, '  ')}\nruncmd: []\n`;
      for (let i = 0; i < 700; i++) resolveAll([documentOf(damaged(text, next), 'user-data', '/seed/user-data')]);
    },
    patience,
  );

  test(
    'merged with one another never throw',
    () => {
      const next = randomNumbers(18);
      for (let i = 0; i < 300; i++) {
        const low = documentOf(damaged(fixture('design.yaml'), next), 'usr-lib', '/usr/lib/diyc-agent/cluster.yaml');
        resolveAll([low, documentOf(damaged(fixture('three-nodes.yaml'), next))]);
      }
    },
    patience,
  );
});

describe('random texts', () => {
  test(
    'of any characters never throw',
    () => {
      const next = randomNumbers(7);
      for (let i = 0; i < 500; i++) {
        const bytes = Array.from({ length: Math.floor(next() * 200) }, () => Math.floor(next() * 256));
        expectSound(resolveText(String.fromCharCode(...bytes)));
      }
    },
    patience,
  );

  test(
    'of YAML fragments never throw',
    () => {
      const next = randomNumbers(99);
      for (let i = 0; i < 1500; i++) {
        const parts = Array.from(
          { length: Math.floor(next() * 40) },
          () => fragments[Math.floor(next() * fragments.length)] ?? '',
        );
        expectSound(resolveText(parts.join('')));
      }
    },
    patience,
  );

  test(
    'nested far deeper than any stack never throw',
    () => {
      for (const unit of ['[', '{a: ', '- ', '? ', 'a: [', '{', '&a [', '"', "'"]) {
        const text = unit.repeat(Math.floor(50_000 / unit.length));
        expect(resolveText(text).config).toBeNull();
        resolveAll([documentOf(`#cloud-config\ndiyc: {}\nx: ${text}`, 'user-data', '/seed/user-data')]);
        resolveAll([documentOf(`#cloud-config\nx: ${text}\ndiyc: {}\n`, 'user-data', '/seed/user-data')]);
      }
    },
    patience,
  );
});

// Plain scalars of YAML 1.1, compared with the answers of PyYAML.

import { expect, test } from 'bun:test';
import { resolvePlainScalar } from '../../../agent/metadata/yaml-scalars.ts';
import answers from '../../fixtures/metadata/pyyaml-scalars.json' with { type: 'json' };

test('every scalar that PyYAML was asked about has the type and the str() that PyYAML gave it', () => {
  const expected: [string, object][] = Object.entries(answers);
  expect(expected.length).toBeGreaterThan(400);
  const ours = expected.map(([source]): [string, object] => [source, resolvePlainScalar(source)]);
  expect(ours).toEqual(expected);
});

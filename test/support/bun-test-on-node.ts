// The part of `bun:test` that unit tests use, by node:test and the package `expect`; see test/on-node.ts.

import { after, afterEach, before, beforeEach, describe as nodeDescribe, test as nodeTest } from 'node:test';
import { expect } from 'expect';

export { after as afterAll, afterEach, before as beforeAll, beforeEach, expect };

expect.extend({
  toStartWith: (received: unknown, expected: string) =>
    textClaim('start', String(received).startsWith(expected), received, expected),
  toEndWith: (received: unknown, expected: string) =>
    textClaim('end', String(received).endsWith(expected), received, expected),
});

function textClaim(where: string, pass: boolean, received: unknown, expected: string) {
  const message = (): string => `expected ${JSON.stringify(received)} to ${where} with ${JSON.stringify(expected)}`;
  return { pass, message };
}

type Body = (...values: never[]) => unknown;
type Each = (rows: readonly unknown[]) => (name: string, body: Body) => void;

/** As Bun does it: a row that is an array gives the arguments, any other row is the one argument; `%s` takes them in turn. */
function each(declare: (name: string, body: () => unknown) => unknown): Each {
  return (rows) => (name, body) => {
    for (const row of rows) {
      const values: readonly unknown[] = Array.isArray(row) ? row : [row];
      let next = 0;
      const filled = name.replace(/%[sdifjop]/g, () => String(values[next++]));
      declare(filled, () => body(...(values as never[])));
    }
  };
}

function declareTest(name: string, body: () => unknown): void {
  // node:test never awaits the promise it returns at top level by itself, nor do test files
  void nodeTest(name, async () => {
    await body();
  });
}

function declareSuite(name: string, body: () => unknown): void {
  void nodeDescribe(name, () => {
    body();
  });
}

export const test = Object.assign(declareTest, {
  each: each(declareTest),
  skip: (name: string, _body?: () => unknown) => void nodeTest(name, { skip: true }),
  todo: (name: string, _body?: () => unknown) => void nodeTest(name, { todo: true }),
  skipIf: (condition: boolean) => (condition ? test.skip : declareTest),
  if: (condition: boolean) => (condition ? declareTest : test.skip),
});
export const describe = Object.assign(declareSuite, { each: each(declareSuite) });

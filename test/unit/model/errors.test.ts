// Every kind of error has one exit code, and program help, manual page and units say the same.

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AgentError, type ErrorKind, exitCodes, isAgentError } from '../../../agent/model/errors.ts';

const read = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');
const kinds = Object.keys(exitCodes) as ErrorKind[];

describe('exit codes', () => {
  test('are those of sysexits, and no two kinds share one', () => {
    expect(exitCodes).toEqual({
      usage: 64,
      data: 65,
      unavailable: 69,
      bug: 70,
      oserr: 71,
      tempfail: 75,
      noperm: 77,
      config: 78,
    });
  });
  test('leave 1, 2 and 3 to `status`', () => {
    expect(Object.values(exitCodes).filter((code) => code < 64)).toEqual([]);
  });
  test('are each in the manual page and in --help', () => {
    const inManual = [...read('packaging/diyc-agent.8').matchAll(/^\.It (\d+)$/gm)].map((m) => Number(m[1]));
    expect(inManual).toEqual([0, 1, 2, 3, ...Object.values(exitCodes)]);
    const help = /Exit codes:[^']*/.exec(read('agent/cli/program.ts'))?.[0] ?? '';
    for (const code of Object.values(exitCodes)) expect(help).toContain(` ${code} `.trimStart());
  });
});

describe('an agent error', () => {
  test.each(kinds)('of kind %s carries its code and a hint', (kind) => {
    const error = new AgentError(kind, 'm', { hint: 'h' });
    expect({ code: error.exitCode, hint: error.hint, is: isAgentError(error) }).toEqual({
      code: exitCodes[kind],
      hint: 'h',
      is: true,
    });
  });
  test('may be tried again when the network or the time was the reason, unless it says otherwise', () => {
    expect(kinds.filter((kind) => new AgentError(kind, 'm', { hint: 'h' }).retryable)).toEqual([
      'unavailable',
      'tempfail',
    ]);
    expect(new AgentError('unavailable', 'm', { hint: 'h', retryable: false }).retryable).toBe(false);
  });
  test('keeps its cause', () => {
    const cause = new Error('below');
    expect(new AgentError('oserr', 'm', { hint: 'h', cause }).cause).toBe(cause);
    expect('cause' in new AgentError('oserr', 'm', { hint: 'h' })).toBe(false);
  });
});

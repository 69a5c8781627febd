// What a call was refused with: the AgentError, or a failed test.

import { expect } from 'bun:test';
import { AgentError } from '../../agent/model/errors.ts';

/** The AgentError that the call throws; any other outcome fails the test. */
export async function refusal(call: () => unknown): Promise<AgentError> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(AgentError);
    if (error instanceof AgentError) return error;
  }
  throw new Error('expected a refusal, and the call succeeded');
}

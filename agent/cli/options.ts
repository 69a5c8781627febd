// Reading options: durations, counts and paths, each with its own message when it is wrong.

import { AgentError } from '../model/errors.ts';
import type { AbsolutePath } from '../model/paths.ts';

/**
 * A duration as people write it: `90s`, `5m`, `1h`, `500ms`.
 *
 * @returns milliseconds
 * @throws AgentError `usage`
 */
export function parseDuration(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const unit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
  if (match?.[1] === undefined) {
    throw new AgentError('usage', `${option} is "${text}", which is no duration`, {
      hint: 'write a number and a unit: 30s, 5m, 1h',
    });
  }
  return Number(match[1]) * unit[match[2] as keyof typeof unit];
}

/** @throws AgentError `usage` */
export function parseCount(text: string, option: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) {
    throw new AgentError('usage', `${option} is "${text}", which is no count`, { hint: 'write a whole number from 1' });
  }
  return Number(text);
}

/** @throws AgentError `usage` for a path that is not absolute: the agent has no working directory to speak of */
export function absolute(path: string, option: string): AbsolutePath {
  if (path.startsWith('/')) return path as AbsolutePath;
  throw new AgentError('usage', `${option} is "${path}", which is not an absolute path`, {
    hint: `write it from the root: ${option} /…`,
  });
}

/** --config as a path below the root, or null. */
export function configFile(config: string | undefined): AbsolutePath | null {
  return config === undefined ? null : absolute(config, '--config');
}

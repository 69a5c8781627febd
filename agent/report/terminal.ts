// Events as text for people: on a terminal, and in cloud-init's log.

import type { AgentEvent } from '../model/event.ts';
import { printable } from '../model/printable.ts';
import type { Reporter } from '../ports/reporter.ts';
import { lineOf } from './lines.ts';

const rank = { debug: 0, info: 1, warn: 2, error: 3 } as const;

/**
 * @param write takes one line with its end; standard error, so that --json output stays alone on standard output
 * @param lowest the quietest level that is still shown
 */
export function terminalReporter(write: (text: string) => void, lowest: keyof typeof rank): Reporter {
  return {
    emit(event: AgentEvent): void {
      const line = lineOf(event);
      if (rank[line.level] < rank[lowest]) return;
      const prefix = line.level === 'warn' ? 'warning: ' : line.level === 'error' ? 'error: ' : '';
      write(`${prefix}${printable(line.message)}\n`);
    },
  };
}

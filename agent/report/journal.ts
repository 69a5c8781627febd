// Events for the journal: one JSON line each by pino, without time and host name, which the journal has itself.

import type { DestinationStream } from 'pino';
import pino from 'pino';
import type { AgentEvent } from '../model/event.ts';
import type { Reporter } from '../ports/reporter.ts';
import { lineOf } from './lines.ts';

/**
 * @param destination written to directly, never through a worker: a run that exits at once must lose nothing
 * @param verb the agent's own verb, on each line
 */
export function journalReporter(destination: DestinationStream, verb: string): Reporter {
  const log = pino(
    { base: { verb }, timestamp: false, messageKey: 'msg', formatters: { level: (label) => ({ level: label }) } },
    destination,
  );
  return {
    emit(event: AgentEvent): void {
      const line = lineOf(event);
      log[line.level]({ event: event.event, ...line.fields }, line.message);
    },
  };
}

// Where events go. Nobody logs: code emits an event, and report/ gives it words.

import type { AgentEvent } from '../model/event.ts';

export interface Reporter {
  emit(event: AgentEvent): void;
}
